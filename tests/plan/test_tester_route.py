from __future__ import annotations

from typing import Any

import pytest

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.names import page_route_name
from maintenance_ci.plan.marks import stands_for
from maintenance_ci.plan.page_route import our_labels
from maintenance_ci.plan.tester_route import (
    application_behind,
    no_longer_needed,
    require_free_name,
    route_for_testers,
)

Object = dict[str, Any]
ROUTER = "haproxy.router.openshift.io/"
ORIGINAL: Object = {
    "metadata": {
        "name": "shop",
        "namespace": "web",
        "labels": {"depends-on": "legacy"},
        "annotations": {
            f"{ROUTER}ip_allowlist": "10.0.0.0/8",
            f"{ROUTER}timeout": "60s",
            "cert-manager.io/issuer": "x",
        },
    },
    "spec": {
        "host": "shop.example.test",
        "path": "/app",
        "to": {"kind": "Service", "name": "shop"},
        "port": {"targetPort": "http"},
        "tls": {
            "termination": "reencrypt",
            "certificate": "CERT",
            "key": "KEY",
            "caCertificate": "CA",
            "destinationCACertificate": "INNER",
        },
    },
}
ADDRESSES = ("192.0.2.7", "2001:db8::/32")


def named(name: str, annotations: dict[str, str] | None = None, labels: dict[str, str] | None = None) -> Object:
    return {"metadata": {"name": name, "annotations": annotations or {}, "labels": labels or {}}, "spec": {}}


def page_route(name: str, of: str) -> Object:
    return named(name, {"maintenance-ci/route": of}, our_labels(of))


def test_it_leads_to_the_application_by_a_host_of_its_own() -> None:
    testers_route = route_for_testers(ORIGINAL, ADDRESSES, None)
    assert testers_route["metadata"]["name"] == "shop-preview"
    assert testers_route["spec"] == {
        "to": {"kind": "Service", "name": "shop"},
        "port": {"targetPort": "http"},
        "path": "/app",
        "tls": {"termination": "reencrypt", "destinationCACertificate": "INNER"},
    }
    assert route_for_testers(ORIGINAL, ADDRESSES, "try.example.test")["spec"]["host"] == "try.example.test"


def test_both_lists_are_set_with_blanks_and_the_original_s_own_is_not_kept() -> None:
    annotations = route_for_testers(ORIGINAL, ADDRESSES, None)["metadata"]["annotations"]
    assert annotations[f"{ROUTER}ip_allowlist"] == annotations[f"{ROUTER}ip_whitelist"] == "192.0.2.7 2001:db8::/32"
    assert annotations[f"{ROUTER}timeout"] == "60s"
    assert "cert-manager.io/issuer" not in annotations


def test_it_is_no_maintenance_route_and_no_selector_of_the_original_means_it() -> None:
    testers_route = route_for_testers(ORIGINAL, ADDRESSES, None)
    assert application_behind(testers_route) == "shop"
    assert stands_for(testers_route) is None
    assert "depends-on" not in testers_route["metadata"]["labels"]
    assert application_behind(page_route("shop-maintenance-page", "shop")) is None
    somebody_s = named("shop-preview", {"maintenance-ci/testers-of": "shop"})
    assert application_behind(somebody_s) is None


@pytest.mark.parametrize("name", ["s" * 60, "shop.old"])
def test_a_name_of_which_the_cluster_makes_no_host_is_refused(name: str) -> None:
    original = {**ORIGINAL, "metadata": {**ORIGINAL["metadata"], "name": name}}
    with pytest.raises(MaintenanceError, match="can make no host") as error:
        route_for_testers(original, ADDRESSES, None)
    assert error.value.next_step == "Give TESTER_HOST."
    assert route_for_testers(original, ADDRESSES, "try.example.test")["metadata"]["name"] == f"{name}-preview"


def test_a_name_of_somebody_else_s_is_refused() -> None:
    require_free_name("shop", {})
    require_free_name("shop", {"shop-preview": route_for_testers(ORIGINAL, ADDRESSES, None)})
    with pytest.raises(MaintenanceError, match="not maintenance-ci's"):
        require_free_name("shop", {"shop-preview": named("shop-preview")})


def test_it_goes_with_the_last_maintenance_of_its_route() -> None:
    testers = route_for_testers(ORIGINAL, ADDRESSES, None)
    path = page_route(page_route_name("shop", "/cart"), "shop")
    others = page_route("pay-maintenance-page", "pay")
    assert no_longer_needed(["shop"], [testers], []) == [testers]
    assert no_longer_needed(["shop"], [testers], [others]) == [testers]
    assert no_longer_needed(["shop"], [testers], [path]) == []
    assert no_longer_needed(["shop"], [testers], [named("shop")]) == []
    assert no_longer_needed(["pay"], [testers], []) == []

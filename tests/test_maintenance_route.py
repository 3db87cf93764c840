from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.maintenance_route import (
    backend_services,
    maintenance_name,
    maintenance_tls,
    maintenance_values,
    render_maintenance_route,
)
from maintenance_ci.settings import MAX_ROUTE_NAME

TEMPLATE = (Path(__file__).parent.parent / "route-templates/maintenance-route.yaml.j2").read_text()
ORIGINAL: dict[str, Any] = {
    "metadata": {
        "name": "shop",
        "namespace": "web",
        "labels": {"app": "shop", "shard": "public", "app.kubernetes.io/managed-by": "Helm"},
        "annotations": {
            "kubernetes.io/tls-acme": "true",
            "haproxy.router.openshift.io/timeout": "60s",
            "haproxy.router.openshift.io/ip_allowlist": "192.0.2.0/24",
            "meta.helm.sh/release-name": "shop",
        },
    },
    "spec": {
        "host": "shop.apps.example.test",
        "to": {"kind": "Service", "name": "shop"},
        "tls": {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect", "certificate": "C\nD", "key": "K"},
    },
}


def render(**options: Any) -> dict[str, Any]:
    return render_maintenance_route(TEMPLATE, maintenance_values(ORIGINAL, **({"subpath": None} | options)))


def test_it_keeps_host_tls_and_acme_and_leads_to_the_page() -> None:
    route = render(pipeline="42", pipeline_url="https://gitlab.example.test/p/42")
    assert route["metadata"]["name"] == "shop-maintenance-page"
    assert route["metadata"]["namespace"] == "web"
    assert route["spec"]["host"] == "shop.apps.example.test"
    assert route["spec"]["tls"] == ORIGINAL["spec"]["tls"]
    assert route["spec"]["to"]["name"] == "maintenance-page"
    annotations = route["metadata"]["annotations"]
    assert annotations["kubernetes.io/tls-acme"] == "true"
    assert annotations["haproxy.router.openshift.io/ip_allowlist"] == "192.0.2.0/24"
    assert annotations["maintenance-ci/route"] == "shop"
    assert annotations["maintenance-ci/pipeline"] == "42"


def test_what_belongs_to_the_application_or_to_other_tools_is_left_out() -> None:
    metadata = render()["metadata"]
    assert "haproxy.router.openshift.io/timeout" not in metadata["annotations"]
    assert "meta.helm.sh/release-name" not in metadata["annotations"]
    assert metadata["labels"] == {"app": "shop", "shard": "public", "app.kubernetes.io/managed-by": "maintenance-ci"}


def test_a_subpath_is_a_route_of_its_own() -> None:
    route = render(subpath="/checkout")
    assert route["spec"]["path"] == "/checkout"
    assert route["metadata"]["name"] == maintenance_name("shop", "/checkout")
    names = {maintenance_name("shop", path) for path in (None, "/a", "/a/b", "/a-b", "/A")}
    assert len(names) == 5
    assert max(len(maintenance_name("x" * MAX_ROUTE_NAME, path)) for path in (None, "/a")) == 253


def test_a_path_of_the_original_is_kept() -> None:
    original = ORIGINAL | {"spec": ORIGINAL["spec"] | {"path": "/app"}}
    assert render_maintenance_route(TEMPLATE, maintenance_values(original, subpath=None))["spec"]["path"] == "/app"
    assert not render()["spec"].get("path")


def test_values_cannot_break_out_of_the_template() -> None:
    hostile = '🙏 \u2028 "\n  host: evil.example.test # {{ 1 }}'
    annotated = ORIGINAL["metadata"] | {"annotations": {"kubernetes.io/tls-acme": hostile}}
    route = render_maintenance_route(TEMPLATE, maintenance_values(ORIGINAL | {"metadata": annotated}, subpath=None))
    assert route["metadata"]["annotations"]["kubernetes.io/tls-acme"] == hostile


@pytest.mark.parametrize(
    ("tls", "expected"),
    [
        (None, None),
        ({"termination": "edge"}, {"termination": "edge"}),
        (
            {"termination": "reencrypt", "certificate": "C", "destinationCACertificate": "D"},
            {"termination": "edge", "certificate": "C"},
        ),
    ],
)
def test_tls_ends_at_the_router(tls: dict[str, str] | None, expected: dict[str, str] | None) -> None:
    assert maintenance_tls(tls) == expected


def test_passthrough_is_refused() -> None:
    with pytest.raises(MaintenanceError, match="passthrough"):
        maintenance_tls({"termination": "passthrough"})


@pytest.mark.parametrize(
    "template",
    [
        TEMPLATE.replace("host | toyaml", '"evil.example.test" | toyaml'),
        TEMPLATE.replace("name | toyaml", '"other" | toyaml'),
        "kind: Secret",
        "- a list",
        "a: [",
        "",
        "{{ nobody }}",
    ],
)
def test_a_template_that_changes_what_it_must_keep_is_refused(template: str) -> None:
    assert template != TEMPLATE
    with pytest.raises(MaintenanceError):
        render_maintenance_route(template, maintenance_values(ORIGINAL, subpath=None))


def test_all_backends_count() -> None:
    spec = {"to": {"kind": "Service", "name": "a"}, "alternateBackends": [{"kind": "Service", "name": "b"}]}
    assert backend_services({"spec": spec}) == {"a", "b"}

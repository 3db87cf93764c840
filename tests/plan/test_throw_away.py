"""The throw-away application of a rehearsal: its objects, and what is known for a rehearsal's."""

from __future__ import annotations

from typing import Any

import pytest

from maintenance_ci.names import PAGE, notes
from maintenance_ci.plan.throw_away import (
    KINDS,
    is_named_by,
    labels_of,
    name_of,
    needed_rights,
    objects,
    run_of,
    run_of_page,
)
from maintenance_ci.settings.types import DNS_LABEL

RUN = "a1b2c3"
CONTAINER = {
    "name": PAGE,
    "image": "registry/web/maintenance-page@sha256:0",
    "resources": {"limits": {"memory": "24Mi"}},
    "securityContext": {"readOnlyRootFilesystem": True},
    "livenessProbe": {"httpGet": {"path": "/healthz"}},
}
POD = {"containers": [CONTAINER], "imagePullSecrets": [{"name": "pull"}], "securityContext": {"runAsNonRoot": True}}
DEPLOYMENT = {"spec": {"template": {"spec": POD}}}


def application(host: str | None = None) -> dict[str, dict[str, Any]]:
    return dict(objects(RUN, "web", DEPLOYMENT, host))


def test_each_object_has_the_label_and_the_name() -> None:
    assert list(application())[-1] == "routes"
    assert set(application()) == set(KINDS)
    for one in application().values():
        assert one["metadata"] == {"name": "maintenance-rehearsal-a1b2c3", "namespace": "web", "labels": labels_of(RUN)}
        assert run_of(one) == RUN
    assert DNS_LABEL.fullmatch(name_of(RUN))


def test_the_pod_is_the_page_s_in_what_a_namespace_may_want() -> None:
    template = application()["deployments"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    for field in ("image", "resources", "securityContext"):
        assert container[field] == CONTAINER[field]
    assert template["spec"]["imagePullSecrets"] == POD["imagePullSecrets"]
    assert template["spec"]["securityContext"] == POD["securityContext"]
    assert "livenessProbe" not in container
    config = template["metadata"]["annotations"]["nginx.maintenance-rehearsal/nginx.conf"]
    assert "X-Maintenance-Page" not in config
    assert config.count('add_header X-Maintenance-Rehearsal "a1b2c3 80') == 2
    assert config.count("{") == config.count("}")
    (volume,) = [one for one in template["spec"]["volumes"] if "downwardAPI" in one]
    paths = [item["fieldRef"]["fieldPath"] for item in volume["downwardAPI"]["items"]]
    assert paths == [f"metadata.annotations['{name}']" for name in template["metadata"]["annotations"]]


def test_its_host_is_given_or_the_cluster_s() -> None:
    assert "host" not in application()["routes"]["spec"]
    assert application("r.example.test")["routes"]["spec"]["host"] == "r.example.test"
    verbs = {(right.verb, right.resource) for right in needed_rights(RUN, host=True)}
    assert verbs - {(right.verb, right.resource) for right in needed_rights(RUN, host=False)} == {
        ("create", "routes/custom-host")
    }


def one(name: str, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels or {}, "annotations": annotations or {}}}


OURS = {"app.kubernetes.io/managed-by": "maintenance-ci"}
OF_RUN = {"maintenance-rehearsal/run": RUN}


@pytest.mark.parametrize(
    ("of_rehearsal", "found"),
    [
        (one(name_of(RUN), OF_RUN), RUN),
        (one(f"{name_of(RUN)}-maintenance-page", OF_RUN | OURS), RUN),
        (one(f"{name_of(RUN)}-maintenance-snapshot", OURS, notes(name_of(RUN), "swap")), RUN),
        (one(name_of(RUN)), None),
        (one("shop", OF_RUN), None),
        (one(f"{name_of(RUN)}4", OF_RUN), None),
        (one(name_of("a1b2c4"), OF_RUN), None),
        (one(name_of("../etc"), {"maintenance-rehearsal/run": "../etc"}), None),
        (one("shop-maintenance-snapshot", OURS, notes("shop", "swap")), None),
        (one("shop-maintenance-snapshot", OURS, notes(name_of(RUN), "swap")), None),
        (one(f"{name_of(RUN)}-maintenance-snapshot", {}, notes(name_of(RUN), "swap")), None),
        (one(PAGE, OF_RUN), None),
    ],
)
def test_what_is_known_for_a_rehearsal_s(of_rehearsal: dict[str, Any], found: str | None) -> None:
    """Neither the label alone, nor the name alone."""
    assert run_of(of_rehearsal) == found


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ([one(PAGE, OF_RUN), one(PAGE, OF_RUN)], RUN),
        ([one(PAGE, OF_RUN), one("shop")], RUN),
        ([one(PAGE, OF_RUN), one(PAGE)], None),
        ([one(PAGE)], None),
        ([one(PAGE, {"maintenance-rehearsal/run": "x"})], None),
        ([one("shop", OF_RUN)], None),
        ([], None),
    ],
)
def test_whose_the_page_is(there: list[dict[str, Any]], found: str | None) -> None:
    """An upgrade by somebody else takes the label away, from some objects at first."""
    assert run_of_page(there) == found


def test_names() -> None:
    assert is_named_by(RUN, one(name_of(RUN)))
    assert is_named_by(RUN, one(f"{name_of(RUN)}-x"))
    assert not is_named_by(RUN, one(f"{name_of(RUN)}x"))

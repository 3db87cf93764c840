"""Server-side apply. Managed fields and messages are as recorded on a real OpenShift 4.21."""

from __future__ import annotations

from typing import Any

import pytest

from maintenance_ci.rehearsal.apiserver import apply, managed_fields
from maintenance_ci.rehearsal.apiserver.errors import ApiError

T0, T1 = "2026-11-23T06:43:40Z", "2026-11-23T06:44:00Z"
Object = dict[str, Any]


def applied(
    live: Object | None, wanted: Object, manager: str, *, plural: str = "routes", force: bool = False, time: str = T0
) -> Object:
    merged, entries = apply.merge(plural, live, wanted, manager=manager, force=force, time=time)
    merged["metadata"]["managedFields"] = managed_fields.dump(entries)
    return merged


def updated(live: Object, new: Object, manager: str, *, plural: str = "routes", subresource: str = "") -> Object:
    entries = managed_fields.after_update(plural, live, new, manager=manager, subresource=subresource, time=T1)
    return {**new, "metadata": {**new["metadata"], "managedFields": managed_fields.dump(entries)}}


def route(**spec: Any) -> Object:
    return {"metadata": {"name": "ssa", "labels": {"app": "ssa"}}, "spec": spec}


def owned(obj: Object) -> dict[str, Any]:
    return {entry["manager"]: entry["fieldsV1"] for entry in obj["metadata"]["managedFields"]}


MINE = route(to={"kind": "Service", "name": "app"}, host="ssa.apps.example.test")
THEIRS = route(to={"kind": "Service", "name": "elsewhere"}, host="ssa.apps.example.test")


def test_the_first_apply_owns_its_leaves() -> None:
    assert applied(None, MINE, "maintenance-ci")["metadata"]["managedFields"] == [
        {
            "manager": "maintenance-ci",
            "operation": "Apply",
            "apiVersion": "route.openshift.io/v1",
            "time": T0,
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {"f:app": {}}},
                "f:spec": {"f:host": {}, "f:to": {"f:kind": {}, "f:name": {}}},
            },
        }
    ]


def test_the_same_again_changes_nothing() -> None:
    live = applied(None, MINE, "maintenance-ci")
    assert applied(live, MINE, "maintenance-ci", time=T1) == live


def test_another_manager_conflicts() -> None:
    live = applied(None, MINE, "maintenance-ci")
    with pytest.raises(ApiError) as refused:
        applied(live, THEIRS, "other")
    status = refused.value.status
    assert status["code"] == 409
    assert status["reason"] == "Conflict"
    assert status["message"] == 'Apply failed with 1 conflict: conflict with "maintenance-ci": .spec.to.name'
    assert status["details"] == {
        "causes": [
            {"reason": "FieldManagerConflict", "message": 'conflict with "maintenance-ci"', "field": ".spec.to.name"}
        ]
    }


def test_force_takes_the_field_and_shares_the_rest() -> None:
    live = applied(None, MINE, "maintenance-ci")
    forced = applied(live, THEIRS, "other", force=True)
    assert forced["spec"]["to"]["name"] == "elsewhere"
    labels = {"f:metadata": {"f:labels": {"f:app": {}}}}
    assert owned(forced) == {
        "maintenance-ci": labels | {"f:spec": {"f:host": {}, "f:to": {"f:kind": {}}}},
        "other": labels | {"f:spec": {"f:host": {}, "f:to": {"f:kind": {}, "f:name": {}}}},
    }


def test_what_a_manager_leaves_out_goes_away_unless_somebody_else_wants_it() -> None:
    live = applied(None, {**MINE, "metadata": {"name": "ssa", "labels": {"app": "ssa", "only": "mine"}}}, "one")
    live = applied(live, MINE, "two")
    fewer = applied(live, {"metadata": {"name": "ssa"}, "spec": {"to": {"kind": "Service", "name": "app"}}}, "one")
    assert fewer["metadata"]["labels"] == {"app": "ssa"}  # "two" wants it still
    assert fewer["spec"]["host"] == "ssa.apps.example.test"
    none = applied(fewer, {"metadata": {"name": "ssa"}, "spec": {}}, "two")
    assert "labels" not in none["metadata"]
    assert none["spec"] == {"to": {"kind": "Service", "name": "app"}}


def deployment(*containers: Object) -> Object:
    return {"metadata": {"name": "page"}, "spec": {"template": {"spec": {"containers": list(containers)}}}}


def container(name: str, **more: Any) -> Object:
    return {"name": name, **more}


def test_containers_and_ports_are_merged_by_their_keys() -> None:
    first = deployment(container("page", image="page:1", ports=[{"containerPort": 8080, "name": "http"}]))
    live = applied(None, first, "helm", plural="deployments")
    # The defaults that the server fills in, and another container, are nobody's business here.
    pod = live["spec"]["template"]["spec"]
    pod["containers"][0]["ports"][0]["protocol"] = "TCP"
    pod["containers"].append(container("proxy", image="proxy:1"))
    again = applied(live, first, "helm", plural="deployments")
    assert again["spec"] == live["spec"]
    path = owned(again)["helm"]["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"page"}']
    assert path == {
        ".": {},
        "f:image": {},
        "f:name": {},
        "f:ports": {
            'k:{"containerPort":8080,"protocol":"TCP"}': {".": {}, "f:containerPort": {}, "f:name": {}},
        },
    }


def test_a_container_that_is_left_out_goes_as_a_whole() -> None:
    both = deployment(container("page", image="page:1"), container("extra", image="extra:1"))
    live = applied(None, both, "helm", plural="deployments")
    one = applied(live, deployment(container("page", image="page:1")), "helm", plural="deployments")
    assert one["spec"]["template"]["spec"]["containers"] == [{"name": "page", "image": "page:1"}]


def test_an_image_that_a_controller_wrote_conflicts_with_the_next_apply() -> None:
    wanted = deployment(container("page", image="page:latest"))
    live = applied(None, wanted, "helm", plural="deployments")
    resolved = updated(
        live,
        {"metadata": live["metadata"], **deployment(container("page", image="registry/page@sha256:1")) | {}}
        | {"metadata": live["metadata"]},
        "openshift-controller-manager",
        plural="deployments",
    )
    image = {"f:containers": {'k:{"name":"page"}': {"f:image": {}}}}
    assert owned(resolved)["openshift-controller-manager"] == {"f:spec": {"f:template": {"f:spec": image}}}
    with pytest.raises(ApiError) as refused:
        applied(resolved, wanted, "helm", plural="deployments")
    assert refused.value.message == (
        'Apply failed with 1 conflict: conflict with "openshift-controller-manager" using apps/v1: '
        '.spec.template.spec.containers[name="page"].image'
    )
    live_image = deployment(container("page", image="registry/page@sha256:1"))
    shared = applied(resolved, live_image, "helm", plural="deployments")
    assert shared["spec"] == resolved["spec"]


def test_several_conflicts_are_listed_by_manager() -> None:
    live = applied(None, MINE, "one")
    with pytest.raises(ApiError) as refused:
        applied(live, route(to={"kind": "Service", "name": "x"}, host="x.example.test"), "two")
    assert refused.value.message == (
        'Apply failed with 2 conflicts: conflicts with "one":\n- .spec.host\n- .spec.to.name'
    )


def test_a_plain_update_takes_what_it_changes_and_drops_what_it_removes() -> None:
    live = applied(None, MINE, "one")
    new = {**live, "spec": {"to": {"kind": "Service", "name": "elsewhere"}}}
    after = updated(live, new, "python-requests")
    labels = {"f:metadata": {"f:labels": {"f:app": {}}}}
    assert owned(after) == {
        "one": labels | {"f:spec": {"f:to": {"f:kind": {}}}},
        "python-requests": {"f:spec": {"f:to": {"f:name": {}}}},
    }


def test_a_status_has_an_entry_of_its_own() -> None:
    live = applied(None, MINE, "one")
    after = updated(live, {**live, "status": {"ingress": [{"host": "x"}]}}, "openshift-router", subresource="status")
    assert after["metadata"]["managedFields"][1] == {
        "manager": "openshift-router",
        "operation": "Update",
        "apiVersion": "route.openshift.io/v1",
        "time": T1,
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:status": {".": {}, "f:ingress": {}}},
        "subresource": "status",
    }
    with pytest.raises(ApiError, match='conflict with "openshift-router" with subresource "status" using route'):
        applied(after, {**MINE, "status": {"ingress": []}}, "one")


def test_fields_survive_being_written_and_read() -> None:
    tree = {"f:a": {".": {}, "f:b": {}}, "f:c": {'k:{"name":"x"}': {".": {}, "f:d": {}}}, "f:e": {'v:"y"': {}}}
    assert managed_fields.format_fields(managed_fields.parse_fields(tree)) == tree

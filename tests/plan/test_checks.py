from __future__ import annotations

from typing import Any

import pytest

from maintenance_ci.errors import ForbiddenError, MaintenanceError, RefusedError, TryAgainError, VariableError
from maintenance_ci.plan.checks import (
    gathering,
    raise_any,
    ready_services,
    require_below,
    require_deletable,
    require_host,
    require_host_returns,
    require_host_unclaimed,
    require_no_rival,
    require_original,
    require_ours,
    require_ready_endpoints,
    require_ready_page,
    require_same_route,
    require_secret,
    require_standing,
)
from maintenance_ci.settings.force import Force


def route(name: str = "shop", host: str = "h.example.test", path: str = "", **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **metadata}, "spec": {"host": host} | ({"path": path} if path else {})}


def ready(*conditions: bool | None, service: str = "maintenance-page") -> dict[str, Any]:
    known = [{} if condition is None else {"ready": condition} for condition in conditions]
    return {
        "metadata": {"labels": {"kubernetes.io/service-name": service}},
        "endpoints": [{"conditions": one} for one in known],
    }


@pytest.mark.parametrize(
    "slices",
    [
        [],
        [ready()],
        [ready() | {"endpoints": None}],
        [ready(False)],
        [ready(True, service="shop")],
        [ready(True) | {"metadata": {}}],
    ],
)
def test_a_page_without_a_ready_endpoint(slices: list[dict[str, Any]]) -> None:
    with pytest.raises(MaintenanceError, match="has no ready endpoint"):
        require_ready_page(ready_services(slices))


def test_a_page_with_one() -> None:
    require_ready_page(ready_services([ready(False), ready(False, True)]))
    require_ready_page(ready_services([ready(None)]))  # the API's rule: unknown is ready
    require_ready_page(ready_services([ready() | {"endpoints": [{}]}]))


def backends(*weights: tuple[str, int | None]) -> dict[str, Any]:
    first, *others = ({"name": name} | ({} if weight is None else {"weight": weight}) for name, weight in weights)
    return {"metadata": {"name": "shop"}, "spec": {"to": first, "alternateBackends": others}}


@pytest.mark.parametrize(
    ("weights", "serving", "why"),
    [
        ([("a", None)], [], "Service a has no"),
        ([("a", 100)], ["b"], "Service a has no"),
        ([("a", 100), ("b", 1)], ["c"], "Service a, b has no"),
        ([("a", 100), ("b", 0)], ["b"], "Service a has no"),
        ([("a", 0)], ["a"], "weight 0"),
    ],
)
def test_a_route_whose_users_would_be_answered_503(
    weights: list[tuple[str, int | None]], serving: list[str], why: str
) -> None:
    slices = [ready(True, service=name) for name in serving] + [ready(False, service="a")] * ("a" not in serving)
    there = ready_services(slices)
    with pytest.raises(MaintenanceError, match=why) as caught:
        require_ready_endpoints(backends(*weights), there, force={*Force} - {Force.ENDPOINTS})
    assert "FORCE=endpoints" in caught.value.advice
    [said] = require_ready_endpoints(backends(*weights), there, force={Force.ENDPOINTS})
    assert said.startswith("forced")
    assert why in said


def test_a_route_that_has_a_ready_backend() -> None:
    there = ready_services([ready(False, service="a"), ready(True, service="a"), ready(False, service="b")])
    for force in ((), tuple(Force)):
        assert require_ready_endpoints(backends(("a", None)), there, force=force) == []
        assert require_ready_endpoints(backends(("a", 1), ("b", 0)), there, force=force) == []
        [said] = require_ready_endpoints(backends(("a", 1), ("b", 1)), there, force=force)
        assert said == "Service b of Route shop has no ready endpoint; the others serve"


def test_a_route_that_is_being_deleted() -> None:
    require_standing(route(finalizers=["example.test/f"]))
    with pytest.raises(MaintenanceError, match="is being deleted, since 2026"):
        require_standing(route(deletionTimestamp="2026-11-23T00:00:00Z"))


def test_a_route_that_a_deletion_would_not_remove() -> None:
    require_deletable(route())
    require_deletable(route(finalizers=[]))
    with pytest.raises(MaintenanceError, match=r"has finalizers \(example\.test/f\)") as caught:
        require_deletable(route(finalizers=["example.test/f"]))
    assert "ROUTE_STRATEGY=repoint" in caught.value.advice


def claim(namespace: str, name: str = "theirs", **spec: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"host": "h.example.test"} | spec}


@pytest.mark.parametrize("foreign", [claim("b"), claim("b", path="/x"), claim("b", name="shop", host="H.Example.Test")])
def test_a_host_that_another_namespace_claims_too(foreign: dict[str, Any]) -> None:
    original, name = route(namespace="a"), foreign["metadata"]["name"]
    claims = [claim("a"), foreign]
    with pytest.raises(MaintenanceError, match=rf"h\.example\.test is also claimed by Route b/{name}") as caught:
        require_host_unclaimed(original, claims)
    assert "ROUTE_STRATEGY=repoint" in caught.value.advice
    with pytest.raises(MaintenanceError, match=f"b/{name}") as caught:
        require_host_returns(original, claims, force={*Force} - {Force.HOST})
    assert "FORCE=host" in caught.value.advice
    [said] = require_host_returns(original, claims, force={Force.HOST})
    assert f"b/{name}" in said


def test_a_host_of_one_namespace() -> None:
    original = route(namespace="a")
    for claims in ([], [claim("a"), claim("a", path="/x")], [claim("b", host="other.example.test")]):
        assert require_host_unclaimed(original, claims) == []
        assert require_host_returns(original, claims, force=()) == []


def test_where_nobody_may_look_that_is_said() -> None:
    for said in (
        require_host_unclaimed(route(namespace="a"), None),
        require_host_returns(route(namespace="a"), None, force=()),
    ):
        assert ["waits for the Route's host is unknown" in line for line in said] == [True]


def test_a_route_needs_a_host_of_its_own() -> None:
    require_host(route())
    with pytest.raises(MaintenanceError, match="has no host of its own"):
        require_host({"metadata": {"name": "shop"}, "spec": {"subdomain": "shop"}})


def test_only_what_we_made_for_that_route_is_ours() -> None:
    labels = {"app.kubernetes.io/managed-by": "maintenance-ci"}
    require_ours(None, "shop")
    require_ours(route(labels=labels, annotations={"maintenance-ci/route": "shop"}), "shop")
    for theirs in (
        route(),
        route(labels=labels),
        route(labels=labels, annotations={"maintenance-ci/route": "other"}),
        route(annotations={"maintenance-ci/route": "shop"}),
    ):
        with pytest.raises(MaintenanceError, match="belongs to no maintenance of shop"):
            require_ours(theirs, "shop")


def test_a_maintenance_route_of_another_path_is_not_taken() -> None:
    labels, annotations = {"app.kubernetes.io/managed-by": "maintenance-ci"}, {"maintenance-ci/route": "shop"}
    page_route = route(path="/a/", labels=labels, annotations=annotations)
    require_ours(page_route, "shop", "/a")
    require_ours(page_route, "shop")
    with pytest.raises(MaintenanceError, match="is the maintenance Route of another path, /a"):
        require_ours(page_route, "shop", "/b")


@pytest.mark.parametrize(("path", "subpath"), [("", "/a"), ("/", "/a"), ("/app", "/app/a"), ("/app/", "/app/a")])
def test_a_subpath_below_the_route(path: str, subpath: str) -> None:
    require_below(route(path=path), subpath)


@pytest.mark.parametrize(("path", "subpath"), [("/app", "/app"), ("/app", "/application"), ("/app", "/a")])
def test_a_subpath_beside_the_route(path: str, subpath: str) -> None:
    with pytest.raises(MaintenanceError, match="is not below"):
        require_below(route(path=path), subpath)


def test_a_rival_is_on_the_very_place() -> None:
    page_route = route("shop-maintenance-page", path="/a")
    harmless = [
        page_route,
        route("shop", path="/a"),
        route("x", path="/a/b"),
        route("y"),
        route("z", host="o.example.test", path="/a"),
    ]
    require_no_rival(page_route, harmless, "shop")
    with pytest.raises(MaintenanceError, match=r"Route rival is on h\.example\.test/a too"):
        require_no_rival(page_route, [*harmless, route("rival", path="/a/")], "shop")


def test_differences_are_refused_unless_accepted() -> None:
    require_same_route([], accepted=False)
    require_same_route(["spec.host differs"], accepted=True)
    with pytest.raises(MaintenanceError, match=r"spec\.host differs"):
        require_same_route(["spec.host differs"], accepted=False)


def test_a_push_secret() -> None:
    require_secret({"metadata": {}}, "s", "web", "DOCKER_REGISTRY")
    with pytest.raises(MaintenanceError, match="needs the Secret s") as caught:
        require_secret(None, "s", "web", "DOCKER_REGISTRY")
    assert "docker-registry s -n web" in caught.value.advice


def gathered(*errors: MaintenanceError) -> list[MaintenanceError]:
    refusals: list[MaintenanceError] = []
    for error in errors:
        with gathering(refusals):
            raise error
    return refusals


def test_nothing_refused() -> None:
    refusals: list[MaintenanceError] = []
    with gathering(refusals):
        pass
    raise_any(refusals)
    assert refusals == []


def test_one_refusal_is_raised_as_it_is() -> None:
    with pytest.raises(ForbiddenError, match="No right"):
        raise_any(gathered(ForbiddenError("No right.", "Ask.")))


def test_several_refusals_are_raised_as_one() -> None:
    first, second, third = MaintenanceError("One."), ForbiddenError("Two."), MaintenanceError("Three.")
    refusals = gathered(first, RefusedError([second, third]))
    with pytest.raises(RefusedError) as caught:
        raise_any(refusals)
    assert caught.value.errors == refusals == [first, second, third]
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("error", [TryAgainError("away"), VariableError(["A: is wrong"]), KeyError("a fault")])
def test_what_is_no_refusal_ends_the_job_at_once(error: Exception) -> None:
    refusals: list[MaintenanceError] = []
    with pytest.raises(type(error)), gathering(refusals):
        raise error
    assert refusals == []


def test_a_maintenance_route_has_none_of_its_own() -> None:
    labels = {"app.kubernetes.io/managed-by": "maintenance-ci"}
    notes = {"maintenance-ci/route": "shop"}
    for fine in (
        None,
        route(),
        route(labels=labels),
        route("other", annotations=notes),
        route(labels=labels, annotations=notes),
    ):
        require_original(fine)
    with pytest.raises(MaintenanceError, match="is the maintenance Route of shop") as refused:
        require_original(route("shop-maintenance-page", labels=labels, annotations=notes))
    assert refused.value.advice == "Give ROUTE_NAME=shop."

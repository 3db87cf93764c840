from __future__ import annotations

from typing import Any

import pytest

from maintenance_ci.checks import (
    require_below,
    require_host,
    require_no_rival,
    require_ours,
    require_push_secret,
    require_ready_page,
    require_same_route,
)
from maintenance_ci.errors import MaintenanceError


def route(name: str = "shop", host: str = "h.example.test", path: str = "", **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **metadata}, "spec": {"host": host} | ({"path": path} if path else {})}


def ready(*conditions: bool) -> dict[str, Any]:
    return {"endpoints": [{"conditions": {"ready": condition}} for condition in conditions]}


@pytest.mark.parametrize("slices", [[], [{}], [{"endpoints": None}], [ready(False)], [{"endpoints": [{}]}]])
def test_a_page_without_a_ready_endpoint(slices: list[dict[str, Any]]) -> None:
    with pytest.raises(MaintenanceError, match="has no ready endpoint"):
        require_ready_page(slices)


def test_a_page_with_one() -> None:
    require_ready_page([ready(False), ready(False, True)])


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
        with pytest.raises(MaintenanceError, match="is no maintenance Route of shop"):
            require_ours(theirs, "shop")


@pytest.mark.parametrize(("path", "subpath"), [("", "/a"), ("/", "/a"), ("/app", "/app/a"), ("/app/", "/app/a")])
def test_a_subpath_below_the_route(path: str, subpath: str) -> None:
    require_below(route(path=path), subpath)


@pytest.mark.parametrize(("path", "subpath"), [("/app", "/app"), ("/app", "/application"), ("/app", "/a")])
def test_a_subpath_beside_the_route(path: str, subpath: str) -> None:
    with pytest.raises(MaintenanceError, match="is not below"):
        require_below(route(path=path), subpath)


def test_a_rival_is_on_the_very_place() -> None:
    ours = route("shop-maintenance-page", path="/a")
    harmless = [
        ours,
        route("shop", path="/a"),
        route("x", path="/a/b"),
        route("y"),
        route("z", host="o.example.test", path="/a"),
    ]
    require_no_rival(ours, harmless, "shop")
    with pytest.raises(MaintenanceError, match=r"Route rival is on h\.example\.test/a too"):
        require_no_rival(ours, [*harmless, route("rival", path="/a/")], "shop")


def test_differences_are_refused_unless_accepted() -> None:
    require_same_route([], accepted=False)
    require_same_route(["spec.host differs"], accepted=True)
    with pytest.raises(MaintenanceError, match=r"spec\.host differs"):
        require_same_route(["spec.host differs"], accepted=False)


def test_a_push_secret() -> None:
    require_push_secret({"metadata": {}}, "s")
    with pytest.raises(MaintenanceError, match="needs the Secret s"):
        require_push_secret(None, "s")

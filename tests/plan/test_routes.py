"""What is looked up among the Routes of a namespace is what a search finds."""

from __future__ import annotations

from typing import Any

import pytest

from maintenance_ci.names import page_route_name
from maintenance_ci.plan.marks import stands_for
from maintenance_ci.plan.routes import Routes
from tests.tools.observations import original, page_route

HOSTS = ("shop.example.test", "SHOP.example.test", "pay.example.test", "nowhere.example.test", None)


def some_routes() -> list[dict[str, Any]]:
    shop = original()
    pay = original()
    pay["metadata"] = {**pay["metadata"], "name": "pay"}
    pay["spec"] = {**pay["spec"], "host": "pay.example.test"}
    unplaced = {"metadata": {"name": "unplaced"}, "spec": {"to": {"kind": "Service", "name": "web"}}}
    return [shop, pay, unplaced, page_route("/cart"), page_route("/api"), page_route()]


@pytest.mark.parametrize("host", HOSTS)
def test_the_routes_of_a_host(host: str | None) -> None:
    routes = some_routes()
    assert list(Routes(routes).on_host(host)) == [one for one in routes if one["spec"].get("host") == host]


@pytest.mark.parametrize("name", ["shop", "pay", "absent"])
def test_the_routes_that_stand_for_another(name: str) -> None:
    routes = some_routes()
    found = Routes(routes).standing_for(name)
    assert list(found) == sorted(one["metadata"]["name"] for one in routes if stands_for(one) == name)
    assert (page_route_name(name, "/cart") in found) is (name == "shop")

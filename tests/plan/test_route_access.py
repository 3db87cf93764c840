"""What else leads to the application: other Routes, and the ports of its Services."""

from __future__ import annotations

from typing import Any

import pytest

from maintenance_ci.plan.route_access import needs_endpoints, other_ways, service_port

Object = dict[str, Any]


def route(name: str, *services: str | tuple[str, int], host: str = "", **spec: Any) -> Object:
    backends = [
        {"kind": "Service", "name": one} if isinstance(one, str) else {"name": one[0], "weight": one[1]}
        for one in services
    ]
    return {
        "metadata": {"name": name, "namespace": "web"},
        "spec": {"host": host or f"{name}.example.test", "to": backends[0], "alternateBackends": backends[1:], **spec},
    }


def admitted(*verdicts: str) -> Object:
    conditions = [[{"type": "Admitted", "status": verdict}] for verdict in verdicts]
    return {"ingress": [{"routerName": f"router-{i}", "conditions": each} for i, each in enumerate(conditions)]}


SHOP, EDGE = route("shop", "shop"), {"termination": "edge"}
WAYS: dict[str, tuple[Object, list[Object], list[str]]] = {
    "none": (SHOP, [route("portal", "portal")], []),
    "another host": (
        SHOP, [route("shop-generated", "shop", host="shop-web.apps.example.test", tls=EDGE)],
        ["Service shop is also reached by Route shop-generated (https://shop-web.apps.example.test/)"]),
    "the same host, another path": (
        SHOP, [route("api", "shop", host="shop.example.test", path="/api")],
        ["Service shop is also reached by Route api (http://shop.example.test/api)"]),
    "among the alternate backends": (
        SHOP, [route("blue-green", ("blue", 50), ("shop", 50))],
        ["Service shop is also reached by Route blue-green (http://blue-green.example.test/)"]),
    "an alternate backend of the original": (
        route("shop", "shop", "canary"), [route("test", "canary")],
        ["Service canary is also reached by Route test (http://test.example.test/)"]),
    "several, in order": (
        route("shop", "shop", "canary"), [route("z", "shop"), route("a", "shop", "canary")],
        ["Service canary is also reached by Route a (http://a.example.test/)",
         "Service shop is also reached by Route a (http://a.example.test/), Route z (http://z.example.test/)"]),
    "a share of nothing": (SHOP, [route("old", ("blue", 100), ("shop", 0))], []),
    "a share of nothing of the original's": (route("shop", "shop", ("canary", 0)), [route("test", "canary")], []),
    "the page": (route("shop", "maintenance-page"), [route("other", "maintenance-page")], []),
    "itself, and ours": (SHOP, [SHOP, route("shop-maintenance-page", "shop")], []),
    "a host that the router makes up": (
        SHOP, [{**route("sub", "shop"), "spec": {"subdomain": "sub", "to": {"name": "shop"}},
                "status": {"ingress": [{"host": "sub.apps.example.test"}]}}],
        ["Service shop is also reached by Route sub (http://sub.apps.example.test/)"]),
    "a host that nobody knows": (
        SHOP, [{**route("sub", "shop"), "spec": {"to": {"name": "shop"}}}],
        ["Service shop is also reached by Route sub (http://(no host)/)"]),
    "one that no router serves": (
        SHOP, [{**route("refused", "shop"), "status": admitted("False")},
               {**route("served", "shop"), "status": admitted("False", "True")}],
        ["Service shop is also reached by Route served (http://served.example.test/)"]),
    "another kind of the same name": (
        SHOP, [{**route("x", "shop"), "spec": {"host": "x", "to": {"kind": "Function", "name": "shop"}}}], []),
}  # fmt: skip


@pytest.mark.parametrize("case", WAYS)
def test_other_routes_to_the_same_services_are_named(case: str) -> None:
    original, routes, expected = WAYS[case]
    assert other_ways([original], routes, {"shop", "shop-maintenance-page"}) == expected
    assert other_ways([original], reversed(routes), {"shop", "shop-maintenance-page"}) == expected


METRICS = {"name": "metrics", "port": 9090, "targetPort": 9090}
HTTP = {"name": "http", "port": 80, "targetPort": 8080}
NAMED = {"name": "web", "port": 80, "targetPort": "in-the-pod"}
DNS = {"name": "dns", "port": 53, "protocol": "UDP"}


@pytest.mark.parametrize(
    ("ports", "target", "port"),
    [
        ([METRICS, HTTP], "8080", 80),
        ([METRICS, HTTP], 8080, 80),
        ([METRICS, HTTP], "http", 80),
        ([METRICS, HTTP], "9090", 9090),
        ([METRICS, HTTP], None, 9090),
        ([METRICS, HTTP], "", 9090),
        ([METRICS, {"port": 8080}], "8080", 8080),
        ([METRICS, {"port": 80, "targetPort": "8080"}], 8080, 80),
        # The Service's own number is nothing to the router: it knows endpoints.
        ([HTTP, {"name": "other", "port": 8080, "targetPort": 1}], 8080, 80),
        ([HTTP, {"name": "other", "port": 8080, "targetPort": 1}], "other", 8080),
        ([METRICS, HTTP], "unknown", 9090),
        ([DNS, HTTP], None, 80),
        ([DNS], None, None),
        ([], "8080", None),
    ],
)
def test_the_port_is_the_one_that_the_router_uses(ports: list[Object], target: Any, port: int | None) -> None:
    assert service_port(ports, target) == port
    assert not needs_endpoints(ports, target)


def test_a_port_that_has_a_name_in_the_pods_is_known_by_the_endpoints() -> None:
    ports, slices = [METRICS, NAMED], [{"name": "metrics", "port": 9090}, {"name": "web", "port": 8080}]
    assert needs_endpoints(ports, "8080")
    assert not needs_endpoints(ports, "web")
    assert not needs_endpoints(ports, None)
    assert service_port(ports, "8080", slices) == 80
    assert service_port(ports, "8080") == 9090  # without them it cannot be known

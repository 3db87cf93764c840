"""``spec.httpHeaders`` of Routes: what the API takes, as recorded on OpenShift 4.21, and one that does not know it."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest

from maintenance_ci.rehearsal.apiserver.errors import ApiError
from maintenance_ci.rehearsal.apiserver.kinds import Platform
from maintenance_ci.rehearsal.apiserver.store import Object, Store
from tests.rehearsal.apiserver.facts import create

if TYPE_CHECKING:
    from tests.rehearsal.apiserver.conftest import Api

DELETE = {"type": "Delete"}
ROUTES = "/apis/route.openshift.io/v1/namespaces/shop/routes"


def action(value: str, name: str = "X-Text") -> Object:
    return {"name": name, "action": {"type": "Set", "set": {"value": value}}}


def route(
    *actions: Object, direction: str = "request", termination: str = "edge", store: Store | None = None
) -> Object:
    headers = {"actions": {direction: list(actions)}}
    spec = {"to": {"name": "app"}, "tls": {"termination": termination}, "httpHeaders": headers}
    return create("routes", "app", *([store] if store else []), spec=spec)


def refused(*actions: Object, **given: Any) -> str:
    with pytest.raises(ApiError) as error:
        route(*actions, **given)
    assert error.value.code == 422
    return error.value.message


@pytest.mark.parametrize(
    "value",
    [
        "Nous revenons à 10 h : « c’est “promis” » <b>&amp; 100%% 'sûr' \\ $HOME #no",
        "x" * 16384,
        "é" * 8192,
        "%%0A",
        "%%%%",
        "%[req.hdr(cookie),lower]",
        "%{+Q}[ssl_c_der,base64]",
        "one\u2028two&#10;",
        "\u0085",
    ],
)
def test_values_that_are_taken(value: str) -> None:
    made = route(action(value), {"name": "x-text", "action": DELETE})
    assert made["spec"]["httpHeaders"]["actions"]["request"][0] == action(value)


@pytest.mark.parametrize(
    "value", ["", "x" * 16385, "é" * 8193, "a\nb", "a\tb", "a\x7fb", "100 %", "%0A", "%%%", "%[src]"]
)
def test_values_that_are_refused(value: str) -> None:
    assert "spec.httpHeaders.actions.request[0].action.set.value: " in refused(action(value))


@pytest.mark.parametrize(
    "name", ["Strict-Transport-Security", "proxy", "Cookie", "set-cookie", "", "a b", "é", "x" * 256]
)
def test_names_that_are_refused(name: str) -> None:
    assert "spec.httpHeaders.actions.request[0].name: " in refused(action("x", name))


def test_a_list_has_20_actions_at_the_most_deletions_included() -> None:
    twenty = [{"name": f"X-{number}", "action": DELETE} for number in range(20)]
    route(*twenty)
    assert "request headers list can't exceed 20 items" in refused(*twenty, action("x"))
    assert "Duplicate value" in refused(action("a"), action("b"))


def test_what_an_action_must_be() -> None:
    assert "action.type: Unsupported value" in refused({"name": "X", "action": {"type": "Add"}})
    assert "action.set.value: Required value" in refused({"name": "X", "action": {"type": "Set"}})
    assert "action.set: Forbidden" in refused({"name": "X", "action": {**DELETE, "set": {"value": "x"}}})


def test_a_passthrough_route_has_none() -> None:
    assert "only edge and re-encrypt routes are supported" in refused(action("x"), termination="passthrough")
    with pytest.raises(ApiError, match=r"actions\.response\[0\]\.action\.set\.value: "):
        route(action("%[req.hdr(cookie)]"), direction="response")
    assert route(action("%[res.hdr(cookie)]"), direction="response")


def test_an_older_server_drops_it() -> None:
    assert "httpHeaders" not in route(action("x"), store=Store(Platform(knows_http_headers=False)))["spec"]


@pytest.mark.parametrize("content_type", ["json", "merge-patch+json", "apply-patch+yaml"])
@pytest.mark.parametrize("knows", [True, False])
def test_an_older_server_warns(api: Api, content_type: str, knows: bool) -> None:
    api.server.store.platform = Platform(knows_http_headers=knows)
    spec = {"to": {"name": "app"}, "httpHeaders": {"actions": {"request": [action("x")]}}, "spce": 1}
    manifest = {"apiVersion": "route.openshift.io/v1", "kind": "Route", "metadata": {"name": "app"}}
    method, path = "POST", ROUTES
    if content_type != "json":
        there = {"metadata": {"name": "app", "namespace": "shop"}, "spec": {"to": {"name": "app"}}}
        api.call(api.server.store.create, "routes", there, manager="test")
        method, path = "PATCH", f"{ROUTES}/app?fieldManager=test&force=true"
    request = Request(
        api.server.url + path, json.dumps({**manifest, "spec": spec}).encode(), method=method,
        headers={"Authorization": "Bearer admin-token", "Content-Type": f"application/{content_type}"},
    )  # fmt: skip
    with urlopen(request, context=ssl.create_default_context(cafile=str(api.ca)), timeout=10) as answer:
        made, warnings = json.load(answer), answer.headers.get_all("Warning") or []
    assert ("httpHeaders" in made["spec"]) is knows
    older = [] if knows else [r'299 - "unknown field \"spec.httpHeaders\""']
    assert sorted(warnings) == [*older, r'299 - "unknown field \"spec.spce\""']

"""What a token's roles let it do, over HTTPS: the refusals that were recorded, and those that follow from the rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from maintenance_ci.rehearsal.apiserver.rights import Rule, User
from tests.rehearsal.apiserver.conftest import Api
from tests.rehearsal.apiserver.plain_https import send

Object = dict[str, Any]
ROUTES = "/apis/route.openshift.io/v1/namespaces/shop/routes"
TEMPLATES = "/apis/template.openshift.io/v1/namespaces/shop/processedtemplates"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
CI = "system:serviceaccount:shop:limited"
MERGE = "application/merge-patch+json"


def rule(group: str, resource: str, *verbs: str, names: Sequence[str] = ()) -> Rule:
    given: dict[str, Sequence[str]] = {"apiGroups": [group], "resources": [resource], "verbs": verbs}
    return given | ({"resourceNames": names} if names else {})


ROUTE_RULE = rule("route.openshift.io", "routes", "get", "list", "create", "patch", "update", "delete")
CUSTOM_HOST = rule("route.openshift.io", "routes/custom-host", "create")


@pytest.fixture
def token(api: Api) -> str:
    """A token whose rules a test sets with ``give``."""
    give(api)
    return "limited-token"


def give(api: Api, *rules: Rule) -> None:
    assert isinstance(api.server.users, dict)
    api.server.users["limited-token"] = User(CI, roles={"shop": rules})


def route(**spec: Any) -> Object:
    return {"metadata": {"name": "app"}, "spec": {"to": {"kind": "Service", "name": "app"}} | spec}


def test_a_host_of_ones_own_needs_custom_host(api: Api, token: str) -> None:
    give(api, ROUTE_RULE)
    status, body = send(api, "POST", ROUTES, route(host="app.example.test"), token=token)
    assert (status, body["reason"]) == (422, "Invalid")
    assert body["message"] == (
        'Route.route.openshift.io "app" is invalid: spec.host: Forbidden: '
        "you do not have permission to set the host field of the route"
    )
    tls = {"termination": "edge", "certificate": "c", "key": "k"}
    status, body = send(api, "POST", ROUTES, route(tls=tls), token=token)
    assert status == 422
    assert "you do not have permission to set certificate fields on the route" in body["message"]
    status, body = send(api, "POST", ROUTES, route(), token=token)
    assert (status, body["spec"]["host"]) == (201, "app-shop.apps.example.test")
    give(api, ROUTE_RULE, CUSTOM_HOST)
    mine = route(host="app.example.test", tls=tls) | {"metadata": {"name": "mine"}}
    assert send(api, "POST", ROUTES, mine, token=token)[0] == 201


def test_repointing_a_route_needs_no_custom_host_but_its_destination_ca_does(api: Api, token: str) -> None:
    tls = {"termination": "reencrypt", "destinationCACertificate": "ca"}
    assert send(api, "POST", ROUTES, route(host="app.example.test", tls=tls))[0] == 201
    give(api, ROUTE_RULE)
    to_page = {"spec": {"to": {"name": "page"}}}
    status, body = send(api, "PATCH", f"{ROUTES}/app", to_page, token=token, kind=MERGE)
    assert (status, body["spec"]["to"]["name"]) == (200, "page")
    other_ca = {"spec": {"tls": {"destinationCACertificate": "other"}}}
    status, body = send(api, "PATCH", f"{ROUTES}/app", other_ca, token=token, kind=MERGE)
    assert status == 422
    assert "you do not have permission to set certificate fields on the route" in body["message"]
    other_host = {"spec": {"host": "other.example.test"}}
    status, body = send(api, "PATCH", f"{ROUTES}/app", other_host, token=token, kind=MERGE)
    assert status == 422
    assert "you do not have permission to set the host field of the route" in body["message"]


def test_processing_a_template_needs_a_right_of_its_own(api: Api, token: str) -> None:
    template = {"metadata": {"name": "t"}, "objects": []}
    give(api, ROUTE_RULE, rule("template.openshift.io", "templates", "*"))
    status, body = send(api, "POST", TEMPLATES, template, token=token)
    assert status == 403
    assert body["message"] == (
        f'processedtemplates.template.openshift.io is forbidden: User "{CI}" cannot create resource '
        '"processedtemplates" in API group "template.openshift.io" in the namespace "shop"'
    )
    give(api, rule("template.openshift.io", "processedtemplates", "create"))
    assert send(api, "POST", TEMPLATES, template, token=token)[0] == 201


@pytest.mark.parametrize("namespace", ["other", "that-is-not-there"])
def test_another_namespace_is_forbidden_whether_it_is_there_or_not(api: Api, token: str, namespace: str) -> None:
    give(api, ROUTE_RULE)
    path = ROUTES.replace("/shop/", f"/{namespace}/")
    for method, where, verb in (
        ("GET", path, "list"),
        ("GET", f"{path}/app", "get"),
        ("POST", path, "create"),
        ("DELETE", f"{path}/app", "delete"),
    ):
        status, body = send(api, method, where, route() if method == "POST" else None, token=token)
        assert (status, body["reason"]) == (403, "Forbidden")
        assert f'cannot {verb} resource "routes"' in body["message"]
        assert body["message"].endswith(f'in the namespace "{namespace}"')
    assert send(api, "GET", f"/api/v1/namespaces/{namespace}", token=token)[0] == 403
    # Who may look everywhere learns that it is not there.
    assert send(api, "GET", "/api/v1/namespaces/that-is-not-there")[0] == 404


def test_the_whole_cluster_is_forbidden_to_a_role_of_one_namespace(api: Api, token: str) -> None:
    give(api, ROUTE_RULE)
    status, body = send(api, "GET", "/apis/route.openshift.io/v1/routes", token=token)
    assert status == 403
    assert body["message"].endswith("at the cluster scope")


def test_every_token_may_ask_what_it_may_do(api: Api, token: str) -> None:
    def allowed(**attributes: str) -> bool:
        spec = {"resourceAttributes": {"namespace": "shop", "group": "route.openshift.io"} | attributes}
        status, body = send(api, "POST", REVIEWS, {"spec": spec}, token=token)
        assert status == 201
        return bool(body["status"]["allowed"])

    give(api)
    assert not allowed(verb="get", resource="routes")
    give(api, ROUTE_RULE, rule("route.openshift.io", "routes/custom-host", "create"))
    assert allowed(verb="get", resource="routes")
    assert allowed(verb="create", resource="routes", subresource="custom-host")
    assert not allowed(verb="update", resource="routes", subresource="custom-host")
    assert not allowed(verb="get", resource="routes", namespace="other")
    assert not allowed(verb="watch", resource="routes")


def test_every_token_may_ask_for_its_rules(api: Api, token: str) -> None:
    def rules(namespace: str, token: str = token) -> tuple[int, Object]:
        path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
        return send(api, "POST", path, {"spec": {"namespace": namespace}}, token=token)

    named = rule("", "secrets", "get", names=["app"])
    give(api, ROUTE_RULE, named)
    status, review = rules("shop")
    assert (status, review["kind"], review["spec"]) == (201, "SelfSubjectRulesReview", {})
    assert review["status"]["incomplete"] is False
    first, second = review["status"]["resourceRules"]
    assert first["resources"] == ["routes"]
    assert "resourceNames" not in first
    assert second == {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["app"]}
    assert rules("other")[1]["status"]["resourceRules"] == []
    assert rules("shop", "admin-token")[1]["status"]["resourceRules"] == [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    ]
    status, body = rules("")
    assert (status, body["message"]) == (400, "no namespace on request")


def test_hosts_are_looked_for_in_all_namespaces_by_who_may_list_them_there(api: Api, token: str) -> None:
    for namespace, name, host in (
        ("shop", "app", "a.example.test"),
        ("other", "x", "a.example.test"),
        ("other", "y", ""),
    ):
        made = route(**({"host": host} if host else {})) | {"metadata": {"name": name}}
        assert send(api, "POST", ROUTES.replace("/shop/", f"/{namespace}/"), made, token="admin-token")[0] == 201
    path = "/apis/route.openshift.io/v1/routes?fieldSelector=spec.host%3Da.example.test"
    give(api, ROUTE_RULE)
    assert send(api, "GET", path, token=token)[0] == 403
    assert isinstance(api.server.users, dict)
    api.server.users["limited-token"] = User(CI, roles={"": [rule("route.openshift.io", "routes", "list")]})
    status, body = send(api, "GET", path, token=token)
    assert status == 200
    found = {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in body["items"]}
    assert found == {("shop", "app"), ("other", "x")}


def test_a_rule_for_one_name(api: Api, token: str) -> None:
    for name in ("app", "other"):
        assert send(api, "POST", ROUTES, route() | {"metadata": {"name": name}})[0] == 201
    give(api, rule("route.openshift.io", "routes", "get", "delete", names=["app"]))
    assert send(api, "GET", f"{ROUTES}/app", token=token)[0] == 200
    assert send(api, "GET", f"{ROUTES}/other", token=token)[0] == 403
    assert send(api, "GET", ROUTES, token=token)[0] == 403
    assert send(api, "DELETE", f"{ROUTES}/app", token=token)[0] == 200


def test_an_apply_that_creates_needs_the_right_to_create(api: Api, token: str) -> None:
    manifest = {"apiVersion": "route.openshift.io/v1", "kind": "Route", "metadata": {"name": "app"}} | route()
    path = f"{ROUTES}/app?fieldManager=ci"
    give(api, rule("route.openshift.io", "routes", "patch"))
    status, body = send(api, "PATCH", path, manifest, token=token, kind="application/apply-patch+yaml")
    assert status == 403
    assert 'cannot create resource "routes"' in body["message"]
    give(api, rule("route.openshift.io", "routes", "patch", "create"))
    assert send(api, "PATCH", path, manifest, token=token, kind="application/apply-patch+yaml")[0] == 201


def test_a_status_and_a_log_are_rights_of_their_own(api: Api, token: str) -> None:
    assert send(api, "POST", ROUTES, route())[0] == 201
    give(api, ROUTE_RULE, rule("", "pods", "get"))
    status, body = send(api, "PATCH", f"{ROUTES}/app/status", {"status": {}}, token=token, kind=MERGE)
    assert status == 403
    assert 'cannot patch resource "routes/status"' in body["message"]
    assert send(api, "GET", "/api/v1/namespaces/shop/pods/page/log", token=token)[0] == 403
    give(api, ROUTE_RULE, rule("", "pods/log", "get"))
    assert send(api, "GET", "/api/v1/namespaces/shop/pods/page/log", token=token)[0] == 404

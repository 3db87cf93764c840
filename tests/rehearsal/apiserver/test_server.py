"""The whole server, through the official Python client and plain HTTPS."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from kubernetes import client, watch

from tests.rehearsal.apiserver.conftest import Api, EchoBuilds
from tests.rehearsal.apiserver.plain_https import send

ROUTES = ("route.openshift.io", "v1", "shop", "routes")
PATH = "/apis/route.openshift.io/v1/namespaces/shop/routes"
Object = dict[str, Any]


def route(name: str = "app", **spec: Any) -> Object:
    return {
        "apiVersion": "route.openshift.io/v1",
        "kind": "Route",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"to": {"kind": "Service", "name": "app"}, "host": f"{name}.example.test"} | spec,
    }


def refusal(call: Any, *arguments: Any, **named: Any) -> Object:
    with pytest.raises(client.ApiException) as refused:
        call(*arguments, **named)
    status: Object = json.loads(refused.value.body)
    assert status["code"] == refused.value.status
    return status


def test_create_read_change_delete(api: Api) -> None:
    routes = api.objects()
    made = routes.create_namespaced_custom_object(*ROUTES, route())
    assert made["spec"]["wildcardPolicy"] == "None"
    made["spec"]["to"]["name"] = "b"
    replaced = routes.replace_namespaced_custom_object(*ROUTES, "app", made)
    assert replaced["metadata"]["generation"] == 2
    stale = refusal(routes.replace_namespaced_custom_object, *ROUTES, "app", made)
    assert (stale["code"], stale["reason"]) == (409, "Conflict")
    again = refusal(routes.create_namespaced_custom_object, *ROUTES, route())
    assert again["message"] == 'routes.route.openshift.io "app" already exists'
    listed = routes.list_namespaced_custom_object(*ROUTES, label_selector="app=app")
    assert [item["spec"]["to"]["name"] for item in listed["items"]] == ["b"]
    assert "kind" not in listed["items"][0]
    by_host = routes.list_namespaced_custom_object(*ROUTES, field_selector="spec.host=other.example.test")
    assert by_host["items"] == []
    deleted = routes.delete_namespaced_custom_object(*ROUTES, "app")
    assert deleted["status"] == "Success"
    assert deleted["details"]["uid"] == made["metadata"]["uid"]
    gone = refusal(routes.get_namespaced_custom_object, *ROUTES, "app")
    assert gone["message"] == 'routes.route.openshift.io "app" not found'


def test_a_put_must_say_what_it_replaces(api: Api) -> None:
    send(api, "POST", PATH, route())
    status, body = send(api, "PUT", f"{PATH}/app", route())
    assert status == 422
    assert body["message"] == (
        'routes.route.openshift.io "app" is invalid: metadata.resourceVersion: '
        "Invalid value: 0x0: must be specified for an update"
    )


@pytest.mark.parametrize(
    ("token", "path", "code", "message"),
    [
        ("", PATH, 401, "Unauthorized"),
        ("wrong", PATH, 401, "Unauthorized"),
        (
            "weak-token",
            "/api/v1/namespaces/shop/secrets/x",
            403,
            (
                'secrets "x" is forbidden: User "system:serviceaccount:shop:weak" cannot get resource "secrets" '
                'in API group "" in the namespace "shop"'
            ),
        ),
        (
            "ci-token",
            PATH.replace("shop", "nowhere"),
            403,
            (
                'routes.route.openshift.io is forbidden: User "system:serviceaccount:shop:ci" cannot list resource '
                '"routes" in API group "route.openshift.io" in the namespace "nowhere"'
            ),
        ),
        (
            "ci-token",
            "/api/v1/namespaces",
            403,
            (
                'namespaces is forbidden: User "system:serviceaccount:shop:ci" cannot list resource "namespaces" '
                'in API group "" at the cluster scope'
            ),
        ),
        ("admin-token", "/apis/nonsense/v1/things", 404, "the server could not find the requested resource"),
        ("admin-token", f"{PATH}/app/nonsense", 404, "the server could not find the requested resource"),
    ],
)
def test_who_is_let_in(api: Api, token: str, path: str, code: int, message: str) -> None:
    status, body = send(api, "GET", path, token=token)
    assert (status, body["message"]) == (code, message)
    assert api.server.requests[-1].status == code
    assert api.server.requests[-1].path == path


def test_health_and_version_are_open(api: Api) -> None:
    assert send(api, "GET", "/healthz", token="") == (200, b"ok")
    assert send(api, "GET", "/version", token="")[1]["minor"] == "36"


def test_a_host_needs_the_right_to_it(api: Api) -> None:
    weak = api.objects("weak-token")
    refused = refusal(weak.create_namespaced_custom_object, *ROUTES, route())
    assert refused["code"] == 422
    assert refused["message"] == (
        'Route.route.openshift.io "app" is invalid: spec.host: Forbidden: '
        "you do not have permission to set the host field of the route"
    )
    made = weak.create_namespaced_custom_object(*ROUTES, route(host=""))
    assert made["spec"]["host"] == "app-shop.apps.example.test"
    weak.patch_namespaced_custom_object(*ROUTES, "app", {"spec": {"to": {"name": "page"}}})
    moved = refusal(weak.patch_namespaced_custom_object, *ROUTES, "app", {"spec": {"host": "mine.example.test"}})
    assert moved["details"]["causes"][0]["field"] == "spec.host"


def test_access_reviews_answer_from_the_same_rules(api: Api) -> None:
    def may(token: str, subresource: str, namespace: str = "shop") -> bool:
        attributes = client.V1ResourceAttributes(
            namespace=namespace, verb="create", group="route.openshift.io", resource="routes", subresource=subresource
        )
        body = client.V1SelfSubjectAccessReview(
            spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes)
        )
        review = client.AuthorizationV1Api(api.client(token)).create_self_subject_access_review(body)
        return bool(review.status.allowed)

    assert may("ci-token", "custom-host")
    assert not may("ci-token", "custom-host", "other")
    assert may("weak-token", "")
    assert not may("weak-token", "custom-host")


def test_patches(api: Api) -> None:
    send(api, "POST", PATH, route())
    merge, strategic = "application/merge-patch+json", "application/strategic-merge-patch+json"
    status, body = send(api, "PATCH", f"{PATH}/app", {"spec": {"to": {"name": "x"}}}, kind=merge)
    assert (status, body["spec"]["to"]["name"]) == (200, "x")
    status, body = send(api, "PATCH", f"{PATH}/app", {"metadata": {"annotations": {"a": "b"}}}, kind=strategic)
    assert (status, body["metadata"]["annotations"]) == (200, {"a": "b"})
    replace = [{"op": "replace", "path": "/spec/to/name", "value": "y"}]
    status, body = send(api, "PATCH", f"{PATH}/app", replace, kind="application/json-patch+json")
    assert (status, body["spec"]["to"]["name"]) == (200, "y")
    assert [entry["manager"] for entry in body["metadata"]["managedFields"]] == ["tester"]
    stale = {"metadata": {"resourceVersion": "1"}, "spec": {"to": {"name": "z"}}}
    assert send(api, "PATCH", f"{PATH}/app", stale, kind=merge)[0] == 409
    assert send(api, "PATCH", f"{PATH}/app", {}, kind="text/plain")[0] == 415
    assert send(api, "PATCH", f"{PATH}/app", "no JSON", kind=merge)[0] == 400


APPLY = "application/apply-patch+yaml"


def test_server_side_apply(api: Api) -> None:
    path = f"{PATH}/ssa?fieldManager=one"
    status, made = send(api, "PATCH", path, route("ssa"), kind=APPLY)
    assert status == 201
    status, again = send(api, "PATCH", path, route("ssa"), kind=APPLY)
    assert (status, again) == (200, made)
    theirs = route("ssa", to={"kind": "Service", "name": "elsewhere"})
    status, body = send(api, "PATCH", f"{PATH}/ssa?fieldManager=two", theirs, kind=APPLY)
    assert status == 409
    assert body["message"] == 'Apply failed with 1 conflict: conflict with "one": .spec.to.name'
    status, body = send(api, "PATCH", f"{PATH}/ssa?fieldManager=two&force=true", theirs, kind=APPLY)
    assert (status, body["metadata"]["generation"]) == (200, 2)
    status, body = send(api, "PATCH", f"{PATH}/ssa", theirs, kind=APPLY)
    assert (status, body["message"].rpartition(": ")[2]) == (422, "is required for apply patch")


def test_strict_validation_and_dry_run(api: Api) -> None:
    status, body = send(api, "POST", f"{PATH}?fieldValidation=Strict", route() | {"spce": {}})
    assert status == 400
    assert body["message"] == (
        'Route in version "v1" cannot be handled as a Route: strict decoding error: unknown field "spce"'
    )
    assert send(api, "POST", f"{PATH}?dryRun=All", route() | {"spce": {}})[0] == 201
    assert send(api, "GET", f"{PATH}/app")[0] == 404


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"metadata": {"name": "x", "labels": {"v": 1}}}, 400, "cannot unmarshal number into Go struct field"),
        ({"metadata": {"name": "x", "namespace": "other"}}, 400, "does not match the namespace"),
        ({"kind": "Secret", "metadata": {"name": "x"}}, 400, "cannot be handled as a Route"),
        ({"spec": []}, 400, "cannot unmarshal array"),
        ([], 400, "is no object"),
        ("{", 400, "could not be decoded"),
    ],
)
def test_bodies_that_are_refused(api: Api, body: Any, code: int, words: str) -> None:
    status, answer = send(api, "POST", PATH, body)
    assert status == code
    assert words in answer["message"]


def test_the_namespace_of_a_new_object_must_exist(api: Api) -> None:
    status, body = send(api, "POST", PATH.replace("shop", "nowhere"), route())
    assert (status, body["message"]) == (404, 'namespaces "nowhere" not found')


def test_delete_with_preconditions_and_of_many(api: Api) -> None:
    for name in ("a", "b", "c"):
        send(api, "POST", PATH, route(name))
    wrong = "00000000-0000-0000-0000-000000000000"
    status, body = send(api, "DELETE", f"{PATH}/a", {"preconditions": {"uid": wrong}})
    assert status == 409
    assert f"the UID in the precondition ({wrong}) does not match the UID in record" in body["message"]
    assert send(api, "DELETE", f"{PATH}/a", {"dryRun": ["All"]})[0] == 200
    assert send(api, "DELETE", f"{PATH}?labelSelector=app in (a,b)")[0] == 200
    assert [item["metadata"]["name"] for item in send(api, "GET", PATH)[1]["items"]] == ["c"]


def test_a_watch_follows_what_fits_the_selector(api: Api) -> None:
    routes = api.objects()
    routes.create_namespaced_custom_object(*ROUTES, route("a"))
    listed = routes.list_namespaced_custom_object(*ROUTES)
    begun = threading.Event()

    def change() -> None:
        begun.wait(5)
        routes.create_namespaced_custom_object(*ROUTES, route("b"))
        label = {"metadata": {"labels": {"app": "elsewhere"}}}
        routes.patch_namespaced_custom_object(*ROUTES, "a", label)
        routes.delete_namespaced_custom_object(*ROUTES, "b")

    changing = threading.Thread(target=change)
    changing.start()
    seen = []
    stream = watch.Watch()
    begun.set()
    for event in stream.stream(
        api.objects().list_namespaced_custom_object,
        *ROUTES,
        resource_version=listed["metadata"]["resourceVersion"],
        label_selector="app in (a,b)",
        timeout_seconds=5,
    ):
        seen.append((event["type"], event["object"]["metadata"]["name"]))
        if len(seen) == 3:
            stream.stop()
    changing.join()
    assert seen == [("ADDED", "b"), ("DELETED", "a"), ("DELETED", "b")]
    assert [one.user_agent.partition("/")[0] for one in api.server.requests if one.watch] == ["OpenAPI-Generator"]


def test_a_watch_ends_when_its_time_is_up(api: Api) -> None:
    send(api, "POST", PATH, route())
    started = time.monotonic()
    status, events = send(api, "GET", f"{PATH}?watch=true&timeoutSeconds=1&sendInitialEvents=true")
    assert time.monotonic() - started > 0.9
    assert (status, [event["type"] for event in events]) == (200, ["ADDED", "BOOKMARK"])


def test_a_watch_from_too_long_ago_says_so(api: Api) -> None:
    api.call(api.server.store.forget)
    status, events = send(api, "GET", f"{PATH}?watch=true&timeoutSeconds=1&resourceVersion=1")
    assert (status, events[0]["type"], events[0]["object"]["code"]) == (200, "ERROR", 410)


@pytest.mark.parametrize("query", ["resourceVersion=x", "timeoutSeconds=x", "fieldSelector=spec.nonsense=1"])
def test_a_watch_that_cannot_be_understood_is_refused(api: Api, query: str) -> None:
    assert send(api, "GET", f"{PATH}?watch=true&{query}")[0] == 400


def test_discovery(api: Api) -> None:
    _, groups = send(api, "GET", "/apis")
    assert {"name": "route.openshift.io"}.items() <= groups["groups"][-2].items()
    assert send(api, "GET", "/apis/route.openshift.io/v1")[1] == {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "route.openshift.io/v1",
        "resources": [
            {
                "name": "routes",
                "singularName": "route",
                "namespaced": True,
                "kind": "Route",
                "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
                "categories": ["all"],
                "storageVersionHash": "jo1F7GfnXH4=",
            },
            {
                "name": "routes/status",
                "singularName": "",
                "namespaced": True,
                "kind": "Route",
                "verbs": ["get", "patch", "update"],
            },
        ],
    }
    index = send(api, "GET", "/openapi/v3")[1]["paths"]
    for entry in index.values():
        status, document = send(api, "GET", entry["serverRelativeURL"])
        assert (status, document["openapi"]) == (200, "3.0.0")


def test_templates_are_processed(api: Api) -> None:
    template = {
        "apiVersion": "template.openshift.io/v1",
        "kind": "Template",
        "metadata": {"name": "t"},
        "objects": [route("${NAME}")],
        "parameters": [{"name": "NAME", "required": True}],
    }
    path = "/apis/template.openshift.io/v1/namespaces/shop/processedtemplates"
    assert send(api, "POST", path, template, token="weak-token")[0] == 403
    status, body = send(api, "POST", path, template)
    assert (status, body["details"]["causes"][0]["field"]) == (422, "template.parameters[0]")
    template["parameters"] = [{"name": "NAME", "value": "app"}]
    status, body = send(api, "POST", path, template)
    assert (status, body["objects"][0]["spec"]["host"]) == (201, "app.example.test")


def test_image_tags_edit_the_stream(api: Api) -> None:
    tags = "/apis/image.openshift.io/v1/namespaces/shop/imagestreamtags"
    stream = {"metadata": {"name": "page"}}
    send(api, "POST", "/apis/image.openshift.io/v1/namespaces/shop/imagestreams", stream)
    alias = {"tag": {"from": {"kind": "ImageStreamTag", "name": "page:v1"}}}
    assert send(api, "PUT", f"{tags}/page:latest", alias)[0] == 201
    assert send(api, "PUT", f"{tags}/page:latest", alias)[0] == 200
    assert send(api, "GET", f"{tags}/page:latest")[0] == 404
    named = alias | {"metadata": {"name": "page:latest"}}
    assert send(api, "POST", tags, named)[0] == 409
    assert [one["metadata"]["name"] for one in send(api, "GET", tags)[1]["items"]] == ["page:latest"]
    assert send(api, "DELETE", f"{tags}/page:latest")[1]["status"] == "Success"
    assert send(api, "DELETE", f"{tags}/page:latest")[0] == 404
    assert send(api, "POST", tags, alias | {"metadata": {"name": "fresh:v1"}})[0] == 201
    images = "/apis/image.openshift.io/v1/namespaces/shop/imagestreamimages"
    assert send(api, "GET", f"{images}/page@sha256:1")[0] == 404


def test_builds_are_handed_on(api: Api, builds: EchoBuilds) -> None:
    base = "/apis/build.openshift.io/v1/namespaces/shop"
    upload = f"{base}/buildconfigs/page/instantiatebinary?name=page&namespace=shop"
    octets = "application/octet-stream"
    status, body = send(api, "POST", upload, b"tar", kind=octets)
    assert (status, body["message"]) == (404, 'buildconfigs.build.openshift.io "page" not found')
    send(api, "POST", f"{base}/buildconfigs", {"metadata": {"name": "page"}})
    archive = b"tar" * 1_000_000
    status, body = send(api, "POST", upload, archive, kind=octets)
    assert (status, body["metadata"]["name"]) == (201, "page-1")
    assert builds.asked == [("shop", "page", {"name": "page", "namespace": "shop"}, archive)]
    assert send(api, "POST", upload, b"", kind=octets)[1]["message"] == "no archive"
    assert send(api, "GET", f"{base}/builds/page-1/log")[0] == 404
    send(api, "POST", f"{base}/builds", {"metadata": {"name": "page-1"}})
    assert send(api, "GET", f"{base}/builds/page-1/log?follow=true") == (200, b"STEP 1\nSTEP 2\n")
    assert send(api, "GET", f"{base}/builds/page-1/log")[1]["message"] == "no log yet"


def test_projects_are_the_namespaces_that_one_may_see(api: Api) -> None:
    def names(token: str) -> list[str]:
        listed = client.CustomObjectsApi(api.client(token)).list_cluster_custom_object(
            "project.openshift.io", "v1", "projects"
        )
        return [item["metadata"]["name"] for item in listed["items"]]

    assert names("ci-token") == ["shop"]
    assert names("admin-token") == ["other", "shop"]
    assert send(api, "GET", "/apis/project.openshift.io/v1/projects/shop")[1]["status"] == {"phase": "Active"}

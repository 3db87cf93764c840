"""The server as the real kubectl finds it."""

from __future__ import annotations

import json

from tests.rehearsal.apiserver.conftest import Api

ROUTE = """
apiVersion: route.openshift.io/v1
kind: Route
metadata: {name: app, labels: {app: app}}
spec: {host: app.example.test, to: {kind: Service, name: NAME}}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: page}
spec:
  selector: {matchLabels: {app: page}}
  template:
    metadata: {labels: {app: page}}
    spec: {containers: [{name: page, image: "page:1", ports: [{containerPort: 8080}]}]}
"""


def test_routes(api: Api) -> None:
    file = api.folder / "route.yaml"
    file.write_text(ROUTE.replace("NAME", "app"))
    assert api.kubectl("apply", "-f", str(file)).stdout == "route.route.openshift.io/app created\n"
    assert api.kubectl("apply", "-f", str(file)).stdout == "route.route.openshift.io/app unchanged\n"
    file.write_text(ROUTE.replace("NAME", "page"))
    assert api.kubectl("apply", "-f", str(file)).stdout == "route.route.openshift.io/app configured\n"
    shown = json.loads(api.kubectl("get", "routes", "-l", "app=app", "-o", "json").stdout)
    assert [(one["kind"], one["spec"]["to"]["name"]) for one in shown["items"]] == [("Route", "page")]
    patched = api.kubectl("patch", "route", "app", "--type=merge", "-p", '{"spec": {"to": {"name": "other"}}}')
    assert patched.stdout == "route.route.openshift.io/app patched\n"
    condition = "--for=jsonpath={.spec.to.name}=other"
    assert api.kubectl("wait", condition, "route/app", "--timeout=5s").returncode == 0
    assert api.kubectl("delete", "route", "app").returncode == 0
    gone = api.kubectl("get", "route", "app")
    assert gone.stderr == 'Error from server (NotFound): routes.route.openshift.io "app" not found\n'


def test_deployments_by_both_ways_of_apply(api: Api) -> None:
    file = api.folder / "deployment.yaml"
    file.write_text(DEPLOYMENT)
    assert api.kubectl("apply", "-f", str(file)).returncode == 0
    assert api.kubectl("set", "image", "deployment/page", "page=page:2").returncode == 0
    conflict = api.kubectl("apply", "--server-side", "-f", str(file))
    assert conflict.stderr.startswith(
        'error: Apply failed with 1 conflict: conflict with "kubectl-set" using apps/v1: '
        '.spec.template.spec.containers[name="page"].image\n'
    )
    forced = api.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(file))
    assert forced.stdout == "deployment.apps/page serverside-applied\n"
    assert api.kubectl("scale", "deployment/page", "--replicas=3").returncode == 0
    live = json.loads(api.kubectl("get", "deployment", "page", "-o", "json").stdout)
    assert live["spec"]["replicas"] == 3
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "page:1"
    assert api.kubectl("replace", "-f", str(file)).returncode == 0


def test_rights(api: Api) -> None:
    assert api.kubectl("auth", "can-i", "create", "routes").stdout == "yes\n"
    assert api.kubectl("auth", "can-i", "create", "routes", "-n", "other").stdout == "no\n"
    hosts = ("auth", "can-i", "create", "routes", "--subresource=custom-host")
    assert api.kubectl(*hosts, token="weak-token").stdout == "no\n"
    refused = api.kubectl("get", "secrets", token="weak-token")
    assert refused.stderr == (
        'Error from server (Forbidden): secrets is forbidden: User "system:serviceaccount:shop:weak" '
        'cannot list resource "secrets" in API group "" in the namespace "shop"\n'
    )
    unknown = api.kubectl("get", "routes", token="nonsense")
    assert "You must be logged in to the server" in unknown.stderr


def test_objects_that_kubectl_sends_in_protobuf(api: Api) -> None:
    assert api.kubectl("create", "configmap", "x", "--from-literal=a=b").stdout == "configmap/x created\n"
    assert api.kubectl("create", "secret", "generic", "s", "--from-literal=p=q").returncode == 0
    assert api.kubectl("label", "configmap", "x", "kept=no").returncode == 0
    assert api.kubectl("get", "secret", "s", "-o", "jsonpath={.data.p}").stdout == "cQ=="
    assert api.kubectl("delete", "configmap", "-l", "kept=no").returncode == 0
    assert api.kubectl("get", "configmaps", "-o", "name").stdout == ""
    assert api.kubectl("create", "namespace", "new", token="admin-token").stdout == "namespace/new created\n"


def test_the_log_of_a_pod(api: Api) -> None:
    pod = {"metadata": {"name": "page", "namespace": "shop"}, "spec": {"containers": [{"name": "page"}]}}
    api.call(api.server.store.create, "pods", pod, manager="test")
    assert api.kubectl("logs", "page").stdout == "shop/page\n"
    assert 'pods "other" not found' in api.kubectl("logs", "other").stderr

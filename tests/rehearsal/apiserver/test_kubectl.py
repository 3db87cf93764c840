"""The server as the real kubectl finds it."""

from __future__ import annotations

import json
import time

import yaml

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
    assert api.kubectl("wait", condition, "route/app", "--timeout=60s").returncode == 0
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


def test_what_get_shows(api: Api) -> None:
    file = api.folder / "route.yaml"
    file.write_text(ROUTE.replace("NAME", "app"))
    assert api.kubectl("apply", "--server-side", "-f", str(file)).stdout.endswith("app serverside-applied\n")
    shown = yaml.safe_load(api.kubectl("get", "route", "app", "-o", "yaml", "--show-managed-fields").stdout)
    assert shown["spec"]["to"] == {"kind": "Service", "name": "app", "weight": 100}
    assert [(one["manager"], one["operation"]) for one in shown["metadata"]["managedFields"]] == [("kubectl", "Apply")]
    table = api.kubectl("get", "routes", "-o", "wide").stdout.splitlines()
    assert table[0].split()[0] == "NAME"
    assert table[1].split()[0] == "app"
    everywhere = api.kubectl("get", "all", "-A", "-o", "name", token="admin-token")
    assert everywhere.stdout == "route.route.openshift.io/app\n"


def test_a_watch_by_kubectl_goes_on_until_it_is_ended(api: Api) -> None:
    file = api.folder / "route.yaml"
    file.write_text(ROUTE.replace("NAME", "app"))
    api.kubectl("apply", "-f", str(file))
    watching = api.start_kubectl("get", "routes", "-w", "-o", "jsonpath={.spec.to.name}{'\\n'}")
    try:
        assert watching.stdout is not None
        assert watching.stdout.readline() == "app\n"
        for name in ("page", "app"):
            api.kubectl("patch", "route", "app", "--type=merge", "-p", json.dumps({"spec": {"to": {"name": name}}}))
            assert watching.stdout.readline() == f"{name}\n"
    finally:
        watching.kill()
        watching.communicate()


def test_patches_of_three_types(api: Api) -> None:
    file = api.folder / "deployment.yaml"
    file.write_text(DEPLOYMENT)
    assert api.kubectl("apply", "-f", str(file)).returncode == 0
    container = {"name": "page", "env": [{"name": "A", "value": "1"}]}
    for patch_type, patch in (
        ("strategic", {"spec": {"template": {"spec": {"containers": [container]}}}}),
        ("merge", {"metadata": {"annotations": {"b": "2"}}}),
        ("json", [{"op": "replace", "path": "/spec/replicas", "value": 2}]),
    ):
        done = api.kubectl("patch", "deployment", "page", f"--type={patch_type}", "-p", json.dumps(patch))
        assert done.stdout == "deployment.apps/page patched\n", done.stderr
    live = json.loads(api.kubectl("get", "deployment", "page", "-o", "json").stdout)
    [changed] = live["spec"]["template"]["spec"]["containers"]
    assert (changed["image"], changed["env"]) == ("page:1", container["env"])  # merged by name, not replaced
    assert live["metadata"]["annotations"]["b"] == "2"
    assert live["spec"]["replicas"] == 2
    wrong = api.kubectl("patch", "deployment", "page", "--type=json", "-p", '[{"op": "remove", "path": "/spec/x/y"}]')
    assert wrong.returncode == 1
    refused = api.kubectl("patch", "route", "none", "--type=merge", "-p", "{}")
    assert 'routes.route.openshift.io "none" not found' in refused.stderr


def test_waiting_for_an_end(api: Api) -> None:
    file = api.folder / "route.yaml"
    file.write_text(ROUTE.replace("NAME", "app"))
    api.kubectl("apply", "-f", str(file))
    waiting = api.start_kubectl("wait", "--for=delete", "route/app", "--timeout=60s")
    assert (
        api.kubectl("delete", "-f", str(file)).stdout == 'route.route.openshift.io "app" deleted from shop namespace\n'
    )
    assert waiting.wait(timeout=60) == 0
    waiting.communicate()
    late = api.kubectl("wait", "--for=delete", "pod/none", "--timeout=1s")
    assert late.returncode == 0


def test_a_pod_on_a_node_is_marked_first_and_kubectl_waits_for_its_end(api: Api) -> None:
    containers = [{"name": "page", "image": "page:1"}]
    store = api.server.store
    for name in ("on-a-node", "nowhere"):
        spec = {"containers": containers} | ({"nodeName": "node-1"} if name == "on-a-node" else {})
        api.call(store.create, "pods", {"metadata": {"name": name, "namespace": "shop"}, "spec": spec}, manager="test")
    assert api.kubectl("delete", "pod", "nowhere", "--timeout=60s").returncode == 0
    assert api.kubectl("delete", "pod", "on-a-node", "--wait=false").returncode == 0
    marked = api.call(store.get, "pods", "shop", "on-a-node")["metadata"]
    assert (marked["deletionGracePeriodSeconds"], marked["generation"]) == (30, 2)
    waiting = api.start_kubectl("delete", "pod", "on-a-node")
    path = "/api/v1/namespaces/shop/pods/on-a-node"
    end = time.monotonic() + 60
    while [one.method for one in api.server.requests if one.path == path].count("DELETE") < 2:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert waiting.poll() is None
    api.call(store.delete, "pods", "shop", "on-a-node", grace=0)  # what its kubelet does
    assert waiting.wait(timeout=60) == 0
    waiting.communicate()
    assert api.call(store.find, "pods", "shop", "on-a-node") is None

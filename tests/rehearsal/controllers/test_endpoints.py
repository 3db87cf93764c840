from __future__ import annotations

from maintenance_ci.rehearsal.apiserver.store import Object, Store
from maintenance_ci.rehearsal.controllers.endpoints import EndpointSlices
from tests.tools.small_cluster import NAMESPACE, service


def create_pod(store: Store, name: str, address: str, *, port: int = 8080, ready: bool = True) -> Object:
    container = {"name": "page", "image": "a", "ports": [{"name": "web", "containerPort": port}]}
    body = {
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": "page"}},
        "spec": {"containers": [container]},
    }
    pod = store.create("pods", body, manager="test")
    conditions = [{"type": "Ready", "status": str(ready)}]
    status = {"podIP": address, "conditions": conditions}
    return store.update("pods", {**pod, "status": status}, manager="kubelet", subresource="status")


def test_slice_holds_the_pods_of_the_service() -> None:
    store = Store()
    owner = store.create("services", service("page", "web"), manager="test")
    pod = create_pod(store, "a", "127.1.2.3")
    create_pod(store, "b", "127.1.2.4", ready=False)
    controller = EndpointSlices(store)
    controller.reconcile()
    [one] = store.list("endpointslices", NAMESPACE)
    assert one["metadata"]["name"].startswith("page-")
    assert one["metadata"]["labels"]["kubernetes.io/service-name"] == "page"
    assert one["metadata"]["ownerReferences"][0]["uid"] == owner["metadata"]["uid"]
    assert one["ports"] == [{"name": "http", "protocol": "TCP", "port": 8080}]
    assert one["endpoints"] == [
        {
            "addresses": ["127.1.2.3"],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": {"kind": "Pod", "namespace": NAMESPACE, "name": "a", "uid": pod["metadata"]["uid"]},
        },
        {
            "addresses": ["127.1.2.4"],
            "conditions": {"ready": False, "serving": False, "terminating": False},
            "targetRef": {
                "kind": "Pod",
                "namespace": NAMESPACE,
                "name": "b",
                "uid": store.get("pods", NAMESPACE, "b")["metadata"]["uid"],
            },
        },
    ]
    version = store.resource_version
    controller.reconcile()
    assert store.resource_version == version
    store.delete("pods", NAMESPACE, "b")
    controller.reconcile()
    [same] = store.list("endpointslices", NAMESPACE)
    assert same["metadata"]["name"] == one["metadata"]["name"]
    assert len(same["endpoints"]) == 1


def test_pods_with_another_number_for_a_named_port_have_a_slice_of_their_own() -> None:
    store = Store()
    store.create("services", service("page", "web"), manager="test")
    create_pod(store, "a", "127.1.2.3", port=8080)
    controller = EndpointSlices(store)
    controller.reconcile()
    create_pod(store, "b", "127.1.2.4", port=9090)
    controller.reconcile()
    found = {one["ports"][0]["port"]: one["endpoints"][0]["addresses"] for one in store.list("endpointslices")}
    assert found == {8080: ["127.1.2.3"], 9090: ["127.1.2.4"]}
    store.delete("pods", NAMESPACE, "a")
    controller.reconcile()
    [one] = store.list("endpointslices")
    assert one["ports"][0]["port"] == 9090


def test_service_without_pods_or_without_selector() -> None:
    store = Store()
    store.create("services", service("page"), manager="test")
    store.create("services", {"metadata": {"name": "other", "namespace": NAMESPACE}, "spec": {}}, manager="test")
    EndpointSlices(store).reconcile()
    [one] = store.list("endpointslices")
    assert one["endpoints"] == []


def test_slices_go_with_their_service_and_foreign_ones_stay() -> None:
    store = Store()
    store.create("services", service("page"), manager="test")
    foreign = {
        "metadata": {"name": "mine", "namespace": NAMESPACE},
        "addressType": "IPv4",
        "endpoints": [],
        "ports": [],
    }
    store.create("endpointslices", foreign, manager="test")
    controller = EndpointSlices(store)
    controller.reconcile()
    assert len(store.list("endpointslices")) == 2
    store.delete("services", NAMESPACE, "page")
    controller.reconcile()
    assert [one["metadata"]["name"] for one in store.list("endpointslices")] == ["mine"]

"""The server as the official Python client finds it: typed, dynamic, its watches, and its lock on a Lease."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from kubernetes import client, dynamic, watch
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError
from kubernetes.leaderelection.electionconfig import Config
from kubernetes.leaderelection.leaderelection import LeaderElection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

from tests.rehearsal.apiserver.conftest import Api

Object = dict[str, Any]
ROUTE = {
    "apiVersion": "route.openshift.io/v1",
    "kind": "Route",
    "metadata": {"name": "app"},
    "spec": {"host": "app.example.test", "to": {"kind": "Service", "name": "app"}},
}


def deployment(image: str) -> client.V1Deployment:
    labels = {"app": "page"}
    pod = client.V1PodSpec(containers=[client.V1Container(name="page", image=image)])
    template = client.V1PodTemplateSpec(metadata=client.V1ObjectMeta(labels=labels), spec=pod)
    spec = client.V1DeploymentSpec(selector=client.V1LabelSelector(match_labels=labels), template=template)
    return client.V1Deployment(metadata=client.V1ObjectMeta(name="page"), spec=spec)


def test_typed(api: Api) -> None:
    apps = client.AppsV1Api(api.client())
    made = apps.create_namespaced_deployment("shop", deployment("page:1"))
    assert made.spec.strategy.rolling_update.max_surge == "25%"
    made.spec.replicas = 2
    replaced = apps.replace_namespaced_deployment("page", "shop", made)
    assert (replaced.metadata.generation, replaced.spec.replicas) == (2, 2)
    with pytest.raises(client.ApiException) as stale:
        apps.replace_namespaced_deployment("page", "shop", made)
    assert (stale.value.status, stale.value.reason) == (409, "Conflict")
    container = {"name": "page", "image": "page:2"}
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    patched = apps.patch_namespaced_deployment("page", "shop", patch)
    assert [one.image for one in patched.spec.template.spec.containers] == ["page:2"]
    assert apps.read_namespaced_deployment_scale("page", "shop").spec.replicas == 2
    assert apps.delete_namespaced_deployment("page", "shop")["status"] == "Success"
    assert apps.list_namespaced_deployment("shop").items == []
    version = client.VersionApi(api.client()).get_code()
    assert (version.major, version.minor) == ("1", "36")


def test_dynamic(api: Api) -> None:
    dynamic_client = dynamic.DynamicClient(api.client(), cache_file=str(api.folder / "discovery.json"))
    routes = dynamic_client.resources.get(api_version="route.openshift.io/v1", kind="Route")
    made = routes.create(body=ROUTE, namespace="shop")
    assert made.spec.to.weight == 100
    body = {**ROUTE, "spec": {"to": {"kind": "Service", "name": "page"}}}
    with pytest.raises(ConflictError):
        routes.server_side_apply(body=body, namespace="shop", name="app", field_manager="ci")
    forced = routes.server_side_apply(body=body, namespace="shop", name="app", field_manager="ci", force_conflicts=True)
    assert (forced.spec.to.name, forced.spec.host) == ("page", "app.example.test")
    patch = {"metadata": {"labels": {"a": "b"}}}
    routes.patch(body=patch, namespace="shop", name="app", content_type="application/merge-patch+json")
    assert [one.metadata.name for one in routes.get(namespace="shop", label_selector="a=b").items] == ["app"]
    routes.delete(name="app", namespace="shop")
    with pytest.raises(NotFoundError):
        routes.get(name="app", namespace="shop")


def test_a_watch_goes_on_where_a_list_ended(api: Api) -> None:
    routes = api.objects()
    where = ("route.openshift.io", "v1", "shop", "routes")
    routes.create_namespaced_custom_object(*where, ROUTE)
    since = routes.list_namespaced_custom_object(*where)["metadata"]["resourceVersion"]

    def change() -> None:
        routes.patch_namespaced_custom_object(*where, "app", {"spec": {"to": {"name": "page"}}})
        routes.delete_namespaced_custom_object(*where, "app")

    changing = threading.Thread(target=change)
    changing.start()
    seen: list[tuple[str, str]] = []
    watcher = watch.Watch()
    lister = api.objects().list_namespaced_custom_object
    for event in watcher.stream(lister, *where, resource_version=since, timeout_seconds=10):
        seen.append((event["type"], event["object"]["spec"]["to"]["name"]))
        if event["type"] == "DELETED":
            watcher.stop()  # type: ignore[no-untyped-call]
    changing.join()
    assert seen == [("MODIFIED", "page"), ("DELETED", "page")]


def test_the_lock_on_a_lease(api: Api) -> None:
    """The client's own leader election: one leads, the other waits until the Lease has run out."""
    first, second = (candidate(api, name) for name in ("first", "second"))
    assert first.try_acquire_or_renew()
    assert not second.try_acquire_or_renew()
    assert first.try_acquire_or_renew()
    # It saw the Lease before it was renewed: from here on two seconds have to pass.
    assert not second.try_acquire_or_renew()
    time.sleep(2.1)
    late = candidate(api, "late")
    late_reads, _ = late.election_config.lock.get("lock", "shop")
    assert late_reads
    assert second.try_acquire_or_renew()
    # What was read before somebody else wrote is refused: that is what makes the Lease a lock.
    assert not late.update_lock(late.election_config.lock.get_lock_object(late.election_config.lock.lease_reference))
    assert not first.try_acquire_or_renew()
    lease = client.CoordinationV1Api(api.client()).read_namespaced_lease("lock", "shop")
    assert lease.spec.holder_identity == "second"


def candidate(api: Api, identity: str) -> Any:
    lock = LeaseLock("lock", "shop", identity)  # type: ignore[no-untyped-call]
    lock.api_instance = client.CoordinationV1Api(api.client())
    settings = Config(  # type: ignore[no-untyped-call]
        lock, lease_duration=2, renew_deadline=1.5, retry_period=1, onstarted_leading=print, onstopped_leading=print
    )
    return LeaderElection(settings)  # type: ignore[no-untyped-call]

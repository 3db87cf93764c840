"""A Route of another namespace that waits for a host, and takes it when the owner goes: over the API, with traffic."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from kubernetes import client, config

from maintenance_ci.rehearsal import application_manifests as manifests
from tests.tools.clusters import Cluster

FOREIGN = "unknown"  # what users call somebody who is neither the application nor the page
HOLDS = "a route in another namespace holds"


class Routes:
    """Routes as somebody with a client of their own sees them."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        api = config.new_client_from_config(str(cluster.inside.admin_kubeconfig()))
        self._api = client.CustomObjectsApi(api)

    def create(self, route: dict[str, Any]) -> None:
        # creationTimestamp, which decides, has no fractions.
        time.sleep(1 - time.time() % 1 + 0.01)
        self._api.create_namespaced_custom_object(*self._kind(route["metadata"]["namespace"]), route)
        self._cluster.call(self._cluster.inside.router.look)

    def delete(self, name: str, namespace: str = manifests.NAMESPACE) -> None:
        self._api.delete_namespaced_custom_object(*self._kind(namespace), name)
        self._cluster.call(self._cluster.inside.router.look)

    def admitted(self, name: str, namespace: str = manifests.NAMESPACE) -> str:
        """Return "True", or the message of the refusal."""
        route = self._api.get_namespaced_custom_object(*self._kind(namespace), name)
        ((condition,),) = (entry["conditions"] for entry in route["status"]["ingress"])
        return str(condition.get("message", condition["status"]))

    @staticmethod
    def _kind(namespace: str) -> tuple[str, str, str, str]:
        return "route.openshift.io", "v1", namespace, "routes"


@pytest.fixture
def routes(cluster: Cluster) -> Iterator[Routes]:
    """The Routes of a cluster in which another team has a Service ``thief``."""
    runner = cluster.do(other_team(cluster))
    yield Routes(cluster)
    cluster.do(runner.cleanup())


async def other_team(cluster: Cluster) -> web.AppRunner:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="other team")

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.62.1", 0).start()
    labels = {"kubernetes.io/service-name": "thief"}
    endpoints = {
        "metadata": {"name": "thief-x", "namespace": manifests.OTHER_NAMESPACE, "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.62.1"], "conditions": {"ready": True}}],
        "ports": [{"name": "http", "port": runner.addresses[0][1], "protocol": "TCP"}],
    }
    cluster.store.create("endpointslices", endpoints, manager="test")
    return runner


def thief() -> dict[str, Any]:
    return manifests.route("thief", manifests.HOST, namespace=manifests.OTHER_NAMESPACE)


def who_answers(cluster: Cluster) -> set[str]:
    """Say who answers when every replica has reloaded."""
    cluster.do(cluster.inside.router.followed())
    time.sleep(0.2)  # answers of the old processes that are on their way
    with cluster.users(rate=100) as answers:
        time.sleep(0.3)
    assert {answer.status for answer in answers} == {200}
    return {answer.served_by for answer in answers}


def test_a_foreign_route_takes_the_host_when_the_owner_goes_and_keeps_it(cluster: Cluster, routes: Routes) -> None:
    routes.create(thief())
    holds = f"{HOLDS} {manifests.HOST} and is older than"
    assert routes.admitted("thief", manifests.OTHER_NAMESPACE) == f"{holds} thief"
    assert who_answers(cluster) == {"application"}

    routes.delete("shop")
    assert routes.admitted("thief", manifests.OTHER_NAMESPACE) == "True"
    assert who_answers(cluster) == {FOREIGN}

    routes.create(manifests.route("shop", manifests.HOST))
    assert routes.admitted("shop") == f"{holds} shop"
    assert who_answers(cluster) == {FOREIGN}

    routes.delete("thief", manifests.OTHER_NAMESPACE)
    assert routes.admitted("shop") == "True"
    assert who_answers(cluster) == {"application"}


def test_an_older_route_of_the_owner_keeps_the_foreign_one_waiting(cluster: Cluster, routes: Routes) -> None:
    routes.create(manifests.route("spare", manifests.HOST, service="shop"))
    assert routes.admitted("spare") == f"route shop already exposes {manifests.HOST} and is older"
    routes.create(thief())
    routes.delete("shop")
    assert routes.admitted("spare") == "True"
    assert routes.admitted("thief", manifests.OTHER_NAMESPACE).startswith(HOLDS)
    assert who_answers(cluster) == {"application"}

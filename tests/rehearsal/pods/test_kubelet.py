from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from maintenance_ci.rehearsal.apiserver.errors import ApiError
from maintenance_ci.rehearsal.apiserver.store import Object
from maintenance_ci.rehearsal.builds.images import APPLICATION_IMAGE
from tests.tools.small_cluster import NAMESPACE, SmallCluster, fetch, small_cluster, until


def pod(name: str, image: str = APPLICATION_IMAGE, **container: Any) -> Object:
    spec = {"name": "main", "image": image, "ports": [{"name": "http", "containerPort": 8080}], **container}
    return {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"containers": [spec]}}


def state(cluster: SmallCluster, name: str) -> Object:
    found: Object = cluster.get("pods", name)["status"]["containerStatuses"][0]
    return found


async def ready(cluster: SmallCluster, name: str) -> str:
    """Wait until a Pod is ready; returns its address."""
    await until(lambda: cluster.get("pods", name)["status"].get("containerStatuses") and state(cluster, name)["ready"])
    return str(cluster.get("pods", name)["status"]["podIP"])


def test_application_serves_and_its_status_has_the_recorded_form(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            cluster.create("pods", pod("app"))
            address = await ready(cluster, "app")
            assert "application" in await fetch(address)
            status = cluster.get("pods", "app")["status"]
            assert status["phase"] == "Running"
            assert [(one["type"], one["status"]) for one in status["conditions"]] == [
                ("Initialized", "True"),
                ("Ready", "True"),
                ("ContainersReady", "True"),
                ("PodScheduled", "True"),
            ]
            assert "running" in status["containerStatuses"][0]["state"]
            assert "listening on port 8080" in cluster.kubelet.container_log(NAMESPACE, "app")
            with pytest.raises(ApiError, match='pods "nope" not found'):
                cluster.kubelet.container_log(NAMESPACE, "nope")

    asyncio.run(main())


def test_deleted_pod_refuses_connections_promptly(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            cluster.create("pods", pod("app"))
            address = await ready(cluster, "app")
            cluster.store.delete("pods", NAMESPACE, "app")
            with pytest.raises(aiohttp.ClientConnectorError):
                async with asyncio.timeout(60):
                    while True:
                        await fetch(address)
                        await asyncio.sleep(0.01)
            cluster.create("pods", pod("app"))
            assert await ready(cluster, "app") != address

    asyncio.run(main())


@pytest.mark.parametrize(
    "hook",
    [
        {"sleep": {"seconds": 25}},
        {"exec": {"command": ["sleep", "25"]}},
        {"exec": {"command": ["sh", "-c", "sleep 25"]}},
    ],
)
def test_pre_stop_hook_keeps_a_deleted_pod_serving(tmp_path: Path, hook: Object) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            cluster.create("pods", pod("app", lifecycle={"preStop": hook}))
            address = await ready(cluster, "app")
            cluster.store.delete("pods", NAMESPACE, "app")
            await asyncio.sleep(0.3)
            assert await fetch(address)
        # The end of the cluster does not wait for hooks.
        with pytest.raises(aiohttp.ClientConnectorError):
            await fetch(address)

    asyncio.run(main())


def test_a_deleted_pod_is_marked_until_its_containers_have_ended(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            cluster.create("pods", pod("app", lifecycle={"preStop": {"sleep": {"seconds": 1.0}}}))
            await ready(cluster, "app")
            assert cluster.get("pods", "app")["spec"]["nodeName"] == "node-1"
            assert cluster.get("pods", "app")["metadata"]["generation"] == 1
            cluster.store.delete("pods", NAMESPACE, "app")
            marked = cluster.get("pods", "app")
            assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
            assert marked["metadata"]["generation"] == 2
            assert cluster.store.delete("pods", NAMESPACE, "app") == marked  # once is enough
            await asyncio.sleep(0.1)
            assert cluster.get("pods", "app") == marked
            await until(lambda: cluster.store.find("pods", NAMESPACE, "app") is None)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("probe", "becomes_ready"),
    [
        ({"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 60, "initialDelaySeconds": 60}, True),
        ({"httpGet": {"path": "/healthz", "port": 8080, "httpHeaders": [{"name": "A", "value": "b"}]}}, True),
        ({"tcpSocket": {"port": 8080}}, True),
        ({"exec": {"command": ["true"]}}, True),
        ({"httpGet": {"path": "/", "port": 9999}}, False),
        ({"httpGet": {"path": "/", "port": "nope"}}, False),
        ({"tcpSocket": {"port": 9999}}, False),
    ],
)
def test_readiness_probe_is_made(tmp_path: Path, probe: Object, becomes_ready: bool) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            cluster.create("pods", pod("app", readinessProbe=probe))
            await until(lambda: "running" in str(cluster.get("pods", "app")["status"]))
            if becomes_ready:
                await ready(cluster, "app")
            else:
                await asyncio.sleep(0.5)
                assert not state(cluster, "app")["ready"]
                condition = cluster.get("pods", "app")["status"]["conditions"][1]
                assert (condition["type"], condition["reason"]) == ("Ready", "ContainersNotReady")

    asyncio.run(main())


def test_pod_waits_for_an_image_that_is_pushed_later(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            reference = "registry.example.test/team/late:1"
            cluster.create("pods", pod("late", reference))
            await until(lambda: "ErrImagePull" in str(cluster.get("pods", "late")["status"]))
            assert cluster.get("pods", "late")["status"]["phase"] == "Pending"
            application = cluster.images.find(APPLICATION_IMAGE)
            assert application is not None
            cluster.images.push(reference, application)
            await ready(cluster, "late")

    asyncio.run(main())


def test_two_pods_have_two_addresses_and_a_container_that_cannot_listen_crashes(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            twice = pod("twice")
            twice["spec"]["containers"].append({"name": "second", "image": APPLICATION_IMAGE})
            cluster.create("pods", twice)
            cluster.create("pods", pod("once"))
            address = await ready(cluster, "once")
            await until(lambda: "CrashLoopBackOff" in str(cluster.get("pods", "twice")["status"]))
            assert cluster.get("pods", "twice")["status"]["podIP"] != address
            await until(lambda: cluster.get("pods", "twice")["status"]["phase"] == "Running")
            message = str(cluster.get("pods", "twice")["status"])
            assert "cannot listen" in message

    asyncio.run(main())

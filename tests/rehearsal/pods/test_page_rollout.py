"""From an upload to a page that serves, with everything real but the router."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from tests.tools.small_cluster import PAGE, deployment, fetch, page, small_cluster, tar_of, until


def test_page_is_built_rolled_out_replaced_and_removed(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            cluster.create_page()
            # Nobody has built it yet: the Deployment asks for an image that is nowhere.
            await until(lambda: "ImagePullBackOff" in str(cluster.store.list("pods")))
            assert cluster.ready(PAGE) == []

            assert (await cluster.build(page("first")))["status"]["phase"] == "Complete"
            reference = cluster.tag_latest()
            [first] = await until(lambda: cluster.ready(PAGE))
            assert await fetch(first) == "first"
            assert await fetch(first, "/any/path") == "first"
            template = cluster.get("deployments", PAGE)["spec"]["template"]
            assert template["spec"]["containers"][0]["image"] == reference

            await until(lambda: len(cluster.pods(PAGE)) == 1)
            assert (await cluster.build(page("second")))["status"]["phase"] == "Complete"
            gaps = 0
            cluster.tag_latest()
            while first in cluster.ready(PAGE):
                gaps += not cluster.ready(PAGE)
                await asyncio.sleep(0)
            assert gaps == 0
            [second] = cluster.ready(PAGE)
            assert second != first
            assert await fetch(second) == "second"
            with pytest.raises(aiohttp.ClientConnectorError):
                async with asyncio.timeout(60):
                    while True:
                        await fetch(first)
                        await asyncio.sleep(0.02)

            cluster.store.delete("deployments", "shop", PAGE)
            await until(lambda: not cluster.pods(PAGE) and not cluster.store.list("replicasets"))
            await until(lambda: cluster.ready(PAGE) == [])

    asyncio.run(main())


def test_no_process_is_left_behind(tmp_path: Path) -> None:
    async def main() -> None:
        others = children()  # of tests before, in the same process
        async with small_cluster(tmp_path) as cluster:
            cluster.create_page()
            await cluster.build(page("here"))
            cluster.tag_latest()
            [address] = await until(lambda: cluster.ready(PAGE))
            assert children() - others
        assert not children() - others
        with pytest.raises(aiohttp.ClientConnectorError):
            await fetch(address)

    asyncio.run(main())


def children() -> set[str]:
    """The processes that this one has started and that are there still."""
    return {pid for thread in Path("/proc/self/task").iterdir() for pid in (thread / "children").read_text().split()}


def test_failed_build_leaves_the_page_as_it_is(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            cluster.create_page()
            await cluster.build(page("good"))
            cluster.tag_latest()
            [address] = await until(lambda: cluster.ready(PAGE))
            build = await cluster.build(tar_of({"Dockerfile": "FROM nginx\nCOPY nope.html /x\n"}))
            assert build["status"]["phase"] == "Failed"
            cluster.tag_latest()
            await asyncio.sleep(0.1)
            assert cluster.ready(PAGE) == [address]
            assert await fetch(address) == "good"

    asyncio.run(main())


def test_broken_configuration_never_becomes_ready_and_the_old_page_stays(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            cluster.create_page()
            await cluster.build(page("good"))
            cluster.tag_latest()
            [address] = await until(lambda: cluster.ready(PAGE))
            await cluster.build(page("bad", **{"default.conf": "server {\n    listen 8080;\n    bogus on;\n}\n"}))
            cluster.tag_latest()
            await until(lambda: "CrashLoopBackOff" in str(cluster.store.list("pods")))
            [crashing] = [
                pod for pod in cluster.pods(PAGE) if "waiting" in pod["status"]["containerStatuses"][0]["state"]
            ]
            status = crashing["status"]["containerStatuses"][0]
            assert (
                'unknown directive "bogus" in /etc/nginx/conf.d/default.conf:3' in status["state"]["waiting"]["message"]
            )
            assert status["lastState"]["terminated"]["exitCode"] == 1
            await until(
                lambda: (
                    cluster.get("pods", crashing["metadata"]["name"])["status"]["containerStatuses"][0]["restartCount"]
                    > 1
                )
            )
            assert "unknown directive" in cluster.kubelet.container_log("shop", crashing["metadata"]["name"])
            assert cluster.ready(PAGE) == [address]
            assert await fetch(address) == "good"

    asyncio.run(main())


def test_deployment_with_an_unknown_image_is_never_available(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            wanted = deployment("lost", "registry.example.test/team/lost:1")
            wanted["spec"]["progressDeadlineSeconds"] = 1
            cluster.create("deployments", wanted)
            await until(lambda: "ProgressDeadlineExceeded" in str(cluster.get("deployments", "lost").get("status")))
            status = cluster.get("deployments", "lost")["status"]
            assert status["unavailableReplicas"] == 1
            assert {one["type"]: one["status"] for one in status["conditions"]} == {
                "Available": "False",
                "Progressing": "False",
            }
            [pod] = cluster.store.list("pods")
            waiting = pod["status"]["containerStatuses"][0]["state"]["waiting"]
            assert waiting["reason"] in ("ErrImagePull", "ImagePullBackOff")
            assert "registry.example.test/team/lost:1" in waiting["message"]

    asyncio.run(main())

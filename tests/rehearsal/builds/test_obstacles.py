"""What keeps a build from beginning, and a base image that is not there: in the words of the real controllers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from maintenance_ci.rehearsal.apiserver.errors import ApiError
from tests.rehearsal.builds.test_builds import create_stream
from tests.tools.small_cluster import NAMESPACE, PAGE, build_config, page, small_cluster, tar_of, until


def quota(name: str, **hard: str) -> dict[str, object]:
    return {
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"hard": {key.replace("_", "."): value for key, value in hard.items()}},
    }


def test_a_build_whose_pod_is_refused_says_so_and_tries_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            create_stream(cluster)
            cluster.create("buildconfigs", build_config())
            cluster.create("resourcequotas", quota("compute", limits_cpu="1"))
            building = asyncio.create_task(cluster.build(page("a")))
            await until(lambda: "CannotCreateBuildPod" in str(cluster.store.list("builds")))
            status = cluster.get("builds", f"{PAGE}-1")["status"]
            containers = ("docker-build", "git-clone", "manage-dockerfile")
            unnamed = "; ".join(f"limits.cpu for: {name}" for name in containers)
            assert (status["phase"], status["reason"]) == ("New", "CannotCreateBuildPod")
            assert status["message"] == (
                f'Failed creating build pod: pods "{PAGE}-1-build" is forbidden: failed quota: compute: must specify '
                f"{unnamed}"
            )
            cluster.store.delete("resourcequotas", NAMESPACE, "compute")
            status = (await building)["status"]
            assert status["phase"] == "Complete"
            assert "reason" not in status

    asyncio.run(main())


def test_a_build_s_pod_has_the_resources_of_its_build_config(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            create_stream(cluster)
            config = build_config()
            config["spec"]["resources"] = {"limits": {"cpu": "500m"}}
            cluster.create("buildconfigs", config)
            cluster.create("resourcequotas", quota("compute", limits_cpu="1"))
            assert (await cluster.build(page("a")))["status"]["phase"] == "Complete"
            [pod] = cluster.store.list("pods")
            assert pod["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "500m"}}

    asyncio.run(main())


def test_a_build_s_pod_that_no_node_takes_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            create_stream(cluster)
            cluster.create("buildconfigs", build_config())
            node = cluster.create("nodes", {"metadata": {"name": "node-1"}, "spec": {"unschedulable": True}})
            building = asyncio.create_task(cluster.build(page("a")))
            await until(lambda: "Unschedulable" in str(cluster.store.list("pods")))
            [pod] = cluster.store.list("pods")
            [condition] = pod["status"]["conditions"]
            assert condition["message"].startswith("0/1 nodes are available: 1 node(s) were unschedulable.")
            assert cluster.get("builds", f"{PAGE}-1")["status"]["phase"] == "Pending"
            cluster.store.update("nodes", {**node, "spec": {}}, manager="test")
            assert (await building)["status"]["phase"] == "Complete"

    asyncio.run(main())


def test_a_base_image_is_the_one_that_the_tag_has_when_the_build_is_made(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            create_stream(cluster)
            cluster.create("buildconfigs", build_config())
            await cluster.build(page("base"))
            reference = {"kind": "ImageStreamTag", "name": f"{PAGE}:v1", "namespace": NAMESPACE}
            config = cluster.get("buildconfigs", PAGE)
            strategy = {"type": "Docker", "dockerStrategy": {"from": reference}}
            cluster.store.update(
                "buildconfigs", {**config, "spec": {**config["spec"], "strategy": strategy}}, manager="x"
            )
            build = await cluster.build(tar_of({"Dockerfile": "FROM nginx"}))
            [tag] = cluster.get("imagestreams", PAGE)["status"]["tags"]
            base = tag["items"][1]["dockerImageReference"]
            assert build["spec"]["strategy"]["dockerStrategy"]["from"] == {"kind": "DockerImage", "name": base}
            image = cluster.images.find(tag["items"][0]["dockerImageReference"])
            assert image is not None
            assert (image.files / "usr/share/nginx/html/index.html").read_text() == "base"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "why"),
    [(f"{PAGE}:v9", "unable to find latest tagged image"), ("x:1", 'imagestreams.image.openshift.io "x" not found')],
)
def test_a_base_image_s_tag_that_is_not_there(tmp_path: Path, name: str, why: str) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            create_stream(cluster)
            base = {"kind": "ImageStreamTag", "name": name}
            cluster.create("buildconfigs", build_config(**{"from": base}))
            with pytest.raises(ApiError) as refused:
                await cluster.builds.instantiate_binary(NAMESPACE, PAGE, {}, page("a"))
            assert refused.value.code == 422
            assert refused.value.message == f"Error resolving ImageStreamTag {name} in namespace {NAMESPACE}: {why}"
            assert cluster.store.list("builds") == []

    asyncio.run(main())


def test_a_base_image_that_cannot_be_pulled(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            create_stream(cluster)
            cluster.create("buildconfigs", build_config())
            cluster.images.refusals["nginxinc/"] = "toomanyrequests: You have reached your pull rate limit."
            status = (await cluster.build(page("a")))["status"]
            assert (status["phase"], status["reason"]) == ("Failed", "PullBuilderImageFailed")
            assert status["message"] == "Failed pulling builder image."
            assert "toomanyrequests" in status["logSnippet"]

    asyncio.run(main())

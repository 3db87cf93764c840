from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from maintenance_ci.rehearsal.apiserver.errors import ApiError
from maintenance_ci.rehearsal.apiserver.store import Object
from tests.tools.small_cluster import (
    NAMESPACE,
    PAGE,
    SmallCluster,
    build_config,
    page,
    small_cluster,
    tar_of,
    until,
)


def no_pods() -> Object:
    """A quota under which no build begins."""
    return {"metadata": {"name": "pods", "namespace": NAMESPACE}, "spec": {"hard": {"pods": "0"}}}


def create_stream(cluster: SmallCluster) -> None:
    cluster.create("imagestreams", {"metadata": {"name": PAGE, "namespace": NAMESPACE}, "spec": {}})


async def log_of(cluster: SmallCluster, name: str, *, follow: bool = False) -> list[str]:
    return [line.decode().rstrip() async for line in cluster.builds.log(NAMESPACE, name, follow)]


def test_build_passes_its_phases_and_its_image_is_pushed(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            create_stream(cluster)
            cluster.create("buildconfigs", build_config())
            seen: list[str] = []

            async def watch() -> None:
                async for event in cluster.store.watch("builds", "imagestreams"):
                    pushed = "tags" in event.object["status"]
                    seen.append(event.object["status"]["phase"] if event.plural == "builds" else f"pushed {pushed}")

            watching = asyncio.create_task(watch())
            await asyncio.sleep(0.01)
            running = await cluster.builds.instantiate_binary(NAMESPACE, PAGE, {"name": PAGE}, page("a"))
            assert running["status"]["phase"] == "Running"
            log = await log_of(cluster, f"{PAGE}-1", follow=True)
            # The log ends before the Build does: who asks then has to wait for its end.
            assert cluster.get("builds", f"{PAGE}-1")["status"]["phase"] == "Running"
            await until(lambda: "Complete" in seen)
            build = cluster.get("builds", f"{PAGE}-1")
            watching.cancel()
            await asyncio.wait([watching])
            assert seen == ["pushed False", "New", "Pending", "Running", "pushed True", "Complete"]
            check_build(build, cluster.get("buildconfigs", PAGE))
            [tag] = cluster.get("imagestreams", PAGE)["status"]["tags"]
            [item] = tag["items"]
            assert tag["tag"] == "v1"
            repository = f"image-registry.openshift-image-registry.svc:5000/{NAMESPACE}/{PAGE}"
            assert item["dockerImageReference"] == f"{repository}@{item['image']}"
            assert build["status"]["output"] == {}
            assert cluster.images.find(item["dockerImageReference"]) is not None
            assert cluster.store.find("images", "", item["image"]) is not None
            assert log[0] == "Receiving source from STDIN as archive ..."
            assert log[-2:] == [f"Successfully pushed {item['dockerImageReference']}", "Push successful"]

    asyncio.run(main())


def check_build(build: dict[str, object], config: dict[str, object]) -> None:
    """Its form is the recorded one."""
    metadata, status = build["metadata"], build["status"]
    assert isinstance(metadata, dict)
    assert isinstance(status, dict)
    assert metadata["labels"] == {
        "app": PAGE,
        "buildconfig": PAGE,
        "openshift.io/build-config.name": PAGE,
        "openshift.io/build.start-policy": "Serial",
    }
    assert metadata["annotations"] == {
        "openshift.io/build-config.name": PAGE,
        "openshift.io/build.number": "1",
        "openshift.io/build.pod-name": f"{PAGE}-1-build",
    }
    assert metadata["ownerReferences"][0]["uid"] == config["metadata"]["uid"]  # type: ignore[index]
    assert config["status"] == {"lastVersion": 1}
    assert [(one["type"], one["status"]) for one in status["conditions"]] == [
        ("New", "False"),
        ("Pending", "False"),
        ("Running", "False"),
        ("Complete", "True"),
    ]
    assert list(status) == [
        "phase",
        "startTimestamp",
        "completionTimestamp",
        "duration",
        "outputDockerImageReference",
        "config",
        "output",
        "conditions",
    ]
    assert build["spec"]["serviceAccount"] == "builder"  # type: ignore[index]


def test_failed_build_says_why_and_pushes_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            create_stream(cluster)
            cluster.create("buildconfigs", build_config())
            status = (await cluster.build(tar_of({"Dockerfile": "FROM nginx\nCOPY nope /x"})))["status"]
            assert (status["phase"], status["reason"]) == ("Failed", "GenericBuildFailed")
            assert status["message"] == "Generic Build failure - check logs for details."
            assert status["conditions"][-1]["reason"] == "GenericBuildFailed"
            assert 'stat: "/nope": no such file or directory' in (await log_of(cluster, f"{PAGE}-1"))[-1]
            assert 'stat: "/nope"' in status["logSnippet"]
            assert "tags" not in cluster.get("imagestreams", PAGE)["status"]

    asyncio.run(main())


def test_upload_that_is_no_archive(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            create_stream(cluster)
            cluster.create("buildconfigs", build_config())
            with pytest.raises(ApiError) as refused:
                await cluster.builds.instantiate_binary(NAMESPACE, PAGE, {}, b"no archive")
            assert refused.value.code == 400
            assert refused.value.message == (
                f"build {PAGE}-1 failed: FetchSourceFailed: Failed to fetch the input source."
            )
            assert cluster.get("builds", f"{PAGE}-1")["status"]["phase"] == "Failed"

    asyncio.run(main())


def test_missing_build_config_or_build(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            with pytest.raises(ApiError, match=r'buildconfigs\.build\.openshift\.io "nope" not found'):
                await cluster.builds.instantiate_binary(NAMESPACE, "nope", {}, b"")
            with pytest.raises(ApiError, match=r'builds\.build\.openshift\.io "nope" not found'):
                await log_of(cluster, "nope")

    asyncio.run(main())


def test_builds_of_one_build_config_run_one_after_the_other(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            create_stream(cluster)
            cluster.create("buildconfigs", build_config())
            most = 0

            async def count() -> None:
                nonlocal most
                async for _ in cluster.store.watch("builds"):
                    phases = [one["status"]["phase"] for one in cluster.store.list("builds")]
                    most = max(most, phases.count("Pending") + phases.count("Running"))

            counting = asyncio.create_task(count())
            await asyncio.gather(*(cluster.build(page(text)) for text in "abc"))
            counting.cancel()
            await asyncio.wait([counting])
            assert most == 1
            assert [one["status"]["phase"] for one in cluster.store.list("builds")] == ["Complete"] * 3
            [tag] = cluster.get("imagestreams", PAGE)["status"]["tags"]
            assert len({item["image"] for item in tag["items"]}) == 3

    asyncio.run(main())


def test_same_upload_makes_another_image_each_time(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            create_stream(cluster)
            cluster.create("buildconfigs", build_config())
            for _ in range(2):
                await cluster.build(page("same"))
            [tag] = cluster.get("imagestreams", PAGE)["status"]["tags"]
            assert len({item["image"] for item in tag["items"]}) == 2

    asyncio.run(main())


def test_a_push_secret_that_is_missing_is_waited_for(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            output = {"to": {"kind": "ImageStreamTag", "name": f"{PAGE}:v1"}, "pushSecret": {"name": "registry"}}
            create_stream(cluster)
            cluster.create("buildconfigs", build_config(output))
            building = asyncio.create_task(cluster.build(page("a")))
            await until(lambda: "MissingPushSecret" in str(cluster.store.list("builds")))
            assert cluster.get("builds", f"{PAGE}-1")["status"]["phase"] == "Pending"
            cluster.create("secrets", {"metadata": {"name": "registry", "namespace": NAMESPACE}})
            status = (await building)["status"]
            assert status["phase"] == "Complete"
            assert "reason" not in status

    asyncio.run(main())


def test_an_upload_whose_image_has_nowhere_to_go_fails_at_once(tmp_path: Path) -> None:
    """As openshift-controller-manager does it for binary builds: others wait for the ImageStream."""

    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            cluster.create("buildconfigs", build_config())
            with pytest.raises(ApiError) as refused:
                await cluster.builds.instantiate_binary(NAMESPACE, PAGE, {}, page("a"))
            why = "InvalidOutputReference: Output image could not be resolved."
            assert (refused.value.code, refused.value.message) == (400, f"build {PAGE}-1 failed: {why}")
            assert cluster.get("builds", f"{PAGE}-1")["status"]["phase"] == "Failed"

    asyncio.run(main())


def test_build_that_cannot_start_is_given_up(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path, timeout=0.1) as cluster:
            create_stream(cluster)
            cluster.create("buildconfigs", build_config())
            cluster.create("resourcequotas", no_pods())
            with pytest.raises(ApiError, match=f"timed out waiting for build {PAGE}-1 to start after 0.1s") as refused:
                await cluster.builds.instantiate_binary(NAMESPACE, PAGE, {}, page("a"))
            assert refused.value.code == 504
            assert cluster.get("builds", f"{PAGE}-1")["status"]["phase"] == "Cancelled"
            assert await log_of(cluster, f"{PAGE}-1", follow=True) == []

    asyncio.run(main())


def test_the_pod_of_a_build_is_as_far_as_the_build(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path, timeout=0.2) as cluster:
            create_stream(cluster)
            cluster.create("buildconfigs", build_config())
            await cluster.build(page("a"))
            await cluster.build(tar_of({"Dockerfile": "FROM nothing"}))
            wanted = {**build_config()["spec"]["output"], "pushSecret": {"name": "none"}}
            config = cluster.get("buildconfigs", PAGE)
            cluster.store.update("buildconfigs", {**config, "spec": {**config["spec"], "output": wanted}}, manager="x")
            with pytest.raises(ApiError):
                await cluster.builds.instantiate_binary(NAMESPACE, PAGE, {}, page("c"))
            builds = {one["metadata"]["name"]: one for one in cluster.store.list("builds")}
            assert [one["status"]["phase"] for one in builds.values()] == ["Complete", "Failed", "Cancelled"]
            pods = {one["metadata"]["name"]: one for one in cluster.store.list("pods")}
            phases = {name: one["status"]["phase"] for name, one in pods.items()}
            assert phases == {f"{PAGE}-1-build": "Succeeded", f"{PAGE}-2-build": "Failed"}
            for name, one in pods.items():
                [owner] = one["metadata"]["ownerReferences"]
                assert owner["uid"] == builds[name.removesuffix("-build")]["metadata"]["uid"]
            cluster.store.delete("builds", NAMESPACE, f"{PAGE}-1")
            await until(lambda: cluster.store.find("pods", NAMESPACE, f"{PAGE}-1-build") is None)

    asyncio.run(main())


def test_client_that_goes_away_cancels_the_build(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            create_stream(cluster)
            cluster.create("buildconfigs", build_config())
            cluster.create("resourcequotas", no_pods())
            asking = asyncio.create_task(cluster.builds.instantiate_binary(NAMESPACE, PAGE, {}, page("a")))
            await until(lambda: cluster.store.list("builds"))
            asking.cancel()
            await asyncio.wait([asking])
            assert asking.cancelled()
            assert cluster.get("builds", f"{PAGE}-1")["status"]["reason"] == "CancelledBuild"

    asyncio.run(main())


def test_registry_outside_of_the_cluster(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            reference = "registry.example.test/team/maintenance-page:v1"
            cluster.create("buildconfigs", build_config({"to": {"kind": "DockerImage", "name": reference}}))
            build = await cluster.build(page("a"))
            assert build["status"]["outputDockerImageReference"] == reference
            assert cluster.images.find(reference) is not None

    asyncio.run(main())


def test_build_arguments_and_base_of_the_build_config(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            create_stream(cluster)
            arguments = [{"name": "PAGE", "value": "b.html"}]
            config = build_config(buildArgs=arguments, **{"from": {"kind": "DockerImage", "name": "nginx:1.30"}})
            cluster.create("buildconfigs", config)
            archive = tar_of({"Dockerfile": "FROM httpd\nARG PAGE\nCOPY $PAGE /srv/index.html", "b.html": "b"})
            await cluster.build(archive)
            [tag] = cluster.get("imagestreams", PAGE)["status"]["tags"]
            image = cluster.images.find(tag["items"][0]["dockerImageReference"])
            assert image is not None
            assert (image.files / "srv/index.html").read_text() == "b"

    asyncio.run(main())


def test_old_builds_are_removed(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_cluster(tmp_path) as cluster:
            create_stream(cluster)
            config = build_config()
            config["spec"] |= {"successfulBuildsHistoryLimit": 1, "failedBuildsHistoryLimit": 1}
            cluster.create("buildconfigs", config)
            bad = tar_of({"Dockerfile": "FROM scratch"})
            for archive in (page("a"), page("b"), bad, bad):
                await cluster.build(archive)
            await until(lambda: len(cluster.store.list("builds")) == 2)
            assert [one["metadata"]["name"] for one in cluster.store.list("builds")] == [f"{PAGE}-2", f"{PAGE}-4"]

    asyncio.run(main())

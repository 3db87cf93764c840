"""Image triggers and imports."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from maintenance_ci.rehearsal.apiserver.store import Object, Store
from maintenance_ci.rehearsal.builds import image_streams
from maintenance_ci.rehearsal.builds.images import ImageStore, Program
from maintenance_ci.rehearsal.controllers.image_imports import ImageImports
from maintenance_ci.rehearsal.controllers.image_triggers import ImageTriggers
from tests.tools.small_cluster import NAMESPACE, deployment, until

REFERENCE = "registry.example.test/team/page:v1"


def create_stream(store: Store, *tags: Object) -> None:
    body = {"metadata": {"name": "page", "namespace": NAMESPACE}, "spec": {"tags": list(tags)}}
    store.create("imagestreams", body, manager="test")


def image_of(store: Store) -> str:
    return str(store.get("deployments", NAMESPACE, "page")["spec"]["template"]["spec"]["containers"][0]["image"])


@pytest.mark.parametrize("delay", [0.0, 0.1])
def test_trigger_writes_the_image_under_its_own_name(tmp_path: Path, delay: float) -> None:
    async def main() -> None:
        store, images = Store(), ImageStore(tmp_path)
        create_stream(store)
        store.create("deployments", deployment("page", "page:latest", follows="page:latest"), manager="helm")
        task = asyncio.create_task(ImageTriggers(store, delay).run())
        await asyncio.sleep(0.02)
        assert image_of(store) == "page:latest"
        reference = image_streams.push(store, NAMESPACE, "page", "latest", images.save(Program.NGINX, {}))
        started = asyncio.get_running_loop().time()
        await until(lambda: image_of(store) == reference)
        assert asyncio.get_running_loop().time() - started >= delay
        changed = store.get("deployments", NAMESPACE, "page")
        assert "openshift-controller-manager" in str(changed["metadata"]["managedFields"])
        version = store.resource_version
        await asyncio.sleep(0.02)
        assert store.resource_version == version
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())


@pytest.mark.parametrize(
    "trigger",
    [
        "no json",
        '[{"from": {"kind": "ImageStreamTag", "name": "page:latest"}, "fieldPath": "spec.replicas"}]',
        '[{"from": {"kind": "DockerImage", "name": "page:latest"}, "fieldPath": "FIELD"}]',
        '[{"from": {"kind": "ImageStreamTag", "name": "page:latest"}, "fieldPath": "FIELD", "paused": "true"}]',
        '[{"from": {"kind": "ImageStreamTag", "name": "page:other"}, "fieldPath": "FIELD"}]',
        '[{"from": {"kind": "ImageStreamTag", "name": "page:latest", "namespace": "a"}, "fieldPath": "FIELD"}]',
    ],
)
def test_triggers_that_do_not_fire(tmp_path: Path, trigger: str) -> None:
    async def main() -> None:
        store, images = Store(), ImageStore(tmp_path)
        create_stream(store)
        body = deployment("page", "before")
        annotation = trigger.replace("FIELD", "spec.template.spec.containers[0].image")
        body["metadata"]["annotations"] = {"image.openshift.io/triggers": annotation}
        store.create("deployments", body, manager="test")
        image_streams.push(store, NAMESPACE, "page", "latest", images.save(Program.NGINX, {}))
        ImageTriggers(store).reconcile()
        assert image_of(store) == "before"

    asyncio.run(main())


def test_trigger_by_the_containers_name(tmp_path: Path) -> None:
    async def main() -> None:
        store, images = Store(), ImageStore(tmp_path)
        create_stream(store)
        body = deployment("page", "before")
        path = r"spec.template.spec.containers[?(@.name==\"page\")].image"
        trigger = f'[{{"from": {{"kind": "ImageStreamTag", "name": "page:latest"}}, "fieldPath": "{path}"}}]'
        body["metadata"]["annotations"] = {"image.openshift.io/triggers": trigger}
        store.create("deployments", body, manager="test")
        reference = image_streams.push(store, NAMESPACE, "page", "latest", images.save(Program.NGINX, {}))
        ImageTriggers(store).reconcile()
        assert image_of(store) == reference

    asyncio.run(main())


def tags_of(store: Store) -> list[Object]:
    return list(store.get("imagestreams", NAMESPACE, "page")["status"].get("tags", []))


def test_import_takes_a_moment_and_follows_the_registry(tmp_path: Path) -> None:
    async def main() -> None:
        store, images = Store(), ImageStore(tmp_path)
        image = images.save(Program.NGINX, {})
        images.push(REFERENCE, image)
        task = asyncio.create_task(ImageImports(store, images, delay=0.05).run())
        create_stream(store, {"name": "latest", "from": {"kind": "DockerImage", "name": REFERENCE}})
        await asyncio.sleep(0.02)
        assert tags_of(store) == []
        assert image_streams.reference_of(store, NAMESPACE, "page:latest") is None
        [tag] = await until(lambda: tags_of(store))
        pinned = f"registry.example.test/team/page@{image.digest}"
        assert tag["items"][0]["dockerImageReference"] == pinned
        assert image_streams.reference_of(store, NAMESPACE, "page:latest") == pinned
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())


def test_import_of_a_missing_image_is_explained_and_set_right_by_tagging_again(tmp_path: Path) -> None:
    async def main() -> None:
        store, images = Store(), ImageStore(tmp_path)
        task = asyncio.create_task(ImageImports(store, images, delay=0.0).run())
        create_stream(store, {"name": "latest", "from": {"kind": "DockerImage", "name": REFERENCE}})
        [tag] = await until(lambda: tags_of(store))
        [condition] = tag["conditions"]
        assert (condition["type"], condition["status"], condition["reason"]) == ("ImportSuccess", "False", "NotFound")
        assert condition["message"] == f'dockerimage.image.openshift.io "{REFERENCE}" not found'
        images.push("registry.example.test/team/page:v2", images.save(Program.NGINX, {}))
        stream = store.get("imagestreams", NAMESPACE, "page")
        source = {"kind": "DockerImage", "name": "registry.example.test/team/page:v2"}
        spec = {**stream["spec"], "tags": [{"name": "latest", "from": source}]}
        store.update("imagestreams", {**stream, "spec": spec}, manager="test")
        await until(lambda: tags_of(store)[0]["items"])
        assert "conditions" not in tags_of(store)[0]
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())

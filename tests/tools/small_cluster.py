"""A store with its controllers, builds and kubelet around it: the cluster without its API server and its router."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import os
import tarfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from maintenance_ci.rehearsal.apiserver.store import Object, Store
from maintenance_ci.rehearsal.builds.builds import Builds
from maintenance_ci.rehearsal.builds.images import ImageStore
from maintenance_ci.rehearsal.controllers.deployments import Deployments
from maintenance_ci.rehearsal.controllers.endpoints import EndpointSlices
from maintenance_ci.rehearsal.controllers.garbage import GarbageCollector
from maintenance_ci.rehearsal.controllers.image_imports import ImageImports
from maintenance_ci.rehearsal.controllers.image_triggers import ImageTriggers
from maintenance_ci.rehearsal.controllers.replicasets import ReplicaSets
from maintenance_ci.rehearsal.pods.kubelet import Kubelet

NAMESPACE = "shop"
PAGE = "maintenance-page"
DOCKERFILE = """\
FROM nginxinc/nginx-unprivileged:1.20
COPY default.conf /etc/nginx/conf.d/default.conf
COPY index.html /usr/share/nginx/html/index.html
"""
DEFAULT_CONF = """\
server {
   listen       8080;
   server_name  localhost;

   location / {
       root   /usr/share/nginx/html;
       index  index.html;
       try_files $uri $uri/ /index.html;
   }
}
"""
_subnets = itertools.count()


def pod_subnet() -> str:
    """A subnet that no other test process uses at the same time."""
    return f"127.{101 + os.getpid() % 100}.{(os.getpid() // 100 + next(_subnets)) % 256}"


def tar_of(files: dict[str, str], mode: str = "w:gz") -> bytes:
    """An upload, as ``oc start-build --from-dir`` makes it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:  # type: ignore[call-overload]
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return packed.getvalue()


def page(text: str, **more: str) -> bytes:
    """The upload of the article, with this text as its page."""
    return tar_of({"Dockerfile": DOCKERFILE, "default.conf": DEFAULT_CONF, "index.html": text, **more})


def deployment(name: str, image: str, *, follows: str = "", **pod_spec: Any) -> Object:
    """A Deployment of one container on port 8080; ``follows`` is the tag whose image it takes."""
    trigger = f'[{{"from": {{"kind": "ImageStreamTag", "name": "{follows}"}}, "fieldPath": "{FIELD}"}}]'
    container = {"name": name, "image": image, "ports": [{"name": "http", "containerPort": 8080}]}
    return {
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "annotations": {"image.openshift.io/triggers": trigger} if follows else {},
        },
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], **pod_spec}},
        },
    }


FIELD = "spec.template.spec.containers[0].image"


def service(name: str, target: int | str = 8080) -> Object:
    """A Service in front of the Pods labelled ``app: NAME``."""
    ports = [{"name": "http", "port": 8080, "targetPort": target}]
    return {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"selector": {"app": name}, "ports": ports}}


def build_config(output: Object | None = None, **docker_strategy: Any) -> Object:
    """The BuildConfig of the article."""
    return {
        "metadata": {"name": PAGE, "namespace": NAMESPACE, "labels": {"app": PAGE}},
        "spec": {
            "output": output or {"to": {"kind": "ImageStreamTag", "name": f"{PAGE}:v1"}},
            "source": {"type": "Binary", "binary": {}},
            "strategy": {"type": "Docker", "dockerStrategy": docker_strategy},
        },
    }


class Controller(Protocol):
    """Something that runs until it is cancelled."""

    async def run(self) -> None:
        """Run."""


@dataclass
class SmallCluster:
    """What the tests need of it, each part by its name."""

    store: Store
    images: ImageStore
    builds: Builds
    kubelet: Kubelet

    def create(self, plural: str, obj: Object) -> Object:
        """Create an object as a user does."""
        return self.store.create(plural, obj, manager="test")

    def create_page(self) -> None:
        """Create what the article's chart holds."""
        self.create("services", service(PAGE))
        self.create("imagestreams", {"metadata": {"name": PAGE, "namespace": NAMESPACE}, "spec": {}})
        self.create("buildconfigs", build_config())
        self.create("deployments", deployment(PAGE, f"{PAGE}:latest", follows=f"{PAGE}:latest"))

    async def build(self, archive: bytes) -> Object:
        """Build, wait for the end; returns the Build."""
        build = await self.builds.instantiate_binary(NAMESPACE, PAGE, {}, archive)
        name = build["metadata"]["name"]
        await until(lambda: self.get("builds", name)["status"]["phase"] in ("Complete", "Failed"))
        return self.get("builds", name)

    def tag_latest(self) -> str:
        """Pin the image of ``v1`` as ``latest``, as ``oc tag`` does; returns its reference."""
        stream = self.get("imagestreams", PAGE)
        item = next(tag for tag in stream["status"]["tags"] if tag["tag"] == "v1")["items"][0]
        source = {"kind": "ImageStreamImage", "namespace": NAMESPACE, "name": f"{PAGE}@{item['image']}"}
        tags = [{"name": "latest", "from": source}]
        self.store.update("imagestreams", {**stream, "spec": {**stream["spec"], "tags": tags}}, manager="test")
        return str(item["dockerImageReference"])

    def get(self, plural: str, name: str) -> Object:
        """An object of the namespace."""
        return self.store.get(plural, NAMESPACE, name)

    def pods(self, name: str) -> list[Object]:
        """The Pods labelled ``app: NAME``; builds have Pods of their own."""
        pods = self.store.list("pods", NAMESPACE)
        return [pod for pod in pods if pod["metadata"].get("labels", {}).get("app") == name]

    def ready(self, name: str) -> list[str]:
        """The addresses that a Service has ready."""
        return [
            endpoint["addresses"][0]
            for one in self.store.list("endpointslices", NAMESPACE)
            if one["metadata"]["labels"]["kubernetes.io/service-name"] == name
            for endpoint in one["endpoints"]
            if endpoint["conditions"]["ready"]
        ]


@contextlib.asynccontextmanager
async def small_cluster(directory: Path, **options: float) -> AsyncIterator[SmallCluster]:
    """A running cluster with the namespace ``shop``; a controller that failed fails the test."""
    store = Store()
    images = ImageStore(directory / "images")
    builds = Builds(store, images, directory / "builds", stage_seconds=0.02, start_timeout=options.get("timeout", 30.0))
    kubelet = Kubelet(store, images, directory / "pods", pod_subnet())
    controllers: list[Controller] = [
        Deployments(store),
        ReplicaSets(store),
        EndpointSlices(store),
        ImageTriggers(store, options.get("trigger_delay", 0.0)),
        ImageImports(store, images),
        GarbageCollector(store),
        kubelet,
    ]
    store.create("namespaces", {"metadata": {"name": NAMESPACE}}, manager="test")
    tasks = [asyncio.create_task(one.run()) for one in controllers]
    try:
        yield SmallCluster(store, images, builds, kubelet)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await builds.stop()
        await kubelet.stop()


async def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait until ``condition`` gives something, and return it."""
    try:
        async with asyncio.timeout(seconds):
            while not (found := condition()):  # noqa: ASYNC110  (what is waited for has no event of its own)
                await asyncio.sleep(0.01)
    except TimeoutError as error:
        raise AssertionError(f"not within {seconds} s") from error
    return found


async def fetch(address: str, path: str = "/") -> str:
    """What a Pod answers; raises ``aiohttp.ClientError`` where nobody listens."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}:8080{path}") as response:
        return await response.text()

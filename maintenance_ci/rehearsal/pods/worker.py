"""The life of one Pod on its node: images are found, containers run, fail, run again, become ready, and end."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, Protocol

from maintenance_ci.rehearsal.apiserver.store import now
from maintenance_ci.rehearsal.builds.images import Program
from maintenance_ci.rehearsal.pods import readiness
from maintenance_ci.rehearsal.pods.application import ApplicationContainer
from maintenance_ci.rehearsal.pods.nginx_container import NginxContainer
from maintenance_ci.rehearsal.pods.status import ContainerState, pod_status
from maintenance_ci.rehearsal.tools import ToolMissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from maintenance_ci.rehearsal.apiserver.store import Object, Store
    from maintenance_ci.rehearsal.builds.images import Image, ImageStore

MANAGER = "kubelet"
# Seconds between two tries, doubled each time up to the longest; on a real node 10 s up to five minutes.
FIRST_BACKOFF, LONGEST_BACKOFF = 0.2, 5.0
KILL_DELAY = 0.05  # seconds from a Pod's deletion to the stop signal: a kubelet hears of it from the API, too
LONGEST_GRACE = 5.0  # seconds that a container gets for the requests in flight, whatever the Pod allows
ANNOTATION = re.compile(r"metadata\.annotations\['([^']+)'\]")
SLEEP = re.compile(r"(?:^|[\s;/])sleep\s+(\d+(?:\.\d+)?)")


class Container(Protocol):
    """One run of a container."""

    async def start(self) -> None:
        """Start it."""

    async def wait(self) -> int:
        """Wait for its end; returns the exit code."""

    async def stop(self, grace: float) -> None:
        """Listen no more at once, end within ``grace`` seconds."""

    def log(self) -> str:
        """What it printed."""


class ContainerWorker:
    """Runs one container of a Pod for as long as the Pod lives."""

    def __init__(
        self,
        spec: Object,
        address: str,
        folder: Path,
        images: ImageStore,
        changed: Callable[[], None],
        mounted: Mapping[str, str],
    ) -> None:
        self.state = ContainerState(spec["name"], spec["image"])
        self._spec, self._mounted = spec, mounted
        self._address = address
        self._folder = folder
        self._images = images
        self._changed = changed
        self._container: Container | None = None

    async def run(self) -> None:
        """Pull, start, watch, start again; until cancelled."""
        backoff = FIRST_BACKOFF
        while True:
            image = await self._pull()
            message = await self._run_once(image)
            self._set_waiting(
                "CrashLoopBackOff", f"back-off {backoff:g}s restarting failed container={self.state.name}: {message}"
            )
            self.state.restarts += 1
            self._changed()
            await asyncio.sleep(backoff)
            backoff = min(2 * backoff, LONGEST_BACKOFF)

    async def stop(self, grace: float) -> None:
        """End what runs."""
        if self._container is not None:
            await self._container.stop(grace)

    def log(self) -> str:
        """What the present run, or the last one, printed."""
        return self._container.log() if self._container else ""

    async def _pull(self) -> Image:
        """The image, once it is there."""
        reference = self._spec["image"]
        backoff = FIRST_BACKOFF
        while (image := self._images.find(reference)) is None:
            error = f'failed to pull image "{reference}": manifest unknown'
            self._set_waiting("ErrImagePull", error)
            await asyncio.sleep(backoff)
            self._set_waiting("ImagePullBackOff", f'Back-off pulling image "{reference}": ErrImagePull: {error}')
            await asyncio.sleep(backoff)
            backoff = min(2 * backoff, LONGEST_BACKOFF)
        self.state.image_id = f"{reference.partition('@')[0]}@{image.digest}"
        return image

    async def _run_once(self, image: Image) -> str:
        """Run the image until it ends; returns the last line that it printed."""
        started = now()
        try:
            self._container = self._make(image)
            await self._container.start()
        except (OSError, ToolMissingError) as error:
            return str(error)
        self.state.state = {"running": {"startedAt": started}}
        self._changed()
        probing = asyncio.create_task(readiness.keep_probing(self._spec, self._address, self._set_ready))
        try:
            exit_code = await self._container.wait()
        finally:
            probing.cancel()
            await asyncio.wait([probing])
        message = (self._container.log().splitlines() or [""])[-1]
        ended = {"exitCode": exit_code, "reason": "Error" if exit_code else "Completed", "message": message}
        self.state.last_state = {"terminated": {**ended, "startedAt": started, "finishedAt": now()}}
        return message

    def _make(self, image: Image) -> Container:
        if image.program is Program.NGINX:
            command = self._spec.get("command") or ()
            return NginxContainer(image.files, self._folder, self._address, self._mounted, command)
        return ApplicationContainer(self._address)

    def _set_waiting(self, reason: str, message: str) -> None:
        self.state.state = {"waiting": {"reason": reason, "message": message}}
        self.state.ready = False
        self._changed()

    def _set_ready(self, ready: bool) -> None:
        self.state.ready = ready
        self._changed()


class PodWorker:
    """Runs one Pod on one address."""

    def __init__(self, store: Store, images: ImageStore, pod: Object, address: str, folder: Path) -> None:
        self.address = address
        self._store = store
        self._pod = pod
        self._hurry = asyncio.Event()
        self._containers = [
            ContainerWorker(spec, address, folder / spec["name"], images, self._publish, _mounted(pod, spec))
            for spec in pod["spec"]["containers"]
        ]
        self._tasks = [asyncio.create_task(one.run()) for one in self._containers]

    async def stop(self) -> None:
        """What a kubelet does with a deleted Pod: the ``preStop`` sleeps, the stop signal, the end."""
        sleep = max(map(_pre_stop_sleep, self._pod["spec"]["containers"]), default=0.0)
        allowed = float(self._pod["spec"].get("terminationGracePeriodSeconds", 30))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(KILL_DELAY, min(sleep, allowed))):
                await self._hurry.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        grace = 0.0 if self._hurry.is_set() else min(LONGEST_GRACE, allowed)
        await asyncio.gather(*(one.stop(grace) for one in self._containers))
        for task in self._tasks:
            if not task.cancelled():
                task.result()  # a container's worker only ends by being cancelled, or by a mistake of ours
        live = self._live()
        if live is not None:
            self._store.delete("pods", live["metadata"]["namespace"], live["metadata"]["name"], grace=0)

    def hurry(self) -> None:
        """Do not wait for anything any more: the node itself goes away."""
        self._hurry.set()

    def log(self) -> str:
        """What the containers printed, one after the other."""
        return "".join(one.log() for one in self._containers)

    def _publish(self) -> None:
        """Write the Pod's status, unless somebody deleted it."""
        live = self._live()
        if live is not None:
            states = [one.state for one in self._containers]
            status = pod_status(live.get("status") or {}, states, self.address, now())
            self._store.update("pods", {**live, "status": status}, manager=MANAGER, subresource="status")

    def _live(self) -> Object | None:
        """The Pod as it is now, unless it is gone."""
        metadata = self._pod["metadata"]
        live = self._store.find("pods", metadata["namespace"], metadata["name"])
        return live if live is not None and live["metadata"]["uid"] == metadata["uid"] else None


def _mounted(pod: Object, container: Object) -> dict[str, str]:
    """The files that the Pod's annotations are in a container: those of its downward API volumes, by their paths."""
    folders = {mount["name"]: mount["mountPath"] for mount in container.get("volumeMounts") or []}
    annotations = pod["metadata"].get("annotations") or {}
    files = {}
    for volume in pod["spec"].get("volumes") or []:
        for item in (volume.get("downwardAPI") or {}).get("items") or []:
            match = ANNOTATION.fullmatch((item.get("fieldRef") or {}).get("fieldPath", ""))
            if match and volume["name"] in folders:
                files[f"{folders[volume['name']]}/{item['path']}"] = annotations.get(match[1], "")
    return files


def _pre_stop_sleep(container: Object) -> float:
    """How many seconds the ``preStop`` hook takes: its ``sleep``, or a ``sleep N`` among the words of its command."""
    hook = (container.get("lifecycle") or {}).get("preStop") or {}
    if "sleep" in hook:
        return float(hook["sleep"]["seconds"])
    match = SLEEP.search(" ".join((hook.get("exec") or {}).get("command", [])))
    return float(match[1]) if match else 0.0

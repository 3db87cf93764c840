"""The node of the rehearsal: it runs every Pod, for real, on a loopback address of its own."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

from maintenance_ci.rehearsal.controllers.level import keep_level
from maintenance_ci.rehearsal.pods.worker import PodWorker

if TYPE_CHECKING:
    from pathlib import Path

    from maintenance_ci.rehearsal.apiserver.store import Store
    from maintenance_ci.rehearsal.builds.images import ImageStore

HOSTS = 254  # addresses of a subnet


class Kubelet:
    """Runs the Pods of the store on ``pod_subnet`` (``127.x.y``): Pods are ``127.x.y.1``, ``127.x.y.2`` and so on.

    An address is used again only after all others were: whoever still knows it gets no answer of a stranger.
    """

    def __init__(self, store: Store, images: ImageStore, directory: Path, pod_subnet: str) -> None:
        self._store = store
        self._images = images
        self._directory = directory
        self._subnet = pod_subnet
        self._numbers = itertools.cycle(range(1, HOSTS + 1))
        self._workers: dict[str, PodWorker] = {}  # by the Pod's uid
        self._ending: dict[PodWorker, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Run until cancelled; Pods go on running until ``stop``."""
        await keep_level(self._store, ("pods",), self.reconcile)

    def reconcile(self) -> None:
        """Start the Pods that are new, end those that are gone."""
        pods = {pod["metadata"]["uid"]: pod for pod in self._store.list("pods")}
        for uid, pod in pods.items():
            if uid not in self._workers:
                address = self._free_address()
                self._workers[uid] = PodWorker(self._store, self._images, pod, address, self._directory / uid)
        for uid in self._workers.keys() - pods.keys():
            worker = self._workers.pop(uid)
            self._ending[worker] = asyncio.create_task(worker.stop())
        for worker, task in list(self._ending.items()):
            if task.done():
                del self._ending[worker]
                task.result()

    async def stop(self) -> None:
        """End every Pod at once; returns when no process is left."""
        for worker in self._workers.values():
            self._ending[worker] = asyncio.create_task(worker.stop())
        self._workers.clear()
        for worker in self._ending:
            worker.hurry()
        results = await asyncio.gather(*self._ending.values(), return_exceptions=True)
        self._ending.clear()
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def container_log(self, namespace: str, pod: str) -> str:
        """What the containers of a Pod printed, for ``kubectl logs``; raises ``ApiError`` 404."""
        metadata = self._store.get("pods", namespace, pod)["metadata"]
        worker = self._workers.get(metadata["uid"])
        return worker.log() if worker else ""

    def _free_address(self) -> str:
        taken = {worker.address for worker in [*self._workers.values(), *self._ending]}
        for number in itertools.islice(self._numbers, HOSTS):
            address = f"{self._subnet}.{number}"
            if address not in taken:
                return address
        raise RuntimeError(f"all {HOSTS} addresses of {self._subnet}.0/24 are in use")

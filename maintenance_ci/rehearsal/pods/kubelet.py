"""The node of the rehearsal: it runs every Pod, for real, on a loopback address of its own."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

from maintenance_ci.rehearsal.builds.build_pod import is_build_pod
from maintenance_ci.rehearsal.controllers.level import keep_level
from maintenance_ci.rehearsal.pods.scheduling import schedule
from maintenance_ci.rehearsal.pods.worker import PodWorker

if TYPE_CHECKING:
    from pathlib import Path

    from maintenance_ci.rehearsal.apiserver.store import Object, Store
    from maintenance_ci.rehearsal.builds.images import ImageStore

HOSTS = 254  # addresses of a subnet
NODE = "node-1"
SCHEDULER = "kube-scheduler"


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
        self._workers: dict[str, PodWorker] = {}  # by the Pod's uid, until it is gone
        self._ending: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Run until cancelled; Pods go on running until ``stop``."""
        await keep_level(self._store, ("nodes", "pods"), self.reconcile)

    def reconcile(self) -> None:
        """Start the Pods that are new, end those that are marked or gone."""
        pods = {pod["metadata"]["uid"]: pod for pod in self._store.list("pods") if not is_build_pod(pod)}
        alive = {uid for uid, pod in pods.items() if "deletionTimestamp" not in pod["metadata"]}
        for uid in pods.keys() - self._workers.keys():
            if not pods[uid]["spec"].get("nodeName") and not schedule(self._store, pods[uid]):
                continue
            pod = self._bind(pods[uid])
            self._workers[uid] = PodWorker(self._store, self._images, pod, self._free_address(), self._directory / uid)
        for uid in self._workers.keys() - alive - self._ending.keys():
            self._ending[uid] = asyncio.create_task(self._workers[uid].stop())
        for uid, task in list(self._ending.items()):
            if task.done():
                del self._ending[uid], self._workers[uid]
                task.result()

    async def stop(self) -> None:
        """End every Pod at once; returns when no process is left."""
        for uid, worker in self._workers.items():
            worker.hurry()
            if uid not in self._ending:
                self._ending[uid] = asyncio.create_task(worker.stop())
        results = await asyncio.gather(*self._ending.values(), return_exceptions=True)
        self._workers.clear()
        self._ending.clear()
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def container_log(self, namespace: str, pod: str) -> str:
        """What the containers of a Pod printed, for ``kubectl logs``; raises ``ApiError`` 404."""
        metadata = self._store.get("pods", namespace, pod)["metadata"]
        worker = self._workers.get(metadata["uid"])
        return worker.log() if worker else ""

    def _bind(self, pod: Object) -> Object:
        """Do the scheduler's work: from now on the Pod is this node's."""
        bound = {**pod, "spec": {**pod["spec"], "nodeName": pod["spec"].get("nodeName", NODE)}}
        return self._store.update("pods", bound, manager=SCHEDULER)

    def _free_address(self) -> str:
        taken = {worker.address for worker in self._workers.values()}
        for number in itertools.islice(self._numbers, HOSTS):
            address = f"{self._subnet}.{number}"
            if address not in taken:
                return address
        raise RuntimeError(f"all {HOSTS} addresses of {self._subnet}.0/24 are in use")

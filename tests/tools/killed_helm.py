"""A cluster in which a Helm, of either version, is held or killed at a chosen write."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from maintenance_ci.page.helm import Helm
from maintenance_ci.plan.rights import BUDGETS, CHART_KINDS
from maintenance_ci.rehearsal.apiserver.errors import ApiError
from maintenance_ci.rehearsal.pinned_helm import pinned_helm_path
from maintenance_ci.settings.folders import find
from tests.rehearsal.recordings.lab import Lab
from tests.tools.small_cluster import NAMESPACE, PAGE, page

Object = dict[str, Any]
KINDS = tuple(plural for _, plural in (*CHART_KINDS, BUDGETS))
CHART = find("chart")
HISTORY = ("history", PAGE, "--output", "json")


@dataclass
class Gate:
    """Stands before the API server: holds one write, and refuses what it is told to refuse."""

    refuse: str = ""
    writes: int = 0
    hold: int | None = None
    held: threading.Event = field(default_factory=threading.Event)
    open: bool = False

    @property
    def middleware(self) -> Any:
        @web.middleware
        async def stand(request: web.Request, handler: Handler) -> web.StreamResponse:
            if self.refuse and self.refuse in f"{request.method} {request.path}":
                raise ApiError(403, "Forbidden", "not you")
            if request.method == "GET" or self.hold is None:
                return await handler(request)
            self.writes += 1
            if self.hold == 0:
                await self._held()
            answer = await handler(request)
            if self.hold == self.writes:
                await self._held()
            return answer

        return stand

    async def _held(self) -> None:
        self.held.set()
        while not self.open:  # noqa: ASYNC110  (set from another thread; a client that hangs up cancels this)
            await asyncio.sleep(0.01)

    def close(self, write: int) -> None:
        """Hold the answer of that write, from the next request on; 0: hold the first write itself."""
        self.writes, self.hold, self.open = 0, write, False
        self.held.clear()


@dataclass
class Place:
    """A cluster, one version of Helm, and our own way to call it."""

    version: str
    lab: Lab
    gate: Gate
    folder: Path
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        tools = self.folder / "tools"
        tools.mkdir()
        (tools / "helm").symlink_to(pinned_helm_path(self.version))
        self._environment = {"PATH": str(tools), "HOME": str(self.folder / "home")}

    def ours(self) -> Helm:
        kubeconfig = str(self.lab.kubeconfig(NAMESPACE))
        return Helm(kubeconfig, NAMESPACE, environment=self._environment, say=self.said.append)

    def upgrade(self, tag: str, *, in_use: bool = True) -> None:
        self.ours().upgrade(PAGE, CHART, {"imageTag": tag}, in_use=in_use)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start Helm itself, as somebody else would."""
        return subprocess.Popen(
            [pinned_helm_path(self.version), *arguments],
            env=self.lab.environment(NAMESPACE),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def done(self, *arguments: str) -> str:
        """Run Helm itself to its end."""
        with self.start(*arguments) as child:
            printed = child.communicate(timeout=60)[0]
        assert child.returncode == 0, printed
        return printed

    def held(self, write: int, *arguments: str) -> subprocess.Popen[str] | None:
        """Start Helm, and hold it at that write; None when it ended without making so many."""
        self.gate.close(write)
        child = self.start(*arguments)
        while not self.gate.held.wait(0.02):
            if child.poll() is not None:
                child.communicate()
                self.gate.hold = None
                return None
        self.gate.hold = None
        return child

    def killed(self, write: int, *arguments: str) -> bool:
        """Kill Helm when that write took effect (0: before the first one does); False: it made no such write."""
        child = self.held(write, *arguments)
        if child is None:
            return False
        child.kill()
        child.communicate()
        return True

    def last(self) -> tuple[int, str]:
        """The last revision and its status."""
        last = json.loads(self.done(*HISTORY))[-1]
        return last["revision"], last["status"]

    def clear(self) -> None:
        """Take everything away that the release may have left."""
        for kind in (*KINDS, "secrets"):
            for found in self.lab.call(self.lab.store.list, kind, NAMESPACE):
                self.lab.call(self.lab.store.delete, kind, NAMESPACE, found["metadata"]["name"])
        self.lab.settle()

    def build(self) -> str:
        """Build the page, make it the latest image, let the trigger set it; returns the image."""
        self.lab.do(self.lab.cluster.build(page("hello")))
        reference: str = self.lab.call(self.lab.cluster.tag_latest)
        self.lab.settle()
        assert self.image() == reference
        return reference

    def image(self) -> str:
        found = self.lab.call(self.lab.store.get, "deployments", NAMESPACE, PAGE)
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])

    def uids(self) -> set[str]:
        return {found["metadata"]["uid"] for kind in KINDS for found in self._all(kind)}

    def state(self) -> dict[str, Any]:
        """What the chart holds, as it is in the cluster: each field by its path."""
        self.lab.settle()
        return dict(leaf for kind in KINDS for found in self._all(kind) for leaf in _leaves(_essence(found), kind))

    def is_empty(self) -> bool:
        return not any(self._all(kind) for kind in (*KINDS, "secrets"))

    def _all(self, kind: str) -> list[Object]:
        found: list[Object] = self.lab.call(self.lab.store.list, kind, NAMESPACE)
        return found


def _essence(found: Object) -> Object:
    """An object without what differs from one life of it to the next."""
    counted = ("generation",) if found["kind"] == "Deployment" else ()
    metadata = {key: found["metadata"].get(key) for key in ("name", "labels", "annotations", *counted)}
    spec = {key: value for key, value in found.get("spec", {}).items() if not key.startswith("clusterIP")}
    return {"metadata": metadata, "spec": spec}


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict | list):
        yield path, value
        return
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _leaves(inner, f"{path} {key}")

"""A cluster for tests: it runs in a thread of its own, so that tests are plain functions."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.store import Object, Store
from maintenance_ci.rehearsal.cluster import EmbeddedOpenShift, Options
from maintenance_ci.rehearsal.users import Answer, Users
from maintenance_ci.rehearsal.workplace import Workplace, prepare

Result = TypeVar("Result")

# Quick reloads, so that whole jobs take seconds; what the interval does is tested with real ones in test_rehearse.py.
QUICK = Options(reload_interval=0.3, busy=False)

# Variables of a job that leave it to the chart how many Pods show the page.
DEFAULT_REPLICAS: dict[str, str | None] = {"PAGE_REPLICAS": None}


@dataclass
class Job:
    """How a job ended."""

    code: int
    lines: list[str] = field(default_factory=list)

    @property
    def log(self) -> str:
        return "\n".join(self.lines)


class Cluster:
    """An embedded OpenShift, driven from outside of its event loop."""

    def __init__(self, inside: EmbeddedOpenShift, loop: asyncio.AbstractEventLoop, folder: Path) -> None:
        self.inside, self._loop, self._folder = inside, loop, folder
        self._workplaces = 0

    @property
    def store(self) -> Store:
        return self.inside.store

    def do(self, work: Coroutine[Any, Any, Result], *, timeout: float = 280) -> Result:
        """Run ``work`` in the cluster's event loop; raises TimeoutError after ``timeout`` seconds."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def call(self, function: Any, *arguments: Any, **named: Any) -> Any:
        """Call a function of the cluster in its event loop."""

        async def work() -> Any:
            return function(*arguments, **named)

        return self.do(work())

    def find(self, plural: str, name: str, namespace: str = manifests.NAMESPACE) -> Object | None:
        found: Object | None = self.call(self.store.find, plural, namespace, name)
        return found

    def routes(self) -> set[str]:
        return {route["metadata"]["name"] for route in self.call(self.store.list, "routes", manifests.NAMESPACE)}

    def workplace(self, variables: dict[str, str | None] | None = None, **folders: Path) -> Workplace:
        """A checkout with the pipeline's variables; those that are None are left out."""
        self._workplaces += 1
        folder = self._folder / f"job-{self._workplaces}"
        folder.mkdir()
        given = (
            self.inside.job_variables()
            | {
                "ROUTE_NAME": manifests.APPLICATION,
                "IMAGE_TAG": "v1",
                # The default is two, which `DEFAULT_REPLICAS` asks for: each build would take a second longer.
                "PAGE_REPLICAS": "1",
                "ROUTER_RELOAD_INTERVAL": str(self.inside.options.reload_interval),
            }
            | (variables or {})
        )
        return prepare(folder, {name: value for name, value in given.items() if value is not None}, **folders)

    def run(self, job: str, variables: dict[str, str | None] | None = None, **folders: Path) -> Job:
        """Run one job to its end."""
        done, troubles = Job(code=-1), self.inside.troubles
        work = self.workplace(variables, **folders).run(job, say=done.lines.append, started=troubles.may_kill)
        done.code = self.do(work)
        troubles.kill = None
        return done

    @contextlib.contextmanager
    def users(self, *paths: str, rate: float = 60.0) -> Iterator[list[Answer]]:
        """Let users ask for ``paths`` meanwhile; the list is filled when they have gone."""
        seen: list[Answer] = []

        async def start() -> Users:
            users = Users(
                manifests.HOST,
                self.inside.router.https_port,
                self.inside.client_tls(),
                paths=paths or ("/",),
                rate=rate,
            )
            await users.start()
            return users

        users = self.do(start())
        try:
            yield seen
        finally:
            seen.extend(self.do(users.stop()))


@contextlib.contextmanager
def running(options: Options) -> Iterator[Cluster]:
    """A cluster in a thread of its own, stopped at the end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="cluster")
    thread.start()
    inside = EmbeddedOpenShift(options)
    folder = Path(tempfile.mkdtemp(prefix="jobs-"))
    cluster = Cluster(inside, loop, folder)
    try:
        cluster.do(inside.__aenter__())
        try:
            yield cluster
            cluster.do(inside.healthy())
        finally:
            cluster.do(inside.__aexit__())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        shutil.rmtree(folder)


def start_alone(arguments: Sequence[str], temporary: Path) -> subprocess.Popen[str]:
    """Start a Python in a session of its own, with ``temporary`` as its folder for temporary files."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=os.environ | {"TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def in_session(session: int) -> list[str]:
    """The processes of a session, but for those that have ended and nobody has asked about yet."""
    listed = subprocess.run(
        ["ps", "-o", "stat=,args=", "-s", str(session)], capture_output=True, text=True, check=False
    )
    return [line for line in listed.stdout.splitlines() if not line.startswith("Z")]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster of the test's own, with the application ``shop`` and its Route."""
    with running(QUICK) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    """A cluster that the tests of one module share."""
    with running(QUICK) as cluster:
        yield cluster

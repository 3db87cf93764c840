"""The router: it admits Routes, and has a real HAProxy serve them.

A Route's status is written at once; traffic follows with the next reload of HAProxy, and there is at most one reload
in each interval. That is why ``Admitted`` on a real cluster runs ahead of the traffic.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal import processes, tools
from maintenance_ci.rehearsal.apiserver.store import now
from maintenance_ci.rehearsal.router.claims import judge_claims, record
from maintenance_ci.rehearsal.router.haproxy_config import CONFIG, Frontends, generate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from maintenance_ci.rehearsal.apiserver.store import Store

Object = dict[str, Any]

# The default of `tuningOptions.reloadInterval`, in seconds.
RELOAD_INTERVAL = 5.0
MANAGER = "openshift-router"


class HAProxyError(Exception):
    """HAProxy refused its configuration, or ended; the message holds what it said."""


class HAProxy:
    """A real HAProxy in master-worker mode: a reload hands the listening sockets on, no connection is refused."""

    # Names are relative to the directory: the path of a Unix socket may have 107 bytes only.
    SOCKET = "master.sock"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._log = directory / "haproxy.log"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, files: dict[str, str]) -> None:
        """Start it with these files, and return when it serves."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._write(files)
        argv: list[str | Path] = [tools.haproxy_path(), "-W", "-S", f"unix@{self.SOCKET},mode,600", "-f", CONFIG]
        self._process = await processes.start(argv, cwd=self.directory, log=self._log)
        while not await self._works():
            if self._process.returncode is not None:
                raise HAProxyError(f"HAProxy did not start:\n{self._log.read_text()}")
            await asyncio.sleep(0.01)

    async def reload(self, files: dict[str, str]) -> None:
        """Put these files in place, and return when a new worker has taken over."""
        self._write(files)
        try:
            answer = await self._command("reload", patience=30)
        except (OSError, TimeoutError) as error:
            raise HAProxyError(f"HAProxy's master does not answer; its log:\n{self._log.read_text()}") from error
        if not answer.startswith("Success=1"):
            raise HAProxyError(f"HAProxy refused its configuration:\n{answer}")

    async def watch_over(self) -> None:
        """Wait for its end, which is an error."""
        assert self._process is not None
        status = await self._process.wait()
        raise HAProxyError(f"HAProxy ended with status {status}; its log:\n{self._log.read_text()}")

    async def stop(self) -> None:
        """End master and workers at once."""
        if self._process is not None:
            await processes.stop(self._process)

    def _write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            (self.directory / name).write_text(text)

    async def _works(self) -> bool:
        """Say whether the master listens and has a worker."""
        try:
            return " worker " in await self._command("show proc", patience=0.2)
        except (OSError, TimeoutError):
            return False

    async def _command(self, command: str, *, patience: float) -> str:
        """Send a command to the master's command line; ``patience`` is in seconds."""
        with _opened(self.directory) as fd:
            reader, writer = await asyncio.open_unix_connection(f"/proc/self/fd/{fd}/{self.SOCKET}")
        try:
            async with asyncio.timeout(patience):
                writer.write(f"{command}\n".encode())
                writer.write_eof()
                return (await reader.read()).decode()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class Router:
    """An ingress controller on two free ports of 127.0.0.1.

    Args:
        store: where Routes and EndpointSlices are, and where the Routes' status is written.
        directory: holds all of HAProxy's files; created where it is missing.
        certificate: the router's own, a PEM file with key and chain.
        reload_interval: seconds between the starts of two reloads, at the least.
        name: the router's name in the Routes' status.
        canonical_hostname: as it stands in the Routes' status.
        allow_wildcards: whether Routes with the wildcard policy ``Subdomain`` are admitted.
    """

    def __init__(
        self,
        store: Store,
        *,
        directory: Path,
        certificate: Path,
        reload_interval: float = RELOAD_INTERVAL,
        name: str = "default",
        canonical_hostname: str = "router.apps.example.test",
        allow_wildcards: bool = False,
    ) -> None:
        self.name = name
        self.canonical_hostname = canonical_hostname
        self.reload_interval = reload_interval
        self.reloads: list[float] = []
        self.http_port = self.https_port = 0
        self._store = store
        self._certificate = certificate.resolve()
        self._allow_wildcards = allow_wildcards
        self._haproxy = HAProxy(directory.resolve())
        self._reservations: list[socket.socket] = []
        self._files: dict[str, str] = {}
        self._due = asyncio.Event()
        self._reloaded = asyncio.Condition()
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serve what is in the store now, and follow its changes from here on."""
        self._reservations = [_reserve_port(), _reserve_port()]
        self.http_port, self.https_port = (one.getsockname()[1] for one in self._reservations)
        self._admit()
        self._files = self._generate()
        try:
            await self._haproxy.start(self._files)
        except BaseException:
            await self.stop()
            raise
        self._running = asyncio.create_task(self._run(), name=f"router {self.name}")

    async def run(self) -> None:
        """Run until cancelled, and raise what broke the router: for a task group.

        Raises:
            HAProxyError: HAProxy refused a configuration, or ended.
        """
        if self._running is None:
            await self.start()
        assert self._running is not None
        await asyncio.shield(self._running)

    async def stop(self) -> None:
        """End HAProxy and let go of the ports; raises what broke the router, if anything did."""
        try:
            if self._running is not None:
                self._running.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._running
        finally:
            await self._haproxy.stop()
            for reservation in self._reservations:
                reservation.close()

    async def next_reload(self) -> float:
        """Wait for the end of the next reload and return its time on the loop's clock; raises what broke the router."""
        assert self._running is not None
        done = len(self.reloads)
        async with self._reloaded:
            await self._reloaded.wait_for(lambda: len(self.reloads) > done or self._broken())
        if self._broken():
            await self._running
        return self.reloads[done]

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow())
                tasks.create_task(self._reload_when_due())
                tasks.create_task(self._haproxy.watch_over())
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            async with self._reloaded:
                self._reloaded.notify_all()

    async def _follow(self) -> None:
        async for _ in self._store.watch("routes", "endpointslices"):
            self._admit()
            files = self._generate()
            if files != self._files:
                self._files = files
                self._due.set()

    async def _reload_when_due(self) -> None:
        loop = asyncio.get_running_loop()
        # HAProxy's first start counts as a reload: a change right after it waits, as on a real router.
        begun = loop.time()
        while True:
            await self._due.wait()
            await asyncio.sleep(begun + self.reload_interval - loop.time())
            begun = loop.time()
            self._due.clear()
            await self._haproxy.reload(self._files)
            async with self._reloaded:
                self.reloads.append(loop.time())
                self._reloaded.notify_all()

    def _admit(self) -> None:
        """Judge all Routes, and write the status of those for which it changes."""
        for claim in judge_claims(self._store.list("routes"), allow_wildcards=self._allow_wildcards):
            ingress = record(claim, router=self.name, canonical_hostname=self.canonical_hostname, now=now())
            if ingress is not None:
                status = {**claim.route.get("status", {}), "ingress": ingress}
                self._store.update("routes", {**claim.route, "status": status}, manager=MANAGER, subresource="status")

    def _generate(self) -> dict[str, str]:
        claims = judge_claims(self._store.list("routes"), allow_wildcards=self._allow_wildcards)
        return generate(
            (claim.route for claim in claims if claim.admitted),
            self._store.list("endpointslices"),
            Frontends(self.http_port, self.https_port, self._certificate),
        )

    def _broken(self) -> bool:
        return self._running is None or self._running.done()


class OtherTenant:
    """Another team on the same router, which creates or deletes a Route every ``period`` seconds.

    A router with such tenants always has a reload behind it and one ahead: what changes has to wait for the next one.
    """

    NAME = "blue-green"

    def __init__(self, store: Store, namespace: str = "other-team", period: float = 1.0) -> None:
        self.namespace = namespace
        self.period = period
        self._store = store

    async def run(self) -> None:
        """Create and delete the Route in turn until cancelled."""
        while True:
            if self._store.find("routes", self.namespace, self.NAME):
                self._store.delete("routes", self.namespace, self.NAME)
            else:
                self._store.create("routes", self._route(), manager=self.namespace)
            await asyncio.sleep(self.period)

    def _route(self) -> Object:
        return {
            "metadata": {"name": self.NAME, "namespace": self.namespace},
            "spec": {"host": f"{self.NAME}.apps.example.test", "to": {"kind": "Service", "name": self.NAME}},
        }


@contextlib.contextmanager
def _opened(directory: Path) -> Iterator[int]:
    fd = os.open(directory, os.O_PATH)
    try:
        yield fd
    finally:
        os.close(fd)


def _reserve_port() -> socket.socket:
    """Take a free port that nobody else gets while the socket is open, and that HAProxy can listen on all the same.

    A socket that is bound with SO_REUSEPORT and does not listen gets no connections, and HAProxy sets SO_REUSEPORT.
    """
    reservation = socket.socket()
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reservation.bind(("127.0.0.1", 0))
    return reservation

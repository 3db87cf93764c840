"""The router: it admits Routes, and has one or more real HAProxies serve them.

A Route's status is written at once; traffic follows with the next reload of HAProxy, and there is at most one reload
in each interval. That is why ``Admitted`` on a real cluster runs ahead of the traffic.
"""

from __future__ import annotations

import asyncio
import contextlib
import operator
import socket
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.apiserver.store import now
from maintenance_ci.rehearsal.router.admission import Admission
from maintenance_ci.rehearsal.router.claims import HOST_CLAIMED
from maintenance_ci.rehearsal.router.haproxy_config import Frontends, generate
from maintenance_ci.rehearsal.router.replica import Replica
from maintenance_ci.rehearsal.router.status import record

if TYPE_CHECKING:
    from pathlib import Path

    from maintenance_ci.rehearsal.apiserver.store import Store
    from maintenance_ci.rehearsal.router.claims import Claim

Object = dict[str, Any]

# The default of `tuningOptions.reloadInterval`, in seconds, and its bounds; OpenShift's own lower one is 1.
RELOAD_INTERVAL = 5.0
RELOAD_INTERVALS = (0.2, 120.0)
MANAGER = "openshift-router"


def check_reload_interval(seconds: float) -> None:
    """Raise ValueError when no router may have this reload interval."""
    least, most = RELOAD_INTERVALS
    if not least <= seconds <= most:
        raise ValueError(f"a reload interval is {least:g} to {most:g} s, not {seconds:g}")


class Router:
    """An ingress controller on two free ports of 127.0.0.1.

    Its replicas share the ports: each new connection lands on any of them. They agree on who is admitted, and reload
    at moments of their own: their clocks begin apart, by an equal part of the interval. On a router that is quiet for
    an interval all follow the next change at once, and together from there on; a busy one keeps them apart.

    Args:
        store: where Routes and EndpointSlices are, and where the Routes' status is written.
        directory: holds all of HAProxy's files; created where it is missing.
        certificate: the router's own, a PEM file with key and chain.
        reload_interval: seconds between the starts of two reloads of a replica, at the least: 0.2 to 120.
        replicas: how many there are.
        name: the router's name in the Routes' status.
        canonical_hostname: as it stands in the Routes' status.
        allow_wildcards: whether Routes with the wildcard policy ``Subdomain`` are admitted
            (``wildcardPolicy: WildcardsAllowed`` of the IngressController).
        overlooks_freed_hosts: with ``allow_wildcards``, whether a Route that waits for a host is not looked at when
            that becomes free, only when the Route itself changes, as on a real router.
        idle_close_on_response: whether a reload leaves idle connections open until their next answer
            (``idleConnectionTerminationPolicy: Deferred``), or closes them (``Immediate``, the default).

    Raises:
        ValueError: no router may have this reload interval, or this number of replicas.
    """

    def __init__(
        self,
        store: Store,
        *,
        directory: Path,
        certificate: Path,
        reload_interval: float = RELOAD_INTERVAL,
        replicas: int = 1,
        name: str = "default",
        canonical_hostname: str = "router.apps.example.test",
        allow_wildcards: bool = False,
        overlooks_freed_hosts: bool = False,
        idle_close_on_response: bool = False,
    ) -> None:
        check_reload_interval(reload_interval)
        if replicas < 1:
            raise ValueError(f"a router has at least one replica, not {replicas}")
        self.name = name
        self.canonical_hostname = canonical_hostname
        self.reload_interval = reload_interval
        self.http_port = self.https_port = 0
        self._store = store
        self._certificate = certificate.resolve()
        self._admission = Admission(store.find, allow_wildcards=allow_wildcards)
        self._overlooks = allow_wildcards and overlooks_freed_hosts
        self._overlooked: set[tuple[str, str]] = set()
        self._idle_close_on_response = idle_close_on_response
        self._reloaded = asyncio.Event()
        self._replicas = [
            Replica(
                directory.resolve() / str(number),
                interval=reload_interval,
                head_start=reload_interval * number / replicas,
                files=self._current_files,
                reloaded=self._reloaded.set,
            )
            for number in range(replicas)
        ]
        self._reservations: list[socket.socket] = []
        self._files: dict[str, str] | None = None  # None: to be made of what is admitted now
        self._endpoint_slices: list[Object] = []
        self._changed = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    @property
    def reloads(self) -> list[float]:
        """The ends of all replicas' reloads, in order, on the loop's clock."""
        return sorted(time for replica in self._replicas for time in replica.reloads)

    @property
    def reloads_by_replica(self) -> list[list[float]]:
        """The ends of each replica's reloads, on the loop's clock."""
        return [list(replica.reloads) for replica in self._replicas]

    @property
    def reload_starts(self) -> list[list[float]]:
        """The beginnings of each replica's reloads, on the loop's clock: these are an interval apart."""
        return [list(replica.starts) for replica in self._replicas]

    async def start(self) -> None:
        """Serve what is in the store now, and follow its changes from here on."""
        self._reservations = [_reserve_port(), _reserve_port()]
        self.http_port, self.https_port = (one.getsockname()[1] for one in self._reservations)
        self.look()
        try:
            for replica in self._replicas:
                await replica.start()
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
            await asyncio.gather(*(replica.stop() for replica in self._replicas))
            for reservation in self._reservations:
                reservation.close()

    async def next_reload(self) -> float:
        """Wait until every replica has reloaded once more, and return the end of the last of these reloads.

        The time is on the loop's clock. What was in the store when this was called is served from here on, by all of
        them. Raises what broke the router.
        """
        self.look()  # before a replica begins with what was there a moment ago
        wanted = [(replica, replica.next) for replica in self._replicas]
        await self._reloads(wanted)
        return max(replica.reloads[number] for replica, number in wanted)

    async def followed(self) -> None:
        """Wait until every replica serves what is in the store now; raises what broke the router.

        On a busy router there is more by then, which some replica always has yet to follow: that is not waited for.
        """
        self.look()
        await self._reloads([(replica, replica.next) for replica in self._replicas if not replica.serves])

    async def _reloads(self, wanted: list[tuple[Replica, int]]) -> None:
        """Wait until each of these replicas has ended the reload of that number."""
        assert self._running is not None
        while not all(len(replica.reloads) > number for replica, number in wanted):
            self._reloaded.clear()
            reloaded = asyncio.ensure_future(self._reloaded.wait())
            await asyncio.wait([reloaded, self._running], return_when=asyncio.FIRST_COMPLETED)
            reloaded.cancel()
            if self._running.done():
                await self._running

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch())
                tasks.create_task(self._follow())
                for replica in self._replicas:
                    tasks.create_task(replica.run())
        except ExceptionGroup as group:
            raise _first(group) from None

    async def _watch(self) -> None:
        async for _ in self._store.watch("routes", "endpointslices", "secrets"):
            self._changed.set()

    async def _follow(self) -> None:
        """Look after each change, or after several that came together."""
        self._changed.set()  # by what went while HAProxy started
        while True:
            await self._changed.wait()
            self._changed.clear()
            self.look()

    def look(self) -> None:
        """Judge the Routes now, and have the replicas follow: what `run` does a moment after each change."""
        changed = self._admit()
        endpoint_slices = self._store.list("endpointslices")
        if not _same(endpoint_slices, self._endpoint_slices):
            self._endpoint_slices = endpoint_slices
            # Most of them are of Services that no Route leads to.
            changed = changed or self._files is None or self._generate() != self._files
        if changed:
            self._files = None
            for replica in self._replicas:
                replica.follow()

    def _admit(self) -> bool:
        """Judge the Routes, and write the status of those for which it changes; say whether others are served."""
        routes = self._store.list("routes")
        seen = [route for route in routes if _version(route) not in self._overlooked] if self._overlooks else routes
        judged, changed = self._admission.look(seen)
        for claim in judged:
            self._record(claim)
        if self._overlooks:
            waiting = {_version(claim.route) for claim in self._admission.claims if claim.reason == HOST_CLAIMED}
            self._overlooked = waiting | (self._overlooked & {_version(route) for route in routes})
        return changed

    def _record(self, claim: Claim) -> None:
        ingress = record(claim, router=self.name, canonical_hostname=self.canonical_hostname, now=now())
        if ingress is not None:
            status = {**claim.route.get("status", {}), "ingress": ingress}
            self._store.update("routes", {**claim.route, "status": status}, manager=MANAGER, subresource="status")

    def _current_files(self) -> dict[str, str]:
        """Return the files by which HAProxy serves what is admitted now: made when a reload needs them."""
        if self._files is None:
            self._files = self._generate()
        return self._files

    def _generate(self) -> dict[str, str]:
        frontends = Frontends(self.http_port, self.https_port, self._certificate, self._idle_close_on_response)
        return generate(self._admission.admitted, self._endpoint_slices, frontends)


def _same(one: list[Object], other: list[Object]) -> bool:
    """Tell whether two lists hold the very same objects: what the store holds is never changed in place."""
    return len(one) == len(other) and all(map(operator.is_, one, other))


def _version(route: Object) -> tuple[str, str]:
    return route["metadata"]["uid"], route["metadata"]["resourceVersion"]


def _first(group: ExceptionGroup[Exception]) -> Exception:
    """Return what happened first inside of task groups inside of task groups."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first


def _reserve_port() -> socket.socket:
    """Take a free port that nobody else gets while the socket is open, and that HAProxy can listen on all the same.

    A socket that is bound with SO_REUSEPORT and does not listen gets no connections, and HAProxy sets SO_REUSEPORT.
    """
    reservation = socket.socket()
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reservation.bind(("127.0.0.1", 0))
    return reservation

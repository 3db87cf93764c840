"""One replica of the router: an HAProxy with a reload clock of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from maintenance_ci.rehearsal.router.haproxy import HAProxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Replica:
    """It follows what the router serves: at once if its last reload is an interval ago, or else when it is.

    Args:
        directory: holds all of HAProxy's files; created where it is missing.
        interval: seconds between the starts of two reloads, at the least.
        head_start: seconds by which its clock is ahead: its first interval is shorter by that.
        files: returns HAProxy's files; called when a reload begins.
        reloaded: called after each reload.

    Attributes:
        starts: the beginnings of its reloads, on the loop's clock.
        reloads: the ends of its reloads, likewise.
    """

    def __init__(
        self,
        directory: Path,
        *,
        interval: float,
        head_start: float,
        files: Callable[[], dict[str, str]],
        reloaded: Callable[[], None],
    ) -> None:
        self.starts: list[float] = []
        self.reloads: list[float] = []
        self._haproxy = HAProxy(directory)
        self._interval, self._head_start = interval, head_start
        self._reloaded = reloaded
        self._files = files
        self._due = asyncio.Event()

    async def start(self) -> None:
        """Serve what is to be served now."""
        self._due.clear()
        await self._haproxy.start(self._files())

    def follow(self) -> None:
        """Serve, after the next reload, what is to be served by then."""
        self._due.set()

    @property
    def next(self) -> int:
        """The index, in `reloads`, of the reload after which it serves what it is to follow.

        One that is under way has what there was when it began; the next one has all.
        """
        under_way = len(self.starts) > len(self.reloads)
        return len(self.reloads) + (1 if under_way and self._due.is_set() else 0)

    @property
    def serves(self) -> bool:
        """Whether it serves what it is to follow: no reload is due, and none is under way."""
        return not self._due.is_set() and len(self.starts) == len(self.reloads)

    async def run(self) -> None:
        """Reload when it is due; raises `HAProxyError` when HAProxy refuses a configuration, or ends."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._reload_when_due())
            tasks.create_task(self._haproxy.watch_over())

    async def stop(self) -> None:
        """End HAProxy."""
        await self._haproxy.stop()

    async def _reload_when_due(self) -> None:
        loop = asyncio.get_running_loop()
        # HAProxy's first start counts as a reload: a change right after it waits, as on a real router.
        begun = loop.time() - self._head_start
        while True:
            await self._due.wait()
            await asyncio.sleep(begun + self._interval - loop.time())
            begun = loop.time()
            self.starts.append(begun)
            self._due.clear()
            await self._haproxy.reload(self._files())
            self.reloads.append(loop.time())
            self._reloaded()

"""A network that takes its time, in front of a server of the loopback: what a runner far from the cluster meets.

It knows nothing of TLS or HTTP, which pass through. It does to bytes what a long cable does: each byte arrives half a
round trip later, in both directions, however many are under way; and a new connection takes one round trip before its
first byte can be sent. So with a round trip of 25 ms a request takes 25 ms more, a new connection 25 ms more, and its
TLS handshake (version 1.3: one round trip) another 25 ms.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self
from urllib.parse import urlsplit

CHUNK = 65536  # bytes read at once


class SlowNetwork:
    """Listens on a free port of 127.0.0.1, and leads to a server there. Use it with ``async with``.

    Attributes:
        round_trip: seconds; it may be changed while the network runs, for connections and bytes to come.
        port: where it listens.
        connections: that were made through it.
    """

    def __init__(self, port: int, *, round_trip: float = 0.0) -> None:
        self.round_trip, self.port, self.connections = round_trip, 0, 0
        self._server_port = port
        self._server: asyncio.Server | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exception: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def before(self, url: str) -> str:
        """Return a URL of the server as it is written by those who come through this network."""
        parts = urlsplit(url)
        return parts._replace(netloc=f"{parts.hostname}:{self.port}").geturl()

    async def _connected(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._under_way.add(task)
        self.connections += 1
        try:
            await asyncio.sleep(self.round_trip)
            server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port, limit=CHUNK)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._carry(client, to_server))
                    both.create_task(self._carry(server, to_client))
            finally:
                to_server.close()
        except* (OSError, asyncio.CancelledError):
            pass  # one side hung up, or the network is taken down: the other side learns it by the close below
        finally:
            to_client.close()
            self._under_way.discard(task)

    async def _carry(self, source: asyncio.StreamReader, destination: asyncio.StreamWriter) -> None:
        """Carry what one side sends to the other side, each chunk half a round trip after it was sent."""
        clock = asyncio.get_running_loop().time
        sent: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=256)

        async def deliver() -> None:
            while True:
                due, chunk = await sent.get()
                await asyncio.sleep(due - clock())
                if not chunk:
                    break
                destination.write(chunk)
                await destination.drain()
            with contextlib.suppress(OSError):
                destination.write_eof()

        async with asyncio.TaskGroup() as both:
            both.create_task(deliver())
            chunk = b"begin"
            while chunk:
                chunk = await source.read(CHUNK)
                await sent.put((clock() + self.round_trip / 2, chunk))

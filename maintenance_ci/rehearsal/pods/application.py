"""The application of the rehearsal: it answers whatever it is asked, and says that it was the one who answered."""

from __future__ import annotations

import asyncio

from aiohttp import web

PORT = 8080
SERVED_BY = "X-Served-By"
SHUTDOWN = 1.0  # seconds for the requests in flight


class ApplicationContainer:
    """One run of the application on one address; it looks like any other container to the kubelet."""

    def __init__(self, address: str, name: str = "application") -> None:
        self._address = address
        self._name = name
        self._lines: list[str] = []
        self._runner: web.AppRunner | None = None
        self._ended = asyncio.Event()
        self._exit_code = 0

    async def start(self) -> None:
        """Listen on port 8080 of the address."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._address, PORT).start()
        except OSError as error:
            self._lines.append(f"cannot listen on {self._address}:{PORT}: {error.strerror}")
            await self._end(1)
        else:
            self._lines.append(f"listening on port {PORT}")

    async def wait(self) -> int:
        """Wait for its end; returns the exit code."""
        await self._ended.wait()
        return self._exit_code

    async def stop(self, _grace: float) -> None:
        """Listen no more at once, finish what is being answered (`SHUTDOWN` seconds at the most), end."""
        if not self._ended.is_set():
            await self._end(0)

    def log(self) -> str:
        """What it printed so far."""
        return "".join(f"{line}\n" for line in self._lines)

    async def _end(self, exit_code: int) -> None:
        if self._runner is not None:
            server = self._runner.server
            await self._runner.cleanup()
            await asyncio.sleep(0)  # a connection that was just being accepted is there by now
            for connection in server.connections if server else ():
                if connection.transport is not None:
                    connection.transport.abort()
        self._exit_code = exit_code
        self._ended.set()

    async def _answer(self, request: web.Request) -> web.Response:
        self._lines.append(f"{request.method} {request.path_qs}")
        answer = {"servedBy": self._name, "path": request.path}
        return web.json_response(answer, headers={SERVED_BY: self._name, "Cache-Control": "no-store"})

"""The users: a constant stream of requests, with every answer recorded.

Requests start by the clock, not when the one before is answered, so a server that hangs is seen by as many users as it
would be in reality. Half of them come on a new connection, half on kept-alive ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence
    from types import SimpleNamespace

    from aiohttp import ClientHandlerType

# Who answered, where it was no maintenance page (that one gives its NAME:TAG).
APPLICATION, ROUTER, UNKNOWN, NOBODY = "application", "router", "unknown", "nobody"

# How many users keep a connection open. They take turns, so most connections are idle when the router reloads.
REGULARS = 8


@dataclass(frozen=True)
class Answer:
    """What one user saw.

    Attributes:
        time: when the request was sent, in seconds since the stream began.
        path: the path asked for.
        kept_alive: the user keeps connections open (False: a new one for each request).
        status: of the answer; None where there was none.
        served_by: ``application``, the page's ``NAME:TAG``, ``router``, ``unknown`` (none of them), or ``nobody``.
        error: why there was no answer, or None.
        latency: seconds from then to the end of the answer.
        retried: a kept-alive connection had been closed by the server, and the request was sent again on a new one.
        host: the host asked for.
    """

    time: float
    path: str
    kept_alive: bool
    status: int | None
    served_by: str
    error: str | None
    latency: float
    retried: bool = False
    host: str = ""


class _Reply(NamedTuple):
    status: int | None
    served_by: str
    error: str | None


class _Disconnected(aiohttp.ClientError):
    """The connection failed before an answer came. Not one of the errors upon which aiohttp quietly tries again."""


class Users:
    """The stream. ``answers`` grows while it runs, in the order in which answers come in.

    Args:
        hosts: the public host name, or several, asked for in turn; all are resolved to ``address``.
        port: of the router's HTTPS frontend; of its HTTP frontend without ``ssl_context``.
        ssl_context: verifies the router's certificate; None: these users ask by HTTP.
        paths: asked for in turn, each of every host.
        rate: requests per second.
        concurrency: requests on the way at once, at the most; more than that wait, and the rate sinks visibly. A
            machine that answers less than ``concurrency / timeout`` of them a second lets users give up.
        timeout: seconds until a user gives up.
    """

    def __init__(
        self,
        hosts: str | Sequence[str],
        port: int,
        ssl_context: ssl.SSLContext | None,
        *,
        paths: Sequence[str] = ("/",),
        rate: float = 100.0,
        concurrency: int = 50,
        timeout: float = 10.0,
        address: str = "127.0.0.1",
    ) -> None:
        self.answers: list[Answer] = []
        self.rate = rate
        self._hosts = (hosts,) if isinstance(hosts, str) else tuple(hosts)
        self._paths = paths
        self._scheme, self._port = "https" if ssl_context else "http", port
        self._ssl = ssl_context or True
        self._address = address
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._room = asyncio.Semaphore(concurrency)
        self._begun = 0.0
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def elapsed(self) -> float:
        """Seconds since the stream began: the clock of ``Answer.time``."""
        return asyncio.get_running_loop().time() - self._begun

    async def start(self) -> None:
        """Begin the stream."""
        self._begun = asyncio.get_running_loop().time()
        self._task = asyncio.create_task(self._run(), name="users")

    async def stop(self) -> list[Answer]:
        """End the stream, wait for the answers on their way, and return all of them by time."""
        if self._task is not None:
            self._stopping.set()
            await self._task
        self.answers.sort(key=lambda answer: answer.time)
        return self.answers

    async def answered(self) -> None:
        """Wait until the requests that are under way now are answered, or given up."""
        if self._under_way:
            await asyncio.wait(set(self._under_way))

    async def _run(self) -> None:
        strangers = self._session(keep_alive=False)
        regulars = [self._session(keep_alive=True) for _ in range(REGULARS)]
        try:
            async with asyncio.TaskGroup() as requests:
                # A place twice in a row, once from a stranger and once from a regular: both see every one.
                places = [(host, path) for path in self._paths for host in self._hosts]
                turns = ((*place, session) for place in cycle(places) for session in (strangers, None))
                regular = cycle(regulars)
                for number, (host, path, session) in enumerate(turns):
                    if await self._stopped(number / self.rate - self.elapsed):
                        break
                    await self._room.acquire()
                    request = requests.create_task(self._ask(host, path, session or next(regular), strangers))
                    self._under_way.add(request)
                    request.add_done_callback(self._under_way.discard)
        finally:
            for session in (strangers, *regulars):
                await session.close()

    async def _stopped(self, delay: float) -> bool:
        """Wait ``delay`` seconds, or until the stream is to end; says whether it is."""
        if delay > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._stopping.wait()
        return self._stopping.is_set()

    async def _ask(
        self, host: str, path: str, session: aiohttp.ClientSession, strangers: aiohttp.ClientSession
    ) -> None:
        sent, retried = self.elapsed, False
        url = f"{self._scheme}://{host}:{self._port}{path}"
        try:
            connection: dict[str, bool] = {}
            try:
                reply = await self._get(session, url, connection)
            except _Disconnected as error:
                # As every browser does (RFC 9110, 9.2.2): the server may close an idle connection at any time.
                retried = connection.get("reused", False)
                reply = _failure(error)
            if retried:
                try:
                    reply = await self._get(strangers, url, {})
                except _Disconnected as error:
                    reply = _failure(error)
        finally:
            self._room.release()
        self.answers.append(
            Answer(sent, path, session is not strangers, *reply, self.elapsed - sent, retried=retried, host=host)
        )

    async def _get(self, session: aiohttp.ClientSession, url: str, connection: dict[str, bool]) -> _Reply:
        """Send one request; ``connection`` learns whether it went over a kept-alive connection."""
        try:
            async with session.get(
                url, allow_redirects=False, trace_request_ctx=connection, middlewares=[_try_once]
            ) as response:
                await response.read()
                return _Reply(response.status, _served_by(response), None)
        except _Disconnected:
            raise
        except (aiohttp.ClientError, TimeoutError) as error:
            return _failure(error)

    def _session(self, *, keep_alive: bool) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_note_reuse)
        connector = aiohttp.TCPConnector(
            ssl=self._ssl,
            resolver=_FixedResolver(self._address),
            limit=0,
            force_close=not keep_alive,
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[trace],
        )


class _FixedResolver(AbstractResolver):
    """Every host name has one address."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - the interface's
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=self._address,
                port=port,
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """There is nothing to close."""


async def _try_once(request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except TimeoutError:
        raise
    except (OSError, aiohttp.ServerDisconnectedError) as error:
        raise _Disconnected(f"{type(error).__name__}: {error}") from error


async def _note_reuse(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx["reused"] = True


def _failure(error: Exception) -> _Reply:
    text = str(error) if isinstance(error, _Disconnected) else f"{type(error).__name__}: {error}"
    return _Reply(None, NOBODY, text)


def _served_by(response: aiohttp.ClientResponse) -> str:
    if page := response.headers.get("X-Maintenance-Page"):
        return page
    served_by = response.headers.get("X-Served-By")
    return served_by if served_by in (APPLICATION, ROUTER) else UNKNOWN

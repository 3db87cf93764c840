"""A router on a store of its own, with two small backends, for tests."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import trustme
from aiohttp import web

from maintenance_ci.rehearsal.apiserver.store import Store
from maintenance_ci.rehearsal.router.router import Router

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

HOST = "shop.apps.example.test"
NAMESPACE = "shop"
LONG = "long" * 25  # longer than a Unix socket's path may be
Object = dict[str, Any]


@dataclass
class Cluster:
    """A store with two Services, and their backends."""

    store: Store
    folder: Path
    ca: trustme.CA
    exits: contextlib.AsyncExitStack

    @property
    def certificate(self) -> Path:
        return self.folder / "router.pem"

    def client_tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        return context

    def add_route(
        self,
        name: str,
        service: str,
        namespace: str = NAMESPACE,
        annotations: dict[str, str] | None = None,
        **spec: Any,
    ) -> Object:
        """Create a Route; annotations go by their names after ``haproxy.router.openshift.io/``."""
        spec = {"host": HOST, "tls": {"termination": "edge"}, "to": {"kind": "Service", "name": service}, **spec}
        given = {f"haproxy.router.openshift.io/{key}": value for key, value in (annotations or {}).items()}
        metadata = {"name": name, "namespace": namespace, "annotations": given}
        manifest = {"metadata": metadata, "spec": {key: value for key, value in spec.items() if value is not None}}
        return self.store.create("routes", manifest, manager="test")

    def update_route(self, name: str, **spec: Any) -> None:
        """Change these fields of a Route's spec."""
        route = self.store.get("routes", NAMESPACE, name)
        self.store.update("routes", {**route, "spec": {**route["spec"], **spec}}, manager="test")

    def files(self, pattern: str) -> list[Path]:
        """Return the files of the router's first replica."""
        return list((self.folder / LONG / "0").glob(pattern))

    def delete_route(self, name: str) -> None:
        self.store.delete("routes", NAMESPACE, name)

    def admitted(self, name: str, namespace: str = NAMESPACE) -> Object:
        """Return the condition ``Admitted`` of a Route, without its time."""
        (entry,) = self.store.get("routes", namespace, name)["status"]["ingress"]
        (condition,) = entry["conditions"]
        return {key: value for key, value in condition.items() if key != "lastTransitionTime"}

    @contextlib.asynccontextmanager
    async def routed(self, interval: float = 0.2, **settings: Any) -> AsyncIterator[Router]:
        router = Router(
            self.store,
            directory=self.folder / LONG,
            certificate=self.certificate,
            reload_interval=interval,
            **settings,
        )
        await router.start()
        try:
            yield router
        finally:
            await router.stop()

    @contextlib.asynccontextmanager
    async def backend(
        self, service: str, address: str, headers: dict[str, str], tls: ssl.SSLContext | None = None
    ) -> AsyncIterator[None]:
        """Serve ``service`` from ``address``, and put it into an EndpointSlice.

        What it was asked with is its answer to ``/headers``.
        """

        async def answer(request: web.Request) -> web.Response:
            await asyncio.sleep(float(request.query.get("sleep", 0)))
            if request.path == "/headers":
                return web.json_response(dict(request.headers), headers=headers)
            return web.Response(text=request.path, headers={**headers, "X-Seen-Host": request.host})

        application = web.Application()
        application.router.add_get("/{path:.*}", answer)
        # As much as nginx reads for the page, and more than the router hands on.
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, max_field_size=65536)
        await runner.setup()
        await web.TCPSite(runner, address, 0, ssl_context=tls).start()
        self.store.create(
            "endpointslices",
            {
                "metadata": {
                    "name": f"{service}-x1",
                    "namespace": NAMESPACE,
                    "labels": {"kubernetes.io/service-name": service},
                },
                "addressType": "IPv4",
                "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
                "ports": [{"name": "http", "port": runner.addresses[0][1], "protocol": "TCP"}],
            },
            manager="test",
        )
        try:
            yield
        finally:
            await runner.cleanup()


PAGE = "maintenance-page:v1"


def run(folder: Path, story: Callable[[Cluster], Coroutine[None, None, None]]) -> None:
    """Tell the story on a cluster with the Services ``shop`` and ``page``."""

    async def main() -> None:
        ca = trustme.CA()
        cluster = Cluster(Store(), folder, ca, contextlib.AsyncExitStack())
        ca.issue_cert("*.apps.example.test").private_key_and_cert_chain_pem.write_to_path(str(cluster.certificate))
        shop, page = {"X-Served-By": "application"}, {"X-Maintenance-Page": PAGE}
        async with cluster.backend("shop", "127.0.61.1", shop), cluster.backend("page", "127.0.61.2", page):
            async with cluster.exits:
                await story(cluster)
            await asyncio.sleep(0.05)

    asyncio.run(main())


@dataclass(frozen=True)
class Seen:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def who(self) -> tuple[int, str]:
        """The status, and who answered (or where it redirects to)."""
        headers = (self.headers.get(name, "") for name in ("Location", "X-Maintenance-Page", "X-Served-By"))
        return self.status, next(filter(None, headers), "nobody")


Get = Callable[..., Coroutine[None, None, Seen]]


@contextlib.asynccontextmanager
async def browser(cluster: Cluster, router: Router, source: str = "127.0.0.1") -> AsyncIterator[Get]:
    """Give a function that asks a URL, each time on a new connection from the address ``source``."""
    connector = aiohttp.TCPConnector(
        ssl=cluster.client_tls(), resolver=Resolver(), force_close=True, local_addr=(source, 0)
    )
    async with aiohttp.ClientSession(connector=connector) as session:

        async def get(path: str = "/", *, tls: bool = True, host: str = HOST, **headers: str) -> Seen:
            base = f"https://{host}:{router.https_port}" if tls else f"http://{host}:{router.http_port}"
            async with session.get(base + path, allow_redirects=False, headers=headers) as response:
                return Seen(response.status, response.headers, await response.text())

        yield get


@contextlib.asynccontextmanager
async def client(
    cluster: Cluster, router: Router
) -> AsyncIterator[Callable[..., Coroutine[None, None, tuple[int, str]]]]:
    """Give a function that asks a URL for status and who answered."""
    async with browser(cluster, router) as get:

        async def ask(*path: str, **where: Any) -> tuple[int, str]:
            return (await get(*path, **where)).who

        yield ask


class Connection:
    """One kept-alive HTTPS connection of a user."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, cluster: Cluster, router: Router, host: str = HOST) -> AsyncIterator[Connection]:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", router.https_port, ssl=cluster.client_tls(), server_hostname=host
        )
        try:
            yield cls(reader, writer)
        finally:
            writer.transport.abort()

    @property
    def certificate(self) -> bytes:
        """The server's certificate, in DER."""
        found: bytes = self._writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return found

    async def ask(self, host: str = HOST) -> str:
        """Send a request and return the answer's head, in lower case."""
        self._writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        await self._reader.readexactly(int(head.partition("content-length: ")[2].partition("\r")[0]))
        return head

    async def closed(self, within: float) -> bool:
        """Say whether the server closes the connection within so many seconds."""
        try:
            async with asyncio.timeout(within):
                return await self._reader.read(1) == b""
        except TimeoutError:
            return False


class Resolver(aiohttp.abc.AbstractResolver):
    async def resolve(self, host: str, port: int = 0, family: Any = None) -> list[aiohttp.abc.ResolveResult]:
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        pass


ADMITTED = {"type": "Admitted", "status": "True"}


async def next_second() -> None:
    """Wait until what is created next is younger by its creationTimestamp, which has no fractions."""
    await asyncio.sleep(1 - time.time() % 1 + 0.01)

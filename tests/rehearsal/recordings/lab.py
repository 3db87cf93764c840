"""The cluster that the recordings are played back to: API server, controllers, builds, Pods, and a router at hand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import subprocess
import threading
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import trustme
from aiohttp.typedefs import Middleware

from maintenance_ci.rehearsal.apiserver.rights import User
from maintenance_ci.rehearsal.apiserver.server import ApiServer
from maintenance_ci.rehearsal.router.router import Router
from tests.tools.small_cluster import SmallCluster, small_cluster

Result = TypeVar("Result")
TOKEN = "admin-token"


class Lab:
    """A running cluster, seen from outside of its event loop."""

    def __init__(self, cluster: SmallCluster, server: ApiServer, loop: asyncio.AbstractEventLoop, folder: Path) -> None:
        self.cluster, self.store, self.server, self.folder = cluster, cluster.store, server, folder
        self.ca, self.certificate = folder / "ca.pem", folder / "router.pem"
        self._loop = loop

    @property
    def url(self) -> str:
        """Where the API server listens."""
        return self.server.url

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run ``work`` in the cluster's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=60)

    def call(self, function: Any, *arguments: Any, **named: Any) -> Any:
        """Call a function of the cluster in its event loop."""

        async def work() -> Any:
            return function(*arguments, **named)

        return self.do(work())

    def kubeconfig(self, namespace: str = "default") -> Path:
        """A kubeconfig that may do everything."""
        cluster = {"server": self.url, "certificate-authority": str(self.ca)}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": namespace}}],
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": {"token": TOKEN}}],
        }
        path = self.folder / f"{namespace}.json"
        path.write_text(json.dumps(content))
        return path

    def environment(self, namespace: str = "default") -> dict[str, str]:
        """What a real client finds in its environment; a folder of its own is its home."""
        return {"KUBECONFIG": str(self.kubeconfig(namespace)), "HOME": str(self.folder)}

    def run(self, program: Path, *arguments: str, namespace: str = "default") -> subprocess.CompletedProcess[str]:
        """Run a real client to its end."""
        return subprocess.run(
            [program, *arguments],
            env=self.environment(namespace),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @contextlib.contextmanager
    def router(self) -> Iterator[None]:
        """Let a router be there: it writes the Routes' status."""
        router = Router(self.store, directory=self.folder / "router", certificate=self.certificate)
        self.do(router.start())
        try:
            yield
            self.settle()
        finally:
            self.do(router.stop())

    def settle(self) -> None:
        """Return when the controllers and the router have seen everything that was written, and done what they do."""

        async def quiet() -> None:
            seen = -1
            while seen != self.store.resource_version:
                seen = self.store.resource_version
                for _ in range(20):
                    await asyncio.sleep(0)

        self.do(quiet())


@contextlib.contextmanager
def running_lab(folder: Path, *, middlewares: Sequence[Middleware] = ()) -> Iterator[Lab]:
    """A lab in a thread of its own, stopped at the end."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    authority.issue_cert("*.apps.example.test").private_key_and_cert_chain_pem.write_to_path(str(folder / "router.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "api.example.test").configure_cert(context)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="lab")
    thread.start()
    stack = contextlib.AsyncExitStack()

    async def start() -> Lab:
        cluster = await stack.enter_async_context(small_cluster(folder))
        users = {TOKEN: User("system:admin", cluster_admin=True)}
        server = ApiServer(
            cluster.store, users, context, builds=cluster.builds, pods=cluster.kubelet, middlewares=middlewares
        )
        await server.start()
        stack.push_async_callback(server.stop)
        return Lab(cluster, server, loop, folder)

    try:
        yield asyncio.run_coroutine_threadsafe(start(), loop).result(timeout=30)
    finally:
        asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(timeout=30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

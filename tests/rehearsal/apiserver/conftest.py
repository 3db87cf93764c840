"""An API server for tests: it runs in a thread of its own, so that tests and clients are plain functions."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sysconfig
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme
from kubernetes import client

from maintenance_ci.rehearsal.apiserver.errors import bad_request
from maintenance_ci.rehearsal.apiserver.rights import User
from maintenance_ci.rehearsal.apiserver.server import ApiServer
from maintenance_ci.rehearsal.apiserver.store import Object, Store

ALL = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
ROUTES_ONLY = [{"apiGroups": ["route.openshift.io"], "resources": ["routes"], "verbs": ["*"]}]
USERS = {
    "admin-token": User("system:admin", cluster_admin=True),
    "ci-token": User("system:serviceaccount:shop:ci", roles={"shop": ALL}),
    "weak-token": User("system:serviceaccount:shop:weak", roles={"shop": ROUTES_ONLY}),
}


class EchoBuilds:
    """Says what was uploaded: enough to see what reaches a build service, and what its refusals look like."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []

    async def instantiate_binary(
        self, namespace: str, buildconfig_name: str, query: Mapping[str, str], archive: bytes
    ) -> Object:
        if not archive:
            raise bad_request("no archive")
        self.asked.append((namespace, buildconfig_name, dict(query), archive))
        return {"kind": "Build", "metadata": {"name": f"{buildconfig_name}-1"}}

    async def log(self, namespace: str, build_name: str, follow: bool) -> AsyncIterator[bytes]:
        if not follow:
            raise bad_request("no log yet")
        for step in (b"STEP 1\n", b"STEP 2\n"):
            yield step
            await asyncio.sleep(0.01)


class PrintedLines:
    """Every Pod has printed its name."""

    def container_log(self, namespace: str, pod: str) -> str:
        return f"{namespace}/{pod}\n"


class Api:
    """A running API server, seen from outside of its event loop."""

    def __init__(self, server: ApiServer, loop: asyncio.AbstractEventLoop, folder: Path) -> None:
        self.server, self.folder, self._loop = server, folder, loop
        self.ca = folder / "ca.pem"

    def call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call a function of the store in the server's event loop."""

        async def work() -> Any:
            return function(*arguments, **named)

        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(timeout=10)

    def client(self, token: str = "ci-token") -> client.ApiClient:
        """The official client, with this token."""
        settings = client.Configuration(host=self.server.url)
        settings.ssl_ca_cert = str(self.ca)
        settings.api_key = {"authorization": f"Bearer {token}"}
        return client.ApiClient(settings)

    def objects(self, token: str = "ci-token") -> client.CustomObjectsApi:
        """The official client for kinds of any group."""
        return client.CustomObjectsApi(self.client(token))

    def environment(self, token: str) -> dict[str, str]:
        """What a real client finds: a kubeconfig of this token with the namespace ``shop``."""
        kubeconfig = self.folder / f"{token}.json"
        cluster = {"server": self.server.url, "certificate-authority": str(self.ca)}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": "shop"}}],
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": {"token": token}}],
        }
        kubeconfig.write_text(json.dumps(content))
        return {"KUBECONFIG": str(kubeconfig), "HOME": str(self.folder)}

    def run(self, program: Path, *arguments: str, token: str = "ci-token") -> subprocess.CompletedProcess[str]:
        """Run a real client to its end."""
        return subprocess.run(
            [program, *arguments],
            env=self.environment(token),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def start_kubectl(self, *arguments: str, token: str = "ci-token") -> subprocess.Popen[str]:
        """Start the real kubectl; who starts it ends it."""
        argv = [Path(sysconfig.get_path("scripts")) / "kubectl", *arguments]
        return subprocess.Popen(argv, env=self.environment(token), stdout=subprocess.PIPE, text=True)

    def kubectl(self, *arguments: str, token: str = "ci-token") -> subprocess.CompletedProcess[str]:
        """Run the real kubectl."""
        return self.run(Path(sysconfig.get_path("scripts")) / "kubectl", *arguments, token=token)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def builds() -> EchoBuilds:
    return EchoBuilds()


@pytest.fixture
def api(authority: trustme.CA, builds: EchoBuilds, tmp_path: Path) -> Iterator[Api]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    store = Store()
    for namespace in ("shop", "other"):
        store.create("namespaces", {"metadata": {"name": namespace}}, manager="test")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = ApiServer(store, USERS, context, builds=builds, pods=PrintedLines())
    asyncio.run_coroutine_threadsafe(server.start("127.0.0.1", 0), loop).result(timeout=10)
    try:
        yield Api(server, loop, tmp_path)
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(timeout=10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

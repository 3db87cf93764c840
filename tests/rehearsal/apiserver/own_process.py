"""An API server in a process of its own, which measures itself: ``python -m tests.rehearsal.apiserver.own_process``.

It writes one JSON object: ``start``, the seconds of processor time from the start of Python to the first answer (not
by the clock: other tests run at the same time); ``empty`` and ``full``, the megabytes that the process takes then and
with 300 Routes and 5,000 other objects; ``reads``, for each path the seconds of the quickest read without them and
with them (two servers, read by turns, and the quickest: whatever else the machine does slows both, now and then). The
client counts with it.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import trustme
import urllib3

from maintenance_ci.rehearsal.apiserver.rights import User
from maintenance_ci.rehearsal.apiserver.server import ApiServer
from maintenance_ci.rehearsal.apiserver.store import Store

TOKEN = "token"
ROUTES, SECRETS = "/apis/route.openshift.io/v1/namespaces/shop/routes", "/api/v1/namespaces/shop/secrets"
READS = (f"{ROUTES}/one", ROUTES, f"{SECRETS}/one", SECRETS, f"{ROUTES}?fieldSelector=spec.host%3Done.example.test")
MANY = "/api/v1/namespaces/other/secrets"  # all of them at once
ROUNDS = 150


def objects() -> Iterator[tuple[str, dict[str, Any]]]:
    """300 Routes and 5,000 other objects, of another namespace."""
    for number in range(300):
        yield "routes", route(f"route-{number}", "other")
    for number in range(2500):
        metadata = {"name": f"object-{number}", "namespace": "other", "labels": {"app": f"app-{number}"}}
        yield "secrets", {"metadata": metadata, "stringData": {"key": "x" * 500}}
        yield "configmaps", {"metadata": metadata, "data": {"key": "x" * 500}}


def route(name: str, namespace: str) -> dict[str, Any]:
    """A Route."""
    spec = {"host": f"{name}.example.test", "to": {"kind": "Service", "name": name}, "tls": {"termination": "edge"}}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def megabytes() -> float:
    """What the process takes of the memory."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024


class Reader:
    """A client on one kept-alive connection."""

    def __init__(self, url: str, ca: Path) -> None:
        self._url = url
        self._pool = urllib3.PoolManager(ca_certs=str(ca), headers={"Authorization": f"Bearer {TOKEN}"})

    def read(self, path: str) -> float:
        """Read once; returns how many seconds it took."""
        begun = time.perf_counter()
        answer = self._pool.request("GET", self._url + path)
        assert answer.status == 200, answer.data
        return time.perf_counter() - begun


async def measure(folder: Path) -> dict[str, Any]:
    """Start two servers, fill the second, and read from both."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    servers = [ApiServer(Store(), {TOKEN: User("system:admin", cluster_admin=True)}, context) for _ in range(2)]
    readers = []
    found: dict[str, Any] = {}
    for server in servers:
        await server.start()
        readers.append(Reader(server.url, folder / "ca.pem"))
        await asyncio.to_thread(readers[-1].read, "/readyz")
        found = found or {"start": time.process_time(), "empty": megabytes()}
        server.store.create("routes", route("one", "shop"), manager="test")
        server.store.create("secrets", {"metadata": {"name": "one", "namespace": "shop"}}, manager="test")
    for plural, obj in objects():
        servers[1].store.create(plural, obj, manager="test")
    found["reads"] = {path: await asyncio.to_thread(quickest, readers, path, ROUNDS) for path in READS}
    found["reads"][MANY] = await asyncio.to_thread(quickest, readers, MANY, 5)
    found["full"] = megabytes()
    for server in servers:
        await server.stop()
    return found


def quickest(readers: list[Reader], path: str, rounds: int) -> list[float]:
    """Read by turns; returns the seconds of each one's quickest read."""
    rows = [[reader.read(path) for reader in readers] for _ in range(rounds)]
    return [min(column) for column in zip(*rows, strict=True)]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        sys.stdout.write(json.dumps(asyncio.run(measure(Path(directory)))))

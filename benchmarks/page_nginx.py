"""What the page costs its nginx, beside the same nginx and bytes as a file (python -m benchmarks.page_nginx)."""

from __future__ import annotations

import asyncio
import http.client
import random
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.results import Table, arguments, publish
from maintenance_ci.page.context import pack_build_context
from maintenance_ci.page.rendering import render_page
from maintenance_ci.rehearsal.builds.image_build import Options, build, unpack
from maintenance_ci.rehearsal.builds.images import ImageStore
from maintenance_ci.rehearsal.pods.nginx_container import NginxContainer
from maintenance_ci.settings.folders import find

if TYPE_CHECKING:
    from collections.abc import Mapping

ROUNDS, REQUESTS = 7, 4000
PORT = 8080
# Of the requests that a bare nginx answers with the same processor time.
LEAST = 0.8
# What a browser asks with, and what a Route adds to it.
BROWSER = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "fr-CA,fr;q=0.9,en;q=0.8",
    "Sec-Fetch-Dest": "document",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "X-Maintenance-Texts": "The shop is closed|Orders that you have placed are safe.&#10;Thank you.|help@example.test|",
    "X-Maintenance-Texts-Fr": "La boutique est ferm&#233;e|Vos commandes sont enregistr&#233;es.|aide@example.test|",
    "X-Maintenance-End": "2026-11-30T06:00:00+01:00 Mon, 30 Nov 2026 05:00:00 GMT",
}
BARE = {
    "Dockerfile": """\
FROM nginxinc/nginx-unprivileged:1.30
COPY nginx.conf /etc/nginx/nginx.conf
COPY default.conf /etc/nginx/conf.d/default.conf
COPY index.html /usr/share/nginx/html/index.html
""",
    "default.conf": """\
server {
    listen 8080;
    root /usr/share/nginx/html;
    location / {
        try_files $uri /index.html;
    }
}
""",
}


@dataclass
class Server:
    """An nginx that answers with a page, and what it took.

    Attributes:
        address: where it listens.
        root: of its container.
        processor: milliseconds of processor time for 1,000 requests, of each round.
    """

    address: str
    root: Path
    processor: list[float] = field(default_factory=list)

    def ask(self, requests: int) -> bytes:
        """Send GETs over one connection, one after the other; return the last answer's body."""
        connection, body = http.client.HTTPConnection(self.address, PORT, timeout=30), b""
        for number in range(requests):
            connection.request("GET", f"/cart/{number}", headers=BROWSER)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != http.HTTPStatus.OK:
                raise SystemExit(f"{self.address} answered {answer.status}")
        connection.close()
        return body

    def wait(self) -> None:
        """Wait until it answers, half a minute at the most."""
        deadline = time.monotonic() + 30
        while True:
            try:
                self.ask(1)
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    def measure(self) -> None:
        """Ask for one round."""
        before = self._used()
        self.ask(REQUESTS)
        self.processor.append((self._used() - before) / 1e6 / REQUESTS * 1000)

    def memory(self) -> float:
        """Return the megabytes of its processes that no other process shares."""
        return sum(_private_memory(process) for process in self._processes()) / 1e6

    def _used(self) -> int:
        """Return the nanoseconds of processor time that its processes have used (first number of schedstat)."""
        return sum(int(Path(f"/proc/{one}/schedstat").read_text().split()[0]) for one in self._processes())

    def _processes(self) -> list[str]:
        master = next(self.root.rglob("nginx.pid")).read_text().strip()
        return [master, *Path(f"/proc/{master}/task/{master}/children").read_text().split()]


def main() -> None:
    """Measure, and print a table."""
    given = arguments(__doc__ or "").parse_args()
    with tempfile.TemporaryDirectory() as folder:
        servers, size = asyncio.run(measure(Path(folder)))
    rows = [(name, statistics.median(one.processor), memory) for name, (one, memory) in servers.items()]
    note = (
        f"Medians of {ROUNDS} rounds in turn, {REQUESTS:,} requests each over one connection; {size:,} bytes of HTML. "
        "processor ms: of nginx, for 1,000 requests. MB: memory of its two processes that no other process shares."
    )
    table = Table("nginx", ("serves", "processor ms", "MB"), [*rows, ("ratio", rows[0][1] / rows[1][1], None)], note)
    publish("The page's nginx beside a bare one", [table], given)
    if rows[1][1] < LEAST * rows[0][1]:
        raise SystemExit(f"the page's nginx does less than {LEAST} of what a bare one does")


async def measure(folder: Path) -> tuple[dict[str, tuple[Server, float]], int]:
    """Run both, and ask them in turn; return what they took, and the size of the page."""
    subnet = f"127.{random.randint(1, 254)}.{random.randint(1, 254)}"
    docker = find("docker")
    made = render_page(docker, name="maintenance-page", tag="v1", signature="The maintenance team")
    ours = _image(folder / "ours", pack_build_context(docker, made))
    async with _Running(ours, folder / "ours", f"{subnet}.1") as page:
        shown = await asyncio.to_thread(page.ask, 1)
        bare_files = folder / "bare-docker"
        _write(bare_files, {**BARE, "nginx.conf": (docker / "nginx.conf").read_text(), "index.html": shown.decode()})
        bare = _image(folder / "bare", pack_build_context(bare_files, {}))
        async with _Running(bare, folder / "bare", f"{subnet}.2") as plain:
            if await asyncio.to_thread(plain.ask, 1) != shown:
                raise SystemExit("the bare nginx serves another page")
            for _ in range(ROUNDS):
                for server in (page, plain):
                    await asyncio.to_thread(server.measure)
            servers = {"the page": (page, page.memory()), "a bare nginx": (plain, plain.memory())}
    return servers, len(shown)


class _Running:
    """An nginx for as long as it is needed."""

    def __init__(self, files: Path, folder: Path, address: str) -> None:
        self._container = NginxContainer(files, folder, address)
        self._server = Server(address, folder / "root")

    async def __aenter__(self) -> Server:
        await self._container.start()
        await asyncio.to_thread(self._server.wait)
        return self._server

    async def __aexit__(self, *exception: object) -> None:
        await self._container.stop(grace=2)


def _image(folder: Path, context: bytes) -> Path:
    """Build an image, and return its files."""
    unpack(context, folder / "upload")
    return build(folder / "upload", Options(), ImageStore(folder / "images"), lambda _: None).files


def _write(folder: Path, files: Mapping[str, str]) -> None:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)


def _private_memory(process: str) -> int:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


if __name__ == "__main__":
    main()

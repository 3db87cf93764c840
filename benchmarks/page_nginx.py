"""What the page costs its nginx, beside the same nginx and bytes as a file (python -m benchmarks.page_nginx)."""

from __future__ import annotations

import asyncio
import http.client
import random
import resource
import socket
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
# Seconds of a round in which as much is asked as nginx can answer: all rounds together take half a minute and more.
LOAD = 5.0
# Requests that are sent at once, so that the time that this program takes for each hardly counts; and how many of these
# a connection takes, before nginx ends it after 1,000 (keepalive_requests).
AT_ONCE, BATCHES = 30, 30
PORT = 8080
# Of what a bare nginx answers in the same time.
LEAST = 0.8
# What chart/values.yaml gives a Pod, in bytes: for each of the two processes enforced, for both together measured.
MEMORY = 24 * 1024**2
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
        rate: requests a second, of each round.
        most: the largest memory that was seen, in megabytes that its two processes share with no other.
    """

    address: str
    root: Path
    processor: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    most: float = 0.0

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
        """Ask for one round: one request after the other, then as many as it can answer."""
        before = self._used()
        self.ask(REQUESTS)
        self.processor.append((self._used() - before) / 1e6 / REQUESTS * 1000)
        began, answered = time.monotonic(), 0
        while time.monotonic() - began < LOAD:
            answered += self._press()
            self.most = max(self.most, sum(map(_private_memory, self._processes())) / 1e6)
        self.rate.append(answered / (time.monotonic() - began))

    def limit_memory(self) -> None:
        """Let no process of it have more memory of its own than a Pod of the page."""
        for process in self._processes():
            resource.prlimit(int(process), resource.RLIMIT_DATA, (MEMORY, MEMORY))

    def _press(self) -> int:
        """Send requests over one connection without waiting for their answers; return how many were answered."""
        lines = [f"{name}: {value}" for name, value in {"Host": "shop.example.test", **BROWSER}.items()]
        request = "\r\n".join(["GET /cart/1 HTTP/1.1", *lines, "", ""]).encode()
        with socket.create_connection((self.address, PORT), timeout=30) as connection:
            connection.sendall(request)
            size = _answer_size(connection)  # all are alike
            for _ in range(BATCHES):
                connection.sendall(request * AT_ONCE)
                answers = _receive(connection, size * AT_ONCE)
                if answers.count(b"HTTP/1.1 200 OK\r\n") != AT_ONCE:
                    raise SystemExit(f"{self.address} answered {answers[:100]!r}")
        return AT_ONCE * BATCHES

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
    page, bare = (
        (name, statistics.median(one.rate), statistics.median(one.processor), one.most) for name, one in servers.items()
    )
    note = (
        f"Medians of {ROUNDS} rounds in turn; {size:,} bytes of HTML. requests/s: {LOAD:g} s of each round, "
        f"{AT_ONCE} at once over one connection, every answer a 200. processor ms: of nginx, for 1,000 requests one "
        "after the other. MB: the most memory of its two processes that no other process shares; neither may have more "
        f"than {MEMORY // 1024**2} MiB of its own."
    )
    ratio = ("ratio", page[1] / bare[1], page[2] / bare[2], None)
    table = Table("nginx", ("serves", "requests/s", "processor ms", "MB"), [page, bare, ratio], note)
    publish("The page's nginx beside a bare one", [table], given)
    if page[1] < LEAST * bare[1] or page[3] > MEMORY / 1e6:
        raise SystemExit(f"the page's nginx answers less than {LEAST} of what a bare one does, or is too large")


async def measure(folder: Path) -> tuple[dict[str, Server], int]:
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
            page.limit_memory()
            plain.limit_memory()
            for _ in range(ROUNDS):
                for server in (page, plain):
                    await asyncio.to_thread(server.measure)
    return {"the page": page, "a bare nginx": plain}, len(shown)


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


def _answer_size(connection: socket.socket) -> int:
    """Receive one answer, and return its bytes, the headers among them."""
    headers = b""
    while not headers.endswith(b"\r\n\r\n"):
        headers += _receive(connection, 1)
    length = next(line for line in headers.split(b"\r\n") if line.startswith(b"Content-Length: "))
    body = _receive(connection, int(length.removeprefix(b"Content-Length: ")))
    return len(headers) + len(body)


def _receive(connection: socket.socket, size: int) -> bytes:
    """Return the next bytes, that many."""
    received = bytearray()
    while len(received) < size:
        some = connection.recv(size - len(received))
        if not some:
            raise SystemExit("nginx has ended the connection")
        received += some
    return bytes(received)


def _private_memory(process: str) -> int:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


if __name__ == "__main__":
    main()

"""The page as it is uploaded, built and served: docker/ packed, laid out by its Dockerfile, run by the real nginx."""

from __future__ import annotations

import asyncio
import contextlib
import html.parser
import http.client
import json
import os
import re
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maintenance_ci.page.context import pack_build_context
from maintenance_ci.page.rendering import render_page
from maintenance_ci.rehearsal.builds.image_build import Options, build, unpack
from maintenance_ci.rehearsal.builds.images import ImageStore
from maintenance_ci.rehearsal.pods.nginx_container import NginxContainer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOCKER = Path(__file__).parents[2] / "docker"
SIGNATURE = "Équipe 🛠️"
HTML = "Accept: text/html"


class Page:
    """A page that is served, and raw requests to it."""

    def __init__(self, address: str, root: Path) -> None:
        self.address = address
        self.root = root

    def connect(self) -> socket.socket:
        return socket.create_connection((self.address, 8080), timeout=5)

    def ask(self, method: str, path: str = "/", *headers: str, body: bytes = b"") -> Answer:
        """Send a request; headers are bytes of UTF-8, as the router sends them."""
        line = f"{method} {path} HTTP/1.1".encode("latin-1")
        lines = ["Host: shop.example.test", "Connection: close", *headers, "", ""]
        return self.send(line + b"\r\n" + "\r\n".join(lines).encode() + body, method)

    def send(self, request: bytes, method: str = "GET") -> Answer:
        with self.connect() as connection:
            connection.sendall(request)
            return read_answer(connection, method)

    def processes(self) -> list[str]:
        """The ids of nginx's master and its worker."""
        master = (self.root / "tmp/nginx.pid").read_text().strip()
        workers = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        assert len(workers) == 1
        return [master, *workers]

    def memory(self) -> int:
        """Resident bytes of master and worker; what they share is counted once, as a limit of memory counts it."""
        return sum(_resident(one) for one in self.processes())


class Answer:
    """An answer, and what it shows."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.kind = headers.get("content-type", "").partition(";")[0]
        self.language = headers.get("content-language", "")

    @property
    def html(self) -> Shown:
        return Shown(self.body.decode())

    @property
    def lines(self) -> list[str]:
        assert self.kind == "text/plain"
        return self.body.decode().splitlines()

    @property
    def json(self) -> dict[str, Any]:
        assert self.kind == "application/problem+json"
        document = json.loads(self.body)
        assert isinstance(document, dict)
        return document


class Shown(html.parser.HTMLParser):
    """What a browser shows.

    Attributes:
        title: in the window's frame.
        heading: the one heading.
        texts: of all paragraphs that are not empty.
        links: where to, by what they say.
        languages: of the page, and of the heading: None where it says none.
        elements: their names, all of them.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.title = self.heading = ""
        self.links: dict[str, str] = {}
        self.languages: list[str | None] = []
        self.elements: list[str] = []
        self._paragraphs: list[str] = []
        self._open: list[str] = []
        self._link = ""
        self.feed(page)
        self.texts = [text for text in self._paragraphs if text]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.elements.append(tag)
        self._open.append(tag)
        self._link = given.get("href") or "" if tag == "a" else self._link
        if tag == "p":
            self._paragraphs.append("")
        if tag in ("html", "h1"):
            self.languages.append(given.get("lang"))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "title" in self._open:
            self.title += data
        if "h1" in self._open:
            self.heading += data
        if "p" in self._open:
            self._paragraphs[-1] += data
        if "a" in self._open:
            self.links[data] = self._link


def read_answer(connection: socket.socket, method: str = "GET") -> Answer:
    with contextlib.closing(http.client.HTTPResponse(connection, method=method)) as response:
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())


def made_page(folder: Path = DOCKER, signature: str = SIGNATURE) -> bytes:
    """Return the upload of a page's folder."""
    return pack_build_context(folder, render_page(folder, name="maintenance-page", tag="v7", signature=signature))


@contextlib.contextmanager
def served_pages(folder: Path) -> Iterator[Callable[[bytes], Page]]:
    """Yield what builds an upload as the cluster does, and serves the image on an address of its own."""
    containers: list[NginxContainer] = []
    with asyncio.Runner() as runner:

        def start(upload: bytes) -> Page:
            place = folder / str(len(containers))
            unpack(upload, place / "upload")
            image = build(place / "upload", Options(), ImageStore(place / "images"), lambda line: None)
            address = f"127.77.{os.getpid() % 250}.{len(containers) + 1}"
            container = NginxContainer(image.files, place, address)
            containers.append(container)
            runner.run(container.start())
            page = Page(address, place / "root")
            _wait_until_ready(page, container)
            return page

        yield start
        for container in containers:
            runner.run(container.stop(grace=2))


def _wait_until_ready(page: Page, container: NginxContainer) -> None:
    for _ in range(100):
        try:
            page.connect().close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"nginx does not listen: {container.log()}")


def _resident(pid: str) -> int:
    memory = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert memory
    return int(memory[1]) * 1024

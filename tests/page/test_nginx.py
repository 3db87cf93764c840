"""The page as it is uploaded, built and served: docker/ packed, laid out by its Dockerfile, run by the real nginx."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import html.parser
import http.client
import io
import os
import re
import shutil
import socket
import subprocess
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from maintenance_ci.errors import MaintenanceError, VariableError
from maintenance_ci.page.context import MAX_VALUE, pack_build_context, render_page_conf
from maintenance_ci.rehearsal.builds.image_build import Options, build, unpack
from maintenance_ci.rehearsal.builds.images import ImageStore
from maintenance_ci.rehearsal.pods.nginx_container import NginxContainer
from maintenance_ci.rehearsal.tools import nginx_path
from maintenance_ci.settings.variables import BuildAndDeploySettings
from tests.tools.page_texts import PASTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOCKER = Path(__file__).parents[2] / "docker"
TEXTS = ("We’ll be back – 東京", "Déjà vu: 50 % off, back at 5 p.m.", "Équipe 🛠️")
HOSTILE = (
    '"; return 500; #',
    "$host ${maintenance_page} \\",
    "</h1><script>alert('1')</script>",
    "a{b}c;d\\\"e'f &amp; <!--# echo -->",
)
MEMORY_LIMIT = 24 * 2**20  # chart/values.yaml


class Page:
    """A page that is served, and raw requests to it."""

    def __init__(self, address: str, root: Path) -> None:
        self.address = address
        self.root = root

    def connect(self) -> socket.socket:
        return socket.create_connection((self.address, 8080), timeout=5)

    def ask(self, method: str, path: str = "/", *headers: str, body: bytes = b"") -> Answer:
        lines = [f"{method} {path} HTTP/1.1", "Host: shop.example.test", "Connection: close", *headers, "", ""]
        return self.send("\r\n".join(lines).encode("latin-1") + body, method)

    def send(self, request: bytes, method: str = "GET") -> Answer:
        with self.connect() as connection:
            connection.sendall(request)
            return read_answer(connection, method)

    def memory(self) -> int:
        """Resident bytes of nginx, master and workers; what they share is counted for each."""
        master = (self.root / "tmp/nginx.pid").read_text().strip()
        workers = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        assert len(workers) == 1
        return sum(resident(pid) for pid in (master, *workers))


def resident(pid: str) -> int:
    memory = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert memory
    return int(memory[1]) * 1024


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.texts = Texts(body.decode()).texts


class Texts(html.parser.HTMLParser):
    """What a browser shows as title, heading and paragraphs."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in ("title", "h1", "p"):
            self._inside = True
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[-1] += data


def read_answer(connection: socket.socket, method: str = "GET") -> Answer:
    with contextlib.closing(http.client.HTTPResponse(connection, method=method)) as response:
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())


def shown(title: str, message: str, signature: str) -> list[str]:
    return [title, title, message, f"— {signature}"]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path, str], Page]]:
    """Build a folder as the cluster does, and serve the image on an address of its own."""
    containers: list[NginxContainer] = []
    with asyncio.Runner() as runner:

        def start(folder: Path, page_conf: str) -> Page:
            place = tmp_path_factory.mktemp("page")
            unpack(pack_build_context(folder, page_conf), place / "upload")
            image = build(place / "upload", Options(), ImageStore(place / "images"), lambda line: None)
            address = f"127.77.{os.getpid() % 250}.{len(containers) + 1}"
            container = NginxContainer(image.files, place, address)
            containers.append(container)
            runner.run(container.start())
            page = Page(address, place / "root")
            wait_until_ready(page, container)
            return page

        yield start
        for container in containers:
            runner.run(container.stop(grace=2))


def wait_until_ready(page: Page, container: NginxContainer) -> None:
    for _ in range(100):
        try:
            page.connect().close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"nginx does not listen: {container.log()}")


@pytest.fixture(scope="module")
def page(serve: Callable[[Path, str], Page]) -> Page:
    return serve(DOCKER, render_page_conf("maintenance-page", "v7", *TEXTS))


METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "LOCK", "BREW", "lower"]
PATHS = [
    "/", "/index.html", "/50x.html", "/healthz", "/a/deep/link/", "/cart.php?id=1&id=%zz", "/.env",
    "/.well-known/acme-challenge/x", "//double//slashes//", "/..", "/../../etc/passwd", "/a/../b/./c",
    "/%2e%2e/%2e%2e%2f", "/%00", "/%", "/%zz", "/caf%C3%A9", "/caf\xe9", "/<script>", "/\"'\\", "/a b", "/x\x01y",
    "/#fragment", "*", "relative", "http://other.example.test/x", "/" + "a" * 8000, "/" + "a" * 40_000,
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:30])
def test_every_path_answers_with_the_page_for_every_method(page: Page, path: str) -> None:
    for method in METHODS:
        answer = page.ask(method, path, "Content-Length: 4", body=b"a=1&")
        assert (method, answer.status, answer.texts) == (method, 200, shown(*TEXTS))
        assert "location" not in answer.headers
    head = page.ask("HEAD", path)
    assert (head.status, head.body) == (200, b"")


REQUESTS = {
    "HTTP/1.0 without a host": b"GET / HTTP/1.0\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
    "empty host": b"GET / HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "impossible host": b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "no request at all": b"hello\r\n\r\n",
    "no header at all": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nhello\r\n\r\n",
    "unknown transfer encoding": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: what\r\n\r\n",
    "length that is no number": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    "broken chunk": b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "chunks": b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    "four cookies of 20 kB": b"GET / HTTP/1.1\r\nHost: a\r\n" + (b"Cookie: a=" + b"c" * 20_000 + b"\r\n") * 4 + b"\r\n",
    "a cookie of 30 kB": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: " + b"c" * 30_000 + b"\r\n\r\n",
    "a cookie of 40 kB": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: " + b"c" * 40_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", REQUESTS.values(), ids=REQUESTS)
def test_even_what_is_no_good_request_gets_the_page(page: Page, request_bytes: bytes) -> None:
    answer = page.send(request_bytes)
    assert (answer.status, answer.texts) == (200, shown(*TEXTS))


LONG_AGO, SOME_DAY = "Mon, 01 Jan 2001 00:00:00 GMT", "Fri, 01 Jan 2066 00:00:00 GMT"


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Range: bytes=0-3", 200),
        ("Range: bytes=99999-", 200),
        ('If-None-Match: "x"', 200),
        (f"If-Modified-Since: {SOME_DAY}", 200),
        ("If-Match: *", 200),
        ("Accept: application/json", 200),
        ("Expect: 100-continue", 200),
        ("Upgrade: websocket", 200),
        # What default.conf names as the exceptions.
        ('If-Match: "x"', 412),
        (f"If-Unmodified-Since: {LONG_AGO}", 412),
        ("If-None-Match: *", 304),
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_conditions_and_ranges(page: Page, method: str, header: str, status: int) -> None:
    answer = page.ask(method, "/a", header)
    assert answer.status == status
    assert answer.texts == ([] if status == 304 else shown(*TEXTS))


def test_a_large_upload_is_answered_and_the_connection_goes_on(page: Page) -> None:
    with page.connect() as connection:
        for _ in range(2):
            size = 3_000_000
            connection.sendall(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
            connection.sendall(b"x" * size)
            assert read_answer(connection).status == 200
    assert not any(file.is_file() for file in (page.root / "tmp").glob("*_temp*/**/*")), "the upload was kept"


def test_headers(page: Page) -> None:
    for answer in (
        page.ask("GET"),
        page.ask("POST", "/x"),
        page.send(b"hello\r\n\r\n"),
        page.ask("GET", "/", 'If-Match: "x"'),
    ):
        assert answer.headers["x-maintenance-page"] == "maintenance-page:v7"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["server"] == "nginx"
        assert not {"etag", "last-modified", "accept-ranges", "retry-after"} & set(answer.headers)


def test_the_log_has_paths_but_no_query_and_no_probes(page: Page) -> None:
    page.ask("GET", "/logged?token=secret")
    page.ask("GET", "/healthz")
    log = (page.root.parent / "output.log").read_text()
    assert " GET /logged 200 " in log
    assert "secret" not in log
    assert "/healthz 200" not in log


def test_memory_stays_far_below_the_limit(page: Page) -> None:
    connections = [page.connect() for _ in range(200)]
    try:
        for connection in connections:  # half a request each, with a header that needs a large buffer
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nCookie: " + b"c" * 8000)
        assert page.ask("GET").status == 200
        used = page.memory()
    finally:
        for connection in connections:
            connection.close()
    # 200 slow requests hold a buffer of 32 KiB each; twice as many still fit.
    assert used < 0.75 * MEMORY_LIMIT


def test_one_worker_whatever_the_node() -> None:
    """The rehearsal's nginx would hide more: it always runs one."""
    assert re.search(r"^worker_processes 1;$", (DOCKER / "nginx.conf").read_text(), re.MULTILINE)


@pytest.mark.parametrize("text", [*HOSTILE, " ".join(PASTED.values()), "many lines\r\nand\ttabs", "é" * 2000, ""])
def test_texts_are_shown_as_they_are(serve: Callable[[Path, str], Page], text: str) -> None:
    answer = serve(DOCKER, render_page_conf("page", "v1", text, f"<{text}>", f"{text}.")).ask("GET")
    plain = re.sub(r"[\r\n\t\u2028]", " ", text)
    assert answer.texts == shown(plain, f"<{plain}>", f"{plain}.")
    assert b"<script" not in answer.body


def test_without_escaping_a_script_would_run(serve: Callable[[Path, str], Page], tmp_path: Path) -> None:
    """The proof above can fail: the same page without encoding="entity"."""
    folder = Path(shutil.copytree(DOCKER, tmp_path / "docker"))
    index = folder / "index.html"
    index.write_text(index.read_text().replace('encoding="entity"', 'encoding="none"'))
    assert b"<script" in serve(folder, render_page_conf("page", "v1", HOSTILE[2], "", "")).ask("GET").body


def test_a_plain_page_of_a_team_is_served_as_it_is(serve: Callable[[Path, str], Page], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(DOCKER, tmp_path / "docker"))
    plain = "<!doctype html>\n<title>Maintenance</title>\n<h1>Nous revenons bientôt !</h1>\n".encode()
    (folder / "index.html").write_bytes(plain)
    page = serve(folder, render_page_conf("page", "v1", *TEXTS))
    for answer in (page.ask("GET"), page.ask("DELETE", "/x.y"), page.ask("GET", "/", "Range: bytes=0-3")):
        assert (answer.status, answer.body) == (200, plain)


def test_page_conf_of_the_folder_holds_the_defaults() -> None:
    """A build by hand shows what a build by the pipeline shows when no text is given."""
    defaults = [
        BuildAndDeploySettings.model_fields[f"maintenance_{name}"].default for name in ("title", "message", "signature")
    ]
    assert (DOCKER / "page.conf").read_text() == render_page_conf("maintenance-page", "untagged", *defaults)


def test_control_characters_are_dropped() -> None:
    conf = render_page_conf("page", "v1", "a\x00b\x1bc\x7fd\ud800e", "\n x\u2028y ", "\U0001f6e0\ufe0f\u200d")
    assert 'default "abcde"' in conf
    assert 'default "x y"' in conf
    assert 'default "\U0001f6e0\ufe0f\u200d"' in conf


def nginx_accepts(page_conf: str, folder: Path) -> bool:
    file = folder / "nginx.conf"
    file.write_text(f"pid {folder}/pid; events {{}} http {{ access_log off;\n{page_conf}\n}}")
    done = subprocess.run(
        [nginx_path(), "-t", "-p", folder, "-c", file, "-e", "stderr"], capture_output=True, check=False
    )
    return done.returncode == 0


@pytest.mark.parametrize("unit", ["x", "é", '"', "\\"])
def test_the_longest_text_is_what_nginx_can_read(unit: str, tmp_path: Path) -> None:
    longest = unit * (MAX_VALUE // (1 if unit == "x" else 2))
    conf = render_page_conf("page", "v1", longest, "", "")
    assert nginx_accepts(conf, tmp_path)
    assert not nginx_accepts(conf.replace('title { default "', 'title { default "x'), tmp_path)
    with pytest.raises(VariableError, match="MAINTENANCE_TITLE: is too long"):
        render_page_conf("page", "v1", longest + "x", "", "")


def members(archive: bytes) -> dict[str, tuple[int, bytes | None]]:
    members: dict[str, tuple[int, bytes | None]] = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            content = tar.extractfile(member)
            members[member.name] = (member.mode, content.read() if content else None)
    return members


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docker"
    (folder / "sub").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM nginx\n")
    (folder / "page.conf").write_text("old")
    (folder / "sub" / "run.sh").write_text("#!/bin/sh\n")
    (folder / "Dockerfile").chmod(0o600)
    (folder / "sub" / "run.sh").chmod(0o700)
    return folder


def test_the_upload_is_the_folder_with_its_page_conf(folder: Path) -> None:
    (folder / "link").symlink_to("sub/run.sh")
    assert members(pack_build_context(folder, "new é")) == {
        "Dockerfile": (0o644, b"FROM nginx\n"),
        "link": (0o755, b"#!/bin/sh\n"),
        "page.conf": (0o644, "new é".encode()),
        "sub": (0o755, None),
        "sub/run.sh": (0o755, b"#!/bin/sh\n"),
    }


def test_the_same_content_is_the_same_upload(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / "page.conf").unlink()
    (copy / "Dockerfile").chmod(0o664)
    os.utime(copy / "Dockerfile", (0, 0))
    assert pack_build_context(folder, "x") == pack_build_context(copy, "x")
    assert pack_build_context(folder, "x") != pack_build_context(copy, "y")
    assert gzip.decompress(pack_build_context(folder, "x"))


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "sub", "nowhere"])
def test_links_out_of_the_folder_are_refused(folder: Path, target: str) -> None:
    (folder.parent / "outside").write_text("secret")
    (folder / "link").symlink_to(target)
    with pytest.raises(MaintenanceError, match="link"):
        pack_build_context(folder, "x")


def test_what_is_no_file_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(MaintenanceError, match="neither a file nor a folder"):
        pack_build_context(folder, "x")
    with pytest.raises(MaintenanceError, match="no folder"):
        pack_build_context(folder / "Dockerfile", "x")

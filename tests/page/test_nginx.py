"""The page's nginx: it answers whatever is asked, within its memory, and with what the image's own nginx knows."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from maintenance_ci.rehearsal.tools import nginx_path
from tests.tools.nginx_directives import BUILT_IN, directives
from tests.tools.served_page import DOCKER, HTML, SIGNATURE, Page, made_page, read_answer

if TYPE_CHECKING:
    from collections.abc import Callable

MEMORY_LIMIT = 24 * 2**20  # chart/values.yaml
TITLE, MESSAGE = "Sorry, this service is unavailable", "You will be able to use the service later."
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "LOCK", "BREW", "lower"]
PATHS = [
    "/", "/index.html", "/50x.html", "/healthz/x", "/a/deep/link/", "/cart.php?id=1&id=%zz", "/.env", "/html/503",
    "/.well-known/acme-challenge/x", "//double//slashes//", "/..", "/../../etc/passwd", "/a/../b/./c",
    "/%2e%2e/%2e%2e%2f", "/%00", "/%", "/%zz", "/caf%C3%A9", "/caf\xe9", "/<script>", "/\"'\\", "/a b", "/x\x01y",
    "/#fragment", "*", "relative", "http://other.example.test/x", "/" + "a" * 8000,
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:30])
def test_every_path_answers_with_the_page_for_every_method(page: Page, path: str) -> None:
    for method in METHODS:
        answer = page.ask(method, path, HTML, "Content-Length: 4", body=b"a=1&")
        refused_early = answer.kind == "text/plain"  # before nginx read the header Accept
        said = answer.lines if refused_early else [answer.html.heading, *answer.html.texts]
        assert (method, answer.status, said[:1], f"— {SIGNATURE}" in said) == (method, 200, [TITLE], not refused_early)
        assert MESSAGE in said
        assert "location" not in answer.headers
    head = page.ask("HEAD", path)
    assert (head.status, head.body) == (200, b"")


REQUESTS = {
    "HTTP/1.0 without a host": b"GET / HTTP/1.0\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
    "empty host": b"GET / HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "impossible host": b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "a path of 40 kB": b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
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
    assert (answer.status, answer.lines) == (200, [TITLE, MESSAGE])
    browser = page.send(request_bytes.replace(b"\r\n", b"\r\nAccept: text/html\r\n", 1))
    assert browser.status == 200
    assert TITLE in browser.body.decode()


LONG_AGO, SOME_DAY = "Mon, 01 Jan 2001 00:00:00 GMT", "Fri, 01 Jan 2066 00:00:00 GMT"


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Range: bytes=0-3", 200),
        ("Range: bytes=99999-", 200),
        ('If-None-Match: "x"', 200),
        (f"If-Modified-Since: {SOME_DAY}", 200),
        ("If-Match: *", 200),
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
    answer = page.ask(method, "/a", HTML, header)
    assert answer.status == status
    assert answer.body == b"" if status == 304 else answer.html.heading == TITLE


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
        page.ask("GET", "/", HTML),
        page.ask("POST", "/x"),
        page.send(b"hello\r\n\r\n"),
        page.ask("GET", "/", 'If-Match: "x"'),
        page.ask("GET", "/x.png"),
        page.ask("GET", "/healthz"),
    ):
        assert answer.headers["x-maintenance-page"] == "maintenance-page:v7"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert answer.headers["server"] == "nginx"
        assert not {"etag", "last-modified", "accept-ranges", "retry-after"} & set(answer.headers)


def test_the_log_has_paths_but_no_query_no_probes_and_no_polls(page: Page) -> None:
    page.ask("GET", "/logged?token=secret")
    page.ask("GET", "/healthz")
    page.ask("HEAD", "/polled", "X-Maintenance-Poll: 1")
    log = (page.root.parent / "output.log").read_text()
    assert " GET /logged 200 " in log
    assert "secret" not in log
    assert "/healthz 200" not in log
    assert "/polled" not in log


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
    # 200 slow requests hold buffers of 48 KiB each.
    assert 200 * 32 * 1024 < used < 0.75 * MEMORY_LIMIT


@pytest.mark.slow
def test_under_load_it_answers_everybody_within_its_memory(page: Page) -> None:
    """Half a minute of thirty browsers, with texts as long as a Route may send, some of them with large forms."""
    texts = "X-Maintenance-Texts: " + "|".join(("t" * 500, "m" * 2500, "c" * 400, "https://status.example.test"))
    until, used = time.monotonic() + 30, []

    def browse(number: int) -> list[tuple[int, str]]:
        answers = []
        while time.monotonic() < until:
            answer = page.ask(
                "POST" if number % 3 else "GET", "/cart", HTML, texts, "Content-Length: 90000", body=b"x" * 90_000
            )
            answers.append((answer.status, answer.html.heading[:1]))
            used.append(page.memory())
        return answers

    with ThreadPoolExecutor(30) as browsers:
        answers = [one for some in browsers.map(browse, range(30)) for one in some]
    assert len(answers) > 1000
    assert set(answers) == {(200, "t")}
    assert max(used) < MEMORY_LIMIT


def test_one_worker_whatever_the_node() -> None:
    """The rehearsal's nginx would hide more: it always runs one."""
    assert re.search(r"^worker_processes 1;$", (DOCKER / "nginx.conf").read_text(), re.MULTILINE)


def test_whoever_is_slow_gives_his_place_to_another(tmp_path: Path, serve: Callable[[bytes], Page]) -> None:
    folder = Path(shutil.copytree(DOCKER, tmp_path / "docker"))
    conf = (folder / "nginx.conf").read_text()
    seconds = re.findall(r"^    (?:client_header|client_body|send)_timeout (\d+);$", conf, re.MULTILINE)
    assert len(seconds) == 3
    assert max(map(int, seconds)) <= 30
    (folder / "nginx.conf").write_text(
        re.sub(r"_timeout \d+;", "_timeout 1;", conf).replace("send_", "lingering_timeout 1; send_")
    )
    page = serve(made_page(folder))
    half = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab"
    for sent in (half[:20], half):
        with page.connect() as connection:
            connection.sendall(sent)
            began = time.monotonic()
            while connection.recv(65_536):
                pass
            assert time.monotonic() - began < 4, "the connection stays open"


@pytest.mark.parametrize("name", ["nginx.conf", "default.conf", "page.conf", "html.conf"])
def test_the_image_s_own_nginx_knows_each_directive(page: Page, name: str) -> None:
    """The rehearsal's nginx has modules that the image's has not."""
    file = next((page.root.parent / "images").rglob(name))
    known = directives(file.read_text())
    assert known <= BUILT_IN
    assert known, "nothing was read"


def test_a_directive_of_another_module_would_be_found() -> None:
    text = 'http { map $a $b { default "js_import x;"; echo y; } server { location / { more_set_headers "A: b"; } } }'
    assert directives(text) - BUILT_IN == {"more_set_headers"}


LISTENING = """\
daemon off; pid {folder}/pid; error_log stderr; events {{}}
http {{ access_log off; server {{ listen 127.0.0.1:{port}; include {include}; return 200 "ok"; }} }}
"""


def listens(folder: Path, include: str, port: int) -> list[str]:
    """Return the addresses on which an nginx with this ``include`` listens."""
    file = folder / "nginx.conf"
    file.write_text(LISTENING.format(folder=folder, port=port, include=include))
    nginx = subprocess.Popen([nginx_path(), "-p", folder, "-c", file, "-e", "stderr"])
    try:
        for _ in range(200):
            found = [address for address in ("127.0.0.1", "::1") if is_open(address, port)]
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError("nginx does not listen")
    finally:
        nginx.terminate()
        nginx.wait()


def is_open(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not Path("/proc/sys/net/ipv6").exists(), reason="this kernel has no IPv6")
def test_it_listens_on_ipv6_where_the_kernel_has_it(tmp_path: Path) -> None:
    found = re.search(
        r"include (/proc/sys/net/ipv6(?:/\.\.)+)(/etc/nginx/ipv6/\*\.conf);", (DOCKER / "default.conf").read_text()
    )
    assert found
    dockerfile = (DOCKER / "Dockerfile").read_text()
    assert "COPY listen-ipv6.conf /etc/nginx/ipv6/listen.conf" in dockerfile
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "ipv6").mkdir()
    text = (DOCKER / "listen-ipv6.conf").read_text()
    (tmp_path / "ipv6/listen.conf").write_text(text.replace("8080", str(port)))
    include = f"{found[1]}{tmp_path}/ipv6/*.conf"
    assert listens(tmp_path, include, port) == ["127.0.0.1", "::1"]
    without = include.replace("/proc/sys/net/ipv6", "/proc/sys/net/not-in-this-kernel")
    assert listens(tmp_path, without, port) == ["127.0.0.1"]

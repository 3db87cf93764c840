"""A site in maintenance, as browsers meet it: a front in the router's place, behind it the page or the application."""

from __future__ import annotations

import contextlib
import http.client
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

APPLICATION = b"<!doctype html><html lang=en><title>Shop</title><link rel=icon href='data:,'><h1>The shop is open</h1>"


@dataclass
class Site:
    """A site, and what was asked of it.

    Attributes:
        page: the address of the page's nginx.
        headers: what the Route adds to each request.
        is_back: whether the application answers.
        status: of the application's answers.
        asked: by the browser: method, path, and whether it was a poll of the page.
        reached: of these, those that the application got.
    """

    page: str
    headers: dict[str, str] = field(default_factory=dict)
    is_back: bool = False
    status: int = 200
    asked: list[tuple[str, str, bool]] = field(default_factory=list)
    reached: list[tuple[str, str, bool]] = field(default_factory=list)
    url: str = ""

    def polls(self) -> int:
        return sum(poll for _, _, poll in self.asked)


@contextlib.contextmanager
def site_of(page: str) -> Iterator[Site]:
    """Run a site with this page."""
    site = Site(page)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            request = (self.command, self.path, "X-Maintenance-Poll" in self.headers)
            site.asked.append(request)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if site.is_back:
                site.reached.append(request)
                self._send(site.status, {"Content-Type": "text/html; charset=utf-8"}, APPLICATION)
            else:
                self._relay(body)

        def _relay(self, body: bytes) -> None:
            connection = http.client.HTTPConnection(site.page, 8080, timeout=10)
            forged = "x-maintenance-"
            given = {
                name: value
                for name, value in self.headers.items()
                if not name.lower().startswith(forged) or name.lower() == f"{forged}poll"
            }
            connection.request(
                self.command, self.path, body, given | {name: text.encode() for name, text in site.headers.items()}
            )
            answer = connection.getresponse()
            headers = {
                name: value for name, value in answer.getheaders() if name not in ("Connection", "Content-Length")
            }
            self._send(answer.status, headers, answer.read())
            connection.close()

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

        do_GET = do_HEAD = do_POST = answer  # noqa: N815 - http.server's names

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        site.url = f"http://127.0.0.1:{server.server_port}/"
        yield site
        server.shutdown()
        thread.join()

"""A real HTTP proxy on the loopback: it connects (CONNECT) who gives user and password, and knows names of its own."""

from __future__ import annotations

import base64
import contextlib
import select
import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

USER, PASSWORD = "user", "p@ss:w%rd/é"
WRITTEN = "user:p%40ss%3Aw%25rd%2F%C3%A9"


@dataclass
class ConnectProxy:
    """A running proxy.

    Attributes:
        port: where it listens.
        names: the port of the loopback that stands behind each name.
        login: as the header has it; None: everybody may.
        status: of its refusal, if it refuses all that have logged in.
        tunnels: the addresses that it was asked for, with the status of its answer.
    """

    port: int
    names: Mapping[str, int]
    login: bytes | None = f"{USER}:{PASSWORD}".encode()
    status: int = 200
    tunnels: list[tuple[str, int]] = field(default_factory=list)

    def url(self, login: str = WRITTEN) -> str:
        return f"http://{login}@127.0.0.1:{self.port}" if login else f"http://127.0.0.1:{self.port}"

    def judge(self, target: str, headers: Mapping[bytes, bytes]) -> int:
        given = headers.get(b"proxy-authorization", b"")
        if self.login is not None and given != b"Basic " + base64.b64encode(self.login):
            return 407
        return self.status if self.status != 200 else 200 if target.partition(":")[0] in self.names else 502


def _handler(proxy: ConnectProxy) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            method, _, rest = self.rfile.readline().partition(b" ")
            target = rest.partition(b" ")[0].decode()
            headers = {}
            while line := self.rfile.readline().strip():
                name, _, value = line.partition(b":")
                headers[name.lower()] = value.strip()
            status = proxy.judge(target, headers) if method == b"CONNECT" else 405
            proxy.tunnels.append((target, status))
            length = "" if status == 200 else "Content-Length: 0\r\n"
            self.wfile.write(f"HTTP/1.1 {status} As it is\r\n{length}\r\n".encode())
            if status != 200:
                return
            behind = ("127.0.0.1", proxy.names[target.partition(":")[0]])
            with contextlib.suppress(OSError), socket.create_connection(behind) as peer:  # either may go at any time
                _pump(self.connection, peer)

    return Handler


def _pump(one: socket.socket, other: socket.socket) -> None:
    while True:
        readable, _, _ = select.select([one, other], [], [])
        for source in readable:
            if not (content := source.recv(65536)):
                return
            (other if source is one else one).sendall(content)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


@contextlib.contextmanager
def connect_proxy(names: Mapping[str, int]) -> Iterator[ConnectProxy]:
    """A proxy that leads to these names."""
    with _Server(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        proxy = ConnectProxy(server.server_address[1], names)
        server.RequestHandlerClass = _handler(proxy)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()

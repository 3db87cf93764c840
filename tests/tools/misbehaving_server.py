"""Servers that answer a probe as they are told, also wrongly, and probes of them."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator

from maintenance_ci.run.probe import Probe

HOST = "shop.apps.example.test"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
THE_PAGE = b"HTTP/1.1 200 OK\r\nX-Maintenance-Page: maintenance-page:v1\r\nContent-Length: 2\r\n\r\nok"

Respond = Callable[[socket.socket], None]


@contextlib.contextmanager
def serving(*answers: bytes | Respond, tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """A server that gives each connection the next answer, the last one from then on; with the requests it read."""
    requests: list[bytes] = []
    left = list(answers)
    current: list[socket.socket] = []

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # closed: the end
            while True:
                plain, _ = listener.accept()
                with contextlib.suppress(OSError), tls.wrap_socket(plain, server_side=True) if tls else plain as peer:
                    current[:] = [peer]
                    requests.append(peer.recv(65536))
                    answer = left.pop(0) if len(left) > 1 else left[0]
                    if isinstance(answer, bytes):
                        peer.sendall(answer)
                    else:
                        answer(peer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1], requests
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for peer in current:  # an answer that never ends
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(peer, socket.SHUT_RDWR)
            thread.join(60)
            assert not thread.is_alive()


def probe_of(port: int, url: str = f"http://{HOST}/", timeout: float = 2.0, ca: str | None = None) -> Probe:
    return Probe(url, ca=ca, address={url.split(":")[0]: ("127.0.0.1", port)}, timeout=timeout)


def head(status: int, **headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} X\r\n{lines}Connection: close\r\n\r\n".encode()


def silence(peer: socket.socket) -> None:
    peer.recv(1)  # until the other side goes


def threads_end(before: int) -> bool:
    """Whether there are, in the end, no more threads than before."""
    deadline = time.monotonic() + 60
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    return threading.active_count() <= before

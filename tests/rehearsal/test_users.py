"""The users, against small TLS servers that behave as routers do, and worse."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING

import trustme

from maintenance_ci.rehearsal.users import REGULARS, Answer, Users
from tests.tools.busy_machine import require_at_least, require_at_most

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

HOST = "app.example.test"


def response(header: str = "X-Served-By: application", status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\n{header}\r\nContent-Length: 2\r\n\r\nok".encode()


class Server:
    """Answers request number N of a connection with ``script(N, path)``; None closes the connection instead."""

    def __init__(self, script: Callable[[int, str], bytes | Awaitable[bytes | None] | None]) -> None:
        self.script = script
        self.connections = 0
        self.hosts: set[str] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = 0
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.hosts.add(head.partition("Host: ")[2].partition("\r\n")[0])
                answer = self.script(number, head.split()[1])
                if answer is not None and not isinstance(answer, bytes):
                    answer = await answer
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
                number += 1
        writer.transport.abort()


CA = trustme.CA()


def context(ca: trustme.CA = CA) -> ssl.SSLContext:
    client = ssl.create_default_context()
    ca.configure_trust(client)
    return client


@contextlib.asynccontextmanager
async def serving(server: Server) -> AsyncIterator[int]:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    CA.issue_cert(HOST, f"*.{HOST}").configure_cert(tls)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        await asyncio.sleep(0.05)


def run(server: Server, seconds: float = 0.5, **settings: object) -> list[Answer]:
    return stream(server, seconds, **settings)[0]


def stream(server: Server, seconds: float = 0.5, **settings: object) -> tuple[list[Answer], float]:
    """Let users ask for that long; returns their answers, and how long it really was."""

    async def main() -> tuple[list[Answer], float]:
        async with serving(server) as port:
            users = Users(port=port, **{"hosts": HOST, "ssl_context": context(), **settings})  # type: ignore[arg-type]
            await users.start()
            await asyncio.sleep(seconds)
            lasted = users.elapsed
            return await users.stop(), lasted

    return asyncio.run(main())


def require_rate(answers: list[Answer], seconds: float) -> None:
    """Hold that hardly a request of the 100 in a second was left out."""
    assert len(answers) <= 100 * seconds + 1
    require_at_least(len(answers) / seconds, 85, "requests in a second")


def most_at_once(answers: list[Answer]) -> int:
    """Return how many of the requests were on the way at one moment, at the most."""
    return max(sum(one.time <= begun.time <= one.time + one.latency for one in answers) for begun in answers)


def test_a_constant_stream_half_on_new_connections() -> None:
    server = Server(lambda _, __: response())
    answers, seconds = stream(server, seconds=1.0, paths=("/", "/a", "/b?c"))
    require_rate(answers, seconds)
    assert {(answer.status, answer.served_by, answer.error) for answer in answers} == {(200, "application", None)}
    kept = [answer for answer in answers if answer.kept_alive]
    assert abs(len(kept) * 2 - len(answers)) <= 1
    new = len(answers) - len(kept)
    # A regular whose connection is still busy opens one more. They take turns: every eighth request is the same one's.
    opened = sum(most_at_once(kept[number::REGULARS]) for number in range(REGULARS))
    assert new < server.connections <= new + opened
    assert {(answer.path, answer.kept_alive) for answer in answers} == {
        (path, kept_alive) for path in ("/", "/a", "/b?c") for kept_alive in (True, False)
    }
    assert all(host.startswith(f"{HOST}:") for host in server.hosts)
    assert [answer.time for answer in answers] == sorted(answer.time for answer in answers)


def test_several_hosts_are_asked_in_turn() -> None:
    """As many connections are kept as there are regulars and hosts; each path is asked of each host, both ways."""
    other = f"www.{HOST}"
    server = Server(lambda _, __: response())
    answers = run(server, hosts=(HOST, other), paths=("/", "/a"))
    asked = {(answer.host, answer.path, answer.kept_alive) for answer in answers}
    assert asked == {(host, path, kept) for host in (HOST, other) for path in ("/", "/a") for kept in (True, False)}
    assert {(answer.status, answer.error) for answer in answers} == {(200, None)}
    assert {host.partition(":")[0] for host in server.hosts} == {HOST, other}


def test_users_may_ask_by_http() -> None:
    async def main() -> list[Answer]:
        listener = await asyncio.start_server(Server(lambda _, __: response()).serve, "127.0.0.1", 0)
        async with listener:
            users = Users(HOST, listener.sockets[0].getsockname()[1], None)
            await users.start()
            await asyncio.sleep(0.2)
            return await users.stop()

    assert {(answer.status, answer.served_by, answer.error) for answer in asyncio.run(main())} == {
        (200, "application", None)
    }


def test_who_answered() -> None:
    replies = {
        "/app": response(),
        "/page": response("X-Maintenance-Page: maintenance-page:v1", "503 Service Unavailable"),
        "/none": response("X-Served-By: router", "503 Service Unavailable"),
        "/else": response("Server: other"),
        "/moved": response("Location: /app", "302 Found"),
    }
    answers = run(Server(lambda _, path: replies[path]), paths=tuple(replies))
    assert {(answer.path, answer.status, answer.served_by) for answer in answers} == {
        ("/app", 200, "application"),
        ("/page", 503, "maintenance-page:v1"),
        ("/none", 503, "router"),
        ("/else", 200, "unknown"),
        ("/moved", 302, "unknown"),
    }


def test_a_closed_idle_connection_is_no_failure() -> None:
    """The server closes every kept-alive connection instead of answering its second request.

    On a busy machine half a second may be over before any connection has had its second one.
    """
    answers = run(Server(lambda number, _: response() if number == 0 else None), seconds=2.0)
    assert {answer.status for answer in answers} == {200}
    retried = [answer for answer in answers if answer.retried]
    assert retried
    assert all(answer.kept_alive for answer in retried)


def test_a_new_connection_that_is_closed_is_a_failure() -> None:
    answers, seconds = stream(Server(lambda _, __: None))
    require_rate(answers, seconds)
    assert {(answer.status, answer.served_by, answer.retried) for answer in answers} == {(None, "nobody", False)}
    assert all(answer.error for answer in answers)


def test_a_retry_that_fails_is_a_failure() -> None:
    """Each connection answers once, and from the 30th on there are none."""
    server = Server(lambda number, _: response() if number == 0 and server.connections < 30 else None)
    answers = run(server)
    assert any(answer.retried and answer.status is None and answer.error for answer in answers)


def test_an_answer_cut_off_in_the_middle_is_a_failure() -> None:
    cut = response()[:-1]

    async def script(number: int, _: str) -> bytes | None:
        return cut if number == 0 else None

    server = Server(script)

    async def main() -> list[Answer]:
        async with serving(server) as port:
            users = Users(HOST, port, context(), timeout=0.3)
            await users.start()
            await asyncio.sleep(0.2)
            return await users.stop()

    answers = asyncio.run(main())
    assert {answer.status for answer in answers} == {None}


def test_an_untrusted_certificate_is_a_failure() -> None:
    answers = run(Server(lambda _, __: response()), seconds=0.1, ssl_context=context(trustme.CA()))
    assert {answer.status for answer in answers} == {None}
    assert all("CERTIFICATE_VERIFY_FAILED" in (answer.error or "") for answer in answers)


def test_a_hanging_server_does_not_slow_the_stream_until_there_is_no_more_room() -> None:
    async def hang(_: int, __: str) -> bytes | None:
        await asyncio.sleep(0.3)
        return response()

    require_rate(*stream(Server(hang)))
    crowded, seconds = stream(Server(hang), concurrency=5)
    assert len(crowded) <= 5 * (seconds / 0.3 + 1)
    assert {answer.status for answer in crowded} == {200}


def test_a_server_that_never_answers_is_given_up() -> None:
    async def hang(_: int, __: str) -> bytes | None:
        await asyncio.sleep(1)
        return None

    answers = run(Server(hang), seconds=0.1, timeout=0.2)
    assert {answer.status for answer in answers} == {None}
    assert min(answer.latency for answer in answers) > 0.15
    require_at_most(max(answer.latency for answer in answers), 0.8, "until a user gives up after 0.2 s")

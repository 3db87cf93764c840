"""Who answers, and when a wait is over: the decisions, and the probe against servers that misbehave."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import trustme

from maintenance_ci.probe import (
    FEWEST_SEEN,
    MAX_BODY,
    Answer,
    Outcome,
    Probe,
    Side,
    identify,
    judge,
    public_url,
    summarize,
    wait_until_users_see,
)

HOST = "shop.apps.example.test"
URL = f"https://{HOST}/"
PAGE, APPLICATION, ROUTER, UNSEEN = Side.PAGE, Side.APPLICATION, Side.ROUTER, Side.UNSEEN
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
THE_PAGE = b"HTTP/1.1 200 OK\r\nX-Maintenance-Page: maintenance-page:v1\r\nContent-Length: 2\r\n\r\nok"

Respond = Callable[[socket.socket], None]


@contextlib.contextmanager
def serving(*answers: bytes | Respond, tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """A server that gives each connection the next answer, the last one from then on; with the requests it read."""
    requests: list[bytes] = []
    left = list(answers)

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # closed: the end
            while True:
                plain, _ = listener.accept()
                with contextlib.suppress(OSError), tls.wrap_socket(plain, server_side=True) if tls else plain as peer:
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
            thread.join(10)
            assert not thread.is_alive()


def probe_of(port: int, url: str = f"http://{HOST}/", timeout: float = 2.0, ca: str | None = None) -> Probe:
    return Probe(url, ca=ca, address={url.split(":")[0]: ("127.0.0.1", port)}, timeout=timeout)


def ask(answer: bytes | Respond, timeout: float = 2.0) -> Answer:
    with serving(answer) as (port, _):
        return probe_of(port, timeout=timeout).ask()


def told(answer: Answer) -> tuple[Side, str, int | None]:
    return answer.side, answer.words, answer.status


def head(status: int, **headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} X\r\n{lines}Connection: close\r\n\r\n".encode()


# Who answers


@pytest.mark.parametrize("status", [200, 304, 403, 412, 503])
def test_the_page_is_known_by_its_header_whatever_the_status(status: int) -> None:
    assert told(ask(head(status, X_Maintenance_Page="page:v1"))) == (PAGE, str(status), status)
    assert ask(head(status)).side is not PAGE


@pytest.mark.parametrize("status", [200, 204, 304, 400, 404, 410, 500, 502, 503, 504])
def test_whatever_else_the_site_answers_is_the_application(status: int) -> None:
    assert told(ask(head(status))) == (APPLICATION, str(status), status)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (503, "<h1>Application is not available</h1>"),
        (404, "<p>No application was found at the provided URL.</p>"),
        (503, "<h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n"),
        (502, "<h1>502 Bad Gateway</h1>\nThe server returned an invalid or incomplete response.\n"),
        (504, "<h1>504 Gateway Time-out</h1>\nThe server didn't respond in time.\n"),
    ],
)
def test_the_router_is_known_by_its_words(status: int, words: str) -> None:
    before = b"<style>" + b" " * 2000 + b"</style>"
    assert told(ask(head(status, Content_Type="text/html") + before + words.encode())) == (ROUTER, str(status), status)
    assert ask(head(200) + words.encode()).side is APPLICATION
    assert ask(head(status) + words.lower().replace("server", "shop").replace("app", "").encode()).side is APPLICATION


def test_an_administrator_s_error_page_is_known_by_the_router_s_headers() -> None:
    kept = {"Pragma": "no-cache", "Cache_Control": "private, max-age=0, no-cache, no-store"}
    assert ask(head(503, **kept) + b"<html>Nobody home</html>").side is ROUTER
    assert ask(head(200, **kept)).side is APPLICATION
    assert ask(head(503, Pragma="no-cache") + b"<html>Nobody home</html>").side is APPLICATION


@pytest.mark.parametrize("status", [401, 403, 407, 429, 511])
def test_what_a_gateway_may_answer_is_neither_side(status: int) -> None:
    answer = ask(head(status))
    assert (answer.side, answer.words) == (UNSEEN, f"{status}, as a gateway in front of it may answer")


@pytest.mark.parametrize(
    ("url", "location", "side", "words"),
    [
        (URL, "https://login.example.test/?state=secret", UNSEEN, "redirect to login.example.test"),
        (URL, "//login.example.test:8443/x", UNSEEN, "redirect to login.example.test"),
        (URL, f"https://{HOST.upper()}:8443/welcome", APPLICATION, "302"),
        (URL, "/welcome", APPLICATION, "302"),
        (URL, "", APPLICATION, "302"),
        (URL, "https://[broken", APPLICATION, "302"),
        (URL, f"http://{HOST}/", APPLICATION, "302"),
        (f"http://{HOST}/", f"https://{HOST}/", UNSEEN, "redirect to https"),
        (f"http://{HOST}/", "/welcome", APPLICATION, "302"),
    ],
)
def test_redirects(url: str, location: str, side: Side, words: str) -> None:
    assert identify(url, 302, {"Location": location}, b"") == (side, words)


def test_a_redirect_is_not_followed() -> None:
    with serving(OK) as (elsewhere, met), serving(head(302, Location=f"http://127.0.0.1:{elsewhere}/")) as (port, _):
        assert probe_of(port).ask().words == "redirect to 127.0.0.1"
        assert met == []


# What it asks


@pytest.mark.parametrize(
    ("spec", "path", "url"),
    [
        ({"tls": {"termination": "edge"}}, None, f"https://{HOST}/"),
        ({"tls": {"termination": "passthrough"}, "path": ""}, None, f"https://{HOST}/"),
        ({"tls": None, "path": "/a%2f(b)"}, None, f"http://{HOST}/a%2f(b)"),
        ({"path": "/a"}, "/a/b", f"http://{HOST}/a/b"),
        ({"path": "/ä b?c"}, None, f"http://{HOST}/%C3%A4%20b%3Fc"),
        ({"wildcardPolicy": "Subdomain"}, None, f"http://{HOST}/"),
    ],
)
def test_the_public_url(spec: dict[str, object], path: str | None, url: str) -> None:
    assert public_url({"spec": {"host": HOST, **spec}}, path) == url


def test_each_probe_is_a_new_connection_that_names_the_public_host() -> None:
    with serving(OK) as (port, requests):
        probe = probe_of(port, f"http://{HOST}/checkout")
        assert [probe.ask().side for _ in range(3)] == [APPLICATION] * 3
        assert len(requests) == 3  # the server answers one request of each connection
        assert all(request.startswith(b"GET /checkout HTTP/1.1\r\n") for request in requests)
        assert all(f"\r\nHost: {HOST}\r\n".encode() in request for request in requests)
        assert all(request.lower().count(b"host:") == 1 for request in requests)


def test_the_environment_s_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(OK) as (port, _), serving(THE_PAGE) as (proxy, met):
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy}")
        assert probe_of(port).ask().side is APPLICATION
        assert met == []


def test_an_address_of_the_other_scheme_is_not_used() -> None:
    with serving(OK) as (port, _):
        url = f"http://127.0.0.1:{port}/"
        assert Probe(url, address={"https": ("127.0.0.1", 1)}).ask().side is APPLICATION


# What is no answer


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert told(probe_of(port).ask()) == (UNSEEN, "connection refused", None)


def test_a_name_that_does_not_resolve() -> None:
    assert told(Probe("https://shop.invalid/").ask()) == (UNSEEN, "its name does not resolve", None)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "closed without an answer"),
        (b"SSH-2.0-server\r\n", "an answer that is no HTTP"),
        (b"HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "an answer that breaks off"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "an answer that is no HTTP"),
    ],
)
def test_answers_that_are_none(answer: bytes, words: str) -> None:
    assert told(ask(answer)) == (UNSEEN, words, None)


def silence(peer: socket.socket) -> None:
    peer.recv(1)  # until the other side goes


def drip_headers(peer: socket.socket) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    drip(peer)


def drip_body(peer: socket.socket) -> None:
    peer.sendall(head(503))
    drip(peer)


def drip(peer: socket.socket) -> None:
    while True:
        peer.sendall(b"x")
        time.sleep(0.05)


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def flood(peer: socket.socket) -> None:
    peer.sendall(head(503))
    while True:
        peer.sendall(b" " * MAX_BODY)


def threads_end(before: int) -> bool:
    deadline = time.monotonic() + 3
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    return threading.active_count() <= before


@pytest.mark.parametrize("respond", [silence, drip_headers, drip_body])
def test_a_server_that_is_silent_or_drips_is_given_up(respond: Respond) -> None:
    before, began = threading.active_count(), time.monotonic()
    answer = ask(respond, timeout=0.6)
    assert 0.5 < time.monotonic() - began < 5  # the server has seen us go, too
    assert told(answer) == (UNSEEN, "no answer within 0.6 s", None)
    assert threads_end(before)


def test_a_page_whose_body_drips_is_seen_by_its_head() -> None:
    def page(peer: socket.socket) -> None:
        peer.sendall(head(200, X_Maintenance_Page="page:v1"))
        drip(peer)

    assert ask(page).side is PAGE


def test_a_connection_that_is_reset() -> None:
    assert told(ask(reset)) == (UNSEEN, "connection reset", None)


def test_of_an_endless_answer_some_bytes_are_read() -> None:
    assert ask(flood).side is APPLICATION


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


def server_tls(ca: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert(*names).configure_cert(context)
    return context


def test_certificates_are_verified_by_the_ca_for_the_host(ca: trustme.CA) -> None:
    pem, others = (one.cert_pem.bytes().decode() for one in (ca, trustme.CA()))
    with serving(THE_PAGE, tls=server_tls(ca, HOST)) as (port, _):
        assert probe_of(port, URL, ca=pem).ask().side is PAGE
        for unfit in (others, None):
            answer = probe_of(port, URL, ca=unfit).ask()
            assert answer.side is UNSEEN
            assert answer.words.startswith("certificate verify failed: ")
        other_host = probe_of(port, "https://other.example.test/", ca=pem).ask()
        assert "Hostname mismatch" in other_host.words
        assert other_host.side is UNSEEN


def test_a_server_that_speaks_no_tls(ca: trustme.CA) -> None:
    with serving(OK) as (port, _):
        assert told(probe_of(port, URL, ca=ca.cert_pem.bytes().decode()).ask()) == (UNSEEN, "TLS failed", None)


# When a wait is over


def row(*sides: Side, every: float = 1.0) -> list[Answer]:
    return [Answer(number * every, side, "200") for number, side in enumerate(sides)]


def judged(answers: list[Answer], now: float | None = None, window: float = 5.0, timeout: float = 60.0) -> object:
    at = answers[-1].at if now is None else now
    return judge(answers, PAGE, began=0.0, now=at, window=window, timeout=timeout)


def test_seen_is_a_row_longer_than_the_window() -> None:
    assert judged(row(*[PAGE] * 6)) is None  # 5 s: as long as the window
    assert judged(row(*[PAGE] * 7)) is Outcome.SEEN
    assert judged(row(APPLICATION, *[PAGE] * 7)) is Outcome.SEEN


def test_seen_takes_a_few_answers_however_long_they_took() -> None:
    assert judged(row(*[PAGE] * (FEWEST_SEEN - 1), every=3)) is None
    assert judged(row(*[PAGE] * FEWEST_SEEN, every=3)) is Outcome.SEEN


@pytest.mark.parametrize("other", [APPLICATION, ROUTER])
def test_another_side_begins_the_row_anew(other: Side) -> None:
    assert judged(row(*[PAGE] * 5, other, *[PAGE] * 6)) is None
    assert judged(row(*[PAGE] * 5, other, *[PAGE] * 7)) is Outcome.SEEN
    assert judged(row(*[PAGE] * 7, other)) is None


def test_what_is_unseen_neither_counts_nor_begins_anew() -> None:
    assert judged(row(*[PAGE] * 3, UNSEEN, *[PAGE] * 3)) is Outcome.SEEN
    assert judged(row(PAGE, *[UNSEEN] * 2, PAGE, *[UNSEEN] * 2, PAGE)) is None


def test_unseen_is_a_window_without_any_answer_of_a_side() -> None:
    assert judged(row(*[UNSEEN] * 5)) is None
    assert judged(row(*[UNSEEN] * 6)) is Outcome.UNSEEN
    assert judged(row(APPLICATION, *[UNSEEN] * 4)) is None
    assert judged(row(APPLICATION, *[UNSEEN] * 5)) is Outcome.UNSEEN


def test_one_slow_probe_makes_no_runner_blind() -> None:
    assert judged(row(UNSEEN), now=9.0) is None
    assert judged(row(*[UNSEEN] * 2), now=90.0) is None


def test_not_yet_is_the_timeout_with_another_side() -> None:
    assert judged(row(APPLICATION), now=59.0) is None
    assert judged(row(APPLICATION), now=60.0) is Outcome.NOT_YET
    assert judged(row(ROUTER), now=60.0) is Outcome.NOT_YET


def test_what_has_begun_at_the_timeout_has_one_more_window() -> None:
    for last in (PAGE, UNSEEN):
        answers = [Answer(58.0, APPLICATION, "200"), Answer(59.0, last, "200")]
        assert judged(answers, now=64.0) is None
        assert judged(answers, now=65.0) is Outcome.NOT_YET


def test_a_summary_counts_by_side_and_words() -> None:
    answers = [*row(PAGE, PAGE), Answer(9, UNSEEN, "connection refused")]
    assert summarize(answers) == "2 x the maintenance page (200), 1 x neither side (connection refused)"
    assert summarize([]) == ""


# The wait itself


def wait(probe: Probe, wanted: Side, window: float = 0.5, timeout: float = 5.0) -> tuple[Outcome, list[str]]:
    said: list[str] = []

    def warn(text: str) -> None:
        said.append(f"WARNING: {text}")

    return wait_until_users_see(probe, wanted, window=window, timeout=timeout, say=said.append, warn=warn), said


def test_a_wait_until_the_page_is_seen() -> None:
    with serving(OK, OK, head(503, Pragma="no-cache") + b"Application is not available", OK, THE_PAGE) as (port, _):
        probe = probe_of(port)
        outcome, said = wait(probe, PAGE)
    assert outcome is Outcome.SEEN
    assert len([answer for answer in probe.answers if answer.side is PAGE]) >= FEWEST_SEEN
    assert probe.answers[-1].at - probe.answers[4].at > 0.5
    assert said[:3] == [
        f"http://{HOST}/ is answered by the application (200)",
        f"http://{HOST}/ is answered by the router itself (503)",
        f"http://{HOST}/ is answered by the maintenance page (200)",
    ]
    assert "x the maintenance page (200), 3 x the application (200), 1 x the router itself (503)" in said[3]
    assert len(said) == 4


def test_a_wait_for_a_side_that_does_not_come() -> None:
    with serving(OK) as (port, _):
        outcome, said = wait(probe_of(port), PAGE, timeout=0.7)
    assert outcome is Outcome.NOT_YET
    assert f"http://{HOST}/ is not answered by the maintenance page alone after 1 s: " in said[-1]
    assert "x the application (200)" in said[-1]


def test_a_wait_that_sees_nothing_has_lasted_the_window() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    began = time.monotonic()
    outcome, said = wait(probe_of(port), PAGE, window=1.0)
    assert outcome is Outcome.UNSEEN
    assert 1.0 <= time.monotonic() - began < 4.0
    assert said[-1].startswith(f"the runner cannot see http://{HOST}/ (connection refused): waited ")


def test_a_login_that_guards_the_application_alone_is_not_taken_for_the_page() -> None:
    """What is asked for is back, but cannot be told: the answers of the page end, and a window passes."""
    with serving(THE_PAGE, THE_PAGE, head(302, Location="https://login.example.test/")) as (port, _):
        outcome, said = wait(probe_of(port), APPLICATION)
    assert outcome is Outcome.UNSEEN
    assert "(redirect to login.example.test): waited" in said[-1]


def test_an_application_that_fails_itself_is_the_application_and_that_is_said() -> None:
    with serving(head(500)) as (port, _):
        outcome, said = wait(probe_of(port), APPLICATION)
        assert outcome is Outcome.SEEN
        assert said[-1] == f"WARNING: the application itself answers 500 on http://{HOST}/: look at it."
    with serving(OK) as (port, _):
        assert not any("WARNING" in line for line in wait(probe_of(port), APPLICATION)[1])


def test_a_later_wait_judges_its_own_answers_alone() -> None:
    with serving(*[THE_PAGE] * 9, OK) as (port, _):
        probe = probe_of(port)
        for _ in range(9):
            probe.ask()
        assert wait(probe, PAGE, timeout=0.5)[0] is Outcome.NOT_YET
        assert wait(probe, APPLICATION)[0] is Outcome.SEEN


def test_a_long_wait_gives_a_sign_of_life() -> None:
    with serving(OK) as (port, _):
        _, said = wait(probe_of(port, timeout=14.5), PAGE, timeout=1.5)
    assert any("still waiting for the maintenance page (" in line for line in said)
    with serving(OK) as (port, _):
        _, said = wait(probe_of(port), PAGE, timeout=1.0)
    assert not any("still waiting" in line for line in said)


def test_an_interrupt_passes_through_at_once() -> None:
    with serving(silence) as (port, _):
        before, began = threading.active_count(), time.monotonic()
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            wait(probe_of(port, timeout=10), PAGE)
        assert time.monotonic() - began < 5
        timer.join()
        assert threads_end(before)


def test_a_router_with_nothing_behind_it_for_a_whole_window_is_the_end_of_the_wait() -> None:
    def outcome(*sides: Side) -> Outcome | None:
        answers = [Answer(at=number * 0.5, side=side, words="") for number, side in enumerate(sides)]
        now = len(sides) * 0.5
        return judge(answers, Side.APPLICATION, began=0.0, now=now, window=2.0, timeout=60.0)

    assert outcome(Side.PAGE, *[Side.ROUTER] * 6) is Outcome.NOT_YET
    assert outcome(*[Side.ROUTER] * 5, Side.PAGE) is None
    assert outcome(*[Side.PAGE] * 8) is None  # it may only be late

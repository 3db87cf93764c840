"""Who answers: what one probe makes of an answer, and of servers that misbehave."""

from __future__ import annotations

import socket
import ssl
import threading
import time

import pytest
import trustme

from maintenance_ci.plan.route_access import public_url
from maintenance_ci.plan.steps import Side
from maintenance_ci.run.probe import MAX_BODY, Answer, Probe, advice_on_front, identify
from tests.tools.misbehaving_server import HOST, OK, THE_PAGE, Respond, head, probe_of, serving, silence, threads_end

URL = f"https://{HOST}/"
PAGE, APPLICATION, ROUTER, UNSEEN = Side.PAGE, Side.APPLICATION, Side.ROUTER, Side.UNSEEN


def ask(answer: bytes | Respond, timeout: float = 2.0) -> Answer:
    with serving(answer) as (port, _):
        return probe_of(port, timeout=timeout).ask()


def told(answer: Answer) -> tuple[Side, str, int | None]:
    return answer.side, answer.description, answer.status


# Who answers


@pytest.mark.parametrize("status", [200, 204, 304, 403, 404, 412, 503])
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
    assert (answer.side, answer.description) == (UNSEEN, f"{status}, as a gateway in front of it may answer")


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
        assert probe_of(port).ask().description == "redirect to 127.0.0.1"
        assert met == []


@pytest.mark.parametrize(
    ("headers", "front"),
    [
        ({"Age": "532", "CF-Cache-Status": "HIT"}, "Age: 532, CF-Cache-Status: HIT"),
        (
            {"x-cache": "Hit from cloudfront", "via": "1.1 abc (CloudFront)"},
            "x-cache: Hit from cloudfront, via: 1.1 abc",
        ),
        ({"X-Served-By": "cache-fra-1", "X-Cache-Hits": "1"}, "X-Served-By: cache-fra-1, X-Cache-Hits: 1"),
        ({"CDN-Cache": "HIT"}, "CDN-Cache: HIT"),
        ({"X-Vercel-Cache": "HIT", "X-CDN": "Imperva"}, "X-Vercel-Cache: HIT, X-CDN: Imperva"),
        ({"X-Amz-Cf-Id": "a", "X-Akamai-Transformed": "b"}, "X-Amz-Cf-Id: a, X-Akamai-Transformed: b"),
        ({"Cache-Control": "no-cache", "CDN-Cache-Control": "x", "X-Cachet": "x", "X-Page": "1"}, ""),
        ({"Via": "1.1 " + "x" * 200}, "Via: 1.1 " + "x" * 36),
        (
            {"Age": "1", "Via": "v", "X-Cache": "c", "X-Varnish": "1", "CF-Ray": "r"},
            "Age: 1, Via: v, X-Cache: c, X-Varnish: 1",
        ),
        ({"Server": "nginx", "Set-Cookie": "secret=1", "Age": ""}, ""),
    ],
)
def test_what_is_in_front_of_the_router_is_seen_by_its_headers(headers: dict[str, str], front: str) -> None:
    answer = ask(head(200, **{name.replace("-", "_"): value for name, value in headers.items()}))
    assert (answer.side, answer.description) == (APPLICATION, "200")
    assert answer.front.startswith(front)
    assert bool(answer.front) == bool(front)


def test_a_cache_is_told_by_the_last_answer_of_the_wrong_side_with_what_helps() -> None:
    cached, page = Answer(0, APPLICATION, "200", 200, "Age: 532"), Answer(1, PAGE, "200", 200, "Age: 0")
    for answers, wanted, seen in (
        ([cached, page], PAGE, "Age: 532"),
        ([cached, page, Answer(2, UNSEEN, "refused")], APPLICATION, "Age: 0"),
        ([page], PAGE, ""),
        ([Answer(0, APPLICATION, "200", 200)], PAGE, ""),
        ([], PAGE, ""),
    ):
        what, advice = advice_on_front(answers, wanted)
        assert bool(what) == bool(advice) == bool(seen)
        assert f"({seen})" in what or not seen
    assert all(word in advice_on_front([cached], PAGE)[1] for word in ("Purge", "PUBLIC_ADDRESS", "PROBES=false"))


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
    with socket.create_server(("127.0.0.1", 0)) as server:  # a host that the router serves, and DNS does not know
        there = {"https": ("127.0.0.1", int(server.getsockname()[1]))}
        answer = Probe(f"https://{'x' * 64}.example.test/", address=there).ask()
        assert told(answer) == (UNSEEN, "its host is no name for DNS", None)


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


@pytest.mark.parametrize("respond", [silence, drip_headers, drip_body])
def test_a_server_that_is_silent_or_drips_is_given_up(respond: Respond) -> None:
    before, began = threading.active_count(), time.monotonic()
    answer = ask(respond, timeout=0.6)
    assert time.monotonic() - began > 0.5
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
            assert answer.description.startswith("certificate verify failed: ")
        other_host = probe_of(port, "https://other.example.test/", ca=pem).ask()
        assert "Hostname mismatch" in other_host.description
        assert other_host.side is UNSEEN


def test_a_server_that_speaks_no_tls(ca: trustme.CA) -> None:
    with serving(OK) as (port, _):
        assert told(probe_of(port, URL, ca=ca.cert_pem.bytes().decode()).ask()) == (UNSEEN, "TLS failed", None)

"""Who answers on a Route's public URL: asked as a user would, on a fresh connection each time.

What either side answers is told apart by what the page, OpenShift's router and HTTP themselves say. All else is
`Side.UNSEEN`: it shows nothing of a switch, and costs no more than the wait that follows it, whereas an answer taken
for a side's would end a maintenance too early, or undo a switch that worked.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import time
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from http.client import HTTPException, RemoteDisconnected
from itertools import takewhile
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, ProtocolError

from maintenance_ci.plan.steps import Side
from maintenance_ci.waiting import with_deadline

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# docker/default.conf sets it on all that the page answers.
PAGE_HEADER = "X-Maintenance-Page"
# The router's own: no such Route, no server, a server that broke or was too slow. A Route that is not there is a 404
# where an administrator has an error page for it (httpErrorCodePages of the IngressController).
ROUTER_STATUSES = {404, 502, 503, 504}
# What these say, in openshift/router's error pages and where HAProxy's own are in their place.
ROUTER_PHRASES = (
    "Application is not available",
    "No application was found at the provided URL",
    "No server is available to handle this request",
    "The server returned an invalid or incomplete response",
    "The server didn't respond in time",
)
# How the router's error pages are headed; an administrator's own begin as copies of them.
ROUTER_HEADERS = {"Cache-Control": "private, max-age=0, no-cache, no-store", "Pragma": "no-cache"}
# Bytes; openshift/router's page has its words before byte 1500.
MAX_BODY = 8192
# What gateways answer in front of both sides: not signed in, not allowed, too often. The application may well mean it
# itself, but a runner that an allow-list keeps out must not undo a switch.
GATEWAY_STATUSES = {401, 403, 407, 429, 511}
REDIRECTS = {301, 302, 303, 307, 308}

# By these a cache or a proxy in front of the router says that it was there: RFC 9110 (Via), RFC 9111 (Age), RFC 9211
# (Cache-Status), and what CDNs write of their own; not what an application writes for caches (Cache-Control).
FRONT_HEADER = re.compile(
    r"(?!.*Control)(Age|Via|X-Varnish|X-Served-By|CF-.*|(.*-)?(Cache|CDN)(-.*)?"
    r"|(X-)?(Akamai|Amz-Cf|Azure|Fastly|Iinfo|MSEdge|Sucuri)(-.*)?)",
    re.IGNORECASE,
)
# Characters of such a value, and such headers, that a log shows.
MAX_FRONT_VALUE, MAX_FRONT_HEADERS = 40, 4
# Names of a certificate that a message shows.
MAX_CERTIFICATE_NAMES = 5

USER_AGENT = "maintenance-ci"
PORTS = {"http": 80, "https": 443}
# Seconds between two probes: over a drain time of 7 s some thirty connections, so that every router replica is met.
PAUSE = 0.2
# Answers in a row at the least, however short the window; and how many make a runner blind, rather than unlucky.
FEWEST_SEEN, FEWEST_UNSEEN = 5, 3


@dataclass(frozen=True)
class Answer:
    """What one probe saw.

    Attributes:
        at: when it was sent, in seconds of `time.monotonic`.
        side: who answered.
        description: the status, or why there is no answer of a side; short, and free of secrets.
        status: of the answer, where there is one.
        front: the headers by which a cache or a proxy in front of the router shows itself, with their values.
        mark: the header by which an application makes itself known, where it is asked for one.
    """

    at: float
    side: Side
    description: str
    status: int | None = None
    front: str = ""
    mark: str = ""


class Outcome(Enum):
    """How a wait ended."""

    SEEN = "users meet the wanted side"
    UNSEEN = "the runner cannot tell, and has waited as long as the window"
    NOT_YET = "users still meet another side"


class Probe:
    """Asks one URL, and remembers the answers.

    It goes there directly, past any proxy that the environment names; certificates are always verified.

    Args:
        url: of the public site, http or https.
        ca: PEM text of the certificates that vouch for the site's; the system's where None.
        address: host and port to connect to instead, by scheme; TLS and HTTP still name the URL's host.
        timeout: seconds for a whole answer, name resolution included.
        mark: the name of a header that is kept of each answer.

    Attributes:
        answers: all of them, in order.
    """

    def __init__(
        self,
        url: str,
        *,
        ca: str | None = None,
        address: Mapping[str, tuple[str, int]] | None = None,
        timeout: float = 5.0,
        mark: str = "",
    ) -> None:
        self.url, self.timeout, self._mark = url, timeout, mark
        self.answers: list[Answer] = []
        parts = urlsplit(url)
        self._host, self._target = parts.hostname or "", parts.path or "/"
        self._address = (address or {}).get(parts.scheme, (self._host, parts.port or PORTS[parts.scheme]))
        self._tls = ssl.create_default_context(cadata=ca) if parts.scheme == "https" else None

    def ask(self) -> Answer:
        """Ask once, and return the answer: a failure is one, too."""
        asked = time.monotonic()
        opened: list[socket.socket] = []
        try:
            # A server that drips, or a name server that is silent, holds a thread but not the job.
            answer = with_deadline(self.timeout, lambda: self._exchange(opened, asked))
        except TimeoutError:
            answer = Answer(asked, Side.UNSEEN, _too_slow(self.timeout))
        finally:
            _cut(opened)
        self.answers.append(answer)
        return answer

    def own_address(self) -> str:
        """Return the address by which this machine would go there; nothing is sent.

        Raises:
            OSError: the host has no address, or no way leads there.
        """
        family, kind, protocol, _, address = socket.getaddrinfo(*self._address, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as one:
            one.connect(address)
            return str(one.getsockname()[0])

    def met_server(self) -> str:
        """Return which address, and which certificate, users meet; or why they meet none."""
        connection = self._connection()
        try:
            connection.connect()
            host, port, *_ = connection.sock.getpeername()
            certificate = connection.sock.getpeercert() if isinstance(connection.sock, ssl.SSLSocket) else None
        except (OSError, HTTPError, UnicodeError) as error:
            return explain(error, self.timeout)
        finally:
            connection.close()
        tls = _describe_certificate(certificate) if certificate else "no certificate: plain HTTP"
        return f"{host}, port {port}; {tls}"

    def _connection(self) -> HTTPConnection:
        host, port = self._address
        if self._tls is None:
            return HTTPConnection(host, port, timeout=self.timeout)
        return HTTPSConnection(host, port, timeout=self.timeout, ssl_context=self._tls, server_hostname=self._host)

    def _exchange(self, opened: list[socket.socket], asked: float) -> Answer:
        headers = {"Host": self._host, "User-Agent": USER_AGENT, "Accept": "text/html, */*", "Connection": "close"}
        connection = self._connection()
        try:
            self._host.encode("idna")  # a Route may have a host that no user can ask for: TLS would leave a socket open
            connection.connect()
            opened.append(connection.sock)  # which the connection itself forgets once an answer is its last
            connection.request("GET", self._target, headers=headers, preload_content=False, decode_content=False)
            with connection.getresponse() as response:
                may_be_router = PAGE_HEADER not in response.headers and response.status in ROUTER_STATUSES
                body = response.read(MAX_BODY) if may_be_router else b""
        except (OSError, HTTPException, HTTPError, UnicodeError) as error:
            return Answer(asked, Side.UNSEEN, explain(error, self.timeout))
        finally:
            connection.close()
        side, description = identify(self.url, response.status, response.headers, body)
        mark = response.headers.get(self._mark, "") if self._mark else ""
        return Answer(asked, side, description, response.status, front_of(response.headers), mark)


def identify(url: str, status: int, headers: Mapping[str, str], body: bytes) -> tuple[Side, str]:
    """Return who answered ``url`` like this, and the answer in a few words."""
    if PAGE_HEADER in headers:
        return Side.PAGE, str(status)
    if status in GATEWAY_STATUSES:
        return Side.UNSEEN, f"{status}, as a gateway in front of it may answer"
    if status in REDIRECTS and (elsewhere := _redirected(url, headers.get("Location", ""))):
        return Side.UNSEEN, f"redirect to {elsewhere}"
    if status in ROUTER_STATUSES and _is_routers(headers, body):
        return Side.ROUTER, str(status)
    return Side.APPLICATION, str(status)


def front_of(headers: Mapping[str, str]) -> str:
    """Return what a cache or a proxy in front of the router says of itself: its headers, with the begin of each."""
    shown = {name: " ".join(value.split())[:MAX_FRONT_VALUE] for name, value in headers.items()}
    met = [f"{name}: {value}" for name, value in shown.items() if value and FRONT_HEADER.fullmatch(name)]
    return ", ".join(met[:MAX_FRONT_HEADERS])


def advice_on_front(answers: Sequence[Answer], wanted: Side) -> tuple[str, str]:
    """Return what the last answer of another side than the wanted one shows of a cache or a proxy, and what helps.

    Such a one may answer from what it keeps, or take the page's header away: then the page counts as the application.
    Both texts are empty where none showed itself.
    """
    others = (answer for answer in reversed(answers) if answer.side not in (wanted, Side.UNSEEN))
    front = next((answer.front for answer in others), "")
    if not front:
        return "", ""
    may = f"it may answer from what it keeps, or take the header {PAGE_HEADER} away"
    return (
        f"A cache or a proxy is in front of the router ({front}): {may}.",
        "Purge its cache for this host; or let the router itself be asked (PUBLIC_ADDRESS), or nobody (PROBES=false).",
    )


def explain(error: Exception, timeout: float) -> str:
    """Return in a few words why there was no answer."""
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {cause.verify_message}"
    known: tuple[tuple[type[BaseException], str], ...] = (
        (socket.gaierror, "its name does not resolve"),
        (TimeoutError, _too_slow(timeout)),
        (UnicodeError, "its host is no name for DNS"),
        (ConnectionRefusedError, "connection refused"),
        (RemoteDisconnected, "closed without an answer"),
        (ConnectionResetError, "connection reset"),
        (ssl.SSLEOFError, "closed without an answer"),
        (ssl.SSLError, "TLS failed"),
        (HTTPException, "an answer that is no HTTP"),
        (ProtocolError, "an answer that breaks off"),
    )
    reason = next((reason for kind, reason in known if isinstance(cause, kind)), None)
    return reason or (cause.strerror if isinstance(cause, OSError) else None) or type(cause).__name__


def judge(
    answers: Sequence[Answer], wanted: Side, *, began: float, now: float, window: float, timeout: float
) -> Outcome | None:
    """Return how a wait that ``began`` has ended by ``now``; None: it goes on.

    A router that has nothing behind it for as long as the window is the end of it: users would go on meeting 503s.
    When ``timeout`` is over, answers that may still become `Outcome.SEEN` or `Outcome.UNSEEN` have one more window.
    """
    row = row_of(answers, wanted)
    if _lasts(row, window):
        return Outcome.SEEN
    if _lasts(row_of(answers, Side.ROUTER), window):  # all have followed, and there is nothing behind: waiting is 503s
        return Outcome.NOT_YET
    blind = list(takewhile(lambda answer: answer.side is Side.UNSEEN, reversed(answers)))
    before = answers[: len(answers) - len(blind)]  # up to the last answer of a side
    last_seen = before[-1].at if before else began
    if len(blind) >= FEWEST_UNSEEN and now - last_seen >= window:
        return Outcome.UNSEEN
    enough = timeout + window if row or blind else timeout
    return Outcome.NOT_YET if before and now - began >= enough else None


def row_of(answers: Sequence[Answer], side: Side) -> list[Answer]:
    """Return the last answers in a row that came from a side, newest first; what is unseen does not count."""
    definite = (answer for answer in reversed(answers) if answer.side is not Side.UNSEEN)
    return list(takewhile(lambda answer: answer.side is side, definite))


def _lasts(row: Sequence[Answer], window: float) -> bool:
    return len(row) >= FEWEST_SEEN and row[0].at - row[-1].at > window


def summarize(answers: Sequence[Answer]) -> str:
    """Return how often each side answered what, most frequent first."""
    counted = Counter((answer.side, answer.description) for answer in answers)
    return ", ".join(f"{count} x {side.value} ({answered})" for (side, answered), count in counted.most_common())


def _redirected(url: str, location: str) -> str:
    """Return where a redirect leads, if that is no place of the same site: another host, or from http to https."""
    try:
        here, there = urlsplit(url), urlsplit(urljoin(url, location))
        host = there.hostname or ""
    except ValueError:  # no address at all: whoever sends it
        return ""
    if host != here.hostname:
        return host[:100]
    return "https" if (here.scheme, there.scheme) == ("http", "https") else ""


def _is_routers(headers: Mapping[str, str], body: bytes) -> bool:
    text = body.decode("latin-1")
    has_headers = all(headers.get(name) == value for name, value in ROUTER_HEADERS.items())
    return has_headers or any(phrase in text for phrase in ROUTER_PHRASES)


def _describe_certificate(certificate: Mapping[str, Any]) -> str:
    """Return whom a certificate is for, who issued it, and until when it holds (as of `ssl.SSLSocket.getpeercert`)."""
    names = [str(value) for _, value in certificate.get("subjectAltName") or ()][:MAX_CERTIFICATE_NAMES]
    issuer = {field: value for part in certificate.get("issuer") or () for field, value in part}
    by = issuer.get("commonName") or issuer.get("organizationName") or "an issuer without a name"
    return f"a certificate for {', '.join(names)}, issued by {by}, valid until {certificate.get('notAfter')}"


def _too_slow(timeout: float) -> str:
    return f"no answer within {timeout:g} s"


def _cut(opened: Sequence[socket.socket]) -> None:
    """End what is still being read, by the plain socket's shutdown: TLS must not be taken off under its reader."""
    for one in opened:
        with contextlib.suppress(OSError):  # closed by its reader meanwhile
            socket.socket.shutdown(one, socket.SHUT_RDWR)

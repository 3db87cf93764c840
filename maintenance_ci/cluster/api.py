"""One request to the cluster's API, and its answer: deadlines, sizes, errors. The client kubernetes is used here alone.

Its generated classes and its dynamic client ask the server for its API groups first; a job knows the few paths that it
needs, so each call here is one request.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import ssl
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.config import load_kube_config
from kubernetes.config.config_exception import ConfigException
from yaml import YAMLError

from maintenance_ci.cluster.command import CHUNK, Lines
from maintenance_ci.cluster.login import Login
from maintenance_ci.cluster.network_faults import Server, may_pass
from maintenance_ci.errors import (
    ConflictError,
    ExpiredError,
    ForbiddenError,
    MaintenanceError,
    MissingError,
    TryAgainError,
    VariableError,
)
from maintenance_ci.names import MANAGED_BY
from maintenance_ci.settings.proxies import parse_proxy
from maintenance_ci.waiting import with_deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Object = dict[str, Any]

# Seconds to connect, and to wait for the next bytes of an answer.
TIMEOUT = (5.0, 30.0)
# Seconds for a whole answer, and its bytes at the most.
ANSWER_TIMEOUT = 60.0
MAX_ANSWER = 64 * 1024 * 1024
# Seconds on top of the client's own limits, after which a request is given up whose answer does not even begin.
SLACK = 15.0
# What the API server says of a right that is missing (apiserver, handlers/responsewriters/errors.go), and where it says
# nothing of itself.
NO_RIGHT = re.compile(r'User "[^"]*" cannot |^HTTP 403 ')
# Characters of an answer in plain text that a message repeats.
MAX_TEXT = 300


class Api:
    """The API of one cluster.

    Args:
        kubeconfig: path of the kubeconfig (several, separated as in KUBECONFIG, are merged).
        timeout: seconds to wait for the next bytes of an answer.
        hide: gets what no log may show: each token.

    Raises of every method:
        TryAgainError: the server cannot be reached, or answers that it is too busy or broken (408, 429, 5xx).
        ForbiddenError: the token is refused (401), or lacks the right (403).
        ConflictError: the server refuses a change for the state that the object is in (409).
        MissingError: there is no such object (404).
        ExpiredError: what a list was to go on with is forgotten (410).
        MaintenanceError: any other refusal, with the server's own message.
    """

    def __init__(
        self, kubeconfig: str, *, timeout: float = TIMEOUT[1], hide: Callable[[str], None] = lambda _: None
    ) -> None:
        self.timeout = (min(TIMEOUT[0], timeout), timeout)
        # What urllib3 would print about each retry says less than the error in the end.
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        # The kubeconfig names the proxy: the client must not look for another in the environment.
        configuration = Configuration(proxy="", no_proxy="")
        # Only what never reached the server is sent again; a Retry-After may ask for hours.
        configuration.retries = urllib3.Retry(
            connect=2, read=0, redirect=False, status=0, other=0, backoff_factor=0.5, respect_retry_after_header=False
        )
        load = partial(load_kube_config, kubeconfig, persist_config=False, client_configuration=configuration)
        try:
            with contextlib.ExitStack() as failed:
                self._login = Login(configuration, load, hide)
                failed.callback(self._login.close)
                proxy = parse_proxy(configuration.proxy, "KUBECONFIG: proxy-url") if configuration.proxy else None
                _require_pair(configuration.cert_file, configuration.key_file)
                if configuration.ssl_ca_cert:
                    ssl.create_default_context(cafile=configuration.ssl_ca_cert)
                if proxy:
                    configuration.proxy, configuration.proxy_headers = proxy.address, proxy.headers
                self._client = ApiClient(configuration)
                failed.pop_all()
        except (ConfigException, YAMLError, AttributeError, KeyError, OSError, ValueError, TypeError) as error:
            raise VariableError(
                ["KUBECONFIG: must be a kubeconfig that can be used; or give OKD_URL and OKD_TOKEN"]
            ) from error
        self._server = Server(
            f"the cluster {configuration.host}",
            "OKD_URL (or in KUBECONFIG)",
            "OKD_CA (or in KUBECONFIG)",
            bool(configuration.ssl_ca_cert),
            proxy,
        )
        # The server notes it as the manager of the fields that a request without ``fieldManager`` writes.
        self._client.user_agent = MANAGED_BY
        if not self._client.configuration.verify_ssl:  # somebody wants it so; logged once, and not at each request
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    def close(self) -> None:
        """Close the connections."""
        self._login.close()
        self._client.close()  # type: ignore[no-untyped-call]

    def object(self, method: str, path: str, **request: Any) -> Object:
        """Send a request, whose arguments are those of `_request`, and return the object of its answer."""
        response = self._request(method, path, **request)
        content = self._content(response)
        if not 200 <= response.status < 400:
            raise _refusal(response.status, content, path)
        answer = _parsed(content) if response.status < 300 else None  # a redirect is none of an API's
        if answer is None or "kind" not in answer:
            raise no_kubernetes()
        return answer

    def lines(self, path: str, *, query: list[tuple[str, str]], timeout: float) -> Iterator[str]:
        """Yield the lines of an answer as they come, until it ends or ``timeout`` seconds have passed."""
        response = self._request("GET", path, query=query, timeout=(TIMEOUT[0], timeout))
        if response.status != 200:
            raise _refusal(response.status, self._content(response), path)
        lines = Lines()
        for chunk in self._chunks(response, timeout):
            yield from lines.take(chunk)
        yield from lines.take(b"")

    def _chunks(self, response: Any, timeout: float) -> Iterator[bytes]:
        """Yield an answer's body as it comes, for ``timeout`` seconds at the most: a server may drip for ever."""
        deadline = time.monotonic() + timeout
        with self._reachable():
            # read1 returns what is there: it does not wait for a full buffer, as `stream` does.
            while chunk := response.response.read1(CHUNK):
                yield chunk
                if time.monotonic() > deadline:
                    response.response.close()
                    raise TryAgainError(f"The cluster's answer did not end within {timeout:.0f} s.", run_again=True)

    def _content(self, response: Any) -> bytes:
        content = bytearray()  # grows in place: many small chunks must not be copied once for each other one
        for chunk in self._chunks(response, ANSWER_TIMEOUT):
            content += chunk
            if len(content) > MAX_ANSWER:
                raise MaintenanceError(f"The cluster's answer is over {MAX_ANSWER} bytes.", "Check OKD_URL.")
        return bytes(content)

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: list[tuple[str, str]] | None = None,
        body: Object | bytes | None = None,
        content_type: str = "application/json",
        timeout: tuple[float, float] | None = None,
    ) -> Any:
        # An API server compresses answers of over 128 KiB, for those who ask for it: lists become a tenth.
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}
        if body is not None:
            headers["Content-Type"] = content_type
        self._login.keep()
        serialized = self._client.param_serialize(
            method, path, query_params=query or [], header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        connect, read = limit = timeout or self.timeout
        with self._reachable():
            # Neither is a limit for headers that drip. Three tries to connect, and time to send.
            call = partial(self._client.call_api, *serialized, _request_timeout=limit)
            return with_deadline(3 * connect + read + SLACK, call)

    @contextlib.contextmanager
    def _reachable(self) -> Iterator[None]:
        """Turn what the network does into our errors."""
        try:
            yield
        except Exception as error:
            # The client wraps TLS faults in its own ApiException with status 0, and lets urllib3's others through.
            if isinstance(error, TimeoutError | urllib3.exceptions.HTTPError) or getattr(error, "status", None) == 0:
                raise self._server.fault(error) from error
            raise


def _require_pair(certificate: str | None, key: str | None) -> None:
    """Raise VariableError where a client's certificate and key, if there are any, are no pair."""
    try:
        if certificate:
            # Without a password OpenSSL would ask for one, on the terminal.
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password=str)
    except (OSError, ValueError):  # an SSLError is an OSError
        raise VariableError(["KUBECONFIG: its client certificate and key cannot be read, or are no pair"]) from None


def no_kubernetes() -> TryAgainError:
    """Return the error of an answer that is none of an API's; after a change nobody knows whether it was made."""
    return TryAgainError(
        "The address of the cluster answers, but not as a Kubernetes API.", "Check OKD_URL, then run the job again."
    )


def _parsed(content: bytes) -> Object | None:
    """Return an answer's JSON object, an empty one for other JSON; None where it is no JSON."""
    with contextlib.suppress(ValueError, RecursionError):
        answer = json.loads(content)
        return answer if isinstance(answer, dict) else {}
    return None


def _own_message(content: bytes) -> str:
    """Return what an answer says of itself: a Status' message, or the first line of plain text; empty for none.

    Plain text is what the API server says in the place of an aggregated API that is down, such as OpenShift's own:
    ``error trying to reach service: dial tcp …`` (recorded). A page of HTML is some proxy's, and says nothing to us.
    """
    if (answer := _parsed(content)) is not None:
        return str(answer.get("message") or "")
    first, _, _ = content[:CHUNK].decode(errors="replace").strip().partition("\n")
    plain = "".join(filter(str.isprintable, first))[:MAX_TEXT].strip()
    return "" if plain.startswith("<") else plain.rstrip(".")


def _refusal(status: int, content: bytes, path: str) -> MaintenanceError:
    """Make our error of the server's answer, with the server's own message."""
    message = _own_message(content) or f"HTTP {status} for {path}"
    if status == 401:
        return ForbiddenError(
            "The cluster refuses the token (401).", "Check OKD_TOKEN, or KUBECONFIG: it may have expired."
        )
    if status == 403 and NO_RIGHT.search(message) is None:  # the token may: a quota, a policy or a webhook does not
        return ForbiddenError(
            f"The cluster refuses it: {message.rstrip('.')}.", "Correct what it names, or ask an administrator."
        )
    if status == 403:
        return ForbiddenError(
            f"The token lacks a right, or the namespace does not exist: {message}.",
            "Check PROJECT, and give the service account the Role of docs/service-account.yaml.",
        )
    if status == 409:
        return ConflictError(f"The cluster refuses a change: {message}.", run_again=True)
    if "failed to create typed patch object" in message:  # a 500, and yet the manifest is at fault
        return MaintenanceError(f"The cluster cannot read the manifest: {message}.", "Correct the template.")
    if may_pass(status):
        return TryAgainError(f"The cluster cannot answer now (HTTP {status}): {message}.", run_again=True)
    what = f"The cluster refuses (HTTP {status}): {message}."
    if status == 410:
        return ExpiredError(what)
    if status != 404:
        return MaintenanceError(what)
    # A path that the server does not know is a 404, too, but no Status that names an object.
    details = (_parsed(content) or {}).get("details")
    if isinstance(details, dict) and "name" in details:
        return MissingError(what)
    return MaintenanceError(what, "Check OKD_URL: what is there may be no OpenShift, or below a path that is missing.")

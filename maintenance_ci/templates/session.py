"""The HTTP session for GitLab: each answer is limited, no token goes to another address, a sign-in page is an error."""

from __future__ import annotations

import io
import os
import ssl
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from maintenance_ci.errors import MaintenanceError, VariableError
from maintenance_ci.waiting import with_deadline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maintenance_ci.settings.proxies import Proxy

# Bytes. The clock is read after each chunk, which is waited for in full.
CHUNK = 64


class HtmlPageError(requests.RequestException):
    """The answer is an HTML page: GitLab's API has none, so it is the sign-in page, or a proxy's."""


class EndlessAnswerError(requests.RequestException):
    """The answer is larger, or takes longer, than the session allows."""


class BoundedGitLabSession(requests.Session):
    """A session whose every answer is limited, and that follows no redirect to another address.

    GitLab's tokens are headers, which would go along with a redirect.

    Args:
        seconds: for each answer, from the request to its last byte.
        size: of an answer, in bytes.
        ca: PEM text of a CA to trust besides. GitLab's runner hands out the CA of the address that it calls itself; the
            jobs may call another address, whose certificate is a public CA's.
        proxy: through which GitLab is asked; None: directly. The environment's proxies are not read here.
    """

    def __init__(self, *, seconds: float, size: int, ca: str | None = None, proxy: Proxy | None = None) -> None:
        super().__init__()
        self.trust_env = False  # no proxy of the environment, and no password of the user's .netrc
        self.proxies = {"https": proxy.address, "http": proxy.address} if proxy else {}
        trusted = ssl.create_default_context()
        if ca:
            trusted.load_verify_locations(cadata=ca)
        for scheme in ("https://", "http://"):
            self.mount(scheme, _LimitedAdapter(seconds, size, trusted, proxy))

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Take from the environment where the CAs are, and nothing else."""
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        if bundle and not Path(bundle).exists():
            raise VariableError(["REQUESTS_CA_BUNDLE (or CURL_CA_BUNDLE): names a file that is not there"])
        return super().merge_environment_settings(url, proxies, stream, bundle or verify, cert)

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Refuse a redirect to another address."""
        if self.should_strip_auth(str(response.request.url), str(prepared_request.url)):
            raise MaintenanceError(
                "GitLab redirects to another address, which was not followed.", "Check CI_SERVER_URL."
            )


class _LimitedAdapter(HTTPAdapter):
    def __init__(self, seconds: float, size: int, trusted: ssl.SSLContext, proxy: Proxy | None) -> None:
        self._seconds, self._size, self._trusted = seconds, size, trusted
        self._proxy_headers = proxy.headers if proxy else {}
        super().__init__()

    def build_connection_pool_key_attributes(self, *arguments: Any) -> Any:
        """Let connections trust the context's CAs; `requests` adds its own (certifi, or REQUESTS_CA_BUNDLE)."""
        host, pool = super().build_connection_pool_key_attributes(*arguments)
        return host, {**pool, "ssl_context": self._trusted}

    def proxy_headers(self, *_: Any) -> dict[str, str]:
        """Return the header with the proxy's password: its address has none, so that no error shows it."""
        return self._proxy_headers

    def send(self, request: requests.PreparedRequest, *arguments: Any, **named: Any) -> requests.Response:
        """Send, and read the whole answer; ``requests`` itself would wait as long as bytes come."""
        send = partial(super().send, request, *arguments, **{**named, "stream": True})
        try:
            response = with_deadline(self._seconds, send)  # requests knows no limit for headers that drip
        except TimeoutError as error:
            raise requests.Timeout("no end of its headers", request=request) from error
        page = response.headers.get("Content-Type", "").startswith("text/html")
        if page and response.ok and not response.is_redirect:
            response.close()
            raise HtmlPageError("a page", response=response)
        try:
            response.raw = io.BytesIO(b"".join(self._limited(response.raw)))
        except urllib3.exceptions.HTTPError as error:
            raise requests.ConnectionError(error, request=request) from error
        return response

    def _limited(self, raw: urllib3.HTTPResponse) -> Iterator[bytes]:
        began, size = time.monotonic(), 0
        for chunk in raw.stream(CHUNK, decode_content=True):
            size += len(chunk)
            if size > self._size or time.monotonic() - began > self._seconds:
                raw.close()
                raise EndlessAnswerError("too large, or too slow")
            yield chunk

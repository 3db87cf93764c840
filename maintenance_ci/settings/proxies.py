"""Which proxy leads to an address, decided once for everybody: the two Python clients, Helm and oc. Pure.

The rules are those of Go's golang.org/x/net/http/httpproxy, which Helm, oc and GitLab's runner have, and ``ALL_PROXY``,
which curl and Python know: without one place that decides, a job would reach the cluster with one client and not with
the next.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes, urlsplit

from maintenance_ci.errors import VariableError
from maintenance_ci.settings.addresses import HOST, Address, read_address

if TYPE_CHECKING:
    from collections.abc import Mapping

PORTS = {"http": 80, "https": 443}
# Before each of these names in lower case. Where neither is set ALL_PROXY counts.
VARIABLES = {"http": "HTTP_PROXY", "https": "HTTPS_PROXY"}
ALL = "ALL_PROXY"
# Of a user or a password, percent-encoded where need be (RFC 3986, 3.2.1; Go takes an @, too).
USERINFO = re.compile(r"([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*")
# Characters of a password that is looked for by itself: a shorter one would mask half of a log.
MIN_PASSWORD = 4


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        address: ``http://host:port``; no secret.
        userinfo: user and password as bytes, ``user:password``; empty for none.
        written: the same as it was given, percent-encoded.
    """

    address: str
    userinfo: bytes = field(default=b"", repr=False)
    written: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """The header by which the proxy knows the user (RFC 7617, in UTF-8)."""
        encoded = base64.b64encode(self.userinfo).decode()
        return {"Proxy-Authorization": f"Basic {encoded}"} if self.userinfo else {}

    @property
    def url(self) -> str:
        """The address with user and password, as a kubeconfig's ``proxy-url`` has it."""
        user, _, password = self.userinfo.partition(b":")
        login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if self.userinfo else ""
        return self.address.replace("://", f"://{login}", 1)

    @property
    def secrets(self) -> list[str]:
        """All forms in which a log could show user and password."""
        if not self.userinfo:
            return []
        plain, encoded = self.userinfo.decode(errors="replace"), self.url.partition("://")[2].rpartition("@")[0]
        forms = [plain, self.written, encoded, *(value.split()[1] for value in self.headers.values())]
        forms += [form.partition(":")[2] for form in (plain, self.written, encoded)]
        return [form for form in dict.fromkeys(forms) if len(form) >= MIN_PASSWORD]


def proxy_for(url: str, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy that the environment names for ``url``, or None: it is asked directly.

    Upper case goes before lower case; an empty variable is an absent one. The loopback is never asked through a proxy.

    Raises:
        VariableError: the variable that counts names no proxy that all clients can use.
    """
    parts = urlsplit(url)
    for name in (VARIABLES[parts.scheme], ALL):
        for variable in (name, name.lower()):
            if value := environment.get(variable, "").strip():
                no_proxy = environment.get("NO_PROXY", "").strip() or environment.get("no_proxy", "")
                return None if is_direct(url, no_proxy) else parse_proxy(value, variable)
    return None


def parse_proxy(value: str, name: str) -> Proxy:
    """Return the proxy of an address such as ``http://user:p%40ss@proxy:3128``; one without a scheme is ``http``.

    Raises:
        VariableError: it is no address of an ``http`` proxy; named after ``name``, and without the value.
    """
    scheme, separator, rest = value.partition("://")
    scheme, rest = (scheme.lower(), rest) if separator else ("http", value)
    if scheme != "http" and re.fullmatch(r"https|socks[45]?[ah]?", scheme):
        raise VariableError([f"{name}: must be the address of an http:// proxy; {scheme}:// not all clients know"])
    advice = f"{name}: must be http://host:port or http://user:password@host:port of a proxy"
    written, _, address = rest.rstrip("/").rpartition("@")
    try:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname or "", PORTS["http"] if parts.port is None else parts.port
    except ValueError:  # a port that is no number, half an IPv6 address
        host, port = "", 0
    if not USERINFO.fullmatch(written):
        raise VariableError([f"{advice}; write a special character of the password as %XX"])
    if scheme != "http" or not HOST.fullmatch(host) or port == 0 or parts.netloc != address:
        raise VariableError([advice])
    netloc = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return _proxy(f"http://{netloc}", written)


def _proxy(address: str, written: str) -> Proxy:
    if written and ":" not in written:
        written += ":"
    return Proxy(address, unquote_to_bytes(written), written)


def secrets_of(environment: Mapping[str, str]) -> list[str]:
    """Return what no log may show of the environment's proxies, also of those that cannot be used."""
    names = [case for name in (*VARIABLES.values(), ALL) for case in (name, name.lower())]
    secrets = []
    for value in (environment.get(name, "").strip() for name in names):
        userinfo = value.partition("://")[2].rpartition("@")[0] or value.rpartition("@")[0]
        secrets += _proxy("http://proxy", userinfo).secrets
    return secrets


def is_direct(url: str, no_proxy: str) -> bool:
    """Tell whether ``NO_PROXY`` lets ``url`` be asked directly.

    Its entries, with commas or blanks between them: ``*``; a host (and all below it); ``.host`` (what is below it
    alone); an address; a network (``10.0.0.0/8``); each of them but the first and the last also with a port.
    """
    parts = urlsplit(url)
    host, port = (parts.hostname or "").rstrip("."), parts.port or PORTS[parts.scheme]
    address = read_address(host)
    if host == "localhost" or (address and address.is_loopback):
        return True
    return any(_matches(entry, host, port, address) for entry in re.split(r"[,\s]+", no_proxy.lower()) if entry)


def _matches(entry: str, host: str, port: int, address: Address | None) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    with_port = re.fullmatch(r"(\[[^\]]*\]|[^:]*):([0-9]{1,5})", entry)
    if with_port and int(with_port[2]) != port:
        return False
    entry = (with_port[1] if with_port else entry).strip("[]")
    if address is not None:
        return read_address(entry) == address
    name = (entry[1:] if entry.startswith("*.") else entry).rstrip(".")
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")

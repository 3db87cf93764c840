"""IP addresses, networks and servers' URLs, as variables, kubeconfigs and routers' allow-lists hold them. Pure."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

# A name (of parts of 63 characters at the most, RFC 1035; some have an underscore) or an address, without brackets.
HOST = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*\.?|[0-9a-f]*:[0-9a-f:.]*", re.ASCII | re.IGNORECASE)

Address = IPv4Address | IPv6Address


def read_address(text: str) -> Address | None:
    """Return an IP address; None where the text is none."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def read_network(text: str) -> IPv4Network | IPv6Network:
    """Read an address or a network; with a length, not a netmask, and without a zone: HAProxy and Go know neither.

    Raises:
        ValueError: it is none.
    """
    address, slash, length = text.partition("/")
    if "%" in address or (slash and not (length.isascii() and length.isdigit())):
        raise ValueError(text)
    return ip_network(text, strict=False)


def read_server_address(url: str, *schemes: str) -> str | None:
    """Return a server's URL of one of these schemes, without user, query or fragment; None where it is none.

    The scheme is in lower case, as all clients know it: to the Python client a server at ``HTTPS://`` needs no CA.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in schemes and HOST.fullmatch(parts.hostname or "") and parts.port != 0
    except ValueError:  # a port that is no number, half an IPv6 address
        return None
    # Not parts.query: it is empty behind a question mark that nothing follows.
    if not usable or "@" in parts.netloc or parts.netloc.endswith(":") or re.search("[?#]", url):
        return None
    return f"{parts.scheme}{url[len(parts.scheme) :]}"

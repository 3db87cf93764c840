"""IP addresses and networks as a router's allow-list may hold them. Pure."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network


def read_network(text: str) -> IPv4Network | IPv6Network:
    """Read an address or a network; with a length, not a netmask, and without a zone: HAProxy and Go know neither.

    Raises:
        ValueError: it is none.
    """
    address, slash, length = text.partition("/")
    if "%" in address or (slash and not (length.isascii() and length.isdigit())):
        raise ValueError(text)
    return ip_network(text, strict=False)

"""TESTER_ACCESS and what belongs to it: who may reach the application behind the page, and on which host. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from maintenance_ci.settings import types
from maintenance_ci.settings.addresses import read_network

# The router writes the list into its configuration as it stands; a line of HAProxy's has 64 words at the most
# (openshift/router uses a file from 62 addresses on; fewer are easier to look through).
MAX_ADDRESSES = 60
MAX_HOST = 253
_SEPARATORS = re.compile(r"[\s,;]+")


def _addresses(value: str) -> tuple[str, ...]:
    """Read addresses and networks, with commas or blanks between them.

    The router drops a list that it cannot read, and lets everybody in (recorded: one comma is enough): what is written
    into the Route is what Python has read, and blanks alone are between.
    """
    parts = [part for part in _SEPARATORS.split(value) if part]
    try:
        networks = [read_network(part) for part in parts]
    except ValueError:
        raise ValueError(
            "must be IP addresses or networks, such as 192.0.2.7 or 192.0.2.0/24 2001:db8::/32, with commas or blanks "
            "between them"
        ) from None
    if len(networks) > MAX_ADDRESSES:
        raise ValueError(f"must be {MAX_ADDRESSES} addresses and networks at the most")
    fours = collapse_addresses(one for one in networks if isinstance(one, IPv4Network))
    sixes = collapse_addresses(one for one in networks if isinstance(one, IPv6Network))
    if IPv4Network("0.0.0.0/0") in fours or IPv6Network("::/0") in sixes:
        raise ValueError("must not let everybody in: together they are 0.0.0.0/0 or ::/0")
    return tuple(_written(one) for one in dict.fromkeys(networks))


def _written(network: IPv4Network | IPv6Network) -> str:
    return str(network if network.num_addresses > 1 else network.network_address)


def _host(value: str) -> str:
    if len(value) > MAX_HOST or not types.DNS_SUBDOMAIN.fullmatch(value):
        raise ValueError("must be a host such as shop-preview.apps.example.test, in lower case")
    return value


TesterAddresses = Annotated[tuple[str, ...], BeforeValidator(_addresses)]
Host = Annotated[str, AfterValidator(_host)]


def some_testers(given: Mapping[str, str]) -> Iterator[str]:
    """Tell that testers are to be let in, and nobody says who they are: that would be everybody."""
    wanted = types.is_true(given.get("TESTER_ACCESS", ""))
    if wanted and "TESTER_ADDRESSES" not in given:
        yield "TESTER_ADDRESSES: is missing; TESTER_ACCESS needs the addresses that may come in"
    names = given.get("ROUTE_NAME", "").split()
    several = "ROUTE_SELECTOR" in given or (len(names) > 1 and all(map(types.DNS_SUBDOMAIN.fullmatch, names)))
    if wanted and "TESTER_HOST" in given and several:
        yield "TESTER_HOST: is for one Route alone; leave it empty, and the cluster makes a host for each Route"

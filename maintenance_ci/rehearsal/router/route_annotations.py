"""What a Route's annotations come to in HAProxy's configuration, as pure functions.

Which values are honoured, and which are passed over without a word, is openshift/router's rule.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.router.route_fields import path_of, termination_of

if TYPE_CHECKING:
    from collections.abc import Mapping

Object = dict[str, Any]

PREFIX = "haproxy.router.openshift.io/"

_ENDS_A_WORD = " \t\r\n\v\f'\""
_MILLISECONDS = {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_LONGEST = 2147483647  # milliseconds: more is no time for HAProxy
_HSTS_OPTION = r"(?:includeSubDomains|preload)"
_HSTS = re.compile(
    rf'(?:{_HSTS_OPTION}[ \t]*;[ \t]*)*max-age[ \t]*=[ \t]*(?:\d+|"\d+")(?:[ \t]*;[ \t]*{_HSTS_OPTION})*',
    re.IGNORECASE | re.ASCII,
)


def balance(route: Object, default: str) -> str:
    """Return how requests are spread: the annotation, ``roundrobin`` among several Services, or the default."""
    chosen = _value(route, "balance")
    if chosen in ("roundrobin", "leastconn", "source", "random"):
        return chosen
    return "roundrobin" if route["spec"].get("alternateBackends") else default


def timeout(route: Object, *names: str) -> str:
    """Return the first of these annotations that is a time, clipped to the longest that HAProxy takes, or nothing."""
    for name in names:
        if found := re.fullmatch(r"([1-9]\d*)(us|ms|s|m|h|d)?", _value(route, name), re.ASCII):
            too_long = int(found[1]) * _MILLISECONDS[found[2] or "ms"] > _LONGEST
            return f"{_LONGEST}ms" if too_long else found[0]
    return ""


def allowlist(route: Object) -> list[str]:
    """Return the addresses and networks that may come in; none: all may.

    What is neither is left out. A list that has nothing else in it, or spaces at an end, lets everybody in.
    """
    listed = _value(route, "ip_allowlist") or _value(route, "ip_whitelist")
    if listed != listed.strip():
        return []
    return [one for one in listed.split() if _is_network(one)]


def hsts_header(route: Object) -> str:
    """Return the value of Strict-Transport-Security, or nothing; plain HTTP and passthrough have none."""
    value = _value(route, "hsts_header")
    encrypted = termination_of(route) in ("edge", "reencrypt")
    return value if encrypted and _HSTS.fullmatch(value) else ""


def rewrite(route: Object) -> tuple[str, str] | None:
    """Return a pattern for the path, and what stands in its place: the target, and what the Route's path left over.

    OpenShift's router takes quotes, backslashes and ``#`` in a target apart in ways of its own; such targets are passed
    over here.
    """
    target = _value(route, "rewrite-target")
    if not re.fullmatch(r"/[^#'\"\\\s]*", target):
        return None
    # A single percent sign means itself, not one of HAProxy's variables; doubled ones do already.
    target = re.sub(r"%+", lambda found: found[0] * (1 + len(found[0]) % 2), target)
    slash = "/?" if target == "/" else ""
    return rf"^{escape_pattern(path_of(route))}{slash}(.*)$", rf"{target}\1"


@lru_cache(maxsize=8192)  # of each Route, at each reload
def escape_pattern(text: str) -> str:
    """Return a regular expression for the text that holds no space and no quote: they would end a word."""
    return "".join(rf"\x{ord(char):02x}" if char in _ENDS_A_WORD else re.escape(char) for char in text)


def _value(route: Object, name: str) -> str:
    annotations: Mapping[str, str] = route["metadata"].get("annotations") or {}
    return annotations.get(f"{PREFIX}{name}", "")


def _is_network(text: str) -> bool:
    address, slash, length = text.partition("/")
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    # Python also takes a netmask for the length, and a zone in the address.
    return "%" not in address and (not slash or length.isdecimal())

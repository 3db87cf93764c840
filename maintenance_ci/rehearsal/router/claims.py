"""Who gets a host: the rule by which OpenShift's router admits Routes, as a pure function.

A host belongs to the namespace of the oldest Route that claims it (creationTimestamp, then uid). Inside that namespace
Routes with different paths live side by side; of two with the same path the older one is served. Recorded on a real
OpenShift 4.21.

A real router keeps an index that changes with every event. A function of the Routes that are there gives the same
result, because the index is put in order by age again whenever a served Route goes: the oldest waiting Route is served
in the same step in which the serving one is deleted, and a restored original waits while the maintenance Route lives,
because that one is older now. creationTimestamp has a resolution of one second: of two Routes created within one second
the smaller uid wins, even if it came last and the other was being served, and so it does on a real router.

Certificates are looked at last: a Route whose certificate does not parse is not served, and yet holds its host.

Two differences are left, both where a real router depends on history. A Route whose ``path`` is changed to one that a
younger Route serves takes it over here at once, on a real router only if it is the oldest Route of the host. And a real
router that allows wildcards does not look again at a Route that waits for a host when that becomes free, only at its
next change or resynchronisation (30 minutes); here it is served at once, unless the router is told to overlook it
(``overlooks_freed_hosts``).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.router.certificates import FAULT, find_fault
from maintenance_ci.rehearsal.router.route_fields import domain_of, is_wildcard, path_of, tls_of

if TYPE_CHECKING:
    from collections.abc import Iterable

Object = dict[str, Any]

HOST_CLAIMED = "HostAlreadyClaimed"


@dataclass(frozen=True)
class Claim:
    """What the router makes of one Route: it is served, or refused with a reason.

    ``message`` is for a Route that the router meets, ``displaced`` for one that it has served until now.
    """

    route: Object
    reason: str = ""
    message: str = ""
    displaced: str = ""

    @property
    def admitted(self) -> bool:
        """Whether the Route is served."""
        return not self.reason


def judge_claims(routes: Iterable[Object], *, allow_wildcards: bool = False) -> list[Claim]:
    """Say of each Route whether it is served; ``allow_wildcards`` is the router's setting of that name."""
    claims = []
    by_host: dict[str, list[Object]] = defaultdict(list)
    by_domain: dict[str, list[Object]] = defaultdict(list)
    for route in sorted(routes, key=_age):
        host = route["spec"].get("host", "").lower()
        neighbours = by_domain[domain_of(host)]
        refusal = _refuse_alone(route, allow_wildcards=allow_wildcards)
        if not refusal and allow_wildcards:
            refusal = _refuse_beside(route, neighbours)
        if refusal:
            claims.append(refusal)
        else:
            by_host[host].append(route)
            neighbours.append(route)
    for rivals in by_host.values():
        claims += _judge_host(rivals)
    return claims


def _refuse_alone(route: Object, *, allow_wildcards: bool) -> Claim | None:
    """Refuse a Route for what it is, whatever other Routes there are."""
    if is_wildcard(route) and not allow_wildcards:
        return Claim(route, "RouteNotAdmitted", "wildcard routes are not allowed")
    if not route["spec"].get("host"):
        return Claim(route, "NoHostValue", "no host value was defined for the route")
    return None


def _refuse_beside(route: Object, older: Iterable[Object]) -> Claim | None:
    """Refuse a Route for an older one of its domain, on a router that allows wildcards.

    There a wildcard keeps other namespaces out of its whole domain, and a host keeps their wildcards out. Inside a
    namespace wildcard and hosts live side by side.
    """
    namespace, host = route["metadata"]["namespace"], route["spec"]["host"]
    for other in older:
        same_kind = is_wildcard(route) == is_wildcard(other)
        rivals = not same_kind or is_wildcard(route) or host.lower() == other["spec"]["host"].lower()
        owner = other["metadata"]["namespace"]
        if rivals and owner != namespace:
            message = f"a route in another namespace holds host {host}"
            return Claim(route, HOST_CLAIMED, message, message)
        if rivals and same_kind and path_of(route) == path_of(other):
            name = f"{owner}/{other['metadata']['name']}"
            if is_wildcard(other):
                holder = f"wildcard route {name} has host *.{domain_of(host)}"
                return Claim(route, HOST_CLAIMED, f"{holder}, blocking {host}", f"{holder} blocking {host}")
            holder = f"route {name} has host {other['spec']['host']}"
            return Claim(route, HOST_CLAIMED, holder, f"{holder}, blocking {host}")
    return None


def _judge_host(rivals: list[Object]) -> list[Claim]:
    """Judge the Routes that claim one host; they come by age."""
    oldest = rivals[0]
    owner = oldest["metadata"]["namespace"]
    holders: dict[str, Object] = {}
    claims = []
    for route in rivals:
        metadata, host, path = route["metadata"], route["spec"]["host"], path_of(route)
        if metadata["namespace"] != owner:
            message = f"a route in another namespace holds {host} and is older than {metadata['name']}"
            claims.append(Claim(route, HOST_CLAIMED, message, f"namespace {owner} owns hostname {host}"))
        elif path in holders:
            # A real router names the oldest Route of the host, even where another one holds the path.
            message = f"route {oldest['metadata']['name']} already exposes {host} and is older"
            displaced = f"replaced by older route {holders[path]['metadata']['name']}"
            claims.append(Claim(route, HOST_CLAIMED, message, displaced))
        else:
            holders[path] = route
            claims.append(_judge_certificates(route))
    return claims


def _judge_certificates(route: Object) -> Claim:
    if unfit := tls_of(route).get(FAULT):
        return Claim(route, "ExternalCertificateValidationFailed", str(unfit))
    fault = find_fault(route)
    return Claim(route, "ExtendedValidationFailed", fault) if fault else Claim(route)


def _age(route: Object) -> tuple[str, str]:
    return route["metadata"]["creationTimestamp"], route["metadata"]["uid"]

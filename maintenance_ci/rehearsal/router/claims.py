"""Who gets a host: the rule by which OpenShift's router admits Routes, as a pure function.

A host belongs to the namespace of the oldest Route that claims it (creationTimestamp, then uid). Inside that namespace
Routes with different paths live side by side; of two with the same path the older one is served. Recorded on a real
OpenShift 4.21.

A real router keeps an index that changes with every event. A function of the Routes that are there gives the same
result, because the index is put in order by age again whenever a served Route goes: the oldest waiting Route is served
in the same step in which the serving one is deleted, and a restored original waits while the maintenance Route lives,
because that one is older now. creationTimestamp has a resolution of one second: of two Routes created within one second
the smaller uid wins, even if it came last and the other was being served, and so it does on a real router.

What does depend on history is the message in the status: a real router writes a refusal when it meets a Route, or when
it takes the host away from it, and never again when the Route waits for another one by now. `record` sees to that, from
the status written before. (The one difference left: a Route whose ``path`` is changed to one that a younger Route
serves takes it over here at once, on a real router only if it is the oldest Route of the host.)
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
    by_host = defaultdict(list)
    for route in routes:
        if refusal := _refuse_alone(route, allow_wildcards=allow_wildcards):
            claims.append(refusal)
        else:
            by_host[(route["spec"]["host"].lower(), route["spec"].get("wildcardPolicy", "None"))].append(route)
    for rivals in by_host.values():
        claims += _judge_host(rivals)
    return claims


def record(claim: Claim, *, router: str, canonical_hostname: str, now: str) -> list[Object] | None:
    """Return the ``status.ingress`` that tells of the claim, or None where the present one already does.

    Entries of other routers are kept. ``now`` is an RFC 3339 time with a resolution of seconds.
    """
    present: list[Object] = claim.route.get("status", {}).get("ingress") or []
    old = next((entry for entry in present if entry.get("routerName") == router), None)
    entry: Object = {
        "host": claim.route["spec"].get("host", ""),
        "routerName": router,
        "conditions": [_condition(claim, old)],
        "wildcardPolicy": claim.route["spec"].get("wildcardPolicy", "None"),
        "routerCanonicalHostname": canonical_hostname,
    }
    if old is not None and _without_times(old) == entry:
        return None
    entry["conditions"][0]["lastTransitionTime"] = now
    return [entry if other is old else other for other in present] if old is not None else [*present, entry]


def _refuse_alone(route: Object, *, allow_wildcards: bool) -> Claim | None:
    """Refuse a Route for what it is, whatever other Routes there are."""
    spec = route["spec"]
    policy = spec.get("wildcardPolicy", "None")
    if policy == "Subdomain" and not allow_wildcards:
        return Claim(route, "RouteNotAdmitted", "wildcard routes are not allowed")
    if not spec.get("host"):
        return Claim(route, "NoHostValue", "no host value was defined for the route")
    if spec.get("tls", {}).get("termination") == "passthrough":
        # A real router serves it. This one does not yet, and had better say so than claim the host and answer 503.
        return Claim(route, "RouteNotAdmitted", "passthrough termination is not served by the embedded router")
    return None


def _age(route: Object) -> tuple[str, str]:
    return route["metadata"]["creationTimestamp"], route["metadata"]["uid"]


def _judge_host(rivals: list[Object]) -> list[Claim]:
    """Judge the Routes that claim one host."""
    rivals = sorted(rivals, key=_age)
    oldest = rivals[0]
    owner = oldest["metadata"]["namespace"]
    served: dict[str, Object] = {}
    claims = []
    for route in rivals:
        metadata, host, path = route["metadata"], route["spec"]["host"], route["spec"].get("path", "")
        if metadata["namespace"] != owner:
            message = f"a route in another namespace holds {host} and is older than {metadata['name']}"
            claims.append(Claim(route, HOST_CLAIMED, message, f"namespace {owner} owns hostname {host}"))
        elif path in served:
            # A real router names the oldest Route of the host, even where another one holds the path.
            message = f"route {oldest['metadata']['name']} already exposes {host} and is older"
            displaced = f"replaced by older route {served[path]['metadata']['name']}"
            claims.append(Claim(route, HOST_CLAIMED, message, displaced))
        else:
            served[path] = route
            claims.append(Claim(route))
    return claims


def _condition(claim: Claim, old: Object | None) -> Object:
    """Return the condition ``Admitted`` of a claim, without its time; ``old`` is the router's present entry."""
    if claim.admitted:
        return {"type": "Admitted", "status": "True"}
    message = claim.message
    if old is not None and claim.reason == HOST_CLAIMED and old.get("host") == claim.route["spec"].get("host"):
        condition: Object = next(iter(_without_times(old)["conditions"]), {})
        if condition.get("status") == "True":
            message = claim.displaced
        elif condition.get("reason") == HOST_CLAIMED:
            message = condition["message"]
    return {"type": "Admitted", "status": "False", "reason": claim.reason, "message": message}


def _without_times(entry: Object) -> Object:
    conditions = [{k: v for k, v in c.items() if k != "lastTransitionTime"} for c in entry.get("conditions", [])]
    return {**entry, "conditions": conditions}

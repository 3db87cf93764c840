"""What the router writes of a claim into a Route's status, as a pure function.

The condition depends on history: a real router writes a refusal when it meets a Route, or when it takes the host away
from it, and never again when the Route waits for another one by now. The status written before tells which it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.router.claims import HOST_CLAIMED

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.router.claims import Claim

Object = dict[str, Any]


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

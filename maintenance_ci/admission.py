"""What the routers say of a Route, and waiting for it.

A router writes its verdict into the Route's status as soon as it has accepted or refused it; its traffic follows up to
one reload interval later (recorded on OpenShift 4.21), which `drain_time` covers.
"""

from __future__ import annotations

import contextlib
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from maintenance_ci.errors import ConflictError, HostLostError, MaintenanceError
from maintenance_ci.waiting import let_pass, wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Set

    from maintenance_ci.openshift import Object, OpenShift
    from maintenance_ci.report import JobLog

# Seconds on top of the reload interval: a reload of a router with thousands of Routes takes seconds itself. Below 1 s,
# the shortest interval that an administrator can set, there is only a rehearsal's router, with a few Routes.
RELOAD_MARGIN = 2.0
# The reason of a Route that waits for a host which another one holds.
HOST_TAKEN = "HostAlreadyClaimed"
# How the routers name the Route that holds a host (recorded; openshift/router, pkg/router/controller).
HOLDER = re.compile(r"\broute (?P<name>[a-z0-9][a-z0-9.-]*) already exposes ")
HOST_LOST = (
    "Another Route holds its host: have that one removed (an administrator finds it by oc get routes -A), "
    "and this one is served in the same moment."
)
# Seconds after which a refusal is taken for the router's last word: it judges within milliseconds (recorded), but its
# words on a host that has just become free may have to wait for their turn.
REFUSAL_FINAL, HOST_TAKEN_FINAL = 2.0, 10.0
# Seconds after which a Route that waits for a free host is touched.
NUDGE_AFTER = 0.5
TOUCHED_ANNOTATION = "maintenance-ci/touched"
# Seconds for the routers to write what they think of a new Route.
SEEN_TIMEOUT = 30.0


def drain_time(reload_interval: float) -> float:
    """Return the seconds after which every router has reloaded: until then an old one may still send requests."""
    return reload_interval + min(RELOAD_MARGIN, 2 * reload_interval)


def admitting_routers(route: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the names of the routers that serve the Route."""
    return frozenset(router for router, condition in _verdicts(route).items() if condition.get("status") == "True")


def refusals(route: Mapping[str, Any] | None, routers: Set[str] = frozenset()) -> dict[str, str]:
    """Return, for each router that refuses the Route, its reason and message.

    With ``routers`` of these alone: another one, of another IngressController, may never have served the Route.
    """
    return {
        router: f"{condition.get('reason', 'no reason')}: {condition.get('message', '')}"
        for router, condition in _verdicts(route).items()
        if condition.get("status") != "True" and (not routers or router in routers)
    }


def serving_routers(route: Mapping[str, Any]) -> frozenset[str]:
    """Return the routers that serve a Route whose users are to be switched.

    Raises:
        MaintenanceError: none does: nobody could tell whether a switch worked, or undo it.
    """
    routers = admitting_routers(route)
    if not routers:
        raise MaintenanceError(
            f"No router serves Route {route['metadata']['name']} ({_said(route)}): its users do not reach it now.",
            "Find out why first: oc describe route {name} -n {namespace}".format_map(route["metadata"]),
        )
    return routers


def wait_until_seen(cluster: OpenShift, name: str, routers: Set[str], *, log: JobLog) -> None:
    """Wait until each of ``routers`` has judged the Route: from then on it takes over in the step that frees its host.

    Raises:
        MaintenanceError: one has not within `SEEN_TIMEOUT` seconds, or refuses it for more than that the host is taken.
    """

    def seen() -> Object | None:
        route = cluster.get("routes", name)
        return route if route is not None and set(routers) <= set(_verdicts(route)) else None

    route = wait_for(seen, timeout=SEEN_TIMEOUT, say=log.say, subject=f"the routers to see Route {name}")
    if route is None:
        raise MaintenanceError(
            f"The routers ({_names(routers)}) have not seen Route {name} within {SEEN_TIMEOUT:.0f} s.",
            "Ask the cluster's administrators whether the router is well, or gone and its entry in the status stale; "
            "ROUTE_STRATEGY=repoint does not wait for it.",
        )
    if any(not reason.startswith(HOST_TAKEN) for reason in refusals(route, routers).values()):
        raise MaintenanceError(
            f"Route {name} would not be served ({_said(route, routers)}).",
            "Correct what it is made of, then run the job again.",
        )


def wait_until_admitted(
    cluster: OpenShift, name: str, routers: Set[str], *, timeout: float, log: JobLog, nudge: bool = False
) -> None:
    """Wait until each of ``routers``, and at least one, serves the Route.

    With ``nudge`` a Route whose host has just become free is touched once, when it is not served at once: a router that
    allows wildcards looks at a waiting Route again only when that changes.

    Raises:
        HostLostError: one does not within ``timeout`` seconds, since another Route holds the host.
        MaintenanceError: one does not for another reason; the message holds it.
    """
    began = time.monotonic()
    nudged = not nudge

    def admitted() -> bool | None:
        nonlocal nudged
        waited = time.monotonic() - began  # when it was asked: an answer that is late is old
        route = cluster.get("routes", name)
        serving = admitting_routers(route)
        if serving and set(routers) <= serving:
            if nudge:  # also where the run that touched it was cut short
                _forget_touch(cluster, route)
            return True
        if route and not nudged and waited > NUDGE_AFTER:
            nudged = True
            _touch(cluster, route, datetime.now(UTC).isoformat(timespec="seconds"))
        return False if _is_final(route, routers, waited) else None

    if not wait_for(admitted, timeout=timeout, say=log.say, subject=f"Route {name} to be admitted"):
        route = cluster.get("routes", name)
        if nudge:
            try:
                _forget_touch(cluster, route)
            except MaintenanceError as error:  # a note that is left does no harm
                log.say(error.what)
        gone = {holder for holder in _holders(route, routers) if cluster.get("routes", holder) is None}
        what = (
            f"Route {name} is not admitted{f' by {_names(routers)}' if routers else ''} "
            f"after {time.monotonic() - began:.0f} s ({_said(route, routers, gone)})."
        )
        if _waits_for_host(route, routers):
            raise HostLostError(what, HOST_LOST)
        raise MaintenanceError(what)


def _is_final(route: Mapping[str, Any] | None, routers: Set[str], waited: float) -> bool:
    """Tell whether a refusal will not go away by waiting: nobody serves the host meanwhile, or somebody else does."""
    patience = HOST_TAKEN_FINAL if _waits_for_host(route, routers) else REFUSAL_FINAL
    return bool(refusals(route, routers)) and waited > patience


def _waits_for_host(route: Mapping[str, Any] | None, routers: Set[str]) -> bool:
    return any(reason.startswith(HOST_TAKEN) for reason in refusals(route, routers).values())


def _touch(cluster: OpenShift, route: Object, when: str | None) -> None:
    with contextlib.suppress(ConflictError):  # a controller has just written it: that touches it as well
        cluster.patch("routes", route, {"metadata": {"annotations": {TOUCHED_ANNOTATION: when}}})


def _forget_touch(cluster: OpenShift, route: Object | None) -> None:
    if route and TOUCHED_ANNOTATION in (route["metadata"].get("annotations") or {}):
        _touch(cluster, route, None)


def wait_until_reloaded(reload_interval: float, *, log: JobLog) -> None:
    """Wait until every router's traffic has followed its verdict."""
    seconds = drain_time(reload_interval)
    log.say(f"{seconds:g} s: one reload interval ({reload_interval:g} s) and a margin")
    let_pass(seconds, say=log.say, subject="the routers to reload")


def _verdicts(route: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    """Return each router's Admitted condition."""
    ingresses = ((route or {}).get("status") or {}).get("ingress") or []
    return {
        str(ingress.get("routerName")): condition
        for ingress in ingresses
        for condition in ingress.get("conditions") or []
        if condition.get("type") == "Admitted"
    }


def _said(route: Mapping[str, Any] | None, routers: Set[str] = frozenset(), gone: Set[str] = frozenset()) -> str:
    """Return what the routers that refuse a Route say of it.

    A Route that waits keeps the first message: one that names a Route which is ``gone`` says nothing of who holds the
    host now (recorded), and is not quoted.
    """
    said = []
    for router, reason in refusals(route, routers).items():
        holder = HOLDER.search(reason)
        if holder and holder["name"] in gone:
            reason = (
                f"{HOST_TAKEN}, for Route {holder['name']}, which is gone since: who holds the host it does not say"
            )
        said.append(f"{router} says {reason}")
    return "; ".join(said) or "no router says why"


def _holders(route: Mapping[str, Any] | None, routers: Set[str]) -> set[str]:
    """Return the names of the Routes of the namespace which hold the host, as the routers' messages have it."""
    found = (HOLDER.search(reason) for reason in refusals(route, routers).values())
    return {match["name"] for match in found if match}


def _names(routers: Set[str]) -> str:
    return ", ".join(sorted(routers))

"""What the routers say of a Route: pure.

A router writes its verdict into the Route's status as soon as it has accepted or refused it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from maintenance_ci.errors import MaintenanceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Set

# The reason of a Route that waits for a host which another one holds.
HOST_TAKEN = "HostAlreadyClaimed"
# How the routers name the Route that holds a host (recorded; openshift/router, pkg/router/controller).
HOLDER = re.compile(r"\broute (?P<name>[a-z0-9][a-z0-9.-]*) already exposes ")
# Seconds after which a refusal is taken for the router's last word: it judges within milliseconds (recorded), but its
# words on a host that has just become free may have to wait for their turn.
REFUSAL_FINAL, HOST_TAKEN_FINAL = 2.0, 10.0
# Seconds on top of the reload interval: a reload of a router with thousands of Routes takes seconds itself. Below 1 s,
# the shortest interval that an administrator can set, there is only a rehearsal's router, with a few Routes.
RELOAD_MARGIN = 2.0


def drain_time(reload_interval: float) -> float:
    """Return the seconds after which every router has reloaded: until then an old one may still send requests."""
    return reload_interval + min(RELOAD_MARGIN, 2 * reload_interval)


def admitting_routers(route: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the names of the routers that serve the Route."""
    return frozenset(router for router, condition in verdicts(route).items() if condition.get("status") == "True")


def refusals(route: Mapping[str, Any] | None, routers: Set[str] = frozenset()) -> dict[str, str]:
    """Return, for each router that refuses the Route, its reason and message.

    With ``routers`` of these alone: another one, of another IngressController, may never have served the Route.
    """
    return {
        router: f"{condition.get('reason', 'no reason')}: {condition.get('message', '')}"
        for router, condition in verdicts(route).items()
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
            f"No router serves Route {route['metadata']['name']} ({describe_refusals(route)}): "
            "its users do not reach it now.",
            "Find out why first: oc describe route {name} -n {namespace}".format_map(route["metadata"]),
        )
    return routers


def is_final(route: Mapping[str, Any] | None, routers: Set[str], waited: float) -> bool:
    """Tell whether a refusal will not go away by waiting: nobody serves the host meanwhile, or somebody else does."""
    patience = HOST_TAKEN_FINAL if waits_for_host(route, routers) else REFUSAL_FINAL
    return bool(refusals(route, routers)) and waited > patience


def waits_for_host(route: Mapping[str, Any] | None, routers: Set[str]) -> bool:
    """Tell whether one of ``routers`` refuses the Route since another Route holds its host."""
    return any(reason.startswith(HOST_TAKEN) for reason in refusals(route, routers).values())


def verdicts(route: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    """Return each router's Admitted condition."""
    ingresses = ((route or {}).get("status") or {}).get("ingress") or []
    return {
        str(ingress.get("routerName")): condition
        for ingress in ingresses
        for condition in ingress.get("conditions") or []
        if condition.get("type") == "Admitted"
    }


def describe_refusals(
    route: Mapping[str, Any] | None, routers: Set[str] = frozenset(), gone: Set[str] = frozenset()
) -> str:
    """Return what the routers that refuse a Route say of it.

    A Route that waits keeps the first message: one that names a Route which is ``gone`` says nothing of who holds the
    host now (recorded), and is not quoted.
    """
    messages = []
    for router, reason in refusals(route, routers).items():
        holder = HOLDER.search(reason)
        if holder and holder["name"] in gone:
            reason = f"{HOST_TAKEN}, for Route {holder['name']}, which is gone now; it does not say who holds the host"
        messages.append(f"{router} says {reason}")
    return "; ".join(messages) or "no router says why"


def holders_of_host(route: Mapping[str, Any] | None, routers: Set[str]) -> set[str]:
    """Return the names of the Routes of the namespace which hold the host, as the routers' messages have it."""
    matches = (HOLDER.search(reason) for reason in refusals(route, routers).values())
    return {match["name"] for match in matches if match}

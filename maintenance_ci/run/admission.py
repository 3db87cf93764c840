"""What the routers say of a Route, and waiting for it.

A router writes its verdict into the Route's status as soon as it has accepted or refused it; its traffic follows up to
one reload interval later (recorded on OpenShift 4.21), which `drain_time` covers.
"""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from maintenance_ci.errors import ConflictError, HostLostError, MaintenanceError
from maintenance_ci.names import TOUCHED_ANNOTATION
from maintenance_ci.plan.verdicts import (
    HOST_TAKEN,
    admitting_routers,
    describe_refusals,
    drain_time,
    holders_of_host,
    is_final,
    refusals,
    verdicts,
    waits_for_host,
)
from maintenance_ci.waiting import sleep_aloud, wait_for

if TYPE_CHECKING:
    from collections.abc import Set

    from maintenance_ci.cluster.openshift import Object, OpenShift
    from maintenance_ci.log.log import JobLog

HOST_LOST = (
    "Another Route holds its host: have that one removed (an administrator finds it by oc get routes -A), "
    "and this one is served in the same moment."
)
# Seconds after which a Route that waits for a free host is touched.
NUDGE_AFTER = 0.5
# Seconds for the routers to write what they think of a new Route.
SEEN_TIMEOUT = 30.0


def wait_until_seen(cluster: OpenShift, name: str, routers: Set[str], *, log: JobLog) -> None:
    """Wait until each of ``routers`` has judged the Route: from then on it takes over in the step that frees its host.

    Raises:
        MaintenanceError: one has not within `SEEN_TIMEOUT` seconds, or refuses it for more than that the host is taken.
    """

    def seen() -> Object | None:
        route = cluster.get("routes", name)
        return route if route is not None and set(routers) <= set(verdicts(route)) else None

    route = wait_for(seen, timeout=SEEN_TIMEOUT, say=log.say, subject=f"the routers to see Route {name}")
    if route is None:
        raise MaintenanceError(
            f"The routers ({_names(routers)}) have not seen Route {name} within {SEEN_TIMEOUT:.0f} s.",
            "Ask the cluster's administrators whether the router is well, or gone and its entry in the status stale; "
            "ROUTE_STRATEGY=repoint does not wait for it.",
        )
    if any(not reason.startswith(HOST_TAKEN) for reason in refusals(route, routers).values()):
        raise MaintenanceError(
            f"Route {name} would not be served ({describe_refusals(route, routers)}).",
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
        return False if is_final(route, routers, waited) else None

    if not wait_for(admitted, timeout=timeout, say=log.say, subject=f"Route {name} to be admitted"):
        route = cluster.get("routes", name)
        if nudge:
            try:
                _forget_touch(cluster, route)
            except MaintenanceError as error:  # a note that is left does no harm
                log.say(error.what)
        gone = {holder for holder in holders_of_host(route, routers) if cluster.get("routes", holder) is None}
        what = (
            f"Route {name} is not admitted{f' by {_names(routers)}' if routers else ''} "
            f"after {time.monotonic() - began:.0f} s ({describe_refusals(route, routers, gone)})."
        )
        if waits_for_host(route, routers):
            raise HostLostError(what, HOST_LOST)
        raise MaintenanceError(what)


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
    sleep_aloud(seconds, say=log.say, subject="the routers to reload")


def _names(routers: Set[str]) -> str:
    return ", ".join(sorted(routers))

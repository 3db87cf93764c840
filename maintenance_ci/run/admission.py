"""Waits for the routers: that they have judged a Route, and that they serve it.

A router writes its verdict into the Route's status as soon as it has accepted or refused it; its traffic follows up to
one reload interval later (recorded on OpenShift 4.21), which `drain_time` covers.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from maintenance_ci.errors import ConflictError, HostLostError, MaintenanceError
from maintenance_ci.names import TOUCHED_ANNOTATION
from maintenance_ci.plan.verdicts import (
    HOST_TAKEN,
    admitting_routers,
    describe_refusals,
    holders_of_host,
    is_final,
    refusals,
    verdicts,
    waits_for_host,
)
from maintenance_ci.run.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Set

    from maintenance_ci.cluster.openshift import Object
    from maintenance_ci.log.route_log import RouteLog
    from maintenance_ci.plan.steps import Admitted, Judged
    from maintenance_ci.run.shared_reads import SharedLooks

HOST_LOST = (
    "Another Route holds its host: have that one removed (an administrator finds it by oc get routes -A), "
    "and this one is served in the same moment."
)
# Seconds after which a Route that waits for a free host is touched.
NUDGE_AFTER = 0.5
# Seconds for the routers to write what they think of a new Route.
SEEN_TIMEOUT = 30.0


class JudgedWatch(Watch):
    """Watches for each of the routers to have judged a Route."""

    def __init__(self, looks: SharedLooks, condition: Judged, log: RouteLog) -> None:
        self._looks, self._name, self._routers = looks, condition.route_name, condition.routers
        super().__init__(f"the routers to see Route {self._name}", log, timeout=SEEN_TIMEOUT)

    def look(self) -> bool:
        """Tell whether they have.

        Raises:
            MaintenanceError: one refuses it for more than that the host is taken.
        """
        route = self._looks.route(self._name)
        if route is None or not set(self._routers) <= set(verdicts(route)):
            return False
        if any(not reason.startswith(HOST_TAKEN) for reason in refusals(route, self._routers).values()):
            raise MaintenanceError(
                f"Route {self._name} would not be served ({describe_refusals(route, self._routers)}).",
                "Correct the Route or its template, then run the job again.",
            )
        return True

    def give_up(self) -> None:
        """Say which routers have not, within `SEEN_TIMEOUT` seconds."""
        raise MaintenanceError(
            f"The routers ({_names(self._routers)}) have not seen Route {self._name} within {SEEN_TIMEOUT:.0f} s.",
            "Ask the cluster's administrators whether the router works. One that was removed may have left its "
            "entry in the Route's status: ROUTE_STRATEGY=repoint does not wait for it.",
        )


class AdmittedWatch(Watch):
    """Watches for each of the routers, and at least one, to serve a Route.

    A Route whose host has just become free is touched once, when it is not served at once: a router that allows
    wildcards looks at a waiting Route again only when that changes.
    """

    def __init__(self, looks: SharedLooks, condition: Admitted, timeout: float, log: RouteLog) -> None:
        self._looks, self._cluster = looks, looks.cluster
        self._name, self._routers = condition.route_name, condition.routers
        self._touched = False
        super().__init__(f"Route {self._name} to be admitted", log, timeout=timeout)

    def look(self) -> bool:
        """Tell whether they do; raises as `give_up` does where a refusal is the router's last word."""
        route = self._looks.route(self._name)
        serving = admitting_routers(route)
        if serving and set(self._routers) <= serving:
            self._forget_touch(route)  # also where the run that touched it was cut short
            return True
        if route and not self._touched and self.waited > NUDGE_AFTER:
            self._touched = True
            self._touch(route, datetime.now(UTC).isoformat(timespec="seconds"))
        if is_final(route, self._routers, self.waited):
            self.give_up()
        return False

    def give_up(self) -> None:
        """Say why it is not served.

        Raises:
            HostLostError: another Route holds the host.
            MaintenanceError: another reason; the message holds it.
        """
        route = self._cluster.get("routes", self._name)
        try:
            self._forget_touch(route)
        except MaintenanceError as error:  # a note that is left does no harm
            self.log.say(error.what)
        holders = holders_of_host(route, self._routers)
        gone = {holder for holder in holders if self._cluster.get("routes", holder) is None}
        what = (
            f"Route {self._name} is not admitted{f' by {_names(self._routers)}' if self._routers else ''} "
            f"after {self.waited:.0f} s ({describe_refusals(route, self._routers, gone)})."
        )
        if waits_for_host(route, self._routers):
            raise HostLostError(what, HOST_LOST)
        raise MaintenanceError(what)

    def _touch(self, route: Object, when: str | None) -> None:
        with contextlib.suppress(ConflictError):  # a controller has just written it: that touches it as well
            self._cluster.patch("routes", route, {"metadata": {"annotations": {TOUCHED_ANNOTATION: when}}})

    def _forget_touch(self, route: Object | None) -> None:
        if route and TOUCHED_ANNOTATION in (route["metadata"].get("annotations") or {}):
            self._touch(route, None)


def _names(routers: Set[str]) -> str:
    return ", ".join(sorted(routers))

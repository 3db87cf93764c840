"""Measures how long the routers take to follow a change of a Route: the reload interval, as users feel it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.plan.throw_away import MARK, PORTS
from maintenance_ci.plan.verdicts import drain_time
from maintenance_ci.run.probe import FEWEST_SEEN, summarize
from maintenance_ci.settings.types import MAX_RELOAD
from maintenance_ci.waiting import SignOfLife

if TYPE_CHECKING:
    from collections.abc import Callable

    from maintenance_ci.cluster.openshift import OpenShift
    from maintenance_ci.run.probe import Probe

# Changes, one right after the other: an idle router follows the first at once, and each other one an interval later. An
# even number, so that the Route is as it was.
CHANGES = 4
# Seconds between two looks.
EVERY = 0.1


def measure_reloads(
    cluster: OpenShift, route_name: str, probe: Probe, *, interval: float, say: Callable[[str], None]
) -> list[float]:
    """Send a Route to the other port of its Service and back, and return the seconds that the routers took each time.

    It ends with the first one that takes longer than ``interval`` and its margin: what follows would, too.

    Args:
        cluster: the Route's namespace.
        route_name: of a Route of the rehearsal.
        probe: asks it, and keeps the header `MARK`.
        interval: ROUTER_RELOAD_INTERVAL, in seconds.
        say: what the log is told.

    Raises:
        MaintenanceError: the routers do not follow at all.
    """
    taken: list[float] = []
    for target in [*reversed(PORTS)] * (CHANGES // 2):
        route = cluster.get("routes", route_name)
        if route is None:
            raise MaintenanceError(f"Somebody deleted the rehearsal's Route {route_name}.", run_again=True)
        began = time.monotonic()
        cluster.patch("routes", route, {"spec": {"port": {"targetPort": target}}})
        taken.append(_first_answer(probe, str(PORTS[target]), began, say) - began)
        say(f"the router followed a change of the Route after {taken[-1]:.1f} s")
        if taken[-1] > drain_time(interval):
            break
    return taken


def _first_answer(probe: Probe, port: str, began: float, say: Callable[[str], None]) -> float:
    """Return when the first of some answers in a row was asked for that came from a port."""
    first, timeout = len(probe.answers), drain_time(MAX_RELOAD)
    sign = SignOfLife(say, "the router to follow a change of the Route", timeout)
    while time.monotonic() - began < timeout:
        probe.ask()
        row = probe.answers[first:][-FEWEST_SEEN:]
        if len(row) == FEWEST_SEEN and all(answer.mark.endswith(f" {port}") for answer in row):
            return row[0].at
        sign.give(summarize(row))
        time.sleep(EVERY)
    raise MaintenanceError(
        f"The router did not follow a change of the Route within {timeout:.0f} s: {summarize(probe.answers[-10:])}.",
        f"Look at the router's log, and at what is between it and the runner: the header {MARK} must come through.",
    )

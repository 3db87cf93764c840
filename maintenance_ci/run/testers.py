"""Lets testers reach an application during its maintenance: by a Route on another host that certain addresses may use.

The Route is made, and tried, before users are switched: where its list keeps nobody out it is removed, and nothing else
was changed. Where the switch fails it goes, too.
"""

from __future__ import annotations

import contextlib
import time
from functools import partial
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.names import name_for_testers
from maintenance_ci.plan.steps import Side
from maintenance_ci.plan.tester_route import application_behind, no_longer_needed, route_for_testers
from maintenance_ci.plan.verdicts import admitting_routers, describe_refusals, drain_time
from maintenance_ci.run.concurrently import concurrently
from maintenance_ci.run.interruption import undisturbed
from maintenance_ci.run.probe import PAUSE
from maintenance_ci.run.users import probe_of
from maintenance_ci.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from maintenance_ci.cluster.openshift import Object, OpenShift
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.log.route_log import RouteLog
    from maintenance_ci.plan.observed import Observed
    from maintenance_ci.run.execute import Run
    from maintenance_ci.run.probe import Probe

# Routes that are tried at the same time: each mostly waits.
AT_ONCE = 32
# What the router does to whom a list keeps out: it closes the connection without a word (recorded).
KEPT_OUT = {"closed without an answer", "connection reset"}
UNCHECKED = (
    "TESTER_ADDRESSES protects nothing where a load balancer hides the addresses of those who come: "
    "ask for that address from outside of the list"
)


@contextlib.contextmanager
def letting_testers_in(cluster: OpenShift, runs: Sequence[Run], log: JobLog) -> Iterator[list[str]]:
    """Let testers in while, and after, the body switches users; yield a line for each way in.

    Of a Route whose switch fails in the body, or that is stopped, the testers' Route is removed.

    Raises:
        MaintenanceError: a testers' Route cannot be made, or keeps nobody out; all of them are removed again.
    """
    wanted = {run.settings.route_name: run for run in runs if run.settings.tester_access}
    if not wanted:
        yield []
        return
    try:
        with log.phase("Let testers in, and nobody else"):
            works = [partial(_let_in, cluster, run) for run in wanted.values()]
            lines = [future.result() for future in concurrently(works, at_once=AT_ONCE)]
        yield sorted(lines)
    finally:
        ended = {run.settings.route_name for run in runs if run.ended}
        names = [name_for_testers(name) for name in wanted if name not in ended]
        try:
            _remove(cluster, names)
        except MaintenanceError as error:  # what ends the job is worse, and is told last
            command = f"oc delete route {' '.join(names)} -n {cluster.namespace} --ignore-not-found"
            log.warn(f"{error.what} Testers may still be let in. To end that: {command}")


def keep_testers_out(cluster: OpenShift, runs: Sequence[Run], showing_page: Sequence[Object], log: JobLog) -> None:
    """Remove the testers' Routes of Routes of which nothing is in maintenance any more."""
    ended = [run.settings.route_name for run in runs]
    routes = runs[0].observed.routes.values()
    names = sorted(route["metadata"]["name"] for route in no_longer_needed(ended, routes, showing_page))
    if names:
        log.say(f"testers are let in no more: Route {', '.join(names)}")
        _remove(cluster, names)


def _let_in(cluster: OpenShift, run: Run) -> str:
    """Make the testers' Route of one Route, try whether its list holds, and return a line for testers."""
    settings = run.settings
    route = route_for_testers(_application(run.observed), settings.tester_addresses, settings.tester_host)
    cluster.apply("routes", route)
    created_at = time.monotonic()
    probe = probe_of(settings, _admitted(cluster, run, route["metadata"]["name"]))
    url, addresses = probe.url, ", ".join(settings.tester_addresses)
    run.log.say(f"{url} leads to the application, for {addresses} alone")
    if not settings.probes:
        run.log.warn(f"nobody asked for {url} (PROBES=false): {UNCHECKED}.")
    elif _is_let_in(probe, settings.tester_addresses):
        run.log.warn(f"the runner's own address is in TESTER_ADDRESSES, so that it cannot try {url}: {UNCHECKED}.")
    else:
        _require_kept_out(probe, run.log, until=created_at + drain_time(settings.router_reload_interval))
    return f"Testers reach the application by {url} from {addresses}."


def _require_kept_out(probe: Probe, log: RouteLog, *, until: float) -> None:
    """Ask until every router has reloaded, and refuse a list that keeps nobody out; warn where nobody can tell."""
    while True:
        answer = probe.ask()
        if answer.status is not None and answer.side is not Side.ROUTER:
            raise MaintenanceError(
                f"{probe.url} answers the runner ({answer.description}), whose address is not in TESTER_ADDRESSES: "
                "the list keeps nobody out.",
                "A load balancer in front of the router may hide addresses. Leave TESTER_ACCESS empty.",
            )
        if time.monotonic() >= until:
            break
        time.sleep(PAUSE)
    seen = {answer.description for answer in probe.answers}
    if seen & KEPT_OUT:
        log.say(f"the runner, which is not among them, is kept out of {probe.url}")
    else:
        log.warn(f"the runner could not try {probe.url} ({', '.join(sorted(seen))}): {UNCHECKED}.")


def _application(observed: Observed) -> Object:
    """Return the Route as it leads to the application: while it is away, its snapshot."""
    application = observed.application_route
    if application is None:
        raise MaintenanceError(
            f"Route {observed.route_name} is away, and its snapshot cannot be read: testers cannot be let in.",
            "Leave TESTER_ACCESS empty.",
        )
    return application


def _admitted(cluster: OpenShift, run: Run, name: str) -> Object:
    """Wait until a router serves the testers' Route, and return it as it is then.

    Raises:
        MaintenanceError: none does within the admission timeout.
    """
    looked: list[Object | None] = []

    def look() -> Object | None:
        looked.append(cluster.get("routes", name))
        return looked[-1] if admitting_routers(looked[-1]) else None

    timeout = run.settings.admission_timeout
    route = wait_for(look, timeout=timeout, say=run.log.say_trouble, subject=f"a router to serve Route {name}")
    if route is None:
        raise MaintenanceError(
            f"No router serves Route {name}, which is to let testers in ({describe_refusals(looked[-1])}).",
            "Give another TESTER_HOST, or leave TESTER_ACCESS empty.",
        )
    return route


def _is_let_in(probe: Probe, addresses: Iterable[str]) -> bool:
    """Tell whether the list lets the runner itself in, by the address from which this machine would go there.

    It may come by another one, of a gateway in between: then it is kept out, or the answer is a failure.
    """
    try:
        own = probe.own_address()
    except OSError:
        return False
    return any(ip_address(own) in ip_network(one) for one in addresses)


def _remove(cluster: OpenShift, names: Iterable[str]) -> None:
    """Remove testers' Routes, whatever stops the job meanwhile."""
    with undisturbed():
        for name in names:
            there = cluster.get("routes", name)
            if there is not None and application_behind(there):
                cluster.delete("routes", there)

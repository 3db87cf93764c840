"""Command ``status``: what is in maintenance in the namespace. It changes nothing."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from maintenance_ci.errors import TryAgainError
from maintenance_ci.names import LEASE, MANAGED_BY, MANAGED_BY_LABEL, PAGE, SERVICE_LABEL
from maintenance_ci.plan.checks import ready_services
from maintenance_ci.plan.overview import rows, table_of_maintenances
from maintenance_ci.plan.page_route import routes_to
from maintenance_ci.plan.verdicts import admitting_routers
from maintenance_ci.run.lease import DURATION, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from maintenance_ci.cluster.openshift import Object, OpenShift
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.plan.overview import Row

# The labels of our snapshots, and of the page's EndpointSlices.
SNAPSHOT_LABELS, PAGE_LABELS = {MANAGED_BY_LABEL: MANAGED_BY}, {SERVICE_LABEL: PAGE}
# Seconds between two looks of `watch`.
EVERY = 5.0


@dataclass(frozen=True)
class Namespace:
    """What is in maintenance in one namespace.

    Attributes:
        maintenances: a row for each.
        shown_by: the Routes that send users to the page.
        ready: whether the page has an endpoint.
        at_work: the job that holds the Lease; None where there is none.
    """

    name: str
    maintenances: list[Row]
    shown_by: list[str]
    ready: bool
    at_work: str | None

    def document(self) -> dict[str, object]:
        """Return all of it for a program."""
        return {
            "namespace": self.name,
            "page": {"ready": self.ready, "shown_by": self.shown_by},
            "at_work": self.at_work,
            "maintenance": [asdict(row) for row in self.maintenances],
        }

    def lines(self) -> list[str]:
        """Return it for people."""
        nothing = [f"Nothing is in maintenance in {self.name}."]
        lines = table_of_maintenances(self.maintenances) if self.maintenances else nothing
        shown, is_ready = ", ".join(self.shown_by) or "no Route", "is ready" if self.ready else "has no ready endpoint"
        lines.append(f"The page {is_ready}; shown by: {shown}.")
        if self.at_work:
            lines.append(f"At work now: {self.at_work} (dead if that is over {DURATION:.0f} s ago).")
        return lines


def status(cluster: OpenShift, log: JobLog, *, as_json: bool, everywhere: bool = False) -> None:
    """Say which Routes are in maintenance, since when, by which pipeline, whether the page is well, and who is at work.

    ``everywhere`` means all namespaces in which something is in maintenance, or a job at work: with ``as_json`` a list
    of documents instead of one.

    Raises:
        ForbiddenError: the token may not look there.
    """
    if everywhere:
        namespaces = _everywhere(cluster)
        lines = [line for one in namespaces for line in (f"── {one.name}", *one.lines())]
        documents: object = [one.document() for one in namespaces]
    else:
        here = _namespace(
            cluster.namespace,
            cluster.select("routes"),
            cluster.select("secrets", SNAPSHOT_LABELS),
            cluster.select("endpointslices", PAGE_LABELS),
            cluster.get("leases", LEASE),
        )
        lines, documents = here.lines(), here.document()
    if as_json:
        lines = json.dumps(documents, indent=2).splitlines()
    log.end(*(lines or ["Nothing is in maintenance in any namespace."]), blank=False)


def watch(look: Callable[[], None], log: JobLog, *, every: float = EVERY) -> None:
    """Look again every few seconds, until somebody stops it; a server that is away for a moment does not end it.

    A terminal is drawn anew each time; elsewhere each look is headed with its time.
    """
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            try:
                log.clear_screen()
                log.end(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC", blank=False)
                look()
            except TryAgainError as error:
                log.say(f"{error.what} Asking again.")
            time.sleep(every)


def _everywhere(cluster: OpenShift) -> list[Namespace]:
    """Return the namespaces in which something is in maintenance, or a job at work."""
    lists = (
        cluster.select("routes", everywhere=True),
        cluster.select("secrets", SNAPSHOT_LABELS, everywhere=True),
        cluster.select("endpointslices", PAGE_LABELS, everywhere=True),
        cluster.select("leases", fields=f"metadata.name={LEASE}", everywhere=True),
    )
    grouped: dict[str, tuple[list[Object], ...]] = {}
    for number, objects in enumerate(lists):
        for one in objects:
            grouped.setdefault(one["metadata"]["namespace"], ([], [], [], []))[number].append(one)
    each = [
        _namespace(name, routes, secrets, slices, next(iter(leases), None))
        for name, (routes, secrets, slices, leases) in sorted(grouped.items())
    ]
    return [one for one in each if one.maintenances or one.at_work]


def _namespace(
    name: str,
    routes: Sequence[Object],
    snapshots: Sequence[Object],
    slices: Sequence[Object],
    lease: Object | None,
) -> Namespace:
    ready = PAGE in ready_services(slices)
    return Namespace(
        name,
        rows(routes, snapshots, page_ready=ready, now=datetime.now(UTC)),
        routes_to(PAGE, (route for route in routes if admitting_routers(route))),
        ready,
        f"{describe(lease)}; last renewed {lease['spec'].get('renewTime')}" if lease else None,
    )

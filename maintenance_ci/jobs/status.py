"""Command ``status``: what is in maintenance in the namespace. It changes nothing."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from maintenance_ci.names import LEASE, MANAGED_BY, MANAGED_BY_LABEL, PAGE
from maintenance_ci.plan.checks import ready_services
from maintenance_ci.plan.overview import rows, table_of_maintenances
from maintenance_ci.plan.page_route import routes_to
from maintenance_ci.plan.verdicts import admitting_routers
from maintenance_ci.run.lease import DURATION, describe

if TYPE_CHECKING:
    from maintenance_ci.cluster.openshift import OpenShift
    from maintenance_ci.log.log import JobLog


def status(cluster: OpenShift, log: JobLog, *, as_json: bool) -> None:
    """Say which Routes are in maintenance, since when, by which pipeline, whether the page is well, and who is at work.

    Args:
        cluster: the namespace.
        log: gets the lines.
        as_json: one JSON document instead of a table.
    """
    routes = cluster.select("routes")
    snapshots = cluster.select("secrets", {MANAGED_BY_LABEL: MANAGED_BY})
    ready = PAGE in ready_services(cluster.select("endpointslices", {"kubernetes.io/service-name": PAGE}))
    lease = cluster.get("leases", LEASE)
    maintenances = rows(routes, snapshots, page_ready=ready, now=datetime.now(UTC))
    shown_by = routes_to(PAGE, (route for route in routes if admitting_routers(route)))
    at_work = f"{describe(lease)}; last renewed {lease['spec'].get('renewTime')}" if lease else None
    if as_json:
        document = {
            "namespace": cluster.namespace,
            "page": {"ready": ready, "shown_by": shown_by},
            "at_work": at_work,
            "maintenance": [asdict(row) for row in maintenances],
        }
        log.end(*json.dumps(document, indent=2).splitlines(), blank=False)
        return
    lines = (
        table_of_maintenances(maintenances) if maintenances else [f"Nothing is in maintenance in {cluster.namespace}."]
    )
    shown = ", ".join(shown_by) or "no Route"
    lines.append(f"The page {'is ready' if ready else 'has no ready endpoint'}; shown by: {shown}.")
    if at_work:
        lines.append(f"At work now: {at_work} (dead if that is over {DURATION:.0f} s ago).")
    log.end(*lines, blank=False)

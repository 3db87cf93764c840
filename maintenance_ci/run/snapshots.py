"""The snapshot in the cluster: written before the first change, kept while the maintenance lasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.errors import ConflictError, MaintenanceError, TryAgainError
from maintenance_ci.names import notes, snapshot_name
from maintenance_ci.plan.checks import require_ours
from maintenance_ci.plan.situation import stands_for
from maintenance_ci.plan.snapshot import manifest_of, route_in, snapshot_of

if TYPE_CHECKING:
    from maintenance_ci.cluster.openshift import Object, OpenShift
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.run.preflight import Switch
    from maintenance_ci.settings.variables import RouteSettings


def keep_snapshot(settings: RouteSettings, cluster: OpenShift, switch: Switch, log: JobLog) -> None:
    """Write the original into its Secret.

    What an earlier run left, that was cut short before its switch, may be older than the Route, and is written anew;
    not while users meet the page: then what is there is the original.
    """
    said = notes(settings.route_name, switch.strategy, settings.ci_pipeline_id, settings.ci_pipeline_url)
    snapshot = snapshot_of(switch.original, said)
    name = snapshot["metadata"]["name"]
    switch.begun = True
    try:
        cluster.create("secrets", snapshot)
    except (ConflictError, TryAgainError) as error:
        there = cluster.get("secrets", name)
        if there is None:
            raise
        switch.begun = isinstance(error, TryAgainError)  # what was refused has changed nothing
        require_ours(there, settings.route_name)
        kept = _kept(there)
        if kept != manifest_of(switch.original) and not (kept and switch.keeps_snapshot):
            switch.begun = True
            version = {"resourceVersion": there["metadata"]["resourceVersion"]}
            cluster.replace("secrets", {**snapshot, "metadata": {**snapshot["metadata"], **version}})
    switch.kept = True
    log.say(f"Secret {name}")


def remove_snapshot(cluster: OpenShift, route_name: str) -> None:
    """Remove a snapshot that is needed no more; one that is gone already is no error, and what is not ours is left."""
    there = cluster.get("secrets", snapshot_name(route_name))
    if there and stands_for(there) == route_name:
        cluster.delete("secrets", there)


def _kept(snapshot: Object) -> Object | None:
    """Return the Route of a snapshot; None where it cannot be read."""
    try:
        return route_in(snapshot)
    except MaintenanceError:
        return None

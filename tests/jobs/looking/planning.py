"""The command ``plan``, and what the job then does."""

from __future__ import annotations

from maintenance_ci.rehearsal.cluster import PIPELINE
from tests.jobs.looking.scene import NAMESPACE, SNAPSHOT, Variables, command, nothing_changes, writes
from tests.tools.clusters import Cluster, Job

FREE_DEPLOY = "Nothing stands in the way of deploy-route. Nothing was changed."
FREE_DELETE = "Nothing stands in the way of delete. Nothing was changed."


def plan(cluster: Cluster, *arguments: str, variables: Variables | None = None) -> Job:
    """Plan, and hold that nothing is changed and that no Lease is asked for."""
    with nothing_changes(cluster):
        done = command(cluster, "plan", *arguments, variables=variables)
    assert not [one.path for one in cluster.inside.server.requests if one.user == PIPELINE and "/leases" in one.path]
    assert "Traceback" not in done.log, done.log
    assert cluster.inside.token not in done.log
    return done


def done_to(cluster: Cluster) -> list[str]:
    """What the job changed, Leases aside; a new Secret by the only name that is there."""
    lines = []
    for line in writes(cluster):
        method, path = line.split("?")[0].split()
        what = path.split(f"/namespaces/{NAMESPACE}/")[-1]
        if not what.startswith("leases"):
            lines.append(f"{method} {what}" + (f" {SNAPSHOT}" if (method, what) == ("POST", "secrets") else ""))
    return lines

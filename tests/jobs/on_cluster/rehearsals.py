"""Rehearsals on the embedded cluster, as on a real one, and what they leave there."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable

from maintenance_ci.names import PAGE, REHEARSAL
from maintenance_ci.rehearsal import application_manifests as manifests
from tests.tools.clusters import Cluster, Job

KINDS = (
    "routes",
    "deployments",
    "replicasets",
    "services",
    "networkpolicies",
    "secrets",
    "leases",
    "buildconfigs",
    "imagestreams",
    "builds",
)


def everything(cluster: Cluster) -> dict[str, set[str]]:
    """The names of all that is in the namespace, but for Pods, which take a moment to go."""
    return {
        plural: {one["metadata"]["name"] for one in cluster.call(cluster.store.list, plural, manifests.NAMESPACE)}
        for plural in KINDS
    }


def left_behind(cluster: Cluster) -> list[str]:
    """What a rehearsal has made and is there still; the page, too."""
    return [
        f"{plural}/{name}"
        for plural, names in everything(cluster).items()
        for name in sorted(names)
        if name.startswith(REHEARSAL) or PAGE in name or plural == "leases"
    ]


def rehearse(
    cluster: Cluster,
    variables: dict[str, str | None] | None = None,
    *,
    at: str = "",
    do: Callable[[asyncio.subprocess.Process], object] | None = None,
) -> Job:
    """Rehearse; when a line of the log has ``at`` in it, ``do`` something, in the cluster's event loop, once."""
    done = Job(code=-1)
    work = cluster.workplace({"ROUTE_NAME": None, **(variables or {})})

    async def run() -> int:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "maintenance_ci", "rehearse", "--cluster"),
            cwd=work.folder,
            env=dict(work.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            process_group=0,
        )
        cluster.inside.troubles.may_kill(child.pid)
        assert child.stdout is not None
        waiting = do
        async for line in child.stdout:
            done.lines.append(line.decode().rstrip())
            if waiting and at in done.lines[-1]:
                waiting(child)
                waiting = None
        assert waiting is None, f"{at} was never logged"
        return await child.wait()

    try:
        done.code = cluster.do(run())
    finally:
        cluster.inside.troubles.kill = None
    return done


def send(number: signal.Signals) -> Callable[[asyncio.subprocess.Process], object]:
    """What sends a signal to a rehearsal."""
    return lambda child: child.send_signal(number)

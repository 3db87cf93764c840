"""How many requests each job makes on the embedded OpenShift, and how long it takes: python -m benchmarks.requests."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.results import Table, arguments, publish
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.cluster import EmbeddedOpenShift, Options
from maintenance_ci.rehearsal.workplace import prepare

JOBS = ("build-and-deploy", "plan", "deploy-route", "status", "delete")
STRATEGIES = ("swap", "repoint")
# Of the router, in seconds: a job waits for 3 of these, whatever it costs itself.
INTERVAL = 0.2


async def measure(strategy: str, folder: Path) -> list[tuple[object, ...]]:
    """Run the jobs one after the other; return a row for each."""
    rows: list[tuple[object, ...]] = []
    async with EmbeddedOpenShift(Options(reload_interval=INTERVAL, busy=False)) as cluster:
        variables = cluster.job_variables() | {
            "ROUTE_NAME": manifests.APPLICATION,
            "IMAGE_TAG": "v1",
            "ROUTE_STRATEGY": strategy,
            "ROUTER_RELOAD_INTERVAL": str(INTERVAL),
        }
        workplace = prepare(folder, variables)
        for job in JOBS:
            first, began = len(cluster.server.requests), time.perf_counter()
            log: list[str] = []
            code = await workplace.run(job, say=log.append)
            if code:
                raise SystemExit("\n".join(log))
            made = cluster.server.requests[first:]
            clients = Counter("Helm" if one.user_agent.startswith("Helm/") else "ours" for one in made)
            rows.append((f"{job}, {strategy}", clients["ours"], clients["Helm"], time.perf_counter() - began))
    return rows


def main() -> None:
    """Measure both strategies, and print a table."""
    given = arguments(__doc__).parse_args()
    rows: list[tuple[object, ...]] = []
    for strategy in STRATEGIES:
        with tempfile.TemporaryDirectory() as folder:
            rows += asyncio.run(measure(strategy, Path(folder)))
    table = Table(
        "Requests to the cluster, on an embedded one, polls included",
        ("job", "its own", "Helm's", "elapsed s"),
        rows,
        f"One run; the router reloads every {INTERVAL} s at the most.",
    )
    publish("Requests of each job", [table], given)


if __name__ == "__main__":
    main()

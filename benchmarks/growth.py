"""What the jobs cost as the namespace grows: python -m benchmarks.growth.

Requests, bytes and memory of each job, among ten objects of each kind that are no matter of the job, and among
thousands of one kind. Helm's requests count with those of the job that runs it; memory is the job's own.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.results import Table, arguments, publish
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.cluster import EmbeddedOpenShift, Options
from maintenance_ci.rehearsal.workplace import Workplace, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from maintenance_ci.rehearsal.apiserver.server import Request
    from maintenance_ci.rehearsal.apiserver.store import Store

Object = dict[str, Any]

JOBS = ("build-and-deploy", "plan", "deploy-route", "status", "delete")
FEW, MANY = 10, 5000
# Of the router, in seconds.
INTERVAL = 0.2
# Seconds between two looks at the memory of a job; its peak is what the last look finds.
LOOK = 0.02
# Bytes of what a Helm release's Secret holds: a small chart's.
RELEASE = 4000
TARGETS = (
    "Targets: among thousands of Secrets, Helm releases or Deployments 1.2 times the requests and bytes of those among "
    "ten; a Route at most 1,500 bytes; a job at most 120 MB. Polls are requests that are made again, and count once. "
    "Bytes are those of the answers' bodies as they are sent: from 128 KiB on the server compresses them. A Route here "
    "has {} bytes of JSON; all are alike, which compresses well."
)


@dataclass(frozen=True)
class Cost:
    """What a job took.

    Attributes:
        requests: to the cluster's API; what is asked for again and again, until it is so, counts once.
        size: bytes of the answers' bodies to these, as they came.
        memory: bytes; the peak of the job's own process.
    """

    requests: int
    size: int
    memory: int


def routes(count: int) -> Iterator[tuple[str, Object]]:
    """Yield Routes with hosts of their own, to a Service that is none of the application's."""
    for number in range(count):
        name = f"neighbour-{number:04}"
        yield "routes", manifests.route(name, f"{name}.apps.example.test", service="neighbours")


def secrets(count: int) -> Iterator[tuple[str, Object]]:
    """Yield Secrets as people make them."""
    for number in range(count):
        yield (
            "secrets",
            {"metadata": _metadata(f"secret-{number:04}", {"app": "other"}), "stringData": {"password": "x" * 500}},
        )


def helm_releases(count: int) -> Iterator[tuple[str, Object]]:
    """Yield the Secrets of Helm releases, ten revisions each."""
    for number in range(count):
        release, version = f"release-{number // 10:03}", str(number % 10 + 1)
        labels = {"owner": "helm", "name": release, "version": version, "status": "superseded", "modifiedAt": "1"}
        data = {"release": base64.b64encode(b"x" * RELEASE).decode()}
        metadata = _metadata(f"sh.helm.release.v1.{release}.v{version}", labels)
        yield "secrets", {"metadata": metadata, "type": "helm.sh/release.v1", "data": data}


def deployments(count: int) -> Iterator[tuple[str, Object]]:
    """Yield stopped applications: a Deployment without Pods, a Service and its EndpointSlice."""
    for number in range(count):
        name = f"application-{number:04}"
        for plural, made in manifests.application(name):
            if plural == "deployments":
                made["spec"]["replicas"] = 0
            yield plural, made


def _metadata(name: str, labels: Object) -> Object:
    return {"name": name, "namespace": manifests.NAMESPACE, "labels": labels}


KINDS: dict[str, Callable[[int], Iterator[tuple[str, Object]]]] = {
    "Routes": routes,
    "Secrets": secrets,
    "Helm releases": helm_releases,
    "Deployments": deployments,
}


def fill(store: Store, crowded: str, many: int) -> None:
    """Create neighbours in the application's namespace: a few of each kind, many of the one that is ``crowded``."""
    for kind, neighbours in KINDS.items():
        for plural, made in neighbours(many if kind == crowded else FEW):
            store.create(plural, made, manager="kubectl")


@dataclass(frozen=True)
class Crowd:
    """What each job took, and how many bytes of JSON a Route of the namespace has."""

    costs: dict[str, Cost]
    route_size: int


async def measure(crowded: str, many: int, folder: Path) -> Crowd:
    """Run all jobs one after the other in a namespace that is full of one kind."""
    costs = {}
    async with EmbeddedOpenShift(Options(reload_interval=INTERVAL, busy=False)) as cluster:
        fill(cluster.store, crowded, many)
        await cluster.router.followed()
        variables = cluster.job_variables() | {
            "ROUTE_NAME": manifests.APPLICATION,
            "IMAGE_TAG": "v1",
            "ROUTER_RELOAD_INTERVAL": str(INTERVAL),
        }
        workplace = prepare(folder, variables)
        for job in JOBS:
            first = len(cluster.server.requests)
            memory = await _run(workplace, job)
            made = _once(cluster.server.requests[first:])
            costs[job] = Cost(len(made), sum(one.size for one in made), memory)
        listed = cluster.store.list("routes", manifests.NAMESPACE)
        size = sum(len(json.dumps(one, separators=(",", ":"))) for one in listed) // len(listed)
    return Crowd(costs, size)


async def _run(workplace: Workplace, job: str) -> int:
    """Run a job, and return the peak of its memory, in bytes."""
    log: list[str] = []
    peak = 0
    started = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(workplace.run(job, say=log.append, started=started.set_result))
    process = await started
    while not running.done():
        peak = max(peak, _peak_memory(process))
        await asyncio.wait([running], timeout=LOOK)
    if code := await running:
        raise SystemExit("\n".join([*log, f"{job} ended with exit code {code}"]))
    return peak


def _peak_memory(process: int) -> int:
    """Return the most memory that a process has had so far, in bytes; 0 when it has ended."""
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{process}/status").read_text()
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _once(requests: list[Request]) -> list[Request]:
    """Return the requests of a job and its Helm, each question once."""
    questions: dict[tuple[str, str], Request] = {}
    others = []
    for one in requests:
        if not one.user.endswith(":maintenance-ci"):
            continue
        if one.method == "GET":
            questions.setdefault((one.method, one.path), one)
        else:
            others.append(one)
    return [*questions.values(), *others]


def table(few: Crowd, crowds: dict[str, Crowd], many: int) -> Table:
    """Return a row for each job and each kind of neighbour."""
    rows: list[tuple[object, ...]] = []
    for job in JOBS:
        base = few.costs[job]
        rows.append((job, f"{FEW} of each kind", base.requests, None, base.size, None, None, _megabytes(base.memory)))
        for kind, crowd in crowds.items():
            cost = crowd.costs[job]
            each = round((cost.size - base.size) / (many - FEW)) if kind == "Routes" else None
            rows.append(
                (
                    job,
                    f"{many:,} {kind}",
                    cost.requests,
                    cost.requests / base.requests,
                    cost.size,
                    cost.size / base.size,
                    each,
                    _megabytes(cost.memory),
                )
            )
    head = ("job", "among", "requests", "ratio", "bytes", "ratio", "bytes a Route", "peak MB")
    return Table("What a job costs as its namespace grows", head, rows, TARGETS.format(few.route_size))


def _megabytes(size: int) -> int:
    return round(size / 2**20)


def main() -> None:
    """Measure with few neighbours, and with many of each kind, and publish a table."""
    parser = arguments("Measure what the jobs cost as the namespace grows.")
    parser.add_argument("--many", type=int, default=MANY, metavar="N", help=f"objects of one kind; default {MANY}")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS), help="only these kinds")
    given = parser.parse_args()
    measured = {}
    for kind in ("", *given.kinds):
        with tempfile.TemporaryDirectory() as folder:
            measured[kind] = asyncio.run(measure(kind, given.many, Path(folder)))
        sys.stderr.write(f"measured: {kind or 'few of each kind'}\n")
    publish("As the namespace grows", [table(measured.pop(""), measured, given.many)], given)


if __name__ == "__main__":
    main()

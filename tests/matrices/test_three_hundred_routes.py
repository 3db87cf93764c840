"""Every application of a namespace at once, on a busy router in two replicas: no user of any of them gets a 5xx."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from benchmarks.article.sides import Ours
from benchmarks.stage import Stage, judge
from benchmarks.switch_time import TARGET, moves
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.cluster import Options
from tests.matrices.harness import TOTALS, Totals
from tests.tools.busy_machine import require_at_most

Record = Callable[[str, object], None]

# Bytes of a job's biggest process at its peak.
MEMORY = 120_000_000
JOBS = ("deploy-route", "delete")


@dataclass(frozen=True)
class Size:
    """How many Routes, with how many requests of their users in a second, on how slow a router.

    Attributes:
        routes: their number.
        rate: requests of users in a second; each Route has some.
        interval: seconds between two reloads of each replica of the router.
    """

    routes: int
    rate: float
    interval: float

    def __str__(self) -> str:
        return f"{self.routes} Routes"


@dataclass(frozen=True)
class Passage:
    """What one job came to.

    Attributes:
        requests: of users.
        failed: requests that got a 5xx, or no answer.
        memory: bytes; the peak of the job's biggest process.
        intervals: from the first change to the last user who was switched, in reload intervals.
    """

    requests: int
    failed: int
    memory: int
    intervals: float


async def passages(size: Size) -> list[Passage]:
    """Put all Routes into maintenance and out again."""
    found = []
    async with Stage(size.routes, Options(reload_interval=size.interval, replicas=2)) as stage:
        await Ours(stage).run("build-and-deploy", stage.names)
        for job in JOBS:
            first = len(stage.requests)
            async with stage.users(hosts=size.routes, rate=size.rate) as answers:
                await stage.cluster.router.next_reload()
                ran = await Ours(stage).run(job, stage.names)
                await stage.settled()
            began = min(
                stage.requests.times[at]
                for at, one in enumerate(stage.requests)
                if at >= first and one.method == "DELETE" and "/routes/" in one.path
            )
            seen, last = judge(answers), max(last for _, last in moves(answers, to_page=job == "deploy-route"))
            found.append(Passage(seen.requests, seen.failed, ran.memory, (last - began) / size.interval))
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("size", [Size(12, 30.0, 1.0), Size(300, 150.0, 5.0)], ids=str)
def test_all_routes_go_in_and_out(size: Size, record_property: Record) -> None:
    found = asyncio.run(passages(size))
    totals = Totals(f"{size} in and out", cases=len(found), requests=sum(one.requests for one in found))
    for job, one in zip(JOBS, found, strict=True):
        totals.outcomes[f"{job}: {one.intervals:.2f} reload intervals, {one.memory / 1e6:.0f} MB"] += 1
    record_property(TOTALS, totals.plain())
    assert [one.failed for one in found] == [0, 0]
    assert min(one.requests for one in found) > 2 * size.routes, "users of some Routes hardly asked"
    assert max(one.memory for one in found) < MEMORY
    require_at_most(max(one.intervals for one in found), TARGET, "reload intervals until all users are switched")


def test_users_of_one_route_among_many_are_seen_to_be_harmed() -> None:
    """What is looked for is there to be found: one host of several that nobody serves, if only for a moment."""

    async def careless() -> int:
        async with Stage(5, Options(reload_interval=0.5, replicas=2)) as stage:
            name = stage.names[3]
            store = stage.cluster.store
            async with stage.users(hosts=5, rate=50.0) as answers:
                await stage.cluster.router.next_reload()
                route = store.find("routes", manifests.NAMESPACE, name)
                assert route is not None
                store.delete("routes", manifests.NAMESPACE, name)
                await stage.cluster.router.next_reload()
                await asyncio.sleep(0.3)
                store.create("routes", {key: one for key, one in route.items() if key != "status"}, manager="somebody")
                await stage.settled()
            return judge(answers).failed

    assert asyncio.run(careless()) > 0

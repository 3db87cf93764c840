"""How long users wait for the page, and for the application again: python -m benchmarks.switch_time.

Each job begins right after a reload of the router, its worst moment, while another tenant keeps the router busy: what
is changed is served when the router reloads next, and no job can be quicker than that.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from benchmarks.article.sides import Ours
from benchmarks.results import Table, arguments, publish
from benchmarks.stage import Stage
from maintenance_ci.rehearsal.cluster import Options
from maintenance_ci.rehearsal.users import APPLICATION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.stage import HostAnswers
    from maintenance_ci.rehearsal.apiserver.server import Request

ROUTES, RUNS, INTERVAL = (1, 100), 5, 2.0
HOSTS, RATE = 10, 100.0
# All users are to be switched within so many reload intervals of the first change.
TARGET = 2.0
WAY = {"deploy-route": "to the page", "delete": "to the application"}
INTRODUCTION = f"""\
Seconds from the job's start. first, last change: the first and the last original Route is gone, and the page's Route
(with `delete`: the page's, and the original) is the only one of its host. first, last user: the first request that the
other side answered, and the last one that it did not. floor: both replicas of the router have reloaded after the last
change; before that no job can be done. intervals: from the first change to the last user, in reload intervals.
Users ask for {HOSTS} hosts at the most, the first and the last Route's among them, {RATE:g} times a second in all.
"""


@dataclass(frozen=True)
class Switch:
    """Seconds from a job's start."""

    first_change: float
    last_change: float
    first_user: float
    last_user: float
    floor: float


def main() -> None:
    """Measure, and print two tables."""
    given = _arguments()
    rows, targets = [], []
    for routes in given.routes:
        for job, switches in asyncio.run(measure(routes, given)).items():
            intervals = statistics.median((one.last_user - one.first_change) / given.interval for one in switches)
            medians = [statistics.median(values) for values in zip(*map(astuple, switches), strict=True)]
            rows.append((f"{job}, {WAY[job]}", routes, *medians, intervals))
            verdict = "met" if intervals <= TARGET else "missed"
            what = f"{routes} {'Route' if routes == 1 else 'Routes'}: {job}, all users {WAY[job]}, intervals"
            targets.append((what, f"at most {TARGET:g}", f"{intervals:.2f}", verdict))
    head = ("job", "Routes", "first change", "last change", "first user", "last user", "floor", "intervals")
    note = f"Medians of {given.runs} runs; each replica of the router reloads every {given.interval:g} s at the most."
    tables = [
        Table("When users are served by the other side", head, rows, note),
        Table("Targets", ("what", "target", "measured", ""), targets),
    ]
    publish("Time until users are switched", tables, given, introduction=INTRODUCTION)


async def measure(routes: int, given: argparse.Namespace) -> dict[str, list[Switch]]:
    """Put the Routes into maintenance and out again, several times."""
    switches: dict[str, list[Switch]] = {job: [] for job in WAY}
    async with Stage(routes, Options(reload_interval=given.interval, replicas=2)) as stage:
        for _ in range(given.runs):
            await Ours(stage).run("build-and-deploy", stage.names)
            for job in WAY:
                switches[job].append(await _switch(stage, job))
    return switches


async def _switch(stage: Stage, job: str) -> Switch:
    clock, router = asyncio.get_running_loop().time, stage.cluster.router
    async with stage.users(hosts=HOSTS, rate=RATE) as answers:
        await router.next_reload()
        began, first = clock(), len(stage.requests)
        await Ours(stage).run(job, stage.names)
        await stage.settled()
    changes = [stage.requests.times[at] for at, one in enumerate(stage.requests) if at >= first and _removes_route(one)]
    reloads = zip(router.reload_starts, router.reloads_by_replica, strict=True)
    floor = max(next_end(starts, ends, changes[-1]) for starts, ends in reloads)
    users = list(moves(answers, to_page=job == "deploy-route"))
    moments = (changes[0], changes[-1], min(users)[0], max(last for _, last in users), floor)
    return Switch(*(moment - began for moment in moments))


def next_end(starts: Sequence[float], ends: Sequence[float], moment: float) -> float:
    """Return when a replica's first reload after ``moment`` ended, on the loop's clock."""
    # A reload that is under way has begun, and not ended.
    return next(end for start, end in zip(starts, ends, strict=False) if start >= moment)


def moves(answers: Sequence[HostAnswers], *, to_page: bool) -> Iterator[tuple[float, float]]:
    """Yield for each host when the first request was sent that the other side answered, and the last that it did not.

    Times are on the loop's clock; the other side is the page, or with ``to_page=False`` the application.
    """
    for one in answers:
        by_other = [(answer.served_by == APPLICATION) is not to_page for answer in one.answers]
        first, last = by_other.index(True), len(by_other) - 1 - by_other[::-1].index(False)
        yield one.began + one.answers[first].time, one.began + one.answers[last].time


def _removes_route(request: Request) -> bool:
    return request.method == "DELETE" and "/routes/" in request.path


def _arguments() -> argparse.Namespace:
    parser = arguments(__doc__ or "")
    parser.add_argument("--routes", type=int, nargs="+", default=ROUTES, metavar="N", help="how many; several sizes")
    parser.add_argument("--runs", type=int, default=RUNS, metavar="N", help="of both jobs, for the medians")
    parser.add_argument(
        "--interval", type=float, default=INTERVAL, metavar="SECONDS", help="between two reloads of the router"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""The article's jobs beside ours, in one run on the embedded OpenShift: python -m benchmarks.article."""

from __future__ import annotations

import argparse
import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

from benchmarks.article.figures import Measured, cost_of_pipelines, median_cost, total
from benchmarks.article.picture import draw
from benchmarks.article.sides import JOBS, Article, JobRun, Ours
from benchmarks.article.targets import judge_targets
from benchmarks.results import Table, arguments, publish
from benchmarks.stage import RATE, RELOAD_INTERVAL, Seen, Stage, judge
from maintenance_ci.rehearsal.cluster import Options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.article.figures import Cost

ROUTES, ROUND_TRIPS, RUNS, PIPELINES = (1, 3, 10, 100, 300), (0, 25), 5, 3
PICTURE = "article.png"
FEW_ROUTES = 3
INTRODUCTION = f"""\
Both sides work on the same cluster in turn. The article's side is one pipeline for each Route, one after the other: its
shell steps with Helm 3, as of its time, and with kubectl as its oc. Ours is one pipeline for all. Both are cold: each
job has an empty home. What a pipeline costs besides (a runner, a container, a checkout) is left out: the article pays
it for each Route.

- requests: to the cluster's API, without polls (the same read again, watches, renewals of the Lease)
- processor: seconds of processor time, of all processes together
- time: seconds, one job after the other
- waits aside: time without that from the last change of a Route until the job goes on, in which ours waits for the
  router (it reloads every {RELOAD_INTERVAL:g} s at the most) and for users. The article's jobs do not wait for them
- ratio: ours to the article's, waits aside
"""


def main() -> None:
    """Measure, print the tables, and draw the picture beside the Markdown file, where one is named."""
    given = _arguments()
    measured: list[Measured] = []
    for routes in given.routes:
        measured += asyncio.run(measure(routes, given))
    real = asyncio.run(_on_a_real_router())
    tables = [
        *(_costs(trip / 1000, measured, given) for trip in given.round_trips),
        _users(measured, real),
        Table("Targets", ("what", "target", "measured", ""), judge_targets(measured)),
    ]
    picture = ""
    if given.markdown and len(given.routes) > 1:
        draw(measured, given.markdown.with_name(PICTURE))
        picture = f"\n![Seconds and requests of both sides by the number of Routes]({PICTURE})"
    sizes = ", ".join(map(str, given.routes))
    heading = f"Beside the article's jobs: {sizes} {'Route' if sizes == '1' else 'Routes'}"
    publish(heading, tables, given, introduction=f"{INTRODUCTION}{picture}")


async def measure(routes: int, given: argparse.Namespace) -> list[Measured]:
    """Measure both sides with this many Routes, at each distance."""
    results = []
    async with Stage(routes) as stage:
        for trip in given.round_trips:
            stage.set_round_trip(trip / 1000)
            runs = [await _run_both(stage, given.pipelines) for _ in range(given.runs)]
            article, ours, article_seen, ours_seen = zip(*runs, strict=True)
            results.append(
                Measured(
                    routes=routes,
                    round_trip=trip / 1000,
                    runs=given.runs,
                    pipelines=min(given.pipelines, routes),
                    article=_medians([{job: cost_of_pipelines(one[job], routes) for job in JOBS} for one in article]),
                    ours=_medians([{job: cost_of_pipelines([one[job]], 1) for job in JOBS} for one in ours]),
                    article_seen=_together(article_seen),
                    ours_seen=_together(ours_seen),
                )
            )
    return results


async def _run_both(stage: Stage, pipelines: int) -> tuple[dict[str, list[JobRun]], dict[str, JobRun], Seen, Seen]:
    """Put the Routes into maintenance and out again: some of them as the article does it, then all as we do."""
    theirs, ours = Article(stage), Ours(stage)
    article_runs: dict[str, list[JobRun]] = defaultdict(list)
    async with stage.users() as article_answers:
        names = stage.names[:pipelines]
        for name in names:
            build = "true" if name == names[0] else ""
            job = "build-and-deploy"
            article_runs[job].append(await theirs.run(job, name, BUILD_MAINTENANCE_PAGE=build))
            article_runs["deploy-route"].append(await theirs.run("deploy-route", name))
        await stage.settled()
        for name in names:
            article_runs["delete"].append(await theirs.run("delete", name))
        await stage.settled()
    our_runs: dict[str, JobRun] = {}
    async with stage.users() as our_answers:
        for job in JOBS:
            our_runs[job] = await ours.run(job, stage.names)
            await stage.settled()
    return article_runs, our_runs, judge(article_answers), judge(our_answers)


async def _on_a_real_router() -> tuple[Seen, Seen]:
    """Return what users see beside each side when the router is busy, and as slow as a real one; one run."""
    async with Stage(FEW_ROUTES, Options(replicas=2)) as stage:
        _, _, article_seen, ours_seen = await _run_both(stage, FEW_ROUTES)
    return article_seen, ours_seen


def _medians(runs: Sequence[dict[str, Cost]]) -> dict[str, Cost]:
    return {job: median_cost([one[job] for one in runs]) for job in JOBS}


def _together(seen: Sequence[Seen]) -> Seen:
    return Seen(sum(one.requests for one in seen), sum(one.failed for one in seen))


def _costs(round_trip: float, measured: Sequence[Measured], given: argparse.Namespace) -> Table:
    head = (
        "Routes",
        "job",
        "article: requests",
        "processor",
        "time",
        "ours: requests",
        "processor",
        "time",
        "waits aside",
        "ratio",
    )
    rows = []
    for one in measured:
        if one.round_trip != round_trip:
            continue
        scaled = "" if one.pipelines == one.routes else " *"
        jobs = {job: (one.article[job], one.ours[job]) for job in JOBS}
        jobs["all three"] = total(one.article.values()), total(one.ours.values())
        for job, (article, ours) in jobs.items():
            rows.append(
                (
                    f"{one.routes}{scaled}",
                    job,
                    round(article.requests),
                    article.processor,
                    article.elapsed,
                    round(ours.requests),
                    ours.processor,
                    ours.elapsed,
                    ours.working,
                    ours.working / article.working,
                )
            )
    note = f"Medians of {given.runs} {'run' if given.runs == 1 else 'runs'}."
    if any(one.pipelines != one.routes for one in measured):
        note += (
            f" \\*: of the article's pipelines {given.pipelines} ran in each run: the first, which builds the page, "
            "the last, which removes it, and one or more in between, by whose median the others are counted."
        )
    return Table(f"A round trip of {1000 * round_trip:.0f} ms", head, rows, note)


def _users(measured: Sequence[Measured], real: tuple[Seen, Seen]) -> Table:
    seen = [
        (f"{one.routes}, {1000 * one.round_trip:.0f} ms", RELOAD_INTERVAL, one.article_seen, one.ours_seen)
        for one in measured
    ]
    seen.append((f"{FEW_ROUTES}, 0 ms", Options().reload_interval, *real))
    rows = [
        (routes, interval, article.requests, article.failed, ours.requests, ours.failed)
        for routes, interval, article, ours in seen
    ]
    note = (
        f"All runs together, {RATE:g} requests a second on a router with two replicas, which reload every so many "
        "seconds; a real one's do every 5. failed: a 5xx, or no answer."
    )
    head = ("Routes", "reload s", "beside the article's jobs", "failed", "beside ours", "failed")
    return Table("What users saw", head, rows, note)


def _arguments() -> argparse.Namespace:
    parser = arguments(__doc__ or "")
    parser.add_argument("--routes", type=int, nargs="+", default=ROUTES, metavar="N", help="how many; several sizes")
    parser.add_argument(
        "--round-trips", type=int, nargs="+", default=ROUND_TRIPS, metavar="MS", help="of the network, in milliseconds"
    )
    parser.add_argument("--runs", type=int, default=RUNS, metavar="N", help="of both sides, for the medians")
    parser.add_argument(
        "--pipelines",
        type=int,
        default=PIPELINES,
        metavar="N",
        help="of the article, that really run in each run (3 or more); the others are counted by them",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""What the runs of both sides come to: sums of a side's jobs, medians of its runs. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.article.sides import JobRun
from benchmarks.stage import Seen


@dataclass(frozen=True)
class Cost:
    """What a job costs for all Routes: one run of ours, or one of the article's for each Route.

    Attributes:
        requests: to the cluster's API, without polls.
        processor: seconds of processor time.
        elapsed: seconds, one job after the other.
        working: seconds of these without the waits for the router and for users.
        memory: bytes; the peak of the biggest process.
    """

    requests: float
    processor: float
    elapsed: float
    working: float
    memory: float


@dataclass(frozen=True)
class Measured:
    """What was measured of a number of Routes at one distance.

    Attributes:
        routes: how many.
        round_trip: seconds.
        runs: how many runs the medians are of.
        pipelines: how many of the article's pipelines ran in each run; where these are fewer than ``routes``, its sums
            are scaled from them.
        article: what each job costs.
        ours: likewise.
        article_seen: what users saw, in all runs.
        ours_seen: likewise.
    """

    routes: int
    round_trip: float
    runs: int
    pipelines: int
    article: Mapping[str, Cost]
    ours: Mapping[str, Cost]
    article_seen: Seen
    ours_seen: Seen


def cost_of_pipelines(runs: Sequence[JobRun], routes: int) -> Cost:
    """Return what one job of the article's costs, in one pipeline for each Route.

    Args:
        runs: of some of the pipelines in order, or of all: the first, which builds the page, at least one more where
            there are more, and the last, which removes it.
        routes: how many pipelines there are; those that did not run are taken for the median of those in between.
    """
    costs = [Cost(one.requests, one.processor, one.elapsed, one.elapsed - one.waited, one.memory) for one in runs]
    left_out = routes - len(runs)
    if left_out:
        costs += [_median(costs[1:-1] or costs)] * left_out
    return total(costs)


def total(costs: Collection[Cost]) -> Cost:
    """Return what several jobs cost, one after the other; of the memory the highest."""
    return Cost(
        requests=sum(one.requests for one in costs),
        processor=sum(one.processor for one in costs),
        elapsed=sum(one.elapsed for one in costs),
        working=sum(one.working for one in costs),
        memory=max(one.memory for one in costs),
    )


def median_cost(costs: Sequence[Cost]) -> Cost:
    """Return the median of several runs; of the memory the highest."""
    median = _median(costs)
    return Cost(median.requests, median.processor, median.elapsed, median.working, max(cost.memory for cost in costs))


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        requests=statistics.median(one.requests for one in costs),
        processor=statistics.median(one.processor for one in costs),
        elapsed=statistics.median(one.elapsed for one in costs),
        working=statistics.median(one.working for one in costs),
        memory=statistics.median(one.memory for one in costs),
    )

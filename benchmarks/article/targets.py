"""What is aimed at, beside what was measured. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.article.figures import Cost, Measured

# Jobs that a Route's switch is made of; the page is built and deployed once for all.
SWITCHES = ("deploy-route", "delete")
MOST_REQUESTS, MOST_MEMORY = 16, 120_000_000  # of deploy-route for one Route; bytes
Row = tuple[str, str, str, str]


def judge_targets(measured: Sequence[Measured]) -> list[Row]:
    """Return a row for each target that the measurements can be held against."""
    return [row for one in measured for row in _rows(one)]


def _rows(one: Measured) -> Iterator[Row]:
    where = f"{one.routes} {'Route' if one.routes == 1 else 'Routes'}, {1000 * one.round_trip:.0f} ms"
    if one.routes == 1:
        requests = one.ours["deploy-route"].requests
        yield _row(f"{where}: requests of deploy-route", requests, MOST_REQUESTS, f"{requests:.0f}", "{:.0f}")
    for job in SWITCHES:
        ratio = _ratio(one.ours[job], one.article[job])
        yield _row(
            f"{where}: {job}, time without waits, of the article's", ratio, _limit(one), f"{ratio:.2f}", "{:.1f}"
        )
    if one.routes > 1:
        memory = max(one.ours[job].memory for job in SWITCHES)
        yield _row(f"{where}: peak memory, MB", memory, MOST_MEMORY, f"{memory / 1e6:.0f}", "{:.0f}", unit=1e6)
    failed = one.ours_seen.failed
    yield _row(f"{where}: 5xx that users saw", failed, 0, f"{failed} of {one.ours_seen.requests:,}", "{:.0f}")


def _limit(one: Measured) -> float:
    """Return how much of the article's time ours may take."""
    if one.routes >= 100:
        return 0.1
    if one.routes >= 3:
        return 1.0
    return 1.2 if one.round_trip >= 0.025 else 2.0


def _ratio(ours: Cost, article: Cost) -> float:
    return ours.working / article.working


def _row(what: str, value: float, limit: float, shown: str, form: str, *, unit: float = 1.0) -> Row:
    return what, f"at most {form.format(limit / unit)}", shown, "met" if value <= limit else "missed"

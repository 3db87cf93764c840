"""What a job would do for several Routes, as rows, as a table, and for a program: pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from maintenance_ci.plan.describe import lines_of
from maintenance_ci.plan.overview import table
from maintenance_ci.plan.steps import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from maintenance_ci.errors import MaintenanceError
    from maintenance_ci.plan.observed import Observed
    from maintenance_ci.plan.steps import Plan

HEAD = ("ROUTE", "HOST", "PATH", "STRATEGY", "WHAT WOULD HAPPEN")
# By what a plan does, and whether it changes anything.
HAPPENS = {
    (Direction.BEGIN, True): "it goes into maintenance",
    (Direction.BEGIN, False): "nothing",
    (Direction.CONFIRM, True): "it is in maintenance already; this pipeline is noted on it",
    (Direction.CONFIRM, False): "it is in maintenance already; that is only confirmed",
    (Direction.END, True): "it comes back",
    (Direction.END, False): "nothing: it is not in maintenance",
}


@dataclass(frozen=True)
class PlanRow:
    """What a job would do for one Route, or for one path of it.

    Attributes:
        route: its name.
        host: its host; empty where it is not known.
        path: what is meant of it; ``/`` for all.
        strategy: ``swap``, ``repoint`` or ``subpath``.
        phase: where its maintenance stands now.
        would: what would happen, in a few words.
        steps: a line for each change and each wait.
        refusals: what stands in the way: ``what``, and ``advice``.
    """

    route: str
    host: str
    path: str
    strategy: str
    phase: str
    would: str
    steps: list[str]
    refusals: list[dict[str, str]]


def plan_row(
    observed: Observed, plan: Plan, refusals: Iterable[MaintenanceError], *, reload_interval: float
) -> PlanRow:
    """Return the row of one plan."""
    refused = [{"what": error.what, "advice": error.next_step} for error in refusals]
    route = observed.route_to_mirror or observed.saved_original or observed.page_route or {"spec": {}}
    return PlanRow(
        route=observed.route_name,
        host=route["spec"].get("host") or "",
        path=observed.subpath or route["spec"].get("path") or "/",
        strategy=plan.strategy,
        phase=observed.phase.value,
        would="it is refused" if refused else HAPPENS[plan.direction, plan.changes],
        steps=lines_of(plan, observed, reload_interval=reload_interval),
        refusals=refused,
    )


def plan_table(rows: Sequence[PlanRow]) -> list[str]:
    """Return the rows as lines, their columns aligned."""
    return table(HEAD, [(row.route, row.host, row.path, row.strategy, row.would) for row in rows])


def plan_document(namespace: str, job: str, rows: Iterable[PlanRow], page: str) -> dict[str, Any]:
    """Return all of it for a program: ``job`` is the one that would do it, ``page`` what becomes of the page."""
    return {"namespace": namespace, "job": job, "routes": [asdict(row) for row in rows], "page": page}

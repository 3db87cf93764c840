"""What is in maintenance in a namespace: pure. From the Routes and the snapshots to rows, and to a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from maintenance_ci.names import (
    PAGE,
    PIPELINE_ANNOTATION,
    PIPELINE_URL_ANNOTATION,
    ROUTE_ANNOTATION,
    STRATEGY_ANNOTATION,
    snapshot_name,
)
from maintenance_ci.plan.due import announced_end, is_overdue, span
from maintenance_ci.plan.marks import Object, annotations_of, by_name, stands_for
from maintenance_ci.plan.observed import Observed, Phase, Reading
from maintenance_ci.plan.page_route import backend_services
from maintenance_ci.plan.routes import Routes
from maintenance_ci.plan.strategies import SUBPATH, rewriting_strategy
from maintenance_ci.plan.verdicts import admitting_routers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


COLUMNS = ("route", "host", "path", "strategy", "since", "end", "pipeline", "state")


@dataclass(frozen=True)
class Row:
    """One maintenance.

    Attributes:
        route: the original's name.
        path: what is in maintenance of it; ``/`` for all.
        strategy: ``swap``, ``repoint`` or ``subpath``.
        since: when it was begun, as the server's clock has it.
        end: when it is announced to end; empty where nothing is announced.
        overdue: whether that is over.
        pipeline: the number of the pipeline that wanted it last.
        state: ``shown``, or what is amiss.
    """

    route: str
    host: str
    path: str
    strategy: str
    since: str
    end: str
    overdue: bool
    pipeline: str
    pipeline_url: str
    state: str


def rows(routes: Iterable[Object], snapshots: Iterable[Object], *, page_ready: bool, now: datetime) -> list[Row]:
    """Return a row for each maintenance of a namespace, and one for each that was cut short."""
    by_route, by_snapshot = Routes(routes), by_name(snapshots)
    annotated = [route for route in by_route.values() if stands_for(route) or rewriting_strategy(route)]
    result = [_row_of_route(route, by_route, by_snapshot, page_ready=page_ready, now=now) for route in annotated]
    listed = {snapshot_name(row.route) for row in result if row.strategy != SUBPATH}
    result += [_row_of_snapshot(secret, by_route, now) for name, secret in by_snapshot.items() if name not in listed]
    return sorted(result, key=lambda row: (row.route, row.path))


def overdue(maintenances: Iterable[Row], now: datetime) -> list[str]:
    """Return a line for each maintenance that is there, and was announced to have ended."""
    return [
        f"the maintenance of Route {row.route}{'' if row.path == '/' else f' ({row.path})'} was to end at {row.end}, "
        f"{span(now - datetime.fromisoformat(row.end))} ago; run the job delete, or a pipeline with ACTION=end"
        for row in maintenances
        if row.overdue
    ]


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """Return a table as lines, its columns aligned; an empty cell is a hyphen."""
    cells = [tuple(head), *(tuple(cell or "-" for cell in line) for line in lines)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def table_of_maintenances(maintenances: Iterable[Row]) -> list[str]:
    """Return the rows as a table."""
    fields = [asdict(row) | ({"end": f"{row.end} (overdue)"} if row.overdue else {}) for row in maintenances]
    cells = [tuple(row[name] for name in COLUMNS) for row in fields]
    return table([name.upper() for name in COLUMNS], cells)


def _row_of_route(
    route: Object, routes: Routes, snapshots: Mapping[str, Object], *, page_ready: bool, now: datetime
) -> Row:
    name = annotations_of(route).get(ROUTE_ANNOTATION) or route["metadata"]["name"]
    # A rewritten Route is older than its maintenance: its snapshot is as old.
    as_old = snapshots.get(snapshot_name(name), {}) if rewriting_strategy(route) else route
    return _row(route, name, as_old, _state(route, Observed("", name, None, routes), page_ready=page_ready), now)


def _state(route: Object, observed: Observed, *, page_ready: bool) -> str:
    is_whole = route is observed.whole_page_route
    if is_whole and observed.phase in (Phase.PREPARED, Phase.RETURNING):
        return f"{observed.phase.value}; run the job deploy-route or delete"
    if PAGE not in backend_services(route):
        return "somebody sent it elsewhere"
    if not admitting_routers(route):
        return "not admitted"
    return "shown" if page_ready else "the page is not ready"


def _row_of_snapshot(snapshot: Object, routes: Routes, now: datetime) -> Row:
    """Return the row of a snapshot without a maintenance: a job was ended between two steps."""
    name = annotations_of(snapshot).get(ROUTE_ANNOTATION, "")
    observed = Observed("", name, None, routes, snapshot=Reading(snapshot))
    phase = observed.phase
    if phase is Phase.LEFTOVER and not admitting_routers(observed.original):
        phase = Phase.STRANDED
    return _row(snapshot, name, snapshot, f"{phase.value}; run the job delete", now)


def _row(annotated: Object, route_name: str, as_old: Object, state: str, now: datetime) -> Row:
    """Return the row of what carries the notes of a maintenance; ``as_old`` was created when that began."""
    annotations, spec, end = annotations_of(annotated), annotated.get("spec") or {}, announced_end(annotated)
    return Row(
        route=route_name,
        host=spec.get("host", ""),
        path=spec.get("path") or "/",
        strategy=annotations.get(STRATEGY_ANNOTATION, ""),
        since=(as_old.get("metadata") or {}).get("creationTimestamp", ""),
        end=end.isoformat() if end else "",
        overdue=is_overdue(end, now),
        pipeline=annotations.get(PIPELINE_ANNOTATION, ""),
        pipeline_url=annotations.get(PIPELINE_URL_ANNOTATION, ""),
        state=state,
    )

"""What is in maintenance in a namespace: pure. From the Routes and the snapshots to rows, and to a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from maintenance_ci.names import (
    PAGE,
    PIPELINE_ANNOTATION,
    PIPELINE_URL_ANNOTATION,
    ROUTE_ANNOTATION,
    STRATEGY_ANNOTATION,
    page_route_name,
    snapshot_name,
)
from maintenance_ci.plan.page_route import backend_services
from maintenance_ci.plan.repoint import is_repointed
from maintenance_ci.plan.situation import SUBPATH, by_name, stands_for
from maintenance_ci.plan.verdicts import admitting_routers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Object = dict[str, Any]

COLUMNS = ("route", "host", "path", "strategy", "since", "pipeline", "state")


@dataclass(frozen=True)
class Row:
    """One maintenance.

    Attributes:
        route: the original's name.
        host: its host.
        path: what is in maintenance of it; ``/`` for all.
        strategy: ``swap``, ``repoint`` or ``subpath``.
        since: when it was begun, as the server's clock has it.
        pipeline: the number of the pipeline that wanted it last.
        pipeline_url: its address.
        state: ``shown``, or what is amiss.
    """

    route: str
    host: str
    path: str
    strategy: str
    since: str
    pipeline: str
    pipeline_url: str
    state: str


def rows(routes: Iterable[Object], snapshots: Iterable[Object], *, page_ready: bool) -> list[Row]:
    """Return a row for each maintenance of a namespace, and one for each that was cut short."""
    there, kept = by_name(routes), by_name(snapshots)
    found = [
        _row(route, there, kept, page_ready=page_ready)
        for route in there.values()
        if stands_for(route) or is_repointed(route)
    ]
    told = {snapshot_name(row.route) for row in found if row.strategy != SUBPATH}
    found += [_cut_short(snapshot, there) for name, snapshot in kept.items() if name not in told]
    return sorted(found, key=lambda row: (row.route, row.path))


def table(found: Sequence[Row]) -> list[str]:
    """Return the rows as lines, their columns aligned."""
    cells = [tuple(name.upper() for name in COLUMNS)]
    cells += [tuple(asdict(row)[name] or "-" for name in COLUMNS) for row in found]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def _row(route: Object, there: Mapping[str, Object], kept: Mapping[str, Object], *, page_ready: bool) -> Row:
    metadata, spec = route["metadata"], route["spec"]
    notes = metadata.get("annotations") or {}
    name = notes.get(ROUTE_ANNOTATION) or metadata["name"]
    # A repointed Route is older than its maintenance: its snapshot is as old.
    begun = kept.get(snapshot_name(name), {}) if is_repointed(route) else route
    return Row(
        route=name,
        host=spec.get("host", ""),
        path=spec.get("path") or "/",
        strategy=notes.get(STRATEGY_ANNOTATION, ""),
        since=(begun.get("metadata") or {}).get("creationTimestamp", ""),
        pipeline=notes.get(PIPELINE_ANNOTATION, ""),
        pipeline_url=notes.get(PIPELINE_URL_ANNOTATION, ""),
        state=_state(route, name, there, page_ready=page_ready),
    )


def _state(route: Object, name: str, there: Mapping[str, Object], *, page_ready: bool) -> str:
    whole = route["metadata"]["name"] == page_route_name(name, None)
    if whole and name in there:
        return "half done, the original is there too: run the job deploy-route or delete"
    if PAGE not in backend_services(route):
        return "somebody sent it elsewhere"
    if not admitting_routers(route):
        return "not admitted"
    return "shown" if page_ready else "the page is not ready"


def _cut_short(snapshot: Object, there: Mapping[str, Object]) -> Row:
    """Return the row of a snapshot without a maintenance: a job was ended between two steps."""
    metadata = snapshot["metadata"]
    notes = metadata.get("annotations") or {}
    name = notes.get(ROUTE_ANNOTATION, "")
    state = "over, but for its snapshot"
    if name not in there:
        state = "the Route is gone"
    elif not admitting_routers(there[name]):
        state = "the Route is back, but no router serves it"
    return Row(
        route=name,
        host="",
        path="/",
        strategy=notes.get(STRATEGY_ANNOTATION, ""),
        since=metadata.get("creationTimestamp", ""),
        pipeline=notes.get(PIPELINE_ANNOTATION, ""),
        pipeline_url=notes.get(PIPELINE_URL_ANNOTATION, ""),
        state=f"{state}: run the job delete",
    )

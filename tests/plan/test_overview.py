"""From a namespace's Routes and snapshots to rows, and to a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from maintenance_ci.names import PAGE, notes, page_route_name
from maintenance_ci.plan.overview import COLUMNS, Row, rows, table_of_maintenances
from maintenance_ci.plan.overview import overdue as overdue_lines
from maintenance_ci.plan.page_route import our_labels
from maintenance_ci.plan.repoint import repointed
from maintenance_ci.plan.snapshot import snapshot_of
from maintenance_ci.plan.strategies import REPOINT
from maintenance_ci.rehearsal.apiserver.store import Object

HOST, URL = "shop.example.test", "https://gitlab.example.test/p/42"
BEGUN, OLD, KEPT = "2026-11-23T06:00:00Z", "2020-01-01T00:00:00Z", "2026-11-23T05:59:59Z"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
ADMITTED = {"ingress": [{"routerName": "default", "conditions": [{"type": "Admitted", "status": "True"}]}]}
REFUSED = {"ingress": [{"routerName": "default", "conditions": [{"type": "Admitted", "status": "False"}]}]}


def route(name: str = "shop", service: str = "shop", created: str = OLD, path: str = "") -> Object:
    return {
        "metadata": {"name": name, "namespace": "web", "creationTimestamp": created},
        "spec": {"host": HOST, "to": {"kind": "Service", "name": service}} | ({"path": path} if path else {}),
        "status": ADMITTED,
    }


def page_route(subpath: str | None = None, *, path: str = "", of: str = "shop", pipeline: str = "42") -> Object:
    made = route(page_route_name(of, subpath), PAGE, BEGUN, subpath or path)
    said = notes(of, "subpath" if subpath else "swap", pipeline, URL if pipeline else "")
    made["metadata"] |= {"labels": our_labels(of), "annotations": said}
    return made


def by_repoint() -> Object:
    return repointed(route(), notes("shop", REPOINT, "42", URL))


def snapshot(strategy: str = "swap") -> Object:
    secret = snapshot_of(route(), notes("shop", strategy, "41", "https://gitlab.example.test/p/41"))
    return {**secret, "metadata": {**secret["metadata"], "creationTimestamp": KEPT}}


def row(**changed: Any) -> Row:
    usual = {
        "route": "shop", "host": HOST, "path": "/", "strategy": "swap", "since": BEGUN, "end": "", "overdue": False,
        "pipeline": "42", "pipeline_url": URL, "state": "shown",
    }  # fmt: skip
    return Row(**usual | changed)


PATH = row(path="/cart", strategy="subpath")
CUT_SHORT = row(host="", since=KEPT, pipeline="41", pipeline_url="https://gitlab.example.test/p/41")
OVER = "ended, but its snapshot is left; run the job delete"
GONE = "the Route is gone; its snapshot is left; run the job delete"
HALF = "in maintenance, and the original is there again; run the job deploy-route or delete"
PREPARED = "begun, and cut short before the switch; run the job deploy-route or delete"

CASES: dict[str, tuple[list[Object], list[Object], list[Row]]] = {
    "nothing": ([route(), route("portal")], [], []),
    "a swap": ([page_route()], [snapshot()], [row()]),
    "a swap whose snapshot was taken away": ([page_route()], [], [row()]),
    "a swap of a Route with a path": ([page_route(path="/shop")], [snapshot()], [row(path="/shop")]),
    "a swap from a terminal": ([page_route(pipeline="")], [snapshot()], [row(pipeline="", pipeline_url="")]),
    "a repoint": ([by_repoint()], [snapshot(REPOINT)], [row(strategy=REPOINT, since=KEPT)]),
    "a repoint whose snapshot was taken away": ([by_repoint()], [], [row(strategy=REPOINT, since="")]),
    "a path": ([route(), page_route("/cart")], [], [PATH]),
    "paths in order": (
        [route(), page_route("/cart"), page_route("/a")], [], [row(path="/a", strategy="subpath"), PATH],
    ),
    "a path under a swap": ([page_route("/cart"), page_route()], [snapshot()], [row(), PATH]),
    "a path under a repoint": (
        [by_repoint(), page_route("/cart")], [snapshot(REPOINT)], [row(strategy=REPOINT, since=KEPT), PATH],
    ),
    "half a swap": ([route(), page_route()], [snapshot()], [row(state=HALF)]),
    "cut short before the switch": (
        [route()], [snapshot()], [Row(**vars(CUT_SHORT) | {"state": OVER})],
    ),
    "cut short, and the Route is gone": ([], [snapshot()], [Row(**vars(CUT_SHORT) | {"state": GONE})]),
    "a path beside one that was cut short": (
        [route(), page_route("/cart")], [snapshot()], [Row(**vars(CUT_SHORT) | {"state": OVER}), PATH],
    ),
    "several Routes": ([page_route(of="shop"), page_route(of="portal")], [snapshot()], [row(route="portal"), row()]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_in_maintenance(case: str) -> None:
    routes, snapshots, expected = CASES[case]
    assert rows(routes, snapshots, page_ready=True, now=NOW) == expected
    assert rows(reversed(routes), snapshots, page_ready=True, now=NOW) == expected


def of_somebody_else(found: Object) -> Object:
    """As somebody who copies our Route makes it."""
    return {**found, "metadata": {**found["metadata"], "labels": {"app": "shop"}}}


def test_a_route_that_is_not_ours_is_no_maintenance() -> None:
    assert rows([of_somebody_else(page_route())], [], page_ready=True, now=NOW) == []
    assert rows([page_route()], [], page_ready=True, now=NOW) != []


def with_status(found: Object, status: Object | None) -> Object:
    return {**found, "status": status}


def elsewhere(found: Object) -> Object:
    return {**found, "spec": {**found["spec"], "to": {"kind": "Service", "name": "shop"}}}


@pytest.mark.parametrize(
    ("found", "ready", "state"),
    [
        (page_route(), True, "shown"),
        (by_repoint(), True, "shown"),
        (page_route(), False, "the page is not ready"),
        (by_repoint(), False, "the page is not ready"),
        (with_status(page_route(), REFUSED), True, "not admitted"),
        (with_status(page_route(), None), True, "not admitted"),
        (with_status(by_repoint(), REFUSED), False, "not admitted"),
        (elsewhere(page_route()), True, "somebody sent it elsewhere"),
        (elsewhere(by_repoint()), False, "somebody sent it elsewhere"),
    ],
)
def test_the_state_of_a_row_says_what_is_amiss(found: Object, ready: bool, state: str) -> None:
    [only] = rows([found], [], page_ready=ready, now=NOW)
    assert only.state == state


def test_of_several_troubles_the_one_that_a_person_can_end_is_told() -> None:
    [only] = rows([route(), with_status(page_route(), REFUSED)], [], page_ready=False, now=NOW)
    assert only.state == PREPARED


def test_the_columns_of_the_table_are_aligned() -> None:
    head, first, second = table_of_maintenances([row(), row(route="a-longer-name", pipeline="", since="")])
    assert head.split() == [name.upper() for name in COLUMNS]
    for name in COLUMNS:
        at = head.index(name.upper())
        assert all(line[at - 1 : at] in ("", " ") and line[at] != " " for line in (first, second))
    assert first.split() == ["shop", HOST, "/", "swap", BEGUN, "-", "42", "shown"]
    assert second.split() == ["a-longer-name", HOST, "/", "swap", "-", "-", "-", "shown"]
    assert not any(line.endswith(" ") for line in (head, first, second))
    assert URL not in first  # it would be half of the line; the JSON has it


@pytest.mark.parametrize(
    ("end", "overdue"), [("2026-11-24T07:00:00+01:00", False), ("2026-11-24T06:59:59+01:00", True)]
)
def test_an_announced_end_that_is_over_is_told(end: str, overdue: bool) -> None:
    shown, secret = page_route(), snapshot()
    for one in (shown, secret):
        one["metadata"]["annotations"]["maintenance-ci/end"] = end
    now = datetime.fromisoformat("2026-11-24T06:00:00+00:00") - timedelta(microseconds=1)
    [only] = rows([shown], [secret], page_ready=True, now=now)
    assert (only.end, only.overdue) == (end, overdue)
    assert ("(overdue)" in table_of_maintenances([only])[1]) is overdue
    line = f"the maintenance of Route shop was to end at {end}, less than a minute ago; "
    line += "run the job delete, or a pipeline with ACTION=end"
    assert overdue_lines([only], now) == ([line] if overdue else [])
    [cut_short] = rows([route()], [secret], page_ready=True, now=now)
    assert (cut_short.end, cut_short.overdue) == (end, overdue)


def test_a_table_of_nothing_is_its_head() -> None:
    assert table_of_maintenances([]) == ["  ".join(name.upper() for name in COLUMNS)]


@pytest.mark.parametrize("metadata", [{}, {"annotations": None}, {"annotations": {"maintenance-ci/route": "other"}}])
def test_a_snapshot_whose_notes_were_changed_is_told_too(metadata: dict[str, Any]) -> None:
    secret = snapshot()
    secret["metadata"] = {"name": secret["metadata"]["name"], "namespace": "web", **metadata}
    [only] = rows([route()], [secret], page_ready=True, now=NOW)
    assert only.state.endswith("run the job delete")
    assert only.since == metadata.get("creationTimestamp", "")

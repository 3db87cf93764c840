"""Which Routes a label selector means, while they are there and while they are in maintenance."""

from __future__ import annotations

from typing import Any

import pytest

from maintenance_ci.names import notes
from maintenance_ci.plan.selection import names_selected
from maintenance_ci.plan.snapshot import snapshot_of
from maintenance_ci.rehearsal.apiserver.store import Object
from maintenance_ci.settings.selector import matches, parse
from tests.tools.observations import original, page_route, rewritten

SELECTOR = "depends-on=legacy"
LEGACY, OTHER = {"depends-on": "legacy"}, {"depends-on": "cloud"}


def route(labels: dict[str, str], name: str = "shop") -> Object:
    made = original()
    return {**made, "metadata": {**made["metadata"], "name": name, "labels": labels}}


def snapshot(labels: dict[str, str], name: str = "shop") -> Object:
    return snapshot_of(route(labels, name), notes(name, "swap"))


def selected(routes: list[Object], *snapshots: Object, selector: str = SELECTOR) -> list[str]:
    """Which are selected, where the server does its part."""
    wanted = parse(selector)
    matching = [one for one in routes if matches(wanted, one["metadata"].get("labels") or {})]
    return names_selected(selector, matching, routes, snapshots)


def labelled(one: Object, labels: dict[str, str]) -> Object:
    return {**one, "metadata": {**one["metadata"], "labels": {**(one["metadata"].get("labels") or {}), **labels}}}


def test_live_routes_are_those_that_the_cluster_selects_in_the_order_of_their_names() -> None:
    assert selected([route(LEGACY, "pay"), route(OTHER, "trade"), route(LEGACY, "office")]) == ["office", "pay"]


@pytest.mark.parametrize(
    ("routes", "snapshots"),
    [
        ([labelled(page_route(), {})], [snapshot(LEGACY)]),
        ([], [snapshot(LEGACY)]),
        ([labelled(page_route(), LEGACY)], []),
        ([labelled(rewritten("repoint"), OTHER)], [snapshot(LEGACY)]),
    ],
    ids=["by its snapshot", "after half a delete", "without a snapshot", "the label was taken away meanwhile"],
)
def test_a_route_in_maintenance_is_selected_by_the_labels_that_it_had(routes: list[Any], snapshots: list[Any]) -> None:
    assert selected(routes, *snapshots) == ["shop"]


def test_a_route_that_had_other_labels_is_not() -> None:
    assert selected([labelled(page_route(), LEGACY)], snapshot(OTHER)) == []


def test_a_route_that_is_back_is_selected_by_the_labels_that_it_has_now() -> None:
    """Its snapshot was left; whoever took the label away does not want it in maintenance again."""
    assert selected([route(OTHER)], snapshot(LEGACY)) == []


def test_a_maintenance_route_tells_nothing_of_labels_that_it_does_not_take_over() -> None:
    tracked = {"app.kubernetes.io/instance": "shop"}
    assert selected([page_route()], snapshot(tracked), selector="!app.kubernetes.io/instance") == []
    assert selected([route(tracked), page_route("/cart")], selector="!app.kubernetes.io/instance") == []


def test_a_snapshot_that_cannot_be_read_hides_no_other() -> None:
    broken = {**snapshot(LEGACY, "pay"), "data": {}}
    assert selected([], broken, snapshot(LEGACY)) == ["shop"]

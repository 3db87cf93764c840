"""Which Routes a label selector means, also while they are in maintenance: pure.

The cluster evaluates the selector for the Routes that are there. An original that a maintenance has taken away has its
labels in its snapshot alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.plan.marks import by_name, stands_for
from maintenance_ci.plan.snapshot import route_in
from maintenance_ci.settings.selector import matches, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Object = dict[str, Any]


def names_selected(
    selector: str, matching: Iterable[Object], routes: Iterable[Object], snapshots: Iterable[Object]
) -> list[str]:
    """Return the names of the originals that carry, or carried, the labels; sorted.

    Args:
        selector: as ``oc get --selector`` takes it.
        matching: the Routes that the cluster has selected by it.
        routes: all Routes of the namespace.
        snapshots: our Secrets.
    """
    live, wanted = by_name(routes), parse(selector)
    # A maintenance Route has some of its original's labels, not all: it tells nothing.
    names = {str(route["metadata"]["name"]) for route in matching if stands_for(route) is None}
    away = {name: labels for name, labels in _labels_of_originals(live.values(), snapshots) if name not in live}
    return sorted(names | {name for name, labels in away.items() if matches(wanted, labels)})


def _labels_of_originals(
    routes: Iterable[Object], snapshots: Iterable[Object]
) -> Iterable[tuple[str, Mapping[str, str]]]:
    """Yield the labels of originals as far as others tell: the maintenance Route's first, the snapshot's after it."""
    for route in routes:
        if name := stands_for(route):
            yield name, route["metadata"].get("labels") or {}
    for snapshot in snapshots:
        if name := stands_for(snapshot):
            try:
                saved = route_in(snapshot)
            except MaintenanceError:  # the maintenance Route tells what it can; `delete` says what is wrong with it
                continue
            yield name, saved["metadata"].get("labels") or {}

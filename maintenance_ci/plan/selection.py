"""Which Routes a label selector means, also while they are in maintenance: pure.

The cluster evaluates the selector for the Routes that are there. An original that a maintenance has taken away has its
labels in its snapshot alone.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.plan.marks import Object, by_name, labels_of, stands_for
from maintenance_ci.plan.snapshot import route_in
from maintenance_ci.plan.strategies import rewriting_strategy
from maintenance_ci.settings.selector import matches, parse

if TYPE_CHECKING:
    from collections.abc import Iterable


def names_selected(
    selector: str, matching: Iterable[Object], routes: Iterable[Object], snapshots: Iterable[Object]
) -> list[str]:
    """Return the names of the originals that carry the labels, or carried them when their maintenance began; sorted.

    Args:
        selector: as ``oc get --selector`` takes it.
        matching: the Routes that the cluster has selected by it, of all its ``routes``.
        snapshots: our Secrets.
    """
    live, wanted = by_name(routes), parse(selector)
    # A maintenance Route has some of its original's labels, not all: that it matches tells nothing.
    names = {str(route["metadata"]["name"]) for route in matching if stands_for(route) is None}
    saved = _labels_of_originals(live.values(), snapshots)
    # An original whose label somebody has removed since is still in the maintenance that began with that label.
    away = [name for name in saved if name not in live or rewriting_strategy(live[name])]
    return sorted(names.union(name for name in away if matches(wanted, saved[name])))


def _labels_of_originals(routes: Iterable[Object], snapshots: Iterable[Object]) -> dict[str, dict[str, str]]:
    """Return the labels of originals as their snapshots have them; or else as their maintenance Routes do, in part."""
    labels = {name: labels_of(route) for route in routes if (name := stands_for(route))}
    for snapshot in snapshots:
        if name := stands_for(snapshot):
            # `delete` reports a snapshot that cannot be read, and refuses it or takes the template.
            with contextlib.suppress(MaintenanceError):
                labels[name] = labels_of(route_in(snapshot))
    return labels

"""Looks at the cluster that several waits share: as many Routes as there may be, the cluster is asked as often."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.plan.marks import by_name

if TYPE_CHECKING:
    from maintenance_ci.cluster.openshift import Object, OpenShift

# Routes up to which each is read by itself; more are read by one list.
FEW = 3
# Seconds for which a list is good; where reading it takes long, a multiple of that time.
GOOD_FOR = 0.4
REST = 3.0


class SharedLooks:
    """How the Routes of a namespace look now, for a ``number`` of waits at the same time."""

    def __init__(self, cluster: OpenShift, number: int = 1) -> None:
        self.cluster, self.number = cluster, number
        self._lock = threading.Lock()
        self._due = 0.0
        self._routes: dict[str, Object] = {}
        self._error: MaintenanceError | None = None

    def route(self, name: str) -> Object | None:
        """Return the Route as it is now, or was a moment ago; raises as `OpenShift.get`."""
        if self.number <= FEW:
            return self.cluster.get("routes", name)
        with self._lock:
            began = time.monotonic()
            if began >= self._due:
                self._read()
                now = time.monotonic()
                self._due = now + max(GOOD_FOR, REST * (now - began))
            if self._error:
                raise self._error
            return self._routes.get(name)

    def _read(self) -> None:
        try:
            self._routes, self._error = by_name(self.cluster.select("routes")), None
        except MaintenanceError as error:
            self._error = error

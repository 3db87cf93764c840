"""One loop for all that is waited for: of one Route, or of many; each has its own end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.plan.steps import Admitted, Judged, Met
from maintenance_ci.run.admission import AdmittedWatch, JudgedWatch
from maintenance_ci.run.users import MetWatch, ReloadedWatch

if TYPE_CHECKING:
    from maintenance_ci.cluster.openshift import OpenShift
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.plan.steps import Condition
    from maintenance_ci.run.probe import Outcome
    from maintenance_ci.run.watch import Watch
    from maintenance_ci.settings.variables import RouteSettings

Key = TypeVar("Key")


def watch(settings: RouteSettings, cluster: OpenShift, condition: Condition, log: JobLog) -> Watch:
    """Return what watches for a condition; its time begins now."""
    if isinstance(condition, Judged):
        return JudgedWatch(cluster, condition, log.say)
    if isinstance(condition, Admitted):
        return AdmittedWatch(cluster, condition, settings.admission_timeout, log.say)
    if isinstance(condition, Met) and settings.probes:
        return MetWatch(settings, condition, log)
    return ReloadedWatch(settings, log)


class Waiting(Generic[Key]):
    """Conditions that must come one after the other, for one key.

    Attributes:
        key: whose they are.
        outcome: what users were seen to meet; None where nobody was asked.
        error: why they did not come.
    """

    def __init__(
        self,
        key: Key,
        settings: RouteSettings,
        cluster: OpenShift,
        conditions: Sequence[Condition],
        log: JobLog,
        *,
        even_if_forbidden: bool = False,
    ) -> None:
        self.key = key
        self.outcome: Outcome | None = None
        self.error: MaintenanceError | None = None
        self.due = 0.0
        # Each one's time begins when those before it have come.
        self._watches: Iterator[Watch] = (watch(settings, cluster, one, log) for one in conditions)
        self._now: Watch | None = None
        self._even_if_forbidden = even_if_forbidden

    def look(self) -> bool:
        """Look at what is waited for now; tell whether all has come, or failed."""
        try:
            while now := self._now or next(self._watches, None):
                self._now, now.even_if_forbidden = now, self._even_if_forbidden
                if not now.has_come():
                    self.due = time.monotonic() + now.every
                    return False
                self._now, self.outcome = None, now.outcome or self.outcome
        except MaintenanceError as error:
            self.error = error
        return True


def wait_for_all(waits: Sequence[Waiting[Key]]) -> Iterator[Waiting[Key]]:
    """Yield each of ``waits`` as soon as it has ended: one that fails ends no other's."""
    left = list(waits)
    while left:
        for one in [one for one in left if time.monotonic() >= one.due]:
            if one.look():
                left.remove(one)
                yield one
        if left:
            time.sleep(max(0.0, min(one.due for one in left) - time.monotonic()))

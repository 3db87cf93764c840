"""One loop for all that is waited for: of one Route, or of many; each has its own end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future
from concurrent.futures import wait as wait_for_futures
from typing import TYPE_CHECKING, Generic, TypeVar

from maintenance_ci.plan.steps import Admitted, Judged, Met
from maintenance_ci.run.admission import AdmittedWatch, JudgedWatch
from maintenance_ci.run.concurrently import HEED
from maintenance_ci.run.users import ReloadedWatch, watch_users
from maintenance_ci.waiting import in_background

if TYPE_CHECKING:
    from maintenance_ci.log.route_log import RouteLog
    from maintenance_ci.plan.steps import Condition
    from maintenance_ci.run.probe import Outcome
    from maintenance_ci.run.shared_reads import SharedLooks
    from maintenance_ci.run.targets import Target
    from maintenance_ci.run.watch import Watch
    from maintenance_ci.settings.variables import RouteSettings

One = TypeVar("One", bound="Target")

# Looks at the same time: one that hangs, such as at a site that does not answer, holds up no other.
LOOKS_AT_ONCE = 16


def watch(settings: RouteSettings, looks: SharedLooks, condition: Condition, log: RouteLog) -> Watch:
    """Return what watches for a condition; its time begins now."""
    if isinstance(condition, Judged):
        return JudgedWatch(looks, condition, log)
    if isinstance(condition, Admitted):
        return AdmittedWatch(looks, condition, settings.admission_timeout, log)
    if isinstance(condition, Met) and settings.probes:
        return watch_users(settings, condition, log, number=looks.number)
    return ReloadedWatch(settings, log)


class Waiting(Generic[One]):
    """Conditions that must come one after the other, for one target.

    Attributes:
        target: whose they are.
        outcome: what users were seen to meet; None where nobody was asked.
        error: why they did not come.
    """

    def __init__(
        self, target: One, looks: SharedLooks, conditions: Sequence[Condition], *, even_if_forbidden: bool = False
    ) -> None:
        self.target = target
        self.outcome: Outcome | None = None
        self.error: Exception | None = None
        self.due = 0.0
        # Each one's time begins when those before it have come.
        self._watches = (watch(target.settings, looks, condition, target.log) for condition in conditions)
        self._now: Watch | None = None
        self._even_if_forbidden = even_if_forbidden

    def look(self) -> bool:
        """Look at what is waited for now; tell whether all has come, or failed: also by a fault of ours."""
        try:
            while now := self._now or next(self._watches, None):
                self._now, now.even_if_forbidden = now, self._even_if_forbidden
                if not now.has_come():
                    self.due = time.monotonic() + now.every
                    return False
                self._now, self.outcome = None, now.outcome or self.outcome
        except Exception as error:  # noqa: BLE001 - raised by whoever waits; the other waits go on
            self.error = error
        return True


def wait_for_all(waits: Sequence[Waiting[One]]) -> Iterator[Waiting[One]]:
    """Yield each of ``waits`` as soon as it has ended: one that fails, or whose look takes long, ends no other's."""
    left, looking = list(waits), dict[Future[bool], Waiting[One]]()
    while left or looking:
        if len(left) == 1 and not looking:  # it needs no thread
            [last] = left
            time.sleep(max(0.0, last.due - time.monotonic()))
            if last.look():
                left.remove(last)
                yield last
            continue
        now = time.monotonic()
        for one in [one for one in left if now >= one.due][: LOOKS_AT_ONCE - len(looking)]:
            left.remove(one)
            looking[in_background(one.look)] = one
        next_due = min((one.due for one in left), default=now + HEED)
        pause = min(HEED, max(0.0, next_due - now)) if len(looking) < LOOKS_AT_ONCE else HEED
        if not looking:  # waiting for no future at all would end at once, and take a whole processor
            time.sleep(pause)
        for future in wait_for_futures(looking, timeout=pause, return_when=FIRST_COMPLETED).done:
            one = looking.pop(future)
            if future.result():
                yield one
            else:
                left.append(one)

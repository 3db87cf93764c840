"""Waits for users, as the executor does, of one Route alone."""

from __future__ import annotations

import contextlib
import io
import time

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.log.log import JobLog
from maintenance_ci.plan.steps import Met, Side
from maintenance_ci.run.probe import PAUSE, Outcome, Probe
from maintenance_ci.run.users import MetWatch


def watched(probe: Probe, wanted: Side, *, window: float, timeout: float) -> tuple[Outcome, list[str]]:
    """Look until the wait has ended; return how it did, and what was said."""
    stream = io.StringIO()
    [log] = JobLog(stream).of_routes(["shop"])
    watch = MetWatch(probe, Met({}, wanted), log, window=window, timeout=timeout)
    with contextlib.suppress(MaintenanceError):  # users do not meet that side
        while not watch.has_come():
            time.sleep(PAUSE)
    assert watch.outcome
    return watch.outcome, [line.strip() for line in stream.getvalue().splitlines()]

"""Waits for users, as the executor does, of one Route alone."""

from __future__ import annotations

import time
from collections.abc import Callable

from maintenance_ci.plan.steps import Side
from maintenance_ci.run.probe import PAUSE, Outcome, Probe
from maintenance_ci.run.users import UsersWatch


def watched(
    probe: Probe,
    wanted: Side,
    *,
    window: float,
    timeout: float,
    say: Callable[[str], None],
    warn: Callable[[str], None],
) -> Outcome:
    """Look until the wait has ended."""
    watch = UsersWatch(probe, wanted, window=window, timeout=timeout, say=say, warn=warn)
    while (outcome := watch.look()) is None:
        time.sleep(PAUSE)
    return outcome

"""Waits for users, as the executor does, of one Route alone."""

from __future__ import annotations

import time
from typing import Any

from maintenance_ci.plan.steps import Side
from maintenance_ci.run.probe import PAUSE, Outcome, Probe
from maintenance_ci.run.users import UsersWatch


def watched(probe: Probe, wanted: Side, **limits: Any) -> Outcome:
    """Look until the wait has ended; ``limits`` are those of `UsersWatch`, and what is told."""
    watch = UsersWatch(probe, wanted, give_sign=limits["say"], **limits)
    while (outcome := watch.look()) is None:
        time.sleep(PAUSE)
    return outcome

"""A busy machine is told from what is slow by itself."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.tools.busy_machine import (
    BUSY,
    WORKERS,
    WORKERS_IF_BUSY,
    require_at_least,
    require_at_most,
    slowdown,
    workers_for,
)

Skipped = pytest.skip.Exception


@pytest.mark.parametrize(
    ("measured", "factor", "ends"),
    [
        (2.0, 1.0, None),
        (2.1, 1.0, AssertionError),  # idle: whatever is beyond it is a fault
        (7.9, 4.0, Skipped),
        (8.1, 4.0, AssertionError),  # and so is what no busy machine explains
        (2.0, 4.0, None),
    ],
)
def test_a_real_failure_is_no_skip(measured: float, factor: float, ends: type[BaseException] | None) -> None:
    def both() -> None:
        require_at_most(measured, 2.0, "a wait", factor=factor)
        require_at_least(100 / measured, 50, "a rate", factor=factor)

    if ends is None:
        both()
        return
    for call in (
        lambda: require_at_most(measured, 2.0, "a wait", factor=factor),
        lambda: require_at_least(100 / measured, 50, "a rate", factor=factor),
    ):
        with pytest.raises(ends, match="too busy" if ends is Skipped else "times slower than an idle one"):
            call()


@pytest.mark.parametrize(
    ("slowdowns", "number"),
    [
        ([1.0, 1.1, 1.2], WORKERS),
        ([3.0, 1.1, 2.8], WORKERS),  # busy for a moment
        ([1.6, 2.9, 3.3], WORKERS_IF_BUSY),
    ],
)
def test_fewer_tests_run_at_once_on_a_machine_that_stays_busy(slowdowns: list[float], number: int) -> None:
    assert workers_for(slowdowns) == number


def test_other_processes_make_it_slower() -> None:
    """Two that compute all the time, on the one processor that is left to us."""
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(processors)})  # children inherit it
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        beside = slowdown()
    finally:
        os.sched_setaffinity(0, processors)
        for one in others:
            one.kill()
            one.wait()
    assert beside > BUSY

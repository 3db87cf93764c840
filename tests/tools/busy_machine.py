"""Telling a machine that is too busy to measure from what is measured, where nothing but seconds can tell.

A test that waits for an event, or compares with what it measured beside it, needs none of this.

What many tests at once do to each other on a busy machine no test can tell: users, clusters and jobs then wait longer
for a processor than for anything that is tested. There, fewer tests run at once (`workers_for`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable

import pytest

# Seconds of processor time that the yardstick takes.
YARDSTICK = 0.1
# From this slowdown on a machine may be too busy for what has its own measure of that.
BUSY = 1.5
# The tests mostly wait: five at a time keep two cores busy.
WORKERS, WORKERS_IF_BUSY = 5, 2
# How often the machine is measured before that is decided: what is busy for a moment is not a busy machine.
MEASURED = 8
CODE = f"""
import time
began, spent = time.monotonic(), time.process_time()
while time.process_time() - spent < {YARDSTICK}:
    pass
print((time.monotonic() - began) / {YARDSTICK})
"""


def slowdown() -> float:
    """Return how many times longer computing takes now than on an idle machine: 1.0 where nothing else runs.

    Measured twice at a time, by processes of their own: what is tested has children too, and other processors do not
    help who waits for one of them.
    """
    argv = [sys.executable, "-I", "-S", "-c", CODE]
    both = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(min(2, os.cpu_count() or 1))]
    return max(1.0, *(float(one.communicate()[0]) for one in both))


def workers_for(slowdowns: Iterable[float]) -> int:
    """Return how many tests shall run at once on a machine that was measured as this slow, again and again."""
    return WORKERS if min(slowdowns) < BUSY else WORKERS_IF_BUSY


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Answer pytest-xdist's ``-n auto``: as many tests at once as the machine has room for now."""
    return workers_for(slowdown() for _ in range(MEASURED))


def require_at_most(measured: float, bound: float, what: str, *, factor: float | None = None) -> None:
    """Hold that ``measured`` is ``bound`` at the most; skip the test where only the machine's business explains it.

    What is beyond the bound by more than the machine is slow fails, however busy that is; on an idle machine whatever
    is beyond the bound does.

    Args:
        measured: seconds, or anything else that grows with them.
        bound: of the same unit, as on an idle machine.
        what: names it.
        factor: how many times slower the machine is; measured when it is needed, where None.
    """
    if measured <= bound:
        return
    factor = factor or slowdown()
    said = f"{what}: {measured:.2f}, {bound:g} at the most; the machine is {factor:.1f} times slower than an idle one"
    if measured <= bound * factor:
        pytest.skip(f"machine too busy: {said}")
    raise AssertionError(said)


def require_at_least(measured: float, bound: float, what: str, *, factor: float | None = None) -> None:
    """Hold that ``measured``, a rate, is ``bound`` at the least; otherwise as `require_at_most`."""
    if measured >= bound:
        return
    factor = factor or slowdown()
    said = f"{what}: {measured:.2f}, {bound:g} at the least; the machine is {factor:.1f} times slower than an idle one"
    if measured * factor >= bound:
        pytest.skip(f"machine too busy: {said}")
    raise AssertionError(said)

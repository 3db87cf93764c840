"""Measuring other processes."""

from __future__ import annotations

import resource
import statistics
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

ROUNDS = 7


@dataclass(frozen=True)
class Cost:
    """What one run of a command takes: the median of several, after one that warms the cache.

    Attributes:
        processor: seconds of processor time, of its children too; a busy machine changes it little.
        elapsed: seconds that somebody waits for it.
    """

    processor: float
    elapsed: float


def cost_of(argv: Sequence[str], *, environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Cost:
    """Run ``argv`` several times; its output and its exit code are of no interest here."""
    costs = [_run(argv, environment, folder) for _ in range(ROUNDS + 1)][1:]
    return Cost(statistics.median(cost.processor for cost in costs), statistics.median(cost.elapsed for cost in costs))


def _run(argv: Sequence[str], environment: Mapping[str, str] | None, folder: Path | None) -> Cost:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(argv, env=environment, cwd=folder, capture_output=True, check=False)
    after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    return Cost(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, ended - began)

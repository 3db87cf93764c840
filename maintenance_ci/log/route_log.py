"""One Route's part of a job's log: where the job is about several Routes, each line names its Route."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from maintenance_ci.log.outcome import Outcome
from maintenance_ci.log.report_files import Phase, RouteRecord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from maintenance_ci.log.log import JobLog
    from maintenance_ci.log.report_files import Record


class RouteLog:
    """What a job says and records of one Route, or of one path of it; `JobLog.of_routes` makes it.

    Threads may use the logs of several Routes at the same time.

    Args:
        job: the job's log.
        name: how lines name the Route, such as ``shop`` or ``shop/cart``.
        alone: the job is about this Route only: no line needs to name it.

    Attributes:
        outcome: what users of this Route see now; the only Route shares the job's.
        row: what the report says of it.
    """

    def __init__(self, job: JobLog, name: str, *, alone: bool) -> None:
        self.job, self.name, self.alone = job, name, alone
        self.outcome = job.outcome if alone else Outcome()
        self.row = RouteRecord()
        self._prefix = "" if alone else f"{name}: "

    @property
    def record(self) -> Record:
        """What the job's reports are made of."""
        return self.job.record

    def say(self, text: str) -> None:
        """Write ``text``, each line with the Route's name."""
        for line in text.splitlines():
            self.job.say(f"{self._prefix}{line}")

    def warn(self, text: str) -> None:
        """Write what must not be overlooked."""
        self.job.warn(f"{self._prefix}{text}")

    def say_trouble(self, text: str) -> None:
        """Write what is wrong with a server that all Routes need; where several say the same, once in a while."""
        if self.alone:
            self.say(text)
        else:
            self.job.say_once(text)

    def give_sign(self, text: str) -> None:
        """Write a sign of life; where there are several Routes, the job's log gives one for all."""
        if self.alone:
            self.say(text)

    @contextlib.contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Head what follows; among several Routes by a line, since their phases go on at the same time."""
        if self.alone:
            with self.job.phase(title):
                yield
            return
        with self.job.recorded(Phase(f"{self._prefix}{title}", self.seconds(time.monotonic()))):
            self.say(title)
            yield

    def check(self, name: str) -> AbstractContextManager[list[str]]:
        """Record a check of this Route, as `JobLog.check` does."""
        return self.job.check(f"{self._prefix}{name}")

    def report_rollback(self, why: str) -> None:
        """Say why a rollback begins, as `JobLog.report_rollback` does."""
        self.job.report_rollback(f"{self._prefix}{why}")

    def seconds(self, moment: float) -> float:
        """Return the seconds from the beginning of the job to a moment of `time.monotonic`."""
        return self.job.seconds(moment)

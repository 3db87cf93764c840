"""The only place that acts: makes the steps of plans, waits for what they wait for, and undoes what fails.

The same step of every plan is made, some at a time, then all are waited for together. A plan that fails is undone on
its own, at once, while the others go on.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.plan.describe import title_of_all, title_of_wait
from maintenance_ci.plan.steps import Direction, Judged, Step
from maintenance_ci.run.changes import Changes
from maintenance_ci.run.concurrently import concurrently
from maintenance_ci.run.interruption import undisturbed
from maintenance_ci.run.patience import SharedPatience
from maintenance_ci.run.shared_reads import SharedLooks
from maintenance_ci.run.targets import AT_ONCE, Planned
from maintenance_ci.run.wait import Waiting, wait_for_all

if TYPE_CHECKING:
    from maintenance_ci.cluster.openshift import OpenShift
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.plan.steps import Condition, Side
    from maintenance_ci.run.probe import Outcome
    from maintenance_ci.run.undo import Undo

# Runs that are undone at the same time: each mostly waits.
UNDONE_AT_ONCE = 32


@dataclass(eq=False)
class Run(Planned):
    """A plan that is executed.

    Attributes:
        changes: makes its changes.
        met_before: who answered users before the first change; None where nobody looked.
        tried: the steps so far; of the last one the answer may be lost.
        change_made: whether the last one's change was made: what fails then is a wait.
        seen: what users were seen to meet at last; None where nobody looked.
        ended: whether all its steps were made, and have come: from then on nothing undoes it.
        error: why it did not come to its end.
    """

    changes: Changes
    met_before: Side | None = None
    tried: list[Step] = field(default_factory=list)
    change_made: bool = False
    seen: Outcome | None = None
    ended: bool = False
    error: BaseException | None = None

    @property
    def step(self) -> Step:
        """The step that was tried last."""
        return self.tried[-1]

    @property
    def goes_on(self) -> bool:
        """Whether nothing failed, and there is a step left."""
        return self.error is None and len(self.tried) < len(self.plan.steps)

    @property
    def may_have_moved_users(self) -> bool:
        """Whether a step was tried after which users meet another side."""
        return any(step.moves_users for step in self.tried)

    @property
    def steps_before_users(self) -> int:
        """How many steps come before the next one after which users are waited for; 0 where none does any more."""
        left = self.plan.steps[len(self.tried) :]
        return next((number for number, step in enumerate(left) if step.moves_users), 0)

    def begin_step(self) -> None:
        """Go on to the next step."""
        self.tried.append(self.plan.steps[len(self.tried)])
        self.change_made = False

    def end_step(self, undo: Undo) -> None:
        """Note that the run has come to its end, where nothing failed, and no step is left."""
        if self.error is None and not self.goes_on:
            self.ended, self.log.row.outcome = True, "done"
            undo.ended(self)

    def note_failure(self) -> None:
        """Note in the report why it did not come to its end."""
        if self.error:
            self.log.row.outcome = "failed"
            self.log.row.error = self.error.what if isinstance(self.error, MaintenanceError) else None

    def conditions(self, *, judged: bool) -> list[Condition]:
        """Return what the step waits for: of the routers' verdicts, or of who serves whom."""
        return [one for one in self.step.until if isinstance(one, Judged) is judged]


def begin_runs(planned: Iterable[Planned], cluster: OpenShift) -> list[Run]:
    """Return the runs of a job's plans, none of whose steps is made yet."""
    patience = SharedPatience()
    return [Run(one.settings, one.observed, one.log, one.plan, Changes(one, cluster, patience)) for one in planned]


def execute(cluster: OpenShift, runs: Sequence[Run], undo: Undo, log: JobLog) -> None:
    """Make all steps of all plans; what fails is noted in its run, and undone while the others go on.

    Raises:
        BaseException: whatever stops the job itself, such as KeyboardInterrupt; all that are under way are undone, and
            those that had come to their end stay so.
    """
    undoing = _Undoing(undo, runs)
    try:
        while wave := _next_wave(runs):
            for run in wave:
                run.begin_step()
            _change_all(cluster, wave, undo, undoing, log)
            undoing.work_off()
            _wait_for_users(cluster, [run for run in wave if run.error is None], undo, undoing, log)
            undoing.work_off()
            for run in wave:
                run.end_step(undo)
    except BaseException as error:
        _undo_stopped(runs, error, undoing)
        raise
    finally:
        undoing.join()
        for run in runs:
            run.note_failure()


def _undo_stopped(runs: Sequence[Run], error: BaseException, undoing: _Undoing) -> None:
    """Undo the runs that are under way when the job is stopped by ``error``.

    Raises:
        BaseException: what one of them could not be undone for.
    """
    with undisturbed():
        stopped = [run for run in runs if run.tried and not run.ended and run.error is None]
        for run in stopped:
            run.error = error
        for run in runs:  # also one that had just failed: whoever stops the job may be in between
            if run.error:
                undoing.begin(run)
        undoing.join()
    for run in stopped:
        if run.error and run.error is not error:  # it could not be undone, either
            raise run.error from error


def _next_wave(runs: Sequence[Run]) -> list[Run]:
    """Return the runs whose step is made next: those that are furthest from their wait for users.

    So all are waited for together, and no Route that is half switched waits for users of another one: where some are
    in maintenance already, they are confirmed when the others are.
    """
    going_on = [run for run in runs if run.goes_on]
    furthest = max((run.steps_before_users for run in going_on), default=0)
    return [run for run in going_on if run.steps_before_users == furthest]


class _Undoing:
    """Undoes what failed: the only plan in between, each of several in its own thread while the others go on."""

    def __init__(self, undo: Undo, runs: Sequence[Run]) -> None:
        self._undo_with, self._alone = undo, len(runs) == 1
        self._begun: list[Run] = []
        self._undone: set[Run] = set()
        self._each = {run: threading.Lock() for run in runs}
        self._due: list[Run] = []
        self._threads: list[threading.Thread] = []
        self._slots = threading.Semaphore(UNDONE_AT_ONCE)

    def begin(self, run: Run) -> None:
        """Undo a run that failed; once."""
        if run in self._begun:
            return
        if self._alone:
            self._due.append(run)
        else:
            thread = threading.Thread(target=self._undo_in_turn, args=(run,), name=f"undo {run.observed.route_name}")
            thread.start()
            self._threads.append(thread)
        self._begun.append(run)  # last: whoever stops the job between these lines has it begun twice, and undone once

    def work_off(self) -> None:
        """Undo what is to be undone in between; whoever stops the job does not cut that short."""
        if self._due:
            with undisturbed():
                due, self._due = list(dict.fromkeys(self._due)), []
                for run in due:
                    self._undo(run)

    def join(self) -> None:
        """Wait until all is undone."""
        self.work_off()
        with undisturbed():
            for thread in self._threads:
                thread.join()

    def _undo_in_turn(self, run: Run) -> None:
        with self._slots, self._each[run]:
            if run not in self._undone:
                self._undone.add(run)
                self._undo(run)

    def _undo(self, run: Run) -> None:
        """Undo a run; a fault of ours on the way becomes the run's error, and is shown as one, also from a thread."""
        try:
            self._undo_with.undo(run)
        except Exception as fault:  # noqa: BLE001 - raised by whoever executes the runs
            fault.__cause__ = fault.__cause__ or run.error
            run.error = fault


class _WaveError(Exception):
    """Every plan of a wave has failed."""


@contextlib.contextmanager
def _phase(log: JobLog, title: str, runs: Sequence[Run]) -> Iterator[None]:
    """Head the body; the log says that it failed where each of ``runs`` has failed at its end."""
    with contextlib.suppress(_WaveError), log.phase(title):
        yield
        if all(run.error for run in runs):
            raise _WaveError


def _change_all(cluster: OpenShift, wave: Sequence[Run], undo: Undo, undoing: _Undoing, log: JobLog) -> None:
    """Make the step of each run, and wait until the routers have judged what was made."""
    runs = [run for run in wave if run.step.change.changes_cluster or run.conditions(judged=True)]
    if not runs:
        return
    with _phase(log, title_of_all([run.step.change for run in runs]), runs):
        for run in runs:
            undo.before_change(run)
        try:
            futures = concurrently([partial(_change, run) for run in runs], at_once=AT_ONCE)
            for run, future in zip(runs, futures, strict=True):
                run.error = future.exception()
                run.change_made = run.error is None
        finally:  # also where the job is stopped: each change may have been made
            for run in runs:
                undo.after_change(run)
        for run in runs:
            if run.error:
                undoing.begin(run)
        _wait(cluster, [run for run in runs if run.change_made], undoing, judged=True)


def _change(run: Run) -> None:
    """Make the change: strictly where the page is to be shown, insisting where the application is to come back."""
    make: Callable[..., None] = run.changes.make if run.plan.direction is Direction.BEGIN else run.changes.insist
    make(run.step.change)


def _wait_for_users(cluster: OpenShift, wave: Sequence[Run], undo: Undo, undoing: _Undoing, log: JobLog) -> None:
    """Wait until users meet what they are to meet."""
    runs = [run for run in wave if run.conditions(judged=False)]
    if not runs:
        return
    with _phase(log, title_of_wait(runs[0].step), runs):
        for run in runs:
            run.change_made = True
        for run in _wait(cluster, runs, undoing, judged=False):
            undo.after_wait(run)


def _wait(cluster: OpenShift, runs: Sequence[Run], undoing: _Undoing, *, judged: bool) -> list[Run]:
    """Wait for each run's conditions, and return those whose conditions have come; the others are undone at once."""
    looks = SharedLooks(cluster, len(runs))
    for wait in wait_for_all([Waiting(run, looks, run.conditions(judged=judged)) for run in runs]):
        run = wait.target
        run.seen, run.error = wait.outcome or run.seen, wait.error
        if run.error:
            undoing.begin(run)
    return [run for run in runs if run.error is None]

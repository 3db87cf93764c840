"""A job that is stopped, or meets a fault of its own, while changes are made or undone."""

from __future__ import annotations

import io
import signal
import threading
import time
from collections.abc import Callable
from functools import partial

import pytest

from maintenance_ci.cluster.openshift import OpenShift
from maintenance_ci.errors import MaintenanceError
from maintenance_ci.log.log import JobLog
from maintenance_ci.plan.observed import Phase
from maintenance_ci.plan.plans import plan_begin
from maintenance_ci.plan.steps import Change
from maintenance_ci.plan.strategies import SWAP
from maintenance_ci.run.changes import Changes
from maintenance_ci.run.concurrently import concurrently, require_not_stopped
from maintenance_ci.run.execute import Run, execute
from maintenance_ci.run.undo import Undo
from tests.tools.observations import observed_in, settings


def stop_when(begun: threading.Event) -> None:
    """Stop the job, as Ctrl-C does, when its work is under way."""

    def stop() -> None:
        assert begun.wait(10)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=stop, daemon=True).start()


@pytest.mark.parametrize("asks", [True, False], ids=["asks", "twin: does not ask"])
def test_a_change_that_is_tried_again_ends_with_the_job(asks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maintenance_ci.run.concurrently.STOPPED_PATIENCE", 0.3)
    begun, ended, released = threading.Event(), threading.Event(), threading.Event()

    def insist() -> None:
        begun.set()
        try:
            while not released.wait(0.01):
                if asks:
                    require_not_stopped()
        finally:
            ended.set()

    stop_when(begun)
    with pytest.raises(KeyboardInterrupt):
        concurrently([insist], at_once=1)
    assert ended.wait(0.3) is asks
    released.set()


def test_nothing_is_stopped_where_no_job_is() -> None:
    require_not_stopped()
    futures = concurrently([require_not_stopped, require_not_stopped], at_once=1)
    assert [future.exception() for future in futures] == [None, None]


class Made(Changes):
    """Changes of which one fails, or is under way when the job is stopped; nothing is sent."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act

    def make(self, change: Change) -> None:
        self._act()


class Told(Undo):
    """Counts what it is told, and has a fault."""

    def __init__(self, fault: BaseException | None = None) -> None:
        self.told: list[str] = []
        self._fault = fault

    def before_change(self, run: Run) -> None:
        pass

    def after_change(self, run: Run) -> None:
        self.told.append("after the change")

    def undo(self, run: Run) -> None:
        self.told.append(f"undo after {type(run.error).__name__}")
        if self._fault:
            raise self._fault


def run_of(act: Callable[[], None]) -> Run:
    observed = observed_in(Phase.LIVE, SWAP)
    [log] = JobLog(io.StringIO()).of_routes(["shop"])
    return Run(settings(), observed, log, plan_begin(settings(), observed), Made(act))


def refuse() -> None:
    raise MaintenanceError("The snapshot is refused.")


def executed(runs: list[Run], undo: Undo) -> None:
    execute(OpenShift.__new__(OpenShift), runs, undo, JobLog(io.StringIO()))


@pytest.mark.parametrize("several", [1, 3])
def test_a_fault_of_ours_while_a_run_is_undone_is_its_error(several: int) -> None:
    runs = [run_of(refuse) for _ in range(several)]
    executed(runs, Told(ZeroDivisionError("ours")))
    for run in runs:
        assert isinstance(run.error, ZeroDivisionError)
        assert isinstance(run.error.__cause__, MaintenanceError)


def test_what_a_run_failed_with_stays_its_error_where_it_is_undone() -> None:
    runs = [run_of(refuse)]
    undo = Told()
    executed(runs, undo)
    assert isinstance(runs[0].error, MaintenanceError)
    assert undo.told == ["after the change", "undo after MaintenanceError"]


@pytest.mark.parametrize("several", [1, 3])
def test_a_job_that_is_stopped_in_a_change_undoes_it_and_says_that_it_may_be_made(
    several: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maintenance_ci.run.concurrently.STOPPED_PATIENCE", 0.1)
    begun, undo = threading.Event(), Told()
    runs = [run_of(partial(wait_for_stop, begun)) for _ in range(several)]
    stop_when(begun)
    with pytest.raises(KeyboardInterrupt):
        executed(runs, undo)
    assert sorted(undo.told) == ["after the change"] * several + ["undo after KeyboardInterrupt"] * several


@pytest.mark.parametrize("several", [1, 3])
def test_a_rollback_that_fails_is_the_error_of_a_job_that_is_stopped(
    several: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maintenance_ci.run.concurrently.STOPPED_PATIENCE", 0.1)

    class Fails(Told):
        def undo(self, run: Run) -> None:
            time.sleep(0.05)
            run.error = MaintenanceError("The rollback failed, too.")

    begun = threading.Event()
    runs = [run_of(partial(wait_for_stop, begun)) for _ in range(several)]
    stop_when(begun)
    with pytest.raises(MaintenanceError, match="The rollback failed, too"):
        executed(runs, Fails())


def test_a_run_that_failed_before_and_was_undone_is_not_what_a_stopped_job_ends_with() -> None:
    begun, undo = threading.Event(), Told()
    runs = [run_of(refuse), run_of(partial(wait_for_stop, begun))]
    stop_when(begun)
    with pytest.raises(KeyboardInterrupt):
        executed(runs, undo)
    assert len([told for told in undo.told if told.startswith("undo")]) == 2


def wait_for_stop(begun: threading.Event) -> None:
    begun.set()
    while True:
        time.sleep(0.01)
        require_not_stopped()

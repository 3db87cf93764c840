"""Several plans at once: each has its own end, and a job that is stopped undoes all of them."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.names import page_route_name
from maintenance_ci.plan.steps import Side
from maintenance_ci.run import concurrently
from maintenance_ci.run import execute as executor
from maintenance_ci.run.execute import Run
from maintenance_ci.run.interruption import SIGNALS, interrupted_when_cancelled
from tests.run.routes_in_a_model import FIRST, Site, names

MANY = pytest.mark.parametrize("number", [3, 30])


@pytest.fixture
def on(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Site:
    number = request.getfixturevalue("number") if "number" in request.fixturenames else 3
    return Site(number, monkeypatch)


@pytest.fixture
def cancellable() -> Iterator[None]:
    """A SIGTERM interrupts, as in a job."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    with interrupted_when_cancelled():
        yield
    for number, handler in before.items():
        signal.signal(number, handler)


@MANY
@pytest.mark.parametrize("strategy", ["swap", "repoint"])
def test_all_come_to_their_end_and_back(on: Site, number: int, strategy: str) -> None:
    for job, shown in (("deploy-route", names(number)), ("delete", [])):
        runs = on.runs(number, job=job, ROUTE_STRATEGY=strategy)
        on.execute(runs)
        assert [run.error for run in runs] == [None] * number
        assert on.shown(number) == shown
    assert on.model.content() == on.before


def test_some_changes_are_made_at_the_same_time_but_not_all(monkeypatch: pytest.MonkeyPatch) -> None:
    on, under_way, most = Site(30, monkeypatch), 0, 0
    all_at_once = threading.Barrier(executor.AT_ONCE)

    def count(verb: str, plural: str, _: str) -> None:
        nonlocal under_way, most
        if (verb, plural) == ("create", "secrets"):
            with on.model.changed:
                under_way += 1
                most = max(most, under_way)
                turn = len(on.model.history)
            if turn == 0:
                all_at_once.wait(timeout=30)
            with on.model.changed:
                under_way -= 1

    on.model.before_change = count
    on.execute(on.runs(30))
    assert most == executor.AT_ONCE


def fails(side: Side) -> bool:
    if side is Side.PAGE:
        raise MaintenanceError("Users do not meet the page.")
    return True


def others_wait_for_way_back(on: Site, number: int) -> None:
    """Users of the first Route do not meet the page; those of the others not before the first one is rolled back."""
    on.hindrances = {name: lambda side: side is Side.APPLICATION or on.is_rolled_back(FIRST) for name in names(number)}
    on.hindrances[FIRST] = fails


@MANY
def test_one_that_users_do_not_meet_is_undone_alone_and_at_once(on: Site, number: int) -> None:
    others_wait_for_way_back(on, number)
    runs = on.runs(number)
    on.execute(runs)
    assert [run.observed.route_name for run in runs if run.error] == [FIRST]
    assert on.shown(number) == names(number)[1:]
    assert on.is_rolled_back(FIRST)


@pytest.mark.parametrize("number", [3])
def test_one_that_is_undone_only_after_the_others_wait_is_noticed(
    on: Site, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor._Undoing, "begin", lambda self, run: self._due.append(run))
    others_wait_for_way_back(on, number)
    on.patience = 0.3
    runs = on.runs(number)
    on.execute(runs)
    assert [str(run.error) for run in runs[1:]] == [f"users of {name} were waited for in vain" for name in names(3)[1:]]


@MANY
@pytest.mark.parametrize("error", [MaintenanceError("The cluster refuses it."), KeyError("a fault of ours")], ids=repr)
def test_one_whose_change_fails_is_undone_alone(on: Site, number: int, error: Exception) -> None:
    def refuse(verb: str, plural: str, name: str) -> None:
        if (verb, plural, name) == ("delete", "routes", FIRST):
            raise error

    on.model.before_change = refuse
    runs = on.runs(number)
    on.execute(runs)
    assert [run.error for run in runs] == [error] + [None] * (number - 1)
    assert on.shown(number) == names(number)[1:]
    assert on.is_rolled_back(FIRST)


@MANY
def test_a_job_that_is_stopped_while_it_waits_undoes_all(on: Site, number: int, cancellable: None) -> None:
    def cancel(side: Side) -> bool:
        if side is Side.PAGE:
            assert on.shown(number) == names(number)
            os.kill(os.getpid(), signal.SIGTERM)
        return True

    on.hindrances[names(number)[-1]] = cancel
    with pytest.raises(KeyboardInterrupt):
        on.execute(on.runs(number))
    assert on.model.content() == on.before


def test_a_way_back_under_way_comes_to_its_end_when_the_job_is_stopped(on: Site, cancellable: None) -> None:
    """The first one's is held up until the others are rolled back."""
    begun, page = threading.Event(), page_route_name(FIRST, None)

    def hold(verb: str, _: str, name: str) -> None:
        if (verb, name) == ("delete", page):
            begun.set()
            assert on.model.wait_until(lambda: on.is_rolled_back("shop-1") and on.is_rolled_back("shop-2"))

    def cancel_then(side: Side) -> bool:
        if side is Side.PAGE:
            assert begun.wait(30)
            os.kill(os.getpid(), signal.SIGTERM)
        return True

    on.model.before_change = hold
    on.hindrances = {FIRST: fails, "shop-1": cancel_then}
    with pytest.raises(KeyboardInterrupt):
        on.execute(on.runs(3))
    assert on.model.content() == on.before


def test_a_way_back_is_not_cut_short_as_it_begins(monkeypatch: pytest.MonkeyPatch, cancellable: None) -> None:
    on = Site(1, monkeypatch)
    on.hindrances = {FIRST: fails}
    note = on.log.outcome.set

    def cancel_once(users: str, **more: Any) -> None:
        monkeypatch.setattr(on.log.outcome, "set", note)
        os.kill(os.getpid(), signal.SIGTERM)
        note(users, **more)

    monkeypatch.setattr(on.log.outcome, "set", cancel_once)
    on.execute(on.runs(1))
    assert on.model.content() == on.before


def test_one_that_cannot_be_undone_either_is_told_of_a_job_that_is_stopped(on: Site, cancellable: None) -> None:
    def refuse(verb: str, _: str, name: str) -> None:
        if (verb, name) == ("delete", page_route_name("shop-1", None)):
            raise MaintenanceError("The cluster refuses it.")

    def cancel(side: Side) -> bool:
        if side is Side.PAGE:
            os.kill(os.getpid(), signal.SIGTERM)
        return True

    on.model.before_change, on.hindrances = refuse, {"shop-1": cancel}
    with pytest.raises(MaintenanceError, match="The rollback failed, too: The cluster refuses it"):
        on.execute(on.runs(3))
    assert on.is_rolled_back(FIRST)
    assert on.is_rolled_back("shop-2")


@pytest.mark.parametrize("line", range(4))
def test_a_way_back_whose_begin_is_interrupted_is_made_once(
    line: int, on: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C comes just before one of the lines that begin it."""
    begin, interrupted = executor._Undoing.begin, []

    def stop(frame: FrameType, event: str, _: object) -> Any:
        if event == "line" and frame.f_code is begin.__code__ and run.log.name == FIRST:
            lines.append(frame.f_lineno)
            if len(lines) == line + 2 and not interrupted:
                interrupted.append(line)
                raise KeyboardInterrupt
        return stop

    def begin_interrupted(self: Any, one: Run) -> None:
        nonlocal run
        run = one
        lines.clear()
        before = sys.gettrace()
        sys.settrace(stop)
        try:
            begin(self, one)
        finally:
            sys.settrace(before)

    lines: list[int] = []
    runs = on.runs(3)
    run = runs[0]
    on.hindrances = {FIRST: fails}
    monkeypatch.setattr(executor._Undoing, "begin", begin_interrupted)
    with pytest.raises(KeyboardInterrupt):
        on.execute(runs)
    assert interrupted
    assert on.model.content() == on.before
    assert on.model.history.count(("delete", page_route_name(FIRST, None))) == 1


def test_a_fault_of_ours_in_a_look_ends_its_own_route_alone(on: Site) -> None:
    def faulty(side: Side) -> bool:
        if side is Side.PAGE:
            raise KeyError("a fault of ours")
        return True

    on.hindrances = {FIRST: faulty}
    runs = on.runs(3)
    on.execute(runs)
    assert [type(run.error) for run in runs] == [KeyError, type(None), type(None)]
    assert on.shown(3) == names(3)[1:]
    assert on.is_rolled_back(FIRST)


def test_the_report_has_how_each_ended_whatever_ends_the_job(on: Site, cancellable: None) -> None:
    on.execute(on.runs(3)[:1])
    on.hindrances = {"shop-1": fails, "shop-2": lambda side: side is Side.APPLICATION or bool(stop())}

    def stop() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        on.execute(on.runs(3))
    outcomes = {one.name: one.row.outcome for one in on.log.routes}
    assert outcomes == {FIRST: "failed", "shop-1": "failed", "shop-2": "failed"}
    assert on.shown(3) == [FIRST]  # it was in maintenance before


@pytest.mark.parametrize("job", ["deploy-route", pytest.param("delete", marks=pytest.mark.slow)])
def test_a_route_that_is_only_looked_at_is_waited_for_with_those_that_are_switched(on: Site, job: str) -> None:
    """No Route that is half switched waits for users of another one."""
    begun = on.runs(3)
    on.execute(begun[:2] if job == "deploy-route" else begun)
    if job == "delete":
        on.execute(on.runs(3, job="delete")[:1])
    switched = "shop-2"
    seen: list[bool] = []
    on.hindrances = {
        name: lambda side: seen.append(on.shows_page(switched) == (side is Side.PAGE)) or True for name in names(3)
    }
    on.execute(on.runs(3, job=job))
    assert seen
    assert all(seen)


def stopped_in_flight(on: Site, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Stop a job while the page's Route of the first one is made; it is there once the job waits, or has gone back.

    Returns the changes that were made of that Route.
    """
    page, waits = page_route_name(FIRST, None), threading.Event()
    wait_until_free = concurrently._wait_until_free

    def wait_and_tell(slots: threading.Semaphore, number: int) -> None:
        if concurrently.STOPPED_PATIENCE:
            waits.set()
        wait_until_free(slots, number)

    def hold(verb: str, _: str, name: str) -> None:
        if (verb, name) == ("apply", page):
            os.kill(os.getpid(), signal.SIGTERM)
            assert waits.wait(30)

    monkeypatch.setattr(concurrently, "_wait_until_free", wait_and_tell)
    on.model.before_change = hold
    with pytest.raises(KeyboardInterrupt):
        on.execute(on.runs(3))
    waits.set()
    assert on.model.wait_until(lambda: ("apply", page) in on.model.history)
    return [change for change in on.model.history if change[1] == page]


def test_a_change_in_flight_is_waited_for_before_it_is_undone(
    on: Site, monkeypatch: pytest.MonkeyPatch, cancellable: None
) -> None:
    page = page_route_name(FIRST, None)
    assert stopped_in_flight(on, monkeypatch) == [("apply", page), ("delete", page)]
    assert on.model.content() == on.before


def test_a_job_that_does_not_wait_for_it_is_noticed(
    on: Site, monkeypatch: pytest.MonkeyPatch, cancellable: None
) -> None:
    monkeypatch.setattr(concurrently, "STOPPED_PATIENCE", 0.0)
    assert stopped_in_flight(on, monkeypatch) == [("apply", page_route_name(FIRST, None))]
    assert not on.is_rolled_back(FIRST)

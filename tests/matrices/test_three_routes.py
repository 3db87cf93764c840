"""Three Routes at once: killed, cancelled or refused at any request, each Route ends as asked or as it was."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from maintenance_ci.names import LEASE
from maintenance_ci.rehearsal.trouble import FOR_GOOD
from maintenance_ci.run.undo import Undo
from tests.matrices.cancelling import cancel
from tests.matrices.harness import Case, Play, Scene, matrix
from tests.matrices.several import (
    NAMES,
    SCENES,
    Ended,
    Pictures,
    arranged,
    each_kind,
    judge,
    route_of,
    run,
    three_routes,
)
from tests.matrices.stage import SHOWN, Stage, Step, Variables, changes
from tests.matrices.test_faults import HASTY, Fault
from tests.tools.clusters import Job

Record = Callable[[str, object], None]

AWAY = ("500", "503", "reset")
EFFECTS = ("409", "503", "403", "reset", "500")
# The look at all namespaces' Routes of one host.
ONE_HOST = re.compile(r"(?<=\?fieldSelector=spec\.host%3D).*")


def finish(on: Stage, scene: Scene) -> None:
    """Run the job again, which brings all Routes to where they should be, then `delete`."""
    on.ok(scene.job, scene.variables)
    wanted = SHOWN if scene.job == "deploy-route" else "application"
    served = on.served(scene.path)
    assert all(who == {wanted} for who in served.values()), f"run again, and users meet {served}"
    if scene.job == "deploy-route":
        on.ok("delete", scene.variables)


def kill(scene: Scene, step: Step, *, after: bool) -> Play:
    """Kill the job at that request, or when it has taken effect."""

    def play(on: Stage) -> str:
        scene.arrange(on)
        on.befall(step.trouble("kill", after=after))
        killed = on.run_process(scene.job, scene.variables)
        assert on.relieve() == 1, f"the request never came; the job ended with {killed.code}:\n{killed.log}"
        assert killed.code == -9, f"killed, and yet the exit code is {killed.code}:\n{killed.log}"
        finish(on, scene)
        return "came to a good end"

    return play


def stop(scene: Scene, step: Step, temporary: Path, *, after: bool) -> Play:
    """Cancel the job while that request is under way, or when it has just taken effect."""

    def play(on: Stage) -> str:
        pictures = arranged(on, scene)
        # What is held up before it takes effect never does: the job ends first, and with it its connection.
        held = step.trouble("delay", "1.5" if after else "60", after=after)
        if ONE_HOST.search(step.path):
            # One is refused here, and then no other is asked for: which host comes first is left to chance.
            held = replace(held, path=ONE_HOST.sub("", step.path))

        def cancelled(job: str, variables: Variables) -> Job:
            return cancel(on, job, variables, held, temporary)

        ended = run(on, scene, cancelled)
        judge_told(on, scene, pictures, ended)
        assert on.cluster.find("leases", LEASE) is None
        assert list(temporary.iterdir()) == []
        finish(on, scene)
        return f"exit {ended.code}"

    return play


def befall(scene: Scene, fault: Fault, step: Step) -> Play:
    """Run the job with that fault; then, without it, again."""
    hit = route_of(step)
    in_trouble = [hit] if hit and fault.for_good else NAMES if fault.for_good else ()

    def play(on: Stage) -> str:
        pictures = arranged(on, scene)
        on.befall(fault.trouble)
        ended = run(on, scene, on.run, HASTY)

        def prevented(change: str) -> bool:
            # A Lease whose release is refused is left: others take it when it has not been renewed for a while.
            return fault.prevents(change) or ("/leases" in step.path and change == f"leases/{LEASE} is left")

        judge_told(on, scene, pictures, ended, prevented=prevented, in_trouble=in_trouble)
        if ended.code == 75:  # also where somebody else writes the same object each time: that ends, a refusal does not
            assert fault.trouble.effect != "403", f"to be run again, although this is refused:\n{ended.job.log}"
        came = on.relieve()
        if ended.code in (1, 75) and changes(pictures.before, on.picture()):
            finish(on, scene)
        elif not on.is_arranged and changes(on.before, on.picture()):
            on.ok("delete", scene.variables)
        return f"exit {ended.code}" if came else f"exit {ended.code}, without it"

    return play


def judge_told(on: Stage, scene: Scene, pictures: Pictures, ended: Ended, **more: object) -> None:
    """Hold what `judge` does; a failure has the job's log."""
    try:
        judge(on, scene, pictures, ended, **more)  # type: ignore[arg-type]
    except AssertionError as error:
        raise AssertionError(f"{error}\nexit code {ended.code}, {ended.rows}:\n{ended.job.log}") from None


def faults(step: Step, number: int) -> Iterator[Fault]:
    """Yield faults of the ``number``-th request: three of each change, one of each look, in turn."""
    once = number % 2 == 1
    in_turn = Fault(step.trouble(EFFECTS[number % len(EFFECTS)], times=1 if once else FOR_GOOD), str(step))
    if not step.changes:
        yield in_turn
        return
    away = Fault(step.trouble(AWAY[number // 2 % len(AWAY)], times=FOR_GOOD), str(step))
    yield Fault(step.trouble("403", times=FOR_GOOD), str(step))
    yield in_turn if once else away
    yield Fault(step.trouble("reset", after=True, times=FOR_GOOD if once else 1), str(step))


def fault_cases(scene: Scene, steps: Iterable[Step]) -> Iterator[Case]:
    for number, step in enumerate(each_kind(steps)):
        for fault in faults(step, number):
            yield f"{scene}: {fault}", befall(scene, fault, step)


def changes_of(steps: Iterable[Step]) -> list[Step]:
    return [step for step in each_kind(steps) if step.changes]


ROUTES = "/apis/route.openshift.io/v1/namespaces/web/routes"
SECOND_SNAPSHOT = Step("ours", "POST", "/api/v1/namespaces/web/secrets", 2)
ORIGINAL_GOES = Step("ours", "DELETE", f"{ROUTES}/pay", 1)
PAGE_GOES = Step("ours", "DELETE", f"{ROUTES}/pay-maintenance-page", 1)


def test_some_faults_meet_a_job_about_three_routes(record_property: Record) -> None:
    begin, end = Scene("deploy-route", "repoint", names=NAMES), Scene("delete", "swap", names=NAMES)
    with matrix("three Routes, a sample", record_property, build=three_routes) as it:
        lost = Fault(SECOND_SNAPSHOT.trouble("503", times=FOR_GOOD), str(SECOND_SNAPSHOT))
        kept = Fault(PAGE_GOES.trouble("403", times=FOR_GOOD), str(PAGE_GOES))
        it.play(
            [
                (f"{begin}: {lost}", befall(begin, lost, SECOND_SNAPSHOT)),
                (f"{end}: {kept}", befall(end, kept, PAGE_GOES)),
            ]
        )


def test_a_job_about_three_routes_is_killed_and_another_one_cancelled(record_property: Record, tmp_path: Path) -> None:
    scene = Scene("deploy-route", "swap", names=NAMES)
    with matrix("three Routes, a sample", record_property, build=three_routes) as it:
        it.play(
            [
                (f"{scene}: killed after {ORIGINAL_GOES}", kill(scene, ORIGINAL_GOES, after=True)),
                (f"{scene}: cancelled after {ORIGINAL_GOES}", stop(scene, ORIGINAL_GOES, tmp_path, after=True)),
            ]
        )


@pytest.mark.slow
def test_a_route_that_is_left_half_way_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its rollback one of three Routes stays half switched, and the matrix tells which."""
    monkeypatch.setattr(Undo, "undo", lambda *_: None)
    monkeypatch.setattr("tests.matrices.stage.SETTLED", 0.2)
    scene = Scene("deploy-route", names=NAMES)
    fault = Fault(ORIGINAL_GOES.trouble("403", times=FOR_GOOD), str(ORIGINAL_GOES))
    with (
        pytest.raises(AssertionError, match=r"pay is reported as failed(?s:.)*routes/pay-maintenance-page is left"),
        matrix("a twin", lambda *_: None, build=three_routes) as it,
    ):
        it.play([(str(fault), befall(scene, fault, ORIGINAL_GOES))])


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scene", SCENES, ids=str)
def test_three_routes_meet_each_fault(scene: Scene, record_property: Record) -> None:
    with matrix("three Routes, faults", record_property, build=three_routes) as it:
        it.play(fault_cases(scene, scene.steps(it.stage)))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scene", SCENES, ids=str)
def test_a_job_about_three_routes_is_killed_at_each_change(scene: Scene, record_property: Record) -> None:
    with matrix("three Routes, crashes", record_property, build=three_routes) as it:
        it.play(
            (f"{scene}: killed {'after' if after else 'before'} {step}", kill(scene, step, after=after))
            for step in changes_of(scene.steps(it.stage))
            for after in (False, True)
        )


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scene", SCENES, ids=str)
def test_a_job_about_three_routes_is_cancelled_at_each_change_and_some_looks(
    scene: Scene, record_property: Record, tmp_path: Path
) -> None:
    with matrix("three Routes, cancelled", record_property, build=three_routes) as it:
        it.play(
            (f"{scene}: cancelled {'after' if after else 'before'} {step}", stop(scene, step, tmp_path, after=after))
            for number, step in enumerate(each_kind(scene.steps(it.stage)))
            for after in ((False, True) if step.changes else (False,) if number % 3 == 0 else ())
        )


@pytest.fixture(scope="module")
def untouched() -> Iterator[Stage]:
    with three_routes() as it:
        yield it


WELL = dict.fromkeys(NAMES, "done")
FAILED = ["ERROR: 1 of 3 Routes failed: pay.", "   oc apply"]


@pytest.mark.parametrize(
    ("code", "lines", "rows", "why"),
    [
        (0, [], WELL, "office is reported as done, users meet {'application'}"),
        (0, [], {}, "it succeeded, and reports {}"),
        (1, ["ERROR: no"], WELL | {"office": "untouched"}, "pay is reported as done"),
        (2, ["ERROR: no"], {}, "this exit code is not for that"),
        (1, [], {}, "it says no error"),
        (3, FAILED, dict.fromkeys(NAMES, "untouched"), "a person must look, and no Route failed"),
        (3, FAILED[:1], dict.fromkeys(NAMES, "failed"), "a person must look, and is told no command"),
    ],
)
def test_a_job_about_three_routes_that_ends_otherwise_than_it_says_is_noticed(
    untouched: Stage, code: int, lines: list[str], rows: dict[str, str], why: str
) -> None:
    pictures = Pictures(untouched.before, untouched.before)
    with pytest.raises(AssertionError, match=re.escape(why)):
        judge(untouched, SCENES[0], pictures, Ended(Job(code, lines), rows))


def test_a_sentence_that_miscounts_the_routes_that_failed_is_noticed(untouched: Stage) -> None:
    scene, rows = Scene("delete", names=NAMES), {"office": "done", "pay": "failed", "shop": "failed"}
    pictures = Pictures(untouched.before, untouched.before)
    judge(untouched, scene, pictures, Ended(Job(1, ["ERROR: 2 of 3 Routes failed: pay, shop."]), rows))
    with pytest.raises(AssertionError, match="the log miscounts"):
        judge(untouched, scene, pictures, Ended(Job(1, ["ERROR: 1 of 3 Routes failed: pay, shop."]), rows))

"""Whatever the cluster or GitLab answers to one of a job's requests, users are served and the way back stays open."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import islice

import pytest

from maintenance_ci.rehearsal.cluster import Options
from maintenance_ci.rehearsal.trouble import FOR_GOOD, Trouble
from tests.matrices.harness import STRATEGIES, Case, Scene, matrix
from tests.matrices.stage import SHOWN, SUBPATH, Picture, Stage, Step, Variables, changes, stage
from tests.tools.clusters import Job

Record = Callable[[str, object], None]

STATUSES = ("500", "503", "429", "409", "403")
# A subpath's switch is the same in both strategies.
SWITCHES = [
    Scene(job, strategy, subpath)
    for job in ("deploy-route", "delete")
    for strategy, subpath in [*((strategy, None) for strategy in STRATEGIES), ("swap", SUBPATH)]
]
# Tests that the faults of one scene are dealt out to in turn: the slow ones are not all in one, which ends alone then.
PARTS = 6
# Seconds; silence would last as long as the cluster's answers may take.
IMPATIENT: Variables = {"API_TIMEOUT": "0.7"}
HASTY: Variables = {
    "ADMISSION_TIMEOUT": "2", "BUILD_TIMEOUT": "5", "ROLLOUT_TIMEOUT": "5", "LEASE_TIMEOUT": "3",
}  # fmt: skip


def quick_stage(*, keep_page: bool = True) -> AbstractContextManager[Stage]:
    """A cluster whose router is quick: of these cases there are many."""
    return stage(keep_page=keep_page, options=Options(reload_interval=0.2, busy=False))


@dataclass(frozen=True)
class Fault:
    """What befalls one of a job's requests.

    Attributes:
        trouble: what, and which request.
        step: that request, for a reader; and for the judgement: what it names may not be removable.
    """

    trouble: Trouble
    step: str

    def __str__(self) -> str:
        often = "for good" if self.for_good else "once"
        after = " after it took effect" if self.trouble.after else ""
        return f"{self.trouble.effect}{after}, {often}, at {self.step}"

    @property
    def for_good(self) -> bool:
        return self.trouble.times == FOR_GOOD

    def prevents(self, change: str) -> bool:
        """Whether this is something left that cannot be removed while the fault lasts."""
        name, _, what = change.partition(" ")
        path = self.trouble.path.replace("?", "$")
        return self.for_good and what == "is left" and (not path or f"/{name}$" in path)


def faults(steps: Iterable[Step]) -> Iterator[Fault]:
    """Yield each fault of each request, once and for good."""
    for step in steps:
        for times in (1, FOR_GOOD):
            for effect, after in [*((status, False) for status in STATUSES), ("reset", False), ("silence", False)]:
                yield Fault(step.trouble(effect, after=after, times=times), str(step))
            if step.changes:
                yield Fault(step.trouble("reset", after=True, times=times), str(step))


def gitlab_faults() -> Iterator[Fault]:
    for times in (1, FOR_GOOD):
        for effect in (*STATUSES, "401", "404", "reset", "silence", "html", "sign-in"):
            yield Fault(Trouble(effect, gitlab=True, times=times), "gitlab")


def ends(steps: Iterable[Step]) -> Iterator[Fault]:
    """Yield the end of the cluster's answers, from each request on."""
    for number, step in enumerate(steps, 1):
        yield Fault(Trouble("reset", client="ours", first=number, times=FOR_GOOD), f"{step} and all that follow")


def befall(scene: Scene, fault: Fault) -> Callable[[Stage], str]:
    """Run the job with that fault, judge how it ended; then, without it, `delete`."""

    def play(on: Stage) -> str:
        scene.arrange(on)
        before = on.picture()
        on.befall(fault.trouble)
        patience = IMPATIENT if fault.trouble.effect == "silence" else {}
        done = on.run(scene.job, scene.variables | HASTY | patience)
        try:
            judge(on, scene, fault, done, before)
        except AssertionError as error:
            raise AssertionError(f"{error}\nexit code {done.code}:\n{done.log}") from None
        came = on.relieve()
        if not on.is_arranged and changes(on.before, on.picture()):
            on.ok("delete", scene.variables)
        return f"exit {done.code}" if came else f"exit {done.code}, without it"

    return play


def judge(on: Stage, scene: Scene, fault: Fault, done: Job, before: Picture) -> None:
    """Hold that the job did what was asked, or left all as it was, or that a person is told what to do."""
    served = on.crowd.served_by(scene.path)
    if done.code == 0:
        wanted = SHOWN if scene.job == "deploy-route" else "application"
        assert served == {wanted}, f"it succeeded, and users meet {served}"
        return
    assert "ERROR: " in done.log, "it says no error"
    if done.code == 3:
        assert fault.for_good, "a person must look, and the fault was over"
        assert "   oc " in done.log, "a person must look, and is told no command"
        return
    assert done.code in (1, 75), "this exit code is not for that"
    assert len(served) == 1, f"users meet both sides: {served}"
    now = on.picture()
    if scene.job == "deploy-route":
        assert served == {"application"}, f"it failed, and users meet {served}"
    if scene.job == "delete" and served == {"application"}:
        # Users are back, and the job is to be run again: what it had made may be there still, and nothing else.
        left = [change for change in changes(on.before, now) if not change.endswith(" is left")]
    elif scene.job != "build-and-deploy":
        left = [change for change in changes(before, now) if not fault.prevents(change)]
    else:
        left = [change for change in changes(before, now) if change.startswith("routes/")]
    assert not left, "it failed, and not all is as it was: " + "; ".join(left)


def cases(scene: Scene, found: Iterable[Fault]) -> Iterator[Case]:
    for fault in found:
        yield f"{scene}: {fault}", befall(scene, fault)
    yield f"{scene}: delete, at last", lambda on: f"exit {on.ok('delete', scene.variables).code}"


def test_a_switch_meets_some_faults(record_property: Record) -> None:
    scene = Scene("deploy-route", "repoint")
    with matrix("faults, a sample", record_property, build=quick_stage) as it:
        [patch] = [step for step in scene.steps(it.stage) if step.changes and "/routes/" in step.path]
        some = [
            Fault(patch.trouble("503"), "the switch"),
            Fault(patch.trouble("reset", after=True, times=FOR_GOOD), "the switch"),
            Fault(patch.trouble("403", times=FOR_GOOD), "the switch"),
            Fault(Trouble("500", gitlab=True, times=FOR_GOOD), "gitlab"),
        ]
        it.play(cases(scene, some))


@pytest.mark.parametrize(
    ("done", "why"),
    [
        (Job(0), "it succeeded, and users meet {'application'}"),
        (Job(3, ["ERROR: no", "   oc apply"]), "the fault was over"),
        (Job(3, ["ERROR: no"]), "is told no command"),
        (Job(2, ["ERROR: no"]), "this exit code is not for that"),
        (Job(1), "it says no error"),
    ],
)
def test_a_job_that_ends_otherwise_than_it_says_is_noticed(untouched: Stage, done: Job, why: str) -> None:
    step = Step("ours", "PATCH", "/apis/route.openshift.io/v1/namespaces/web/routes/shop", 1)
    fault = Fault(step.trouble("503", times=FOR_GOOD if "command" in why else 1), str(step))
    with pytest.raises(AssertionError, match=why):
        judge(untouched, Scene("deploy-route"), fault, done, untouched.before)


def test_what_a_fault_prevents_is_no_leftover() -> None:
    step = Step("ours", "DELETE", "/apis/route.openshift.io/v1/namespaces/web/routes/shop-maintenance-page", 1)
    for_good, once = (Fault(step.trouble("503", times=times), str(step)) for times in (FOR_GOOD, 1))
    assert for_good.prevents("routes/shop-maintenance-page is left")
    assert not once.prevents("routes/shop-maintenance-page is left")
    assert not for_good.prevents("routes/shop is left")
    assert not for_good.prevents("routes/shop-maintenance-page: .spec.host was 'a', is 'b'")


@pytest.fixture(scope="module")
def untouched() -> Iterator[Stage]:
    with stage(keep_page=False) as it:
        yield it


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("scene", SWITCHES, ids=str)
def test_a_switch_meets_each_fault_at_each_request(scene: Scene, part: int, record_property: Record) -> None:
    with matrix("faults", record_property, build=quick_stage) as it:
        steps = scene.steps(it.stage)
        assert len(steps) >= 6
        it.play(cases(scene, islice(faults(steps), part, None, PARTS)))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scene", SWITCHES, ids=str)
def test_the_cluster_is_away_from_a_request_on(scene: Scene, record_property: Record) -> None:
    with matrix("faults", record_property, build=quick_stage) as it:
        it.play(cases(scene, ends(scene.steps(it.stage))))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scene", [one for one in SWITCHES if not one.subpath], ids=str)
def test_a_switch_meets_each_fault_of_gitlab(scene: Scene, record_property: Record) -> None:
    with matrix("faults", record_property, build=quick_stage) as it:
        it.play(cases(scene, gitlab_faults()))


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("part", range(PARTS))
def test_the_page_meets_each_fault_at_each_request(part: int, record_property: Record) -> None:
    scene = Scene("build-and-deploy", keep_page=False)
    with matrix("faults", record_property, build=partial(quick_stage, keep_page=False)) as it:
        steps = [step for step in scene.steps(it.stage) if step.client == "ours"]
        assert len(steps) >= 6
        it.play(cases(scene, islice(faults(steps), part, None, PARTS)))

"""Killed at any of its changes, a job leaves what the same job, run again, and `delete` bring to a good end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pytest

from tests.matrices.harness import STRATEGIES, Case, Play, Scene, matrix
from tests.matrices.stage import SUBPATH, Stage, Step, bare_stage

Record = Callable[[str, object], None]

SWITCHES = [
    Scene(job, strategy, subpath)
    for job in ("deploy-route", "delete")
    for strategy in STRATEGIES
    for subpath in (None, SUBPATH)
]
# With the page itself: what is killed may be Helm.
PAGES = [Scene("build-and-deploy", keep_page=False), Scene("delete", keep_page=False)]


def crash(scene: Scene, step: Step, *, after: bool, again: bool = True) -> Play:
    """Kill the job at that step; run it ``again``, then `delete`."""

    def play(on: Stage) -> str:
        scene.arrange(on)
        on.befall(step.trouble("kill", after=after))
        killed = on.run_process(scene.job, scene.variables)
        assert on.relieve() == 1, f"the step never came; the job ended with {killed.code}:\n{killed.log}"
        assert killed.code == -9, f"killed, and yet the exit code is {killed.code}:\n{killed.log}"
        if again:
            on.ok(scene.job, scene.variables)
        if again and scene.job == "deploy-route":
            served = on.crowd.served_by(scene.path)
            assert served == {"maintenance-page:v1"}, f"run again, and users meet {served}"
        on.ok("delete", scene.variables)
        return "came to a good end"

    return play


def crashes(scene: Scene, steps: Iterable[Step], *, whens: Iterable[bool] = (False, True)) -> Iterator[Case]:
    for step in steps:
        for after in whens:
            yield f"{scene}: killed {'after' if after else 'before'} {step}", crash(scene, step, after=after)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scene", SWITCHES, ids=str)
def test_a_switch_is_killed_at_each_of_its_changes(scene: Scene, record_property: Record) -> None:
    with matrix("crashes", record_property) as it:
        steps = [step for step in scene.steps(it.stage) if step.changes]
        assert steps
        it.play(crashes(scene, steps))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_killed_switch_is_ended_by_delete_alone(strategy: str, record_property: Record) -> None:
    """As by somebody who gives up: `delete` waits until the killed job's Lease is dead."""
    scene = Scene("deploy-route", strategy)
    with matrix("crashes", record_property) as it:
        steps = [step for step in scene.steps(it.stage) if step.changes]
        it.play((f"{scene}: killed after {step}", crash(scene, step, after=True, again=False)) for step in steps)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("client", ["ours", "helm"])
@pytest.mark.parametrize("scene", PAGES, ids=str)
def test_the_page_is_killed_at_each_change(scene: Scene, client: str, after: bool, record_property: Record) -> None:
    with matrix("crashes", record_property, build=bare_stage) as it:
        steps = [step for step in scene.steps(it.stage) if step.changes and step.client == client]
        assert steps
        it.play(crashes(scene, steps, whens=[after]))


SAMPLE = [
    (Scene("deploy-route", "swap"), "DELETE", "/routes/shop", True),
    (Scene("delete", "repoint"), "PATCH", "/routes/shop", False),
]


def test_a_job_is_killed_at_a_change_and_run_again(record_property: Record) -> None:
    with matrix("crashes, a sample", record_property) as it:
        for scene, method, end, after in SAMPLE:
            [step] = [
                step
                for step in scene.steps(it.stage)
                if step.changes and step.method == method and step.path.partition("?")[0].endswith(end)
            ]
            it.play(crashes(scene, [step], whens=[after]))


@pytest.mark.slow
def test_a_helm_is_killed_at_a_change_and_run_again(record_property: Record) -> None:
    scene = Scene("build-and-deploy", keep_page=False)
    path = (
        "/apis/apps/v1/namespaces/web/deployments/maintenance-page?fieldManager=helm&fieldValidation=Strict&force=false"
    )
    with matrix("crashes, a sample", record_property, build=bare_stage) as it:
        it.play(crashes(scene, [Step("helm", "PATCH", path, 1)], whens=[True]))


def test_what_a_killed_job_leaves_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run again, the jobs put it right; else this matrix would tell."""
    monkeypatch.setattr("tests.matrices.stage.SETTLED", 0.2)
    scene = Scene("deploy-route")
    step = Step("ours", "DELETE", "/apis/route.openshift.io/v1/namespaces/web/routes/shop", 1)

    def play(on: Stage) -> str:
        on.befall(step.trouble("kill", after=True))
        return f"exit {on.run_process(scene.job, scene.variables).code}"

    recorded: dict[str, object] = {}
    with (
        pytest.raises(AssertionError, match=r"1 of 1 cases failed(?s:.)*routes/shop is gone"),
        matrix("a twin", recorded.__setitem__) as it,
    ):
        it.play([("killed and left alone", play)])
    assert recorded["matrix"] == {"matrix": "a twin", "cases": 1, "failures": 1, "outcomes": {"FAILED": 1}} | {
        "requests": recorded["matrix"]["requests"]  # type: ignore[index]
    }

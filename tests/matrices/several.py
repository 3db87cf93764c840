"""Matrices with three Routes at once: what is tried, and that each Route ends as asked, or as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from maintenance_ci.names import page_route_name, snapshot_name
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.cluster import Options
from tests.matrices.harness import STRATEGIES, Scene
from tests.matrices.stage import SHOWN, SUBPATH, Picture, Stage, Step, Variables, changes, stage
from tests.tools.clusters import Job

NAMES = ("office", "pay", manifests.APPLICATION)
# A subpath's switch is the same in both strategies.
SCENES = [
    Scene(job, strategy, subpath, names=NAMES)
    for job in ("deploy-route", "delete")
    for strategy, subpath in [*((strategy, None) for strategy in STRATEGIES), ("swap", SUBPATH)]
]
# Requests of users in a second, of all three.
RATE = 45.0
OF_A_ROUTE = re.compile(rf"\b({'|'.join(NAMES)})\b")

Run = Callable[[str, Variables], Job]


def three_routes() -> AbstractContextManager[Stage]:
    """A cluster with three Routes, whose router is quick: of these cases there are many."""
    others = [name for name in NAMES if name != manifests.APPLICATION]
    return stage(options=Options(reload_interval=0.2, busy=False), rate=RATE, beside=others)


def each_kind(steps: Iterable[Step]) -> list[Step]:
    """Return one request of each kind: what is asked for each Route is tried with one of them, a different one in turn.

    Of what creates objects the second one: the first Route's is there then, and the third one's is not. A look that
    comes again at what was looked at is left out, but for the first one again: before a removal, or at the very end.
    """
    kinds: dict[tuple[str, str, int], list[Step]] = {}
    for step in steps:
        if not step.changes and step.number > 2:
            continue
        anonymous = OF_A_ROUTE.sub("*", step.path)
        creates = step.method == "POST"
        kinds.setdefault((step.method, anonymous, 1 if creates else step.number), []).append(step)
    chosen = []
    for number, kind in enumerate(kinds.values()):
        found = sorted(kind, key=lambda step: (step.path, step.number))
        chosen.append(found[1 if found[-1].number > found[0].number else number % len(found)])
    return chosen


def route_of(step: Step) -> str | None:
    """Return the Route that a request is about; None where it is about all."""
    found = OF_A_ROUTE.search(step.path)
    return found[0] if found else None


@dataclass(frozen=True)
class Ended:
    """How a job about several Routes ended.

    Attributes:
        job: its exit code and its log.
        rows: the outcome of each Route, as the report has it; empty where the job came to no Route.
    """

    job: Job
    rows: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> int:
        return self.job.code


def run(on: Stage, scene: Scene, how: Run, variables: Variables | None = None) -> Ended:
    """Run the scene's job that way, and return it with its report."""
    folder = on.cluster.inside.folder / "reports"
    folder.mkdir(exist_ok=True)
    done = how(scene.job, scene.variables | (variables or {}) | {"REPORT_DIR": str(folder)})
    report = json.loads((folder / "maintenance-report.json").read_text())
    assert report["exit_code"] == done.code, f"it ended with {done.code}, and reports {report['exit_code']}"
    return Ended(done, {row["route"]: row["outcome"] for row in report["routes"]})


@dataclass(frozen=True)
class Pictures:
    """What was there when a job began, and what is there when it has done what it was asked for."""

    before: Picture
    asked: Picture


def arranged(on: Stage, scene: Scene) -> Pictures:
    """Let the scene's job be next, and return what is there; what it is asked for is tried out once on each stage."""
    if scene.job == "deploy-route" and str(scene) not in on.references:
        on.ok(scene.job, scene.variables)
        on.references[str(scene)] = on.picture()
        on.ok("delete", scene.variables)
    scene.arrange(on)
    return Pictures(on.picture(), on.references.get(str(scene), on.before))


def part(picture: Picture, name: str) -> Picture:
    """Return what belongs to one Route."""
    pages = {page_route_name(name, path) for path in (None, SUBPATH)}
    own = {("routes", one) for one in (name, *pages)} | {("secrets", snapshot_name(name))}
    return {key: meaning for key, meaning in picture.items() if key in own}


def rest(picture: Picture) -> Picture:
    """Return what belongs to none of the Routes."""
    own = {key for name in NAMES for key in part(picture, name)}
    return {key: meaning for key, meaning in picture.items() if key not in own}


def judge(
    on: Stage,
    scene: Scene,
    pictures: Pictures,
    ended: Ended,
    *,
    prevented: Callable[[str], bool] = lambda _change: False,
    in_trouble: Iterable[str] = (),
) -> None:
    """Hold that each Route is as asked or as it was, that users of each meet one side, and that the report says so.

    Args:
        on: the stage.
        scene: what was played.
        pictures: what was there when the job began, and what is there when all goes well.
        ended: how the job ended.
        prevented: whether a change could not be undone while the fault lasts.
        in_trouble: the Routes of which a person may have to look, where the exit code says that one must.
    """
    deploys = scene.job == "deploy-route"
    wanted, other = (SHOWN, "application") if deploys else ("application", SHOWN)
    served, now = on.served(scene.path), on.picture()
    for name in scene.names:
        outcome = ended.rows.get(name, "untouched")
        short = changes(part(pictures.asked, name), part(now, name))
        left = [one for one in changes(part(pictures.before, name), part(now, name)) if not prevented(one)]
        as_asked = served[name] == {wanted} and not short
        as_it_was = served[name] == {other} and not left
        # Users are back, and the job is to be run again: what it had made may be there still.
        half_back = not deploys and served[name] == {wanted} and all(one.endswith(" is left") for one in short)
        fits = as_asked if outcome == "done" else as_it_was or (outcome == "failed" and half_back)
        excused = ended.code == 3 and outcome == "failed" and name in in_trouble
        assert fits or excused, (
            f"{name} is reported as {outcome}, users meet {served[name]}; "
            f"it differs from what was asked: {'; '.join(short) or 'no'}; from what was: {'; '.join(left) or 'no'}"
        )
    beside = [one for one in changes(rest(pictures.before), rest(now)) if not prevented(one)]
    assert not beside, f"beside the Routes: {'; '.join(beside)}"
    _judge_exit_code(scene, ended)


def _judge_exit_code(scene: Scene, ended: Ended) -> None:
    outcomes = set(ended.rows.values())
    if ended.code == 0:
        assert outcomes == {"done"}, f"it succeeded, and reports {ended.rows}"
        return
    assert ended.code in (1, 3, 75), "this exit code is not for that"
    assert "ERROR: " in ended.job.log, "it says no error"
    if ended.code == 3:
        assert "failed" in outcomes, f"a person must look, and no Route failed: {ended.rows}"
        assert "   oc " in ended.job.log, "a person must look, and is told no command"
    if outcomes == {"failed", "done"} and len(ended.rows) > 1:
        failed = [f"{name}{scene.subpath or ''}" for name, outcome in ended.rows.items() if outcome == "failed"]
        sentence = f"{len(failed)} of {len(ended.rows)} Routes failed: {', '.join(failed)}."
        assert sentence in ended.job.log, f"the log miscounts; it is: {sentence}"

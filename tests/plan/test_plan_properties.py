"""What holds of every plan, forwards and back, from whatever state: on a small model of the cluster, and as data.

The changes are made by the jobs' own `Changes`; the model's router has seen no Route that a step has not waited for.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from maintenance_ci.log.log import JobLog
from maintenance_ci.names import snapshot_name
from maintenance_ci.plan.observed import Observed, Phase
from maintenance_ci.plan.repoint import without_notes
from maintenance_ci.plan.steps import Change, Direction, Plan, Step, Verb, undo
from maintenance_ci.plan.verdicts import admitting_routers, verdicts
from maintenance_ci.rehearsal.apiserver.store import Object
from maintenance_ci.run.changes import Changes
from maintenance_ci.run.patience import SharedPatience
from maintenance_ci.run.targets import Planned
from tests.tools.cluster_model import ClusterModel
from tests.tools.plan_states import JOBS, STATES, plan_of, settings_for

ALL = [(job, state) for job in JOBS for state in STATES]
EACH = pytest.mark.parametrize(("job", "state"), ALL, ids=[f"{job}, {state}" for job, state in ALL])
Content = dict[tuple[str, str], Object]

# What became of the last step: its change was not made; was made, but its answer was lost; was made, in vain.
WAYS = ((False, False), (True, False), (True, True))


class Play:
    """One plan on a model of the cluster.

    Attributes:
        unserved: the Routes that were deleted while no router had seen another one in their place.
    """

    def __init__(self, state: str, plan: Plan) -> None:
        observed = STATES[state]
        oldest_first = sorted(observed.routes.values(), key=lambda route: not admitting_routers(route))
        secrets = [observed.snapshot.value] if observed.snapshot.value else []
        self.model = ClusterModel(oldest_first, secrets, judges_at_once=False)
        self.model.before_change = self._look
        self.unserved: list[str] = []
        self._plan = plan
        [log] = JobLog(io.StringIO()).of_routes(["shop"])
        planned = Planned(settings_for(state), observed, log, plan)
        self._changes = Changes(planned, self.model.as_cluster(), SharedPatience())

    def forwards(self, steps: Sequence[Step]) -> None:
        """Make the steps as the executor does; all that they wait for comes."""
        make = self._changes.make if self._plan.direction is Direction.BEGIN else self._changes.insist_once
        self._make(make, steps)

    def try_out(self, steps: Sequence[Step], *, made: bool, waited: bool) -> tuple[Step, ...]:
        """Make the steps, the last one perhaps, and return those that undo them; what it waits for does not come."""
        *before, last = steps
        self.forwards(before)
        if made:
            self.forwards([replace(last, until=())])
        return self._plan.to_undo(steps, waited=waited, gave_up=False)

    def back(self, steps: Sequence[Step]) -> None:
        """Undo."""
        self._make(self._changes.insist_once, steps)

    def _make(self, make: Callable[[Change], None], steps: Sequence[Step]) -> None:
        for step in steps:
            make(step.change)
            if step.until:
                self.model.judge()

    def _look(self, verb: str, plural: str, name: str) -> None:
        if (verb, plural) == ("delete", "routes"):
            going, routes = self.model.get("routes", name), self.model.select("routes")
            others = [one for one in routes if one["metadata"]["name"] != name and verdicts(one)]
            if not going or not any(_serves_place_of(going, one) for one in others):
                self.unserved.append(name)


def _serves_place_of(route: Object, other: Object) -> bool:
    """Whether another Route is on its host, on its path or above it."""
    path, above = ((one["spec"].get("path") or "").rstrip("/") + "/" for one in (route, other))
    return route["spec"]["host"] == other["spec"]["host"] and path.startswith(above)


def plays(state: str, plan: Plan) -> Iterator[tuple[str, Play]]:
    """The plan in that state, in each way that it can go: to its end, and back from each of its steps."""
    whole = Play(state, plan)
    whole.forwards(plan.steps)
    yield "to its end", whole
    for number in range(1, len(plan.steps) + 1):
        for made, waited in WAYS:
            play = Play(state, plan)
            play.back(play.try_out(plan.steps[:number], made=made, waited=waited))
            yield f"back from step {number}, made: {made}, waited: {waited}", play


def unserved(state: str, plan: Plan) -> list[str]:
    """The ways in which a Route is deleted whose place no other one was seen to have."""
    return [f"{way}: {name}" for way, play in plays(state, plan) for name in play.unserved]


@EACH
def test_no_route_goes_before_another_one_is_seen_in_its_place(job: str, state: str) -> None:
    ways = unserved(state, plan_of(job, state))
    if (job, state) == ("delete", "subpath SHOWN without the original"):
        # Somebody deleted the application's Route: its users have nothing to go back to.
        assert {way.partition(":")[0] for way in ways} >= {"to its end"}
    else:
        assert ways == []


@pytest.mark.parametrize(("job", "state"), [("deploy-route", "swap LIVE"), ("delete", "swap SHOWN")])
def test_a_plan_that_does_not_wait_or_is_in_the_wrong_order_is_noticed(job: str, state: str) -> None:
    plan = plan_of(job, state)
    impatient = [replace(step, until=()) if step.change.verb is Verb.PLACE else step for step in plan.steps]
    assert unserved(state, replace(plan, steps=tuple(impatient)))
    hasty = sorted(plan.steps, key=lambda step: step.change.verb is not Verb.REMOVE)
    assert unserved(state, replace(plan, steps=tuple(hasty)))


def test_a_rollback_that_removes_the_page_first_is_noticed() -> None:
    plan = plan_of("deploy-route", "swap LIVE")
    play = Play("swap LIVE", plan)
    back = play.try_out(plan.steps, made=True, waited=True)
    play.back([step for step in back if step.change.verb is Verb.REMOVE])
    assert play.unserved == ["shop-maintenance-page"]


def comes_back(steps: Sequence[Step], inverse: Callable[[Sequence[Step]], tuple[Step, ...]]) -> bool:
    """Whether undoing what undoes the steps is the steps."""
    return inverse(inverse(steps)) == tuple(steps)


@EACH
def test_undoing_twice_is_the_steps_themselves(job: str, state: str) -> None:
    plan = plan_of(job, state)
    for number in range(len(plan.steps) + 1):
        assert comes_back(plan.steps[:number], undo)


def test_an_inverse_that_loses_something_is_noticed() -> None:
    def forgets_conditions(steps: Sequence[Step]) -> tuple[Step, ...]:
        return tuple(replace(step, undone=()) for step in undo(steps))

    def forgets_the_first(steps: Sequence[Step]) -> tuple[Step, ...]:
        return undo(steps)[:-1]

    for inverse in (forgets_conditions, forgets_the_first):
        assert not comes_back(plan_of("deploy-route", "swap LIVE").steps, inverse)


def without_ours(state: str, content: Content) -> Content:
    """The cluster without this maintenance: its page's Route, its snapshot and its notes."""
    observed = STATES[state]
    ours = {("routes", observed.page_route_name)}
    if observed.subpath:
        return {key: one for key, one in content.items() if key not in ours}
    ours |= {("secrets", snapshot_name(observed.route_name))}
    return {key: without_notes(one) for key, one in content.items() if key not in ours}


def as_saved(state: str, content: Content) -> Content:
    """The cluster with the original as its snapshot has it, where somebody has sent it elsewhere meanwhile."""
    observed, key = STATES[state], ("routes", STATES[state].route_name)
    if observed.phase is not Phase.DIVERTED or observed.saved_original is None:
        return content
    return content | {key: content[key] | {"spec": observed.saved_original["spec"]}}


def without_our_restore(observed: Observed, content: Content) -> Content:
    """The cluster without an original that a run before has put back, and that waits behind the page."""
    waits = observed.is_away and observed.is_unserved_restore
    return {key: one for key, one in content.items() if not (waits and key == ("routes", observed.route_name))}


def unlike_after_way_back(state: str, plan: Plan) -> list[str]:
    """The ways back after which the cluster is not as it was."""
    wrong = []
    for number in range(1, len(plan.steps) + 1):
        for made, waited in WAYS:
            play = Play(state, plan)
            expected = play.model.content()
            steps = play.try_out(plan.steps[:number], made=made, waited=waited)
            if not steps:
                continue
            if plan.direction is Direction.END and made and not waited and plan.steps[number - 1].moves_users:
                expected = play.model.content()  # the application is back: it stays, and whoever asks again sees it
            play.back(steps)
            content = play.model.content()
            if plan.direction is Direction.BEGIN:
                expected = as_saved(state, without_ours(state, expected))
            else:
                expected, content = (without_our_restore(STATES[state], one) for one in (expected, content))
            if expected != content:
                wrong.append(f"step {number}, made: {made}, waited: {waited}")
    return wrong


@EACH
def test_a_plan_and_its_inverse_leave_the_cluster_as_it_was(job: str, state: str) -> None:
    """But for what a run before has left, which was cut short: a way back removes that, too."""
    assert unlike_after_way_back(state, plan_of(job, state)) == []


@pytest.mark.parametrize(("job", "state"), [("deploy-route", "repoint LIVE"), ("delete", "repoint SHOWN")])
def test_an_inverse_that_puts_back_something_else_is_noticed(job: str, state: str) -> None:
    plan = plan_of(job, state)
    [(number, step)] = [(n, one) for n, one in enumerate(plan.steps) if one.change.verb is Verb.REWRITE]
    before = step.change.before or {}
    other = {**before, "spec": {**before["spec"], "to": {"kind": "Service", "name": "other", "weight": 1}}}
    steps = list(plan.steps)
    steps[number] = replace(step, change=replace(step.change, before=other))
    assert unlike_after_way_back(state, replace(plan, steps=tuple(steps)))


OF_A_PATH = [(job, state) for job, state in ALL if STATES[state].subpath]


def touched(state: str, plan: Plan) -> set[str]:
    """The names of all objects that the plan, or its way back, changes."""
    return {name for _, play in plays(state, plan) for _, name in play.model.history}


@pytest.mark.parametrize(("job", "state"), OF_A_PATH)
def test_a_path_s_plan_touches_the_path_s_route_alone(job: str, state: str) -> None:
    """Not the whole Route, not its maintenance Route, not its snapshot."""
    assert touched(state, plan_of(job, state)) <= {STATES[state].page_route_name}


def test_a_path_s_plan_that_forgets_the_snapshot_is_noticed() -> None:
    state = "subpath SHOWN under a swap"
    plan = plan_of("delete", state)
    forget = Step(Change(Verb.FORGET, STATES[state].route_to_mirror or {}))
    assert snapshot_name("shop") in touched(state, replace(plan, steps=(*plan.steps, forget)))


def forgets_early(steps: Sequence[Step]) -> bool:
    """Whether the snapshot goes before users were seen to meet what they are to meet, or not at the end."""
    verbs = [step.change.verb for step in steps]
    if Verb.FORGET not in verbs:
        return False
    before = steps[: verbs.index(Verb.FORGET)]
    routes_change = any(step.change.verb in (Verb.PLACE, Verb.REMOVE, Verb.REWRITE) for step in before)
    seen = any(step.moves_users for step in before)
    return verbs.index(Verb.FORGET) != len(steps) - 1 or (routes_change and not seen)


def ends_unseen(plan: Plan) -> bool:
    """Whether a Route that users may be served by is changed, and nobody looks after them any more."""
    verbs = (Verb.KEEP, Verb.FORGET, Verb.CERTIFY)
    noticed = [step for step in plan.steps if step.change.verb not in verbs and not _removes_unserved(step)]
    return bool(noticed) and not noticed[-1].moves_users


def _removes_unserved(step: Step) -> bool:
    """Whether it only removes a Route that no router serves."""
    return step.change.verb is Verb.REMOVE and not step.until and not admitting_routers(step.change.route)


@EACH
def test_users_are_seen_where_they_belong_before_the_snapshot_goes(job: str, state: str) -> None:
    plan = plan_of(job, state)
    assert not ends_unseen(plan)
    assert not forgets_early(plan.steps)
    for number in range(1, len(plan.steps) + 1):
        assert not forgets_early(plan.to_undo(plan.steps[:number], waited=True, gave_up=False))


def test_a_snapshot_that_goes_too_early_is_noticed() -> None:
    plan = plan_of("delete", "swap SHOWN")
    blind = [replace(step, until=()) for step in plan.steps]
    assert forgets_early(blind)
    assert forgets_early([plan.steps[-1], *plan.steps[:-1]])
    assert ends_unseen(replace(plan, steps=tuple(blind)))


@pytest.mark.parametrize("state", [state for state in STATES if plan_of("delete", state).undoable])
def test_an_application_that_does_not_come_sends_users_back_to_the_page(state: str) -> None:
    plan = plan_of("delete", state)
    moving = next(number for number, step in enumerate(plan.steps, 1) if step.moves_users)
    assert plan.to_undo(plan.steps[:moving], waited=True, gave_up=False) == undo(plan.steps[:moving])
    assert plan.to_undo(plan.steps[:moving], waited=True, gave_up=True) == ()

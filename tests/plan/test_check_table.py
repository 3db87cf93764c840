"""Each check of the table fails, alone and together with each other one: both are told, and none stumbles."""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from maintenance_ci.errors import MaintenanceError, RefusedError
from maintenance_ci.log.log import JobLog
from maintenance_ci.names import PAGE, PIPELINE_ANNOTATION, ROUTE_ANNOTATION
from maintenance_ci.plan.check_table import CHECKS, Check
from maintenance_ci.plan.checks import gathering, raise_any
from maintenance_ci.plan.observed import Observed, Phase, Reading
from maintenance_ci.plan.plans import plan_begin, plan_end
from maintenance_ci.plan.rights import Right
from maintenance_ci.plan.routes import Routes
from maintenance_ci.plan.snapshot import manifest_of, snapshot_of
from maintenance_ci.plan.steps import Direction, Plan
from maintenance_ci.plan.strategies import REPOINT, SUBPATH, SWAP
from maintenance_ci.rehearsal.apiserver.store import Object
from maintenance_ci.run import check as running
from maintenance_ci.run.check import check_all
from maintenance_ci.run.targets import Planned
from maintenance_ci.settings.variables import RouteSettings
from tests.tools.observations import CART, observed_in, original, page_route, settings, status


def ready(*services: str) -> Reading[Any]:
    return Reading(set(services))


def refused(what: str) -> Reading[Any]:
    """What a server did not let us read."""
    return Reading(error=MaintenanceError(f"{what} cannot be read."))


Place = tuple[str, Phase, str]


@dataclass
class Scene:
    """What is read for a job, all well at first."""

    job: str
    phase: Phase
    strategy: str
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        observed = observed_in(self.phase, self.strategy)
        self.routes: dict[str, Object] = copy.deepcopy(dict(observed.routes))
        self.readings: dict[str, Reading[Any]] = {
            "snapshot": copy.deepcopy(observed.snapshot),
            "wanted_page_route": copy.deepcopy(observed.wanted_page_route),
            "original_from_template": Reading(original()),
            "restored": observed.restored,
            "ready_services": ready(PAGE, "app"),
            "claims": Reading([original()]),
            "missing_rights": Reading([]),
        }
        self.saved = observed.saved_original
        self.variables |= {"SUBPATH": CART} if self.strategy == SUBPATH else {"ROUTE_STRATEGY": self.strategy}

    @property
    def shop(self) -> Object:
        """The original, or what holds its place."""
        return self.routes.get("shop") or self.page

    @property
    def page(self) -> Object:
        """The Route that carries the maintenance's notes; where no Route is there, one that nobody sees."""
        return next((route for name, route in self.routes.items() if name != "shop"), original())

    def case(self) -> tuple[RouteSettings, Observed, Plan]:
        """The settings, what is observed, and the job's plan."""
        given = settings(**self.variables)
        observed = Observed("web", "shop", given.subpath, Routes(self.routes.values()))
        observed = replace(observed, saved_original=self.saved, **self.readings)  # type: ignore[arg-type]
        plan = plan_begin if self.job == "deploy-route" else plan_end
        return given, observed, plan(given, observed)


ELSEWHERE = "other.example.test"
Spoiler = Callable[[Scene], None]


def of_another(scene: Scene) -> None:
    labels = {"app.kubernetes.io/managed-by": "maintenance-ci"}
    scene.shop["metadata"] |= {"labels": labels, "annotations": {ROUTE_ANNOTATION: "portal"}}


def being_deleted(scene: Scene) -> None:
    scene.shop["metadata"] |= {"deletionTimestamp": "2026-11-23T06:00:00Z"}


def no_host(scene: Scene) -> None:
    del scene.shop["spec"]["host"]
    scene.shop["spec"]["subdomain"] = "shop"
    scene.readings["wanted_page_route"] = Reading(scene.shop)


def foreign_page_route(scene: Scene) -> None:
    subpath = scene.variables.get("SUBPATH")
    route = scene.routes.setdefault(page_route(subpath)["metadata"]["name"], page_route(subpath, admitted=False))
    route["metadata"] |= {"labels": {}, "annotations": {}}


def rival(scene: Scene) -> None:
    route = page_route(scene.variables.get("SUBPATH"))
    scene.routes["rival"] = {**route, "metadata": {"name": "rival", "namespace": "web"}}


def unserved(scene: Scene) -> None:
    for route in scene.routes.values():
        route["status"] = status(admitted=False)


def elsewhere(scene: Scene) -> None:
    """It has a path of its own, and the SUBPATH is beside it; or it was re-created on another host."""
    part = {"path": "/other"} if scene.strategy == SUBPATH else {"host": ELSEWHERE}
    scene.shop["spec"] |= part


def foreign_snapshot(scene: Scene) -> None:
    secret = snapshot_of(original(), {})
    secret["metadata"] |= {"labels": {}, "resourceVersion": "1", "uid": "theirs"}
    scene.readings["snapshot"], scene.saved = Reading(secret), None


def unreadable_snapshot(scene: Scene) -> None:
    scene.readings["snapshot"], scene.saved = refused("The snapshot"), None


def passthrough(scene: Scene) -> None:
    """The whole Route is in maintenance, which it is not with its paths when it is back."""
    whole = page_route()
    scene.routes[whole["metadata"]["name"]] = whole
    scene.saved = manifest_of(original(tls={"termination": "passthrough"}))


def owned(scene: Scene) -> None:
    scene.shop["metadata"]["ownerReferences"] = [{"kind": "Ingress", "name": "shop"}]


def finalizers(scene: Scene) -> None:
    scene.shop["metadata"]["finalizers"] = ["example.test/dns"]


def claimed(scene: Scene) -> None:
    theirs = {"name": "shop", "namespace": "other"}
    hosts = (original()["spec"]["host"], ELSEWHERE)
    scene.readings["claims"] = Reading([{**original(host=host), "metadata": theirs} for host in hosts])


def newer(scene: Scene) -> None:
    for one in (*scene.routes.values(), scene.readings["snapshot"].value or {"metadata": {}}):
        one["metadata"].setdefault("annotations", {})[PIPELINE_ANNOTATION] = "99"


def foreign_tester_route(scene: Scene) -> None:
    """Testers are to be let in, and somebody else has the name of their Route."""
    scene.variables |= {"TESTER_ACCESS": "true", "TESTER_ADDRESSES": "192.0.2.7"}
    other = original(host=ELSEWHERE)
    scene.routes["shop-preview"] = {**other, "metadata": {**other["metadata"], "name": "shop-preview"}}


def given(name: str, reading: Reading[Any]) -> Spoiler:
    def spoil(scene: Scene) -> None:
        scene.readings[name] = reading

    return spoil


def untouched(_: Scene) -> None:
    """It is the state itself that is refused."""


LACKING = Reading([Right("create", "", "secrets", "keep a snapshot")])
RIGHTS = "the token has the rights that the job needs"
PAGE_ROUTE, SNAPSHOT = "the maintenance Route's name is free, or ours", "the snapshot's name is free, or ours"
PLACE = "the re-created Route has the host and path that are in maintenance"
HOST, CLAIM = "the Route has a host of its own", "no other namespace claims the host"
PAGE_MADE, SERVED = "a maintenance Route can be made of it", "a router serves the Route"
READY, RESTORED = "the application is ready", "the original can be put back"
TESTERS = "the name of the testers' Route is free, or ours"
NEWEST = "the maintenance is no newer pipeline's"
RIVAL, TRACE = "no other Route takes the host", "there was a maintenance"
# For each check what makes it refuse.
BEGIN: list[tuple[str, Spoiler]] = [
    ("the Route is an original", of_another),
    (RIGHTS, given("missing_rights", LACKING)),
    (RIGHTS, given("missing_rights", refused("The list of rights"))),
    ("nobody deletes the Route", being_deleted),
    (HOST, no_host),
    (PAGE_ROUTE, foreign_page_route),
    (PAGE_MADE, given("wanted_page_route", refused("The page's template"))),
    (RIVAL, rival),
    (SERVED, unserved),
    ("the page is ready", given("ready_services", ready("app"))),
    ("the page is ready", given("ready_services", refused("The list of endpoints"))),
    ("the Route serves SUBPATH", elsewhere),
    ("the Route serves SUBPATH", passthrough),
    (SNAPSHOT, foreign_snapshot),
    (SNAPSHOT, unreadable_snapshot),
    ("nobody undoes the switch", owned),
    (PLACE, elsewhere),
    ("the Route can be deleted", finalizers),
    (CLAIM, claimed),
    (CLAIM, given("claims", refused("The list of all Routes"))),
    ("the template brings the Route back", given("original_from_template", refused("The Route's template"))),
    (TESTERS, foreign_tester_route),
]
CONFIRM: list[tuple[str, Spoiler]] = [
    (PAGE_ROUTE, foreign_page_route),
    ("the snapshot can be read", unreadable_snapshot),
    (TESTERS, foreign_tester_route),
]
END: list[tuple[str, Spoiler]] = [
    (RIGHTS, given("missing_rights", LACKING)),
    (RIGHTS, given("missing_rights", refused("The list of rights"))),
    (PAGE_ROUTE, foreign_page_route),
    (SNAPSHOT, foreign_snapshot),
    (SNAPSHOT, unreadable_snapshot),
    (NEWEST, newer),
    (TRACE, untouched),
    (RESTORED, given("restored", refused("The Route's template"))),
    (PLACE, elsewhere),
    (READY, given("ready_services", ready(PAGE))),
    (READY, given("ready_services", refused("The list of endpoints"))),
    (RIVAL, rival),
    (CLAIM, claimed),
    (CLAIM, given("claims", refused("The list of all Routes"))),
]
# It never refuses: it says what certificate the Route gets.
ONLY_WARNS = {"the re-created Route has its certificate"}
# Checks that are no question where another one refuses, since they need what that one found missing.
UNASKED = {
    (PAGE_MADE, HOST): "without a host there is no page's Route to make",
    (CLAIM, HOST): "without a host nobody can claim it",
    (RIVAL, HOST): "without a host there is no place that another Route could take",
    (RIVAL, PAGE_MADE): "where the page's Route would be is not known",
    (PLACE, SERVED): "while no router serves the page's Route the original is its own",
    (READY, RESTORED): "which Services the original would have is not known",
    (RIGHTS, SNAPSHOT): "nothing is changed where there is only a snapshot that cannot be read",
    (NEWEST, SNAPSHOT): "whose pipeline it was is noted on the snapshot",
    (TRACE, SNAPSHOT): "a snapshot that is there is a trace",
    (TRACE, PAGE_ROUTE): "a Route of that name is a trace",
}
SCENES: dict[Direction, list[Place]] = {
    Direction.BEGIN: [
        ("deploy-route", Phase.LIVE, SWAP),
        ("deploy-route", Phase.LIVE, REPOINT),
        ("deploy-route", Phase.LIVE, SUBPATH),
        ("deploy-route", Phase.RETURNING, SWAP),
    ],
    Direction.CONFIRM: [("deploy-route", Phase.SHOWN, SWAP)],
    Direction.END: [
        ("delete", Phase.SHOWN, SWAP),
        ("delete", Phase.SHOWN, REPOINT),
        ("delete", Phase.SHOWN, SUBPATH),
        ("delete", Phase.RETURNING, SWAP),
        ("delete", Phase.LEFTOVER, SWAP),
        ("delete", Phase.UNKNOWN, SWAP),
    ],
}
SPOILERS = {Direction.BEGIN: BEGIN, Direction.CONFIRM: CONFIRM, Direction.END: END}


def refusing(scene: Place, *spoilers: Spoiler) -> set[str]:
    """Spoil the scene, look as the jobs do, and return the names of the checks that refuse; a person is told all."""
    spoiled = Scene(*scene)
    for spoil in spoilers:
        spoil(spoiled)
    log = JobLog(io.StringIO())
    [route_log] = log.of_routes(["shop"])
    settings, observed, plan = spoiled.case()
    errors = [error for _, error in check_all([Planned(settings, observed, route_log, plan)])]
    told = {check.name: check.words for check in log.record.checks if check.outcome == "refused"}
    assert {check.outcome for check in log.record.checks} <= {"passed", "warned", "refused"}
    assert len(errors) == len(told)
    if told:
        with pytest.raises(MaintenanceError) as raised:
            raise_any(errors)
        raised_errors = raised.value.errors if isinstance(raised.value, RefusedError) else [raised.value]
        assert {error.what for error in raised_errors} == {error.what for error in errors}
    return set(told)


@functools.cache
def alone(direction: Direction) -> dict[Place, list[tuple[str, Spoiler]]]:
    """For each scene the spoilers that make their check refuse there."""
    return {
        scene: [(name, spoil) for name, spoil in SPOILERS[direction] if name in refusing(scene, spoil)]
        for scene in SCENES[direction]
    }


@pytest.mark.parametrize("direction", Direction)
def test_a_scene_that_is_not_spoiled_is_not_refused(direction: Direction) -> None:
    for scene in SCENES[direction]:
        assert refusing(scene) == ({TRACE} if scene[1] is Phase.UNKNOWN else set()), scene


@pytest.mark.parametrize("direction", Direction)
def test_each_check_refuses_somewhere(direction: Direction) -> None:
    refuse = [one for spoilers in alone(direction).values() for one in spoilers]
    assert {name for name, _ in refuse} == {check.name for check in CHECKS[direction]} - ONLY_WARNS
    assert [one for one in SPOILERS[direction] if one not in refuse] == []


@functools.cache
def unasked(direction: Direction, scene: Place) -> set[tuple[str, str]]:
    """The checks that do not refuse when another one does, too: each with the other one."""
    silent = set()
    for (one, spoil), (other, spoil_too) in itertools.combinations(alone(direction)[scene], 2):
        if one != other:
            told = refusing(scene, spoil, spoil_too) | refusing(scene, spoil_too, spoil)
            silent |= {(name, because) for name, because in ((one, other), (other, one)) if name not in told}
    return silent


PLACES = [(direction, scene) for direction in Direction for scene in SCENES[direction]]


@pytest.mark.parametrize(
    ("direction", "scene"), PLACES, ids=[f"{direction.value} {place[2]} {place[1].name}" for direction, place in PLACES]
)
def test_two_that_refuse_are_both_told(direction: Direction, scene: Place) -> None:
    assert unasked(direction, scene) - UNASKED.keys() == set()


def test_no_check_is_left_unasked_without_need() -> None:
    """Each pair of `UNASKED` is one that can come."""
    assert set().union(*(unasked(*place) for place in PLACES)) == UNASKED.keys()


def test_a_check_that_stumbles_over_another_one_s_finding_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that needs the host, and is asked without one."""
    careless = Check(CLAIM, lambda case: [case.original["spec"]["host"]][:0])
    monkeypatch.setitem(CHECKS, Direction.BEGIN, (*CHECKS[Direction.BEGIN], careless))
    with pytest.raises(KeyError):
        refusing(SCENES[Direction.BEGIN][0], no_host)


def test_a_refusal_that_hides_the_others_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def only_the_first(refusals: list[MaintenanceError]) -> Iterator[None]:
        with gathering(refusals):
            yield
        del refusals[1:]

    monkeypatch.setattr(running, "gathering", only_the_first)
    with pytest.raises(AssertionError):
        refusing(SCENES[Direction.BEGIN][0], being_deleted, owned)

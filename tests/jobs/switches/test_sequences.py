"""Jobs in every order: paths beside and under the whole Route, and each job again at any time."""

from __future__ import annotations

import hashlib
import time

import pytest

from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.store import Object
from maintenance_ci.rehearsal.trouble import Trouble
from tests.jobs.switches.scene import CART, SNAPSHOT, WHOLE, as_before, live, patient_stages, rolled_back
from tests.matrices.stage import SHOWN, Crowd, Stage, Step, Variables, bare_stage, changes

STRATEGIES = ("swap", "repoint")
PAY = "/pay"

# What is in maintenance: paths, and "" for the whole Route.
Parts = frozenset[str]


@pytest.fixture(params=["repoint", pytest.param("swap", marks=pytest.mark.slow)])
def strategy(request: pytest.FixtureRequest) -> str:
    """Of the whole Route; both are played in `make test-all`."""
    return str(request.param)


def expected_name(part: str) -> str:
    """The name of a maintenance Route, as anybody can work it out."""
    return f"{WHOLE}-{hashlib.sha256(part.encode()).hexdigest()[:8]}" if part else WHOLE


def expected_routes(parts: Parts, strategy: str) -> set[str]:
    """All of the application's Routes while these parts are in maintenance."""
    swapped = "" in parts and strategy == "swap"
    ours = {expected_name(part) for part in parts if part or swapped}
    return ours if swapped else ours | {"shop"}


def shown_on(path: str, parts: Parts) -> bool:
    return any(not part or path == part or path.startswith(f"{part}/") for part in parts)


def every_step(parts: Parts = frozenset(), done: frozenset[tuple[Parts, str]] = frozenset()) -> list[str] | None:
    """A walk on which each part begins, and ends, in each company: an Eulerian circuit of the cube.

    A part that is in maintenance ends, and one that is not begins.
    """
    if len(done) == 24:
        return [] if not parts else None
    for part in ("", CART, PAY):
        step = (parts, part)
        if step not in done and (rest := every_step(parts ^ {part}, done | {step})) is not None:
            return [part, *rest]
    return None


def walk(on: Stage, strategy: str, steps: list[str], *, page_leaves: bool) -> None:
    """Begin or end each part, and look each time who meets what, and which Routes are there."""
    crowd = Crowd(on.cluster, manifests.HOST, "/", CART, f"{CART}/now", PAY, "/payment", rate=40)
    parts: Parts = frozenset()
    try:
        for part in steps:
            variables: Variables = {"ROUTE_STRATEGY": strategy, "SUBPATH": part or None}
            if page_leaves and not parts:
                on.ok("build-and-deploy", variables)
            job = "delete" if part in parts else "deploy-route"
            parts ^= {part}
            done = on.ok(job, variables)
            where = f"{job} of {part or 'the whole Route'} left {sorted(parts)}"
            assert on.cluster.routes() - {"keeper"} == expected_routes(parts, strategy), where
            for path in ("/", CART, f"{CART}/now", PAY, "/payment"):
                assert crowd.served_by(path) == {SHOWN if shown_on(path, parts) else "application"}, f"{path}, {where}"
            if page_leaves:
                assert (on.cluster.find("deployments", "maintenance-page") is not None) == bool(parts), where
                assert ("The page is removed." in done.log) == (not parts), where
    finally:
        answers = crowd.leave()
    assert {answer.status for answer in answers} == {200}


@pytest.mark.slow
def test_two_paths_and_the_whole_route(on: Stage, strategy: str) -> None:
    walk(on, strategy, [CART, "", CART, PAY, "", PAY], page_leaves=False)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_part_begins_and_ends_in_every_company(strategy: str) -> None:
    steps = every_step()
    assert steps is not None
    assert len(steps) == 24
    with patient_stages(bare_stage) as stages, as_before(stages) as on:
        walk(on, strategy, steps, page_leaves=True)


@pytest.mark.slow
def test_a_path_that_has_no_maintenance_leaves_the_others_alone(on: Stage) -> None:
    on.ok("deploy-route", {"SUBPATH": CART})
    before = on.picture()
    on.ok("delete", {"SUBPATH": PAY})
    assert changes(before, on.picture()) == []
    on.ok("delete", {"SUBPATH": CART})


def generated_hosts(on: Stage) -> list[str]:
    return [
        route["metadata"]["name"]
        for route in on.cluster.call(on.cluster.store.list, "routes", manifests.NAMESPACE)
        if "openshift.io/host.generated" in (route["metadata"].get("annotations") or {})
        or route["spec"]["host"] not in (manifests.HOST, "keeper.apps.example.test")
    ]


@pytest.mark.slow
def test_deploy_route_again_changes_nothing(on: Stage, strategy: str) -> None:
    on.ok("deploy-route", {"ROUTE_STRATEGY": strategy})
    before = on.picture()
    again = on.ok("deploy-route", {"ROUTE_STRATEGY": strategy})
    assert "in maintenance already" in again.log
    assert changes(before, on.picture()) == []
    assert generated_hosts(on) == []
    on.ok("delete", {"ROUTE_STRATEGY": strategy})


@pytest.mark.slow
def test_a_path_again_changes_nothing(on: Stage) -> None:
    part: Variables = {"SUBPATH": CART}
    on.ok("deploy-route", part)
    before = on.picture()
    on.ok("deploy-route", part)
    assert changes(before, on.picture()) == []
    on.ok("delete", part)
    on.ok("delete", part)


def remove(on: Stage, plural: str, name: str) -> Object:
    found = on.cluster.find(plural, name)
    assert found is not None
    on.cluster.call(on.cluster.store.delete, plural, manifests.NAMESPACE, name)
    return found


def put(on: Stage, plural: str, found: Object) -> None:
    on.cluster.call(on.cluster.store.create, plural, found, manager="somebody")


@pytest.mark.parametrize("subpath", [None, CART])
def test_a_route_that_is_gone_gets_no_generated_host(on: Stage, subpath: str | None) -> None:
    """Neither the original nor what stands for it is there: nothing says which host is meant."""
    original = remove(on, "routes", "shop")
    before = on.picture()
    refused = on.run("deploy-route", {"SUBPATH": subpath})
    assert refused.code == 1
    assert "Route shop is not in namespace web" in refused.log
    assert changes(before, on.picture()) == []
    assert generated_hosts(on) == []
    put(on, "routes", original)
    deadline = time.monotonic() + 10
    while on.crowd.served_by() != {"application"}:
        assert time.monotonic() < deadline
    on.crowd.harmed()  # this is what a missing Route does


@pytest.mark.slow
def test_delete_before_deploy_route_and_twice(on: Stage, strategy: str) -> None:
    variables: Variables = {"ROUTE_STRATEGY": strategy}
    before = live(on)["metadata"]["uid"]
    early = on.ok("delete", variables)
    assert "has ended, or never began" in early.log
    assert on.differs() == []
    assert live(on)["metadata"]["uid"] == before
    on.ok("deploy-route", variables)
    on.ok("delete", variables)
    after = on.picture()
    on.ok("delete", variables)
    assert changes(after, on.picture()) == []


def of(pipeline: int, **more: str | None) -> Variables:
    return {
        "CI_PIPELINE_ID": str(pipeline),
        "CI_PIPELINE_URL": f"https://gitlab.example.test/-/pipelines/{pipeline}",
    } | more


def noted(on: Stage, name: str) -> str:
    return str(live(on, name)["metadata"]["annotations"]["maintenance-ci/pipeline"])


@pytest.mark.parametrize(
    ("variables", "holder"),
    [
        ({"ROUTE_STRATEGY": "repoint"}, "shop"),
        pytest.param({"ROUTE_STRATEGY": "swap"}, WHOLE, marks=pytest.mark.slow),
        pytest.param({"SUBPATH": CART}, expected_name(CART), marks=pytest.mark.slow),
    ],
    ids=["repoint", "swap", "path"],
)
def test_an_older_pipeline_does_not_end_a_newer_ones_maintenance(on: Stage, variables: Variables, holder: str) -> None:
    on.ok("deploy-route", of(5, **variables))
    assert noted(on, holder) == "5"
    on.ok("deploy-route", of(9, **variables))
    assert noted(on, holder) == "9"
    on.ok("deploy-route", of(7, **variables))  # which was triggered before, and comes late
    assert noted(on, holder) == "9"

    before = on.picture()
    refused = on.run("delete", of(5, **variables))
    assert refused.code == 1
    assert "newer pipeline 9" in refused.log
    assert "https://gitlab.example.test/-/pipelines/9" in refused.log
    assert "FORCE=pipeline" in refused.log
    assert changes(before, on.picture()) == []
    on.ok("delete", of(9, **variables))


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_older_pipeline_that_is_forced_ends_a_newer_ones_maintenance(on: Stage, strategy: str) -> None:
    on.ok("deploy-route", of(9, ROUTE_STRATEGY=strategy))
    assert on.run("delete", of(5, FORCE="owner,endpoints,host,trace")).code == 1
    on.ok("delete", of(5, FORCE="pipeline"))


def cut_short(on: Stage, job: str, variables: Variables, step: Step, *, after: bool = True) -> None:
    """Kill the job at that step."""
    on.befall(step.trouble("kill", after=after))
    killed = on.run_process(job, variables)
    assert on.relieve() == 1, killed.log
    assert killed.code == -9, killed.log


# What a job that died leaves, by the last request that it made.
HALF_DEPLOYED = {
    "snapshot only, swap": ("swap", "POST", "/secrets", {"shop", "keeper"}),
    "snapshot only, repoint": ("repoint", "POST", "/secrets", {"shop", "keeper"}),
    "both Routes": (
        "swap",
        "PATCH",
        f"/routes/{WHOLE}?fieldManager=maintenance-ci&force=true",
        {"shop", "keeper", WHOLE},
    ),
    "repointed": ("repoint", "PATCH", "/routes/shop", {"shop", "keeper"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("left", HALF_DEPLOYED)
@pytest.mark.parametrize("given", [*STRATEGIES])
def test_delete_after_half_a_deploy_route(on: Stage, left: str, given: str) -> None:
    strategy, method, path, routes = HALF_DEPLOYED[left]
    variables: Variables = {"ROUTE_STRATEGY": strategy}
    trouble = Step("ours", method, path, 1)
    cut_short(on, "deploy-route", variables, trouble)
    assert on.cluster.routes() == routes
    assert on.cluster.find("secrets", SNAPSHOT) is not None
    on.ok("delete", {"ROUTE_STRATEGY": given})


@pytest.mark.slow
@pytest.mark.parametrize("left", HALF_DEPLOYED)
@pytest.mark.parametrize("given", [*STRATEGIES])
def test_deploy_route_goes_on_from_half_of_it(on: Stage, left: str, given: str) -> None:
    """Also with the other strategy, where the first one's switch was not made yet."""
    strategy, method, path, _ = HALF_DEPLOYED[left]
    cut_short(on, "deploy-route", {"ROUTE_STRATEGY": strategy}, Step("ours", method, path, 1))
    on.ok("deploy-route", {"ROUTE_STRATEGY": given})
    assert on.crowd.served_by() == {SHOWN}
    assert generated_hosts(on) == []
    on.ok("delete", {"ROUTE_STRATEGY": None})


@pytest.mark.slow
def test_what_a_run_before_has_left_is_rolled_back_too(on: Stage) -> None:
    """The first one was killed with both Routes there, the second one may not write the snapshot anew."""
    strategy, method, path, _ = HALF_DEPLOYED["both Routes"]
    cut_short(on, "deploy-route", {"ROUTE_STRATEGY": strategy}, Step("ours", method, path, 1))
    on.befall(Trouble("422", method="POST", path="/secrets$", client="ours"))
    done = on.run("deploy-route", {"ROUTE_STRATEGY": strategy})
    assert on.relieve() == 1, done.log
    rolled_back(on, done)


@pytest.mark.slow
def test_deploy_route_after_half_a_delete(on: Stage) -> None:
    """The original is there again, and waits for the host that its maintenance Route still holds."""
    swap: Variables = {"ROUTE_STRATEGY": "swap"}
    on.ok("deploy-route", swap)
    cut_short(on, "delete", swap, Step("ours", "DELETE", f"/routes/{WHOLE}", 1), after=False)
    assert on.cluster.routes() == {"shop", "keeper", WHOLE}
    conditions = [one["status"] for one in live(on)["status"]["ingress"][0]["conditions"]]
    assert conditions == ["False"]
    assert on.crowd.served_by() == {SHOWN}
    on.ok("deploy-route", swap)
    assert on.cluster.routes() == {"keeper", WHOLE}
    assert on.crowd.served_by() == {SHOWN}
    on.ok("delete", swap)


@pytest.mark.slow
def test_deploy_route_after_half_a_delete_of_a_repointed_route(on: Stage) -> None:
    """It points to the application again, and its snapshot is still there."""
    repoint: Variables = {"ROUTE_STRATEGY": "repoint"}
    on.ok("deploy-route", repoint)
    cut_short(on, "delete", repoint, Step("ours", "PATCH", "/routes/shop", 1))
    assert on.cluster.find("secrets", SNAPSHOT) is not None
    on.ok("deploy-route", repoint)
    assert on.crowd.served_by() == {SHOWN}
    on.ok("delete", repoint)


def test_the_walk_would_notice_a_path_that_was_forgotten(on: Stage) -> None:
    """Without it these tests would prove nothing."""

    on.ok("deploy-route", {"SUBPATH": CART})
    remove(on, "routes", expected_name(CART))
    with pytest.raises(AssertionError):
        assert on.cluster.routes() - {"keeper"} == expected_routes(frozenset({CART}), "swap")
    on.cluster.do(on.cluster.inside.router.next_reload())
    assert on.crowd.served_by(CART) == {"application"}

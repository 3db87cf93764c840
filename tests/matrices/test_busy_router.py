"""A router that other tenants keep busy, in two replicas that reload at different moments: no user gets a 5xx."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.cluster import Options
from tests.matrices.harness import STRATEGIES, Scene, matrix, require_as_before
from tests.matrices.stage import SHOWN, Stage, stage

Record = Callable[[str, object], None]

BUSY = Options(reload_interval=0.5, busy=True, replicas=2)


def in_and_out(scene: Scene) -> Callable[[Stage], str]:
    def play(on: Stage) -> str:
        on.ok("deploy-route", scene.variables)
        served = on.crowd.served_by(scene.path)
        assert served == {SHOWN}, f"users meet {served}"
        on.ok("delete", scene.variables)
        return "in and out"

    return play


def rounds(scene: Scene, number: int, record: Record) -> None:
    with matrix("busy router", record, build=lambda: stage(options=BUSY, rate=60)) as it:
        it.play((f"{scene}: round {turn}", in_and_out(scene)) for turn in range(1, number + 1))
        by_replica = it.stage.cluster.inside.router.reloads_by_replica
        assert min(map(len, by_replica)) > number, "the router was not busy"
        assert it.totals.requests + it.stage.crowd.requests > 50 * number


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("scene", [Scene("delete", one) for one in STRATEGIES], ids=lambda scene: scene.strategy)
def test_twenty_times_in_and_out(scene: Scene, record_property: Record) -> None:
    rounds(scene, 20, record_property)


@pytest.mark.parametrize(
    "scene",
    [Scene("delete"), pytest.param(Scene("delete", "repoint"), marks=pytest.mark.slow)],
    ids=lambda scene: scene.strategy,
)
def test_in_and_out(scene: Scene, record_property: Record) -> None:
    rounds(scene, 1, record_property)


def test_users_notice_a_careless_switch() -> None:
    """What the matrix looks for is there to be found: a host that nobody serves, if only for a moment."""
    with stage(options=BUSY, rate=60) as on:
        require_as_before(on)
        original = on.cluster.find("routes", manifests.APPLICATION)
        assert original is not None
        on.cluster.call(on.cluster.store.delete, "routes", manifests.NAMESPACE, manifests.APPLICATION)
        time.sleep(2 * BUSY.reload_interval)
        again = {key: value for key, value in original.items() if key != "status"}
        on.cluster.call(on.cluster.store.create, "routes", again, manager="somebody")
        deadline = time.monotonic() + 10
        while on.crowd.served_by() != {"application"} and time.monotonic() < deadline:
            time.sleep(0.1)
        with pytest.raises(AssertionError, match="users got 503 from router"):
            require_as_before(on)

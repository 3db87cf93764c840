"""A strategy of a few lines has all that the others have: plan, commands for a person, rights, status, a way back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from maintenance_ci.errors import VariableError
from maintenance_ci.names import snapshot_name
from maintenance_ci.plan.describe import commands_to_end, lines_of
from maintenance_ci.plan.observed import Phase
from maintenance_ci.plan.overview import rows
from maintenance_ci.plan.plans import plan_begin, plan_end
from maintenance_ci.plan.rights import needed_rights
from maintenance_ci.plan.steps import Direction
from maintenance_ci.plan.strategies import rewriting_strategy
from tests.plan.test_plans import written
from tests.tools import weighted_strategy
from tests.tools.observations import exists, observed_in, settings
from tests.tools.weighted_strategy import WEIGHTED


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    weighted_strategy.register(monkeypatch)


def test_it_takes_25_lines() -> None:
    code = Path(weighted_strategy.__file__).read_text().split("# ---\n")[1].splitlines()
    assert len([line for line in code if line.strip()]) <= 25


def test_the_variable_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings(ROUTE_STRATEGY=WEIGHTED).route_strategy == WEIGHTED
    monkeypatch.undo()
    with pytest.raises(VariableError, match="ROUTE_STRATEGY: must be 'swap' or 'repoint'"):
        settings(ROUTE_STRATEGY=WEIGHTED)


def test_it_begins_is_confirmed_and_ends() -> None:
    given = settings(ROUTE_STRATEGY=WEIGHTED)
    assert written(plan_begin(given, observed_in(Phase.LIVE, WEIGHTED))) == [
        "begin by weighted",
        "keep snapshot",
        "rewrite shop: met by page (back: shop admitted, met by application)",
    ]
    assert written(plan_begin(given, observed_in(Phase.SHOWN, WEIGHTED)))[0] == "confirm by weighted"
    # Whatever the variable says by then.
    assert written(plan_end(settings(), observed_in(Phase.SHOWN, WEIGHTED))) == [
        "end by weighted",
        "rewrite shop: shop admitted, met by application (back: met by page)",
        "forget snapshot",
    ]


def test_each_phase_is_told_and_has_a_plan() -> None:
    given = settings(ROUTE_STRATEGY=WEIGHTED)
    for phase in Phase:
        if exists(phase, WEIGHTED):
            observed = observed_in(phase, WEIGHTED)
            begins, ends = plan_begin(given, observed), plan_end(given, observed)
            assert begins.direction is (Direction.CONFIRM if phase is Phase.SHOWN else Direction.BEGIN)
            assert ends.strategy == WEIGHTED
            does = any(step.change.changes_cluster or step.moves_users for step in ends.steps)
            assert bool(lines_of(ends, observed, reload_interval=5)) is does


def test_plan_and_the_commands_for_a_person_and_the_rights_follow() -> None:
    given, observed = settings(ROUTE_STRATEGY=WEIGHTED), observed_in(Phase.LIVE, WEIGHTED)
    plan = plan_begin(given, observed)
    assert lines_of(plan, observed, reload_interval=5) == [
        "keep a snapshot of Route shop in the Secret shop-maintenance-snapshot",
        "send Route shop to the page by one patch; its host stays its own",
        "wait until users meet the page, 7 s in a row; roll back if they do not",
    ]
    assert commands_to_end(plan, observed, snapshot=True) == [
        "oc extract secret/shop-maintenance-snapshot -n web --to=- --keys=route.json | oc replace -n web -f -",
        "# when users reach the application: oc delete secret shop-maintenance-snapshot -n web --ignore-not-found",
    ]
    asked = {(right.verb, right.resource, right.name) for right in needed_rights(plan, observed)}
    assert ("patch", "routes", "shop") in asked
    assert ("delete", "secrets", snapshot_name("shop")) in asked
    assert ("delete", "routes", "shop") not in asked


def test_status_has_a_row_of_it() -> None:
    observed = observed_in(Phase.SHOWN, WEIGHTED)
    snapshot = observed.snapshot.value
    assert snapshot
    [row] = rows(observed.routes.values(), [snapshot], page_ready=True, now=datetime(2026, 11, 24, tzinfo=UTC))
    assert (row.route, row.path, row.strategy, row.state) == ("shop", "/", WEIGHTED, "shown")


def test_what_no_strategy_has_rewritten_is_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    [route] = observed_in(Phase.SHOWN, WEIGHTED).routes.values()
    assert rewriting_strategy(route) == WEIGHTED
    monkeypatch.undo()
    assert rewriting_strategy(route) is None

"""Whole jobs with a strategy that exists only in these tests: in and out, back where it is stopped, and by hand."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from maintenance_ci.names import PAGE
from maintenance_ci.rehearsal.trouble import Trouble
from tests.jobs.switches.by_hand import run_by_hand
from tests.jobs.switches.scene import live, meanwhile, rolled_back
from tests.matrices.stage import SHOWN, Stage, Variables
from tests.tools import weighted_strategy
from tests.tools.outcomes import essence
from tests.tools.weighted_strategy import WEIGHTED

VARIABLES: Variables = {"ROUTE_STRATEGY": WEIGHTED}
SWITCH = Trouble("delay", "1", method="PATCH", path="/routes/shop$", client="ours")


@pytest.fixture
def on(on: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    weighted_strategy.register(monkeypatch)
    yield on


def test_users_meet_the_page_and_the_application_again(on: Stage) -> None:
    before = live(on)
    planned = on.ok("plan", VARIABLES)
    assert "- send Route shop to the page by one patch; its host stays its own" in planned.log
    on.ok("deploy-route", VARIABLES)
    assert on.crowd.served_by() == {SHOWN}
    assert live(on)["spec"]["alternateBackends"] == [{"kind": "Service", "name": PAGE, "weight": 256}]
    [row] = [line for line in on.ok("status", {}).lines if line.startswith("shop ")]
    assert row.split()[3] == WEIGHTED
    assert row.endswith("shown")
    assert "this job only confirms it" in on.ok("deploy-route", {}).log
    on.ok("delete", {})
    assert essence(live(on)) == essence(before)


def test_a_job_that_is_stopped_goes_back(on: Stage) -> None:
    cancelled = meanwhile(on, SWITCH, lambda: os.kill(os.getpid(), signal.SIGTERM), "deploy-route", VARIABLES)
    rolled_back(on, cancelled)


@pytest.mark.slow
def test_a_person_ends_it_by_the_commands_that_were_told(on: Stage, tmp_path: Path) -> None:
    on.ok("deploy-route", VARIABLES)
    on.befall(Trouble("403", method="PATCH", path="/routes/shop$", client="ours", times=1000))
    failed = on.run("delete", {})
    on.relieve()
    assert failed.code != 0
    run_by_hand(on, failed, tmp_path)

"""PLAN_ONLY in whole jobs: what is anything but a no changes nothing, and asks for nothing."""

from __future__ import annotations

import pytest

from maintenance_ci.errors import EXIT_VARIABLES
from maintenance_ci.rehearsal.cluster import PIPELINE
from tests.jobs.looking.scene import nothing_changes, writes
from tests.tools.clusters import Cluster
from tests.tools.command_line import run

TOKEN = {"ROUTE_TEMPLATES_TOKEN": "glpat-secret"}


@pytest.mark.parametrize("yes", ["yes", "true ", "oui"])
@pytest.mark.parametrize("command", ["build-and-deploy", "deploy-route", "delete", "export-route shop --commit"])
def test_a_job_refuses_before_it_asks_for_anything(shared: Cluster, command: str, yes: str) -> None:
    route = {} if "export" in command else {"ROUTE_NAME": "shop"}
    shared.inside.gitlab.requests.clear()
    with nothing_changes(shared):
        done = run(shared, *command.split(), PLAN_ONLY=yes, **route, **TOKEN)
    output = done.stdout + done.stderr
    assert done.returncode == EXIT_VARIABLES, output
    assert "ERROR: PLAN_ONLY: asks for a plan alone" in output
    assert "Traceback" not in output
    assert not [one for one in shared.inside.server.requests if one.user == PIPELINE]
    assert shared.inside.gitlab.requests == []


def test_plan_only_does_not_refuse_a_plan(shared: Cluster) -> None:
    with nothing_changes(shared):
        done = run(shared, "plan", "--page-later", PLAN_ONLY="yes", ROUTE_NAME="shop")
    assert done.returncode == 0, done.stdout
    assert "Nothing stands in the way of deploy-route." in done.stdout


def test_plan_only_no_lets_a_job_go_on(shared: Cluster) -> None:
    shared.inside.server.requests.clear()
    done = run(shared, "build-and-deploy", PLAN_ONLY=" No", ROUTE_NAME="shop")
    assert done.returncode == 0, done.stdout
    assert writes(shared)

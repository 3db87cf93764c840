"""A pipeline that only ends maintenances (ACTION=end): what it ends, and what it leaves as it is."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta, timezone

import pytest

from maintenance_ci.rehearsal import application_manifests as manifests
from tests.jobs.looking.scene import SUBPATH, quiet, remove, stored
from tests.tools.clusters import Cluster, Job
from tests.tools.many_routes import add_routes, host_of, keep_template
from tests.tools.outcomes import ok

Variables = dict[str, str | None]
END: Variables = {"ACTION": "end"}


def away(**span: float) -> str:
    """A time so far away from now, as a person in Zurich gives it."""
    return (datetime.now(timezone(timedelta(hours=1))) + timedelta(**span)).isoformat(timespec="seconds")


def changes_nothing(cluster: Cluster, variables: Variables) -> Job:
    """Run the job, and hold that all is as before."""
    quiet(cluster)
    before = stored(cluster)
    done = cluster.run("delete", END | variables)
    assert stored(cluster) == before, done.log
    return done


@pytest.mark.parametrize("variables", [{}, SUBPATH, {"ROUTE_NAME": "keeper shop", "SUBPATH": "/cart"}])
def test_there_is_nothing_to_end(cluster: Cluster, variables: Variables) -> None:
    """So a schedule that comes again does no harm; not even to a page that is there already."""
    done = ok(changes_nothing(cluster, variables))
    assert "there is nothing to end: it is not in maintenance" in done.log
    assert done.lines[-1] == "Nothing was ended, and nothing was changed."


def test_a_name_that_no_route_has_is_no_maintenance_that_has_ended(cluster: Cluster) -> None:
    done = changes_nothing(cluster, {"ROUTE_NAME": "shpo"})
    assert done.code == 1
    assert "Route shpo does not exist, and nothing shows that it was in maintenance" in done.log


@pytest.mark.slow
def test_a_plan_of_it_is_the_plan_of_delete(cluster: Cluster) -> None:
    ok(cluster.run("deploy-route", SUBPATH))
    quiet(cluster)
    before = stored(cluster)
    done = ok(cluster.run("plan", END | SUBPATH | {"PLAN_ONLY": "true"}))
    assert done.lines[-1] == "Nothing stands in the way of delete. Nothing was changed."
    assert stored(cluster) == before


@pytest.mark.parametrize("strategy", [{}, pytest.param({"ROUTE_STRATEGY": "repoint"}, marks=pytest.mark.slow), SUBPATH])
def test_it_ends_a_maintenance(cluster: Cluster, strategy: Variables) -> None:
    """Also from a pipeline of its own, which is newer than the one that began it."""
    ok(cluster.run("deploy-route", {"CI_PIPELINE_ID": "41"} | strategy))
    part = {name: value for name, value in strategy.items() if name == "SUBPATH"}
    done = ok(cluster.run("delete", END | part | {"CI_PIPELINE_ID": "42"}))
    assert "is out of maintenance, and its users reach the application again." in done.log
    assert cluster.routes() == {"keeper", "shop"}


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [{}, {"ROUTE_STRATEGY": "repoint"}, SUBPATH])
def test_an_end_that_lies_ahead_is_kept(cluster: Cluster, strategy: Variables) -> None:
    """Until it has come, or somebody says that it is too late for them; a click never asks."""
    end = away(hours=2, minutes=5)
    ok(cluster.run("deploy-route", {"MAINTENANCE_END": end} | strategy))
    part = {name: value for name, value in strategy.items() if name == "SUBPATH"}
    done = ok(changes_nothing(cluster, part))
    assert f"its maintenance ends at {end}, in 2 h 4 min: it goes on; FORCE=early ends it now" in done.log
    assert done.lines[-1] == "Nothing was ended, and nothing was changed."
    done = ok(cluster.run("delete", END | part | {"FORCE": "early"}))
    assert "its users reach the application again" in done.log


@pytest.mark.slow
def test_an_end_that_has_come_is_kept_too(cluster: Cluster) -> None:
    ok(cluster.run("deploy-route", {"MAINTENANCE_END": away(seconds=-1)}))
    assert "its users reach the application again" in ok(cluster.run("delete", END)).log


def test_a_click_does_not_ask_for_the_end(cluster: Cluster) -> None:
    ok(cluster.run("deploy-route", {"MAINTENANCE_END": away(hours=1)}))
    assert "its users reach the application again" in ok(cluster.run("delete")).log


@pytest.mark.slow
def test_a_newer_pipeline_announces_another_end_and_one_that_says_none_keeps_it(cluster: Cluster) -> None:
    first, second = away(hours=1), away(hours=3)
    for pipeline, end, noted in (("41", first, first), ("42", None, first), ("43", second, second)):
        ok(cluster.run("deploy-route", {"CI_PIPELINE_ID": pipeline, "MAINTENANCE_END": end}))
        assert f"its maintenance ends at {noted}" in ok(changes_nothing(cluster, {"CI_PIPELINE_ID": "50"})).log


@pytest.mark.slow
def test_each_route_is_judged_alone(cluster: Cluster) -> None:
    """One is not due, one is not in maintenance, one has no application, one is ended: the pipeline is red."""
    add_routes(cluster, ["ahead", "idle", "over", "unready"])
    unready = copy.deepcopy(cluster.find("routes", "unready") or {})
    ok(cluster.run("deploy-route", {"ROUTE_NAME": "ahead", "MAINTENANCE_END": away(hours=1)}))
    ok(cluster.run("deploy-route", {"ROUTE_NAME": "over unready"}))
    unready["spec"]["to"]["name"] = "nowhere"
    keep_template(cluster, "unready", manifests.template(unready))
    done = cluster.run("delete", END | {"ROUTE_NAME": "ahead idle over unready", "ACCEPT_ROUTE_DIFFERENCES": "true"})
    assert done.code == 1, done.log
    assert "ahead: its maintenance ends at " in done.log
    assert "idle: there is nothing to end: it is not in maintenance" in done.log
    assert "1 of 2 Routes failed: unready." in done.log
    assert "Users of Route unready would be answered 503: Service nowhere has no ready endpoint." in done.lines[-1]
    names = {"ahead-maintenance-page", "idle", "over", "unready-maintenance-page"}
    assert names <= cluster.routes()
    for name in ("ahead", "over", "unready"):
        keep_template(cluster, name, manifests.template(manifests.route(name, host_of(name), service="shop")))
    ok(cluster.run("delete", {"ROUTE_NAME": "ahead unready"}))
    for name in ("ahead", "idle", "over", "unready"):
        remove(cluster, "routes", name)

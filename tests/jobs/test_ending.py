"""A pipeline that only ends maintenances (ACTION=end): what it ends, and what it leaves as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.jobs.looking.scene import SUBPATH, keep_page, quiet, restored, stored
from tests.tools.clusters import QUICK, Cluster, Job, running
from tests.tools.outcomes import ok

Variables = dict[str, str | None]
END: Variables = {"ACTION": "end"}


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    with running(QUICK) as cluster:
        keep_page(cluster)
        yield cluster


@pytest.fixture
def cluster(shared: Cluster) -> Iterator[Cluster]:
    with restored(shared):
        yield shared


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


def test_a_plan_of_it_is_the_plan_of_delete(cluster: Cluster) -> None:
    ok(cluster.run("deploy-route", SUBPATH))
    quiet(cluster)
    before = stored(cluster)
    done = ok(cluster.run("plan", END | SUBPATH | {"PLAN_ONLY": "true"}))
    assert done.lines[-1] == "Nothing stands in the way of delete. Nothing was changed."
    assert stored(cluster) == before


@pytest.mark.parametrize("strategy", [{}, {"ROUTE_STRATEGY": "repoint"}, SUBPATH])
def test_it_ends_a_maintenance(cluster: Cluster, strategy: Variables) -> None:
    """Also from a pipeline of its own, which is newer than the one that began it."""
    ok(cluster.run("deploy-route", {"CI_PIPELINE_ID": "41"} | strategy))
    part = {name: value for name, value in strategy.items() if name == "SUBPATH"}
    done = ok(cluster.run("delete", END | part | {"CI_PIPELINE_ID": "42"}))
    assert "is out of maintenance, and its users reach the application again." in done.log
    assert cluster.routes() == {"keeper", "shop"}

"""A `delete` that failed may be run again, and is as careful the second time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from maintenance_ci.rehearsal import application_manifests as manifests
from tests.tools.clusters import QUICK, Cluster, running

PAGE_ROUTE = "shop-maintenance-page"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with running(QUICK) as cluster:
        assert cluster.run("build-and-deploy").code == 0
        assert cluster.run("deploy-route").code == 0
        yield cluster


def broken() -> dict[str, object]:
    """The Route as the API takes it, and no router serves it: its certificate cannot be read."""
    route = manifests.route("shop", manifests.HOST)
    route["spec"]["tls"] |= {"certificate": "none", "key": "none"}
    return route


def served(cluster: Cluster) -> set[tuple[int | None, str]]:
    with cluster.users("/") as answers:
        assert cluster.run("status").code == 0
    return {(answer.status, answer.served_by) for answer in answers}


@pytest.mark.slow
def test_an_original_that_somebody_made_and_no_router_would_serve_keeps_the_page(cluster: Cluster) -> None:
    cluster.call(cluster.store.create, "routes", broken(), manager="somebody")
    failed = cluster.run("delete", {"ADMISSION_TIMEOUT": "3"})
    # The router looks at a certificate last: what waits for its host is found out when it has it.
    assert failed.code in (1, 3), failed.log
    assert cluster.find("deployments", "maintenance-page") is not None
    cluster.call(cluster.store.delete, "routes", manifests.NAMESPACE, "shop")
    assert cluster.run("delete").code == 0
    assert served(cluster) == {(200, "application")}


@pytest.mark.slow
def test_a_rival_that_came_meanwhile_is_found_before_the_page_goes(cluster: Cluster) -> None:
    rival = manifests.route("rival", manifests.HOST, service="shop")
    cluster.call(cluster.store.create, "routes", rival, manager="somebody")
    refused = cluster.run("delete")
    assert refused.code == 1
    assert f"Route rival is on {manifests.HOST} too" in refused.log
    assert cluster.routes() == {PAGE_ROUTE, "rival"}
    cluster.call(cluster.store.delete, "routes", manifests.NAMESPACE, "rival")
    assert cluster.run("delete").code == 0


@pytest.mark.slow
def test_force_does_not_excuse_users_who_still_meet_the_page() -> None:
    """It excuses an application that is down; a router that has not followed still needs the page."""
    with running(replace(QUICK, reload_interval=20.0)) as slow:
        assert slow.run("build-and-deploy").code == 0
        wrong: dict[str, str | None] = {"ROUTER_RELOAD_INTERVAL": "0.3"}
        assert slow.run("deploy-route", wrong).code == 0  # right after a reload: the next one is long in coming
        failed = slow.run("delete", wrong | {"ADMISSION_TIMEOUT": "1", "FORCE": "true"})
        assert failed.code == 3, failed.log
        assert "Users do not meet the application" in failed.lines[-1]
        assert "the maintenance page (200)" in failed.lines[-1]
        assert slow.find("deployments", "maintenance-page") is not None


@pytest.mark.slow
def test_a_snapshot_that_is_somebody_elses_is_left(cluster: Cluster) -> None:
    assert cluster.run("delete").code == 0
    assert cluster.run("build-and-deploy").code == 0
    theirs = {
        "metadata": {"name": "shop-maintenance-snapshot", "namespace": manifests.NAMESPACE},
        "data": {"a": "YQ=="},
    }
    cluster.call(cluster.store.create, "secrets", theirs, manager="somebody")
    failed = cluster.run("deploy-route")
    assert failed.code == 1, failed.log
    assert "shop-maintenance-snapshot exists, but belongs to no maintenance of shop. Nothing was changed." in failed.log
    assert "Roll back" not in failed.log
    kept = cluster.find("secrets", "shop-maintenance-snapshot")
    assert kept is not None
    assert kept["data"] == {"a": "YQ=="}
    assert cluster.routes() == {"shop"}

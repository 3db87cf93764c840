"""A `delete` whose application does not come back sends users back to the page: a page is better than 503s."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from maintenance_ci.rehearsal import application_manifests as manifests
from tests.tools.clusters import QUICK, Cluster, running

Variables = dict[str, str | None]
SWAP: Variables = {}
REPOINT: Variables = {"ROUTE_STRATEGY": "repoint"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running(QUICK) as cluster:
        yield cluster


def with_a_port_that_nobody_serves() -> bytes:
    """A template that the API takes, and whose users the router answers 503."""
    broken = manifests.route("shop", manifests.HOST)
    broken["spec"]["port"] = {"targetPort": 70000}
    return manifests.template(broken)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [pytest.param(SWAP, id="swap"), pytest.param(REPOINT, id="repoint")])
def test_a_template_that_brings_back_what_nobody_serves(cluster: Cluster, strategy: Variables) -> None:
    assert cluster.run("build-and-deploy").code == 0
    original = cluster.find("routes", "shop")
    assert original
    assert cluster.run("deploy-route", strategy).code == 0
    shown = cluster.routes()
    files = cluster.inside.gitlab.projects[0].branches["main"]
    good, files["shop.yaml"] = files["shop.yaml"], with_a_port_that_nobody_serves()
    try:
        failed = cluster.run("delete")
    finally:
        files["shop.yaml"] = good
    assert failed.code == 1, failed.log
    assert "WARNING: it is not as it was before the maintenance: spec.port.targetPort is 70000" in failed.log
    assert "Users meet the page again: the maintenance goes on." in failed.lines[-1]
    assert any("oc extract secret/shop-maintenance-snapshot" in line for line in failed.lines)
    assert cluster.routes() == shown
    assert cluster.find("deployments", "maintenance-page")
    with cluster.users("/") as answers:
        assert cluster.run("status").code == 0
    assert {(answer.status, answer.served_by) for answer in answers} == {(200, "maintenance-page:v1")}

    assert cluster.run("delete").code == 0
    back = cluster.find("routes", "shop")
    assert back
    assert back["spec"] == original["spec"]
    assert back["metadata"].get("annotations") == original["metadata"]["annotations"]
    assert cluster.find("secrets", "shop-maintenance-snapshot") is None


@pytest.mark.slow
def test_an_original_that_nobody_serves_is_left_as_it_is_where_that_is_forced(cluster: Cluster) -> None:
    assert cluster.run("build-and-deploy").code == 0
    assert cluster.run("deploy-route").code == 0
    files = cluster.inside.gitlab.projects[0].branches["main"]
    good, files["shop.yaml"] = files["shop.yaml"], with_a_port_that_nobody_serves()
    try:
        forced = cluster.run("delete", {"FORCE": "true"})
    finally:
        files["shop.yaml"] = good
    assert forced.code == 0, forced.log
    assert "WARNING: forced, although: Users do not meet the application" in forced.log
    assert cluster.routes() == {"shop"}

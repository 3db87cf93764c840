"""Testers reach the application behind the page, and nobody else does."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import RemoteDisconnected

import pytest

from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.trouble import parse_trouble
from tests.tools import command_line
from tests.tools.clusters import QUICK, Cluster, running
from tests.tools.outcomes import ok
from tests.tools.site import Site

PAGE, APPLICATION = "maintenance-page:v1", "application"
RUNNER, NOBODY = "127.0.0.1", "192.0.2.7"
LISTS = [f"haproxy.router.openshift.io/ip_{name}" for name in ("allowlist", "whitelist")]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running(QUICK) as cluster:
        ok(cluster.run("build-and-deploy"))
        keeper = manifests.route("keeper", "keeper.apps.example.test", service="maintenance-page")
        cluster.call(cluster.store.create, "routes", keeper, manager="somebody")
        yield cluster


def for_testers(addresses: str, **more: str) -> dict[str, str]:
    return {"TESTER_ACCESS": "true", "TESTER_ADDRESSES": addresses, **more}


def host_of(cluster: Cluster, name: str) -> str:
    route = cluster.find("routes", f"{name}-preview")
    assert route is not None
    return str(route["spec"]["host"])


@pytest.mark.slow
def test_testers_meet_the_application_on_a_host_that_the_cluster_makes(cluster: Cluster) -> None:
    site = Site(cluster, "open")
    done = ok(site.run("deploy-route", **for_testers(f"{NOBODY}, {RUNNER}")))
    host = host_of(cluster, site.name)
    assert host == "open-preview-web.apps.example.test"
    assert f"Testers reach the application by https://{host}/ from {NOBODY}, {RUNNER}." in done.lines
    assert "the runner's own address is in TESTER_ADDRESSES, so that it cannot try" in done.log
    assert site.who() == [PAGE]
    assert site.who(host=host) == [APPLICATION]
    assert "Route open-preview (" not in done.log
    route = cluster.find("routes", "open-preview") or {}
    assert [route["metadata"]["annotations"][name] for name in LISTS] == [f"{NOBODY} {RUNNER}"] * 2

    planned = command_line.run(cluster, "plan", "--delete", ROUTE_NAME=site.name)
    assert "- remove Route open-preview, which lets testers in" in planned.stdout
    site.end()
    assert cluster.find("routes", "open-preview") is None
    assert site.is_back()


def test_others_are_kept_out_and_the_job_sees_that(cluster: Cluster) -> None:
    site = Site(cluster, "shut")
    planned = ok(site.run("plan", **for_testers(NOBODY)))
    assert f"- before the switch, let testers in from {NOBODY} alone, by Route shut-preview" in planned.log
    assert cluster.find("routes", "shut-preview") is None
    done = ok(site.run("deploy-route", **for_testers(NOBODY, TESTER_HOST="try.apps.example.test")))
    assert "the runner, which is not among them, is kept out of https://try.apps.example.test/" in done.log
    with pytest.raises(RemoteDisconnected):
        site.ask(host="try.apps.example.test")
    site.end()
    assert cluster.find("routes", "shut-preview") is None


def test_a_list_that_keeps_nobody_out_ends_the_job_before_the_switch(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a load balancer that hides addresses: the router sees one of the list, whoever comes."""
    monkeypatch.setattr("maintenance_ci.rehearsal.router.backends.route_annotations.allowlist", lambda _: [])
    site = Site(cluster, "hidden")
    failed = site.run("deploy-route", **for_testers(NOBODY))
    assert failed.code == 1
    assert "whose address is not in TESTER_ADDRESSES: the list keeps nobody out." in failed.log
    assert cluster.find("routes", "hidden-preview") is None
    assert site.who() == [APPLICATION]
    assert site.is_back()


def test_where_the_switch_fails_testers_are_not_let_in_either(cluster: Cluster) -> None:
    site = Site(cluster, "failing")
    cluster.inside.troubles.add(parse_trouble("DELETE routes/failing$: 403 always"))
    try:
        failed = site.run("deploy-route", **for_testers(NOBODY, PROBES="false"))
    finally:
        cluster.inside.troubles.clear()
    assert failed.code == 1
    assert "(PROBES=false): TESTER_ADDRESSES protects nothing where a load balancer" in failed.log
    assert cluster.find("routes", "failing-preview") is None
    assert site.is_back()


@pytest.mark.slow
def test_the_route_goes_with_the_last_path(cluster: Cluster) -> None:
    site = Site(cluster, "paths")
    given = for_testers(RUNNER)
    ok(site.run("deploy-route", SUBPATH="/cart", **given))
    ok(site.run("deploy-route", SUBPATH="/help", **given))
    site.end(SUBPATH="/cart")
    assert site.who("/help", host=host_of(cluster, "paths")) == [APPLICATION]
    site.end(SUBPATH="/help")
    assert cluster.find("routes", "paths-preview") is None


@pytest.mark.slow
def test_a_name_that_somebody_else_has_is_refused(cluster: Cluster) -> None:
    site = Site(cluster, "taken")
    other = manifests.route("taken-preview", "other.apps.example.test", service="shop")
    cluster.call(cluster.store.create, "routes", other, manager="somebody")
    refused = site.run("deploy-route", **for_testers(NOBODY))
    assert refused.code == 1
    assert "There is a Route taken-preview, which is not maintenance-ci's" in refused.log
    site.begin()
    site.end()
    assert cluster.find("routes", "taken-preview") is not None

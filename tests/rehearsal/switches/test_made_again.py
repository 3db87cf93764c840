"""The original that is there while its maintenance lasts: left by a run of ours, or made again by somebody."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from maintenance_ci.maintenance_route import maintenance_name
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.store import Object
from maintenance_ci.rehearsal.trouble import FOR_GOOD, Trouble
from maintenance_ci.snapshot import route_in, snapshot_name
from tests.rehearsal.conftest import QUICK
from tests.rehearsal.matrices.stage import SHOWN, Stage, Variables
from tests.rehearsal.switches.by_hand import paste, run_by_hand, told_by_hand
from tests.rehearsal.switches.own_site import OwnSite, certificate, own_site
from tests.rehearsal.switches.scene import APPLY

TLS = {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"}
# The API takes it; a router looks at it when the Route has its host, and refuses it.
UNREADABLE = {"certificate": "none", "key": "none"}


def kept(on: Stage, site: OwnSite) -> Object:
    """The Route in the snapshot."""
    found = on.cluster.find("secrets", snapshot_name(site.name))
    assert found is not None
    return route_in(found)


def make_again(on: Stage, site: OwnSite, **spec: Any) -> None:
    """Let the team's own pipeline apply the Route once more, as it is in its files."""
    manifest = copy.deepcopy(site.template)
    manifest["spec"] |= spec
    on.cluster.call(on.cluster.store.create, "routes", manifest, manager="team")


def without_readable_certificate(site: OwnSite) -> Object:
    """Let the template have a certificate that nobody can read; return the good one."""
    good = site.template
    site.template = good | {"spec": good["spec"] | {"tls": TLS | UNREADABLE}}
    return good


@pytest.mark.slow
def test_an_original_that_no_router_takes_is_removed_and_users_meet_the_page_again(on: Stage) -> None:
    with own_site(on, "unreadable", tls=TLS) as site:
        site.begin()
        good = without_readable_certificate(site)
        failed = site.run("delete")
        assert failed.code == 1, failed.log
        assert "ExtendedValidationFailed" in failed.log
        assert "Users meet the page again: the maintenance goes on." in failed.lines[-1]
        assert site.who() == [SHOWN]
        site.template = good
        site.end()
        assert site.is_back()


@pytest.mark.parametrize("then", ["by hand", pytest.param("the job again", marks=pytest.mark.slow)])
def test_an_original_that_no_router_takes_and_that_is_left_is_put_right(on: Stage, then: str, tmp_path: Path) -> None:
    with own_site(on, f"left-{then[:2]}", tls=TLS) as site:
        site.begin()
        good = without_readable_certificate(site)
        ours = maintenance_name(site.name, None)
        on.befall(Trouble("403", method="PATCH", path=f"/routes/{ours}{APPLY}$", times=FOR_GOOD, client="ours"))
        failed = site.run("delete", ADMISSION_TIMEOUT="3")
        on.relieve()
        assert failed.code == 3, failed.log
        assert site.live["spec"]["tls"] == TLS | UNREADABLE
        if then == "by hand":
            run_by_hand(on, failed, tmp_path)
            time.sleep(3 * QUICK.reload_interval)
        else:
            site.template = good
            site.end()
        assert site.who() == ["application"]
        assert site.is_back()
        on.crowd.harmed()  # between the two this site's users did meet 503s


@pytest.mark.slow
def test_what_is_pasted_takes_nothing_away_where_nothing_was_put_back(on: Stage, tmp_path: Path) -> None:
    with own_site(on, "pasted") as site:
        site.begin()
        on.befall(Trouble("403", method="PATCH", path=f"/routes/{site.name}{APPLY}$", times=FOR_GOOD, client="ours"))
        failed = site.run("delete", ADMISSION_TIMEOUT="3")
        on.relieve()
        text, later = told_by_hand(failed)
        assert later
        broken = text.replace(f"secret/{snapshot_name(site.name)}", "secret/mistyped")
        assert broken != text
        assert paste(on, broken, tmp_path).returncode != 0
        assert site.maintenance and kept(on, site)
        assert site.who() == [SHOWN]
        site.end()
        assert site.is_back()


@pytest.mark.parametrize("again", ["delete", pytest.param("deploy-route", marks=pytest.mark.slow)])
def test_a_certificate_is_not_lost_when_somebody_makes_the_original_again(on: Stage, again: str) -> None:
    """By a plain apply of a manifest that has none: an ACME controller had written it."""
    with own_site(on, f"again-{again}", tls=TLS) as site:
        own = TLS | certificate(on, site.host, days_old=1)
        site.edit(tls=own)
        site.begin()
        make_again(on, site)
        if again == "deploy-route":
            site.begin()
            assert site.maintenance["spec"]["tls"] == own
            assert kept(on, site)["spec"]["tls"] == own
            assert site.who() == [SHOWN]
        ended = site.end()
        assert site.live["spec"]["tls"] == own
        assert ("WARNING: the Route that is there again has no certificate" in ended.log) == (again == "delete")
        assert site.who() == ["application"]
        site.edit(tls=TLS)
        assert site.is_back()


@pytest.mark.slow
def test_an_original_that_is_made_again_elsewhere_ends_nothing(on: Stage) -> None:
    with own_site(on, "elsewhere", tls=TLS) as site:
        site.begin()
        make_again(on, site, host="other.apps.example.test")
        refused = site.run("delete")
        assert refused.code == 1, refused.log
        assert "is there again, but not where it was: spec.host is 'other.apps.example.test'" in refused.log
        assert "Nothing was changed." in refused.log
        assert site.who() == [SHOWN]
        on.cluster.call(on.cluster.store.delete, "routes", manifests.NAMESPACE, site.name)
        site.end()
        assert site.is_back()


@pytest.mark.parametrize("fault", ["the switch", pytest.param("the snapshot", marks=pytest.mark.slow)])
def test_a_failure_does_not_end_a_maintenance_that_it_did_not_begin(on: Stage, fault: str) -> None:
    """A half-done `delete`: the page is shown, and the original waits."""
    with own_site(on, f"half-{fault[4:6]}", tls=TLS) as site:
        site.begin()
        make_again(on, site)
        ours = maintenance_name(site.name, None)
        method, path = {"the switch": ("PATCH", f"/routes/{ours}{APPLY}$"), "the snapshot": ("POST", "/secrets$")}[
            fault
        ]
        on.befall(Trouble("403", method=method, path=path, times=FOR_GOOD, client="ours"))
        failed = site.run("deploy-route", ADMISSION_TIMEOUT="3")
        on.relieve()
        assert failed.code == 1, failed.log
        assert "It was rolled back: the whole Route is in maintenance, as it was before" in failed.lines[-1]
        assert site.who() == [SHOWN]
        assert kept(on, site)
        site.end()
        assert site.is_back()


@contextlib.contextmanager
def a_router_that_admits_nothing(on: Stage) -> Iterator[None]:
    """Another IngressController's, which sees every Route, and serves none."""
    refusal = {"type": "Admitted", "status": "False", "reason": "RouteNotAdmitted", "message": "not mine"}

    async def refuse() -> None:
        while True:
            for route in on.cluster.store.list("routes", manifests.NAMESPACE):
                ingress = (route.get("status") or {}).get("ingress") or []
                if not any(one["routerName"] == "internal" for one in ingress):
                    mine = {"host": route["spec"]["host"], "routerName": "internal", "conditions": [refusal]}
                    told = route | {"status": {"ingress": [*ingress, mine]}}
                    on.cluster.store.update("routes", told, manager="internal", subresource="status")
            await asyncio.sleep(0.02)

    async def begin() -> asyncio.Task[None]:
        return asyncio.create_task(refuse())

    task = on.cluster.do(begin())
    try:
        yield
    finally:
        on.cluster.call(task.cancel)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["swap", "repoint"])
def test_a_router_that_never_served_it_is_no_hindrance(on: Stage, strategy: str) -> None:
    with own_site(on, f"one-of-two-{strategy}", tls=TLS) as site, a_router_that_admits_nothing(on):
        on.cluster.do(asyncio.sleep(0.2))
        assert [one["routerName"] for one in site.live["status"]["ingress"]] == ["default", "internal"]
        site.begin(ROUTE_STRATEGY=strategy)
        assert site.who() == [SHOWN]
        site.end()
        assert site.is_back()


@pytest.mark.slow
def test_nor_where_a_switch_was_cut_short_before_its_end(on: Stage) -> None:
    with own_site(on, "one-of-two-killed", tls=TLS) as site, a_router_that_admits_nothing(on):
        on.befall(Trouble("kill", method="DELETE", path=f"/routes/{site.name}$", client="ours"))
        assert on.run_process("deploy-route", {"ROUTE_NAME": site.name}).code == -9
        on.relieve()
        assert site.maintenance
        site.end()
        assert site.is_back()


@pytest.mark.parametrize("strategy", ["repoint", pytest.param("swap", marks=pytest.mark.slow)])
def test_the_templates_state_comes_back_where_that_was_accepted(on: Stage, strategy: str) -> None:
    with own_site(on, f"accepted-{strategy}", tls=TLS) as site:
        live = copy.deepcopy(site.live)
        live["metadata"]["annotations"] |= {"haproxy.router.openshift.io/timeout": "5s", "team": "noted"}
        live["metadata"]["labels"]["shard"] = "a"
        on.cluster.call(on.cluster.store.update, "routes", live, manager="somebody")
        accepted: Variables = {"ROUTE_STRATEGY": strategy, "ACCEPT_ROUTE_DIFFERENCES": "true"}
        began = site.begin(**accepted)
        assert "the template's state will come back" in began.log
        site.end(**accepted)
        assert site.live["metadata"]["annotations"].pop("team") == "noted"
        assert set(site.live["metadata"]["annotations"]) - {"team"} == set(site.before[0]["annotations"])
        assert site.live["metadata"]["labels"] == site.before[0]["labels"]

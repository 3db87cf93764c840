"""The original that is there while its maintenance lasts: left by a run of ours, or made again by somebody."""

from __future__ import annotations

import asyncio
import copy
import time
from pathlib import Path
from typing import Any

import pytest

from maintenance_ci.names import page_route_name, snapshot_name
from maintenance_ci.plan.snapshot import route_in
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.store import Object
from maintenance_ci.rehearsal.trouble import FOR_GOOD, Trouble
from tests.jobs.switches.by_hand import paste, run_by_hand, told_by_hand
from tests.jobs.switches.own_site import OwnSite, certificate, own_site
from tests.jobs.switches.scene import APPLY
from tests.matrices.stage import SHOWN, Stage
from tests.tools.clusters import QUICK

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


@pytest.mark.slow
@pytest.mark.parametrize("then", ["by hand", "the job again"])
def test_an_original_that_no_router_takes_and_that_is_left_is_put_right(on: Stage, then: str, tmp_path: Path) -> None:
    with own_site(on, f"left-{then[:2]}", tls=TLS) as site:
        site.begin()
        good = without_readable_certificate(site)
        ours = page_route_name(site.name, None)
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
        assert ("WARNING: the re-created Route has no certificate" in ended.log) == (again == "delete")
        assert site.who() == ["application"]
        site.edit(tls=TLS)
        assert site.is_back()


@pytest.mark.slow
def test_an_original_that_is_made_again_elsewhere_ends_nothing(on: Stage) -> None:
    with own_site(on, "elsewhere", tls=TLS) as site:
        site.begin()
        make_again(on, site, host="other.apps.example.test")
        on.cluster.do(asyncio.sleep(2 * QUICK.reload_interval))
        for job in ("delete", "deploy-route"):
            refused = site.run(job, ACCEPT_ROUTE_DIFFERENCES="false" if job == "delete" else "true")
            assert refused.code == 1, refused.log
            assert "was re-created, but not where its maintenance is: spec.host is 'other.apps" in refused.log
            assert "Nothing was changed" in refused.log
            assert "oc apply" not in refused.log and "oc replace" not in refused.log
            assert site.who() == [SHOWN]
        on.cluster.call(on.cluster.store.delete, "routes", manifests.NAMESPACE, site.name)
        site.end()
        assert site.is_back()


@pytest.mark.slow
def test_an_original_that_is_made_again_elsewhere_on_purpose_ends_the_maintenance(on: Stage) -> None:
    with own_site(on, "moved", tls=TLS) as site:
        site.begin()
        make_again(on, site, host="moved-on.apps.example.test")
        on.cluster.do(asyncio.sleep(2 * QUICK.reload_interval))
        site.end(ACCEPT_ROUTE_DIFFERENCES="true")
        assert site.live["spec"]["host"] == "moved-on.apps.example.test"
        assert site.who(host="moved-on.apps.example.test") == ["application"]
        assert on.cluster.find("routes", page_route_name(site.name, None)) is None
        assert on.cluster.find("secrets", snapshot_name(site.name)) is None


@pytest.mark.parametrize("fault", ["the switch", pytest.param("the snapshot", marks=pytest.mark.slow)])
def test_a_failure_does_not_end_a_maintenance_that_it_did_not_begin(on: Stage, fault: str) -> None:
    """A half-done `delete`: the page is shown, and the original waits."""
    with own_site(on, f"half-{fault[4:6]}", tls=TLS) as site:
        site.begin()
        make_again(on, site)
        ours = page_route_name(site.name, None)
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


def killed_while_the_original_waits(on: Stage, site: OwnSite) -> None:
    """A `delete` that has made the original again, and then nothing more."""
    on.befall(Trouble("kill", method="DELETE", path=f"/routes/{page_route_name(site.name, None)}$", client="ours"))
    assert on.run_process("delete", {"ROUTE_NAME": site.name}).code == -9
    on.relieve()
    assert site.live and site.maintenance


@pytest.mark.parametrize("fault", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_what_our_last_run_left_is_the_teams_once_they_edit_it(on: Stage, fault: bool) -> None:
    with own_site(on, f"edited-{fault}".lower(), tls=TLS) as site:
        site.begin()
        killed_while_the_original_waits(on, site)
        edited = TLS | certificate(on, site.host, days_old=1)
        site.edit(tls=edited, to={"kind": "Service", "name": "shop", "weight": 50})
        uid = site.live["metadata"]["uid"]
        if fault:  # whatever fails: what they edited stays
            ours = f"/routes/{page_route_name(site.name, None)}$"
            on.befall(Trouble("403", method="DELETE", path=ours, times=FOR_GOOD, client="ours"))
            assert site.run("delete", ADMISSION_TIMEOUT="3").code != 0
            on.relieve()
            assert site.live["metadata"]["uid"] == uid
        site.end()
        assert site.live["metadata"]["uid"] == uid
        assert site.live["spec"]["tls"] == edited
        assert site.live["spec"]["to"]["weight"] == 50
        site.edit(tls=TLS, to={"kind": "Service", "name": "shop", "weight": 100})
        assert site.is_back()


@pytest.mark.slow
def test_what_our_last_run_left_is_made_anew_from_the_template(on: Stage) -> None:
    with own_site(on, "corrected", tls=TLS) as site:
        site.begin()
        killed_while_the_original_waits(on, site)
        corrected = copy.deepcopy(site.template)
        corrected["spec"]["to"]["weight"] = 50
        site.template = corrected
        site.end()
        assert site.live["spec"]["to"]["weight"] == 50


@pytest.mark.slow
def test_a_certificate_that_was_taken_away_does_not_come_back_from_a_maintenance_that_never_began(on: Stage) -> None:
    with own_site(on, "revoked", tls=TLS) as site:
        site.edit(tls=TLS | certificate(on, site.host, days_old=1))
        time.sleep(1.1)  # of two Routes of one second chance decides which one is older, and is served
        on.befall(Trouble("kill", method="DELETE", path=f"/routes/{site.name}$", client="ours"))
        assert on.run_process("deploy-route", {"ROUTE_NAME": site.name}).code == -9
        on.relieve()
        older = TLS | certificate(on, site.host, days_old=80)
        site.edit(tls=older)
        site.begin()
        assert site.maintenance["spec"]["tls"] == older
        assert kept(on, site)["spec"]["tls"] == older
        site.end()
        assert site.live["spec"]["tls"] == older
        site.edit(tls=TLS)
        assert site.is_back()


@pytest.mark.slow
def test_a_maintenance_that_was_ended_by_hand_leaves_its_certificate(on: Stage) -> None:
    with own_site(on, "by-hand", tls=TLS) as site:
        own = TLS | certificate(on, site.host, days_old=1)
        site.edit(tls=own)
        site.begin()
        make_again(on, site)
        ours = page_route_name(site.name, None)
        on.cluster.call(on.cluster.store.delete, "routes", manifests.NAMESPACE, ours)
        ended = site.end()
        assert "WARNING: the re-created Route has no certificate" in ended.log
        assert site.live["spec"]["tls"] == own
        assert on.cluster.find("secrets", snapshot_name(site.name)) is None
        site.edit(tls=TLS)
        assert site.is_back()


@pytest.mark.slow
@pytest.mark.parametrize("job", ["deploy-route", "delete"])
def test_a_path_while_the_whole_waits_for_its_end(on: Stage, job: str) -> None:
    """The path is under the page all the same: its Route comes and goes, and nobody waits for the application."""
    with own_site(on, f"part-{job}", tls=TLS) as site:
        path = {"SUBPATH": "/cart"}
        if job == "delete":
            site.begin(**path)
        site.begin()
        make_again(on, site)
        part = page_route_name(site.name, "/cart")
        if job == "delete":
            site.end(**path)
        else:
            on.befall(Trouble("403", method="PATCH", path=f"/routes/{part}{APPLY}$", client="ours"))
            failed = site.run("deploy-route", ADMISSION_TIMEOUT="3", **path)
            on.relieve()
            assert failed.code == 1, failed.log
            assert "in maintenance, as it was before" in failed.lines[-1]
        assert on.cluster.find("routes", part) is None
        assert site.who("/", "/cart") == [SHOWN, SHOWN]
        site.end()
        assert site.is_back()

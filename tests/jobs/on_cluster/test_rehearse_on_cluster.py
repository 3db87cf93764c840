"""``rehearse --cluster`` on the embedded cluster, with the Role of docs/service-account.yaml."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from xml.etree import ElementTree

import pytest

from maintenance_ci.log.report_files import PICTURE, REPORT
from maintenance_ci.names import PAGE, REHEARSAL
from maintenance_ci.rehearsal import application_manifests as manifests
from tests.jobs.on_cluster.rehearsals import everything, left_behind, rehearse, send
from tests.tools.clusters import Cluster
from tests.tools.outcomes import ok


@pytest.mark.slow
def test_all_three_jobs_by_each_strategy_and_nothing_is_left(cluster: Cluster, tmp_path: Path) -> None:
    before = everything(cluster)
    job = ok(rehearse(cluster, {"ACTION": "rehearse", "REPORT_DIR": str(tmp_path)}))
    assert everything(cluster) == before
    assert re.fullmatch(
        r"The rehearsal went well: \d+ requests, none failed\. All that the rehearsal made is removed\. "
        r"No Route of an application was touched\.",
        job.lines[-1],
    )
    for step in (
        "build-and-deploy builds the page, and it runs",
        "the router follows within ROUTER_RELOAD_INTERVAL (0.3 s)",
        "deploy-route (swap)",
        "delete (repoint)",
        "deploy-route (path /rehearsal)",
    ):
        assert re.search(rf"^   passed: {re.escape(step)}, in [0-9.]+ s$", job.log, re.MULTILINE), step
    assert re.search(
        r"^   passed: the reload interval, as users feel it \(in a row: ([0-9.]+(, | s)){4}", job.log, re.MULTILINE
    )
    report = json.loads((tmp_path / REPORT).read_text())
    assert (report["job"], report["exit_code"]) == ("rehearse", 0)
    assert {check["outcome"] for check in report["checks"]} == {"passed", "warned"}
    assert "the page is afterwards as it was before" in [check["name"] for check in report["checks"]]
    root = ElementTree.fromstring((tmp_path / PICTURE).read_text())
    assert len(list(root)) > 50
    assert any("a certificate for *.apps.example.test, issued by" in line for line in job.lines)


@pytest.mark.slow
def test_a_page_that_is_there_stays_as_it_is(cluster: Cluster) -> None:
    ok(cluster.run("build-and-deploy"))
    before, page = everything(cluster), cluster.find("deployments", "maintenance-page")
    job = ok(rehearse(cluster))
    assert everything(cluster) == before
    now = cluster.find("deployments", "maintenance-page")
    assert now is not None
    assert page is not None
    assert (now["metadata"]["uid"], now["spec"]) == (page["metadata"]["uid"], page["spec"])
    assert "   not proven: build-and-deploy: the page was there before, and was left as it is" in job.lines


@pytest.mark.slow
def test_it_is_refused_during_a_maintenance(cluster: Cluster) -> None:
    ok(cluster.run("build-and-deploy"))
    ok(cluster.run("deploy-route"))
    before = everything(cluster)
    job = rehearse(cluster)
    assert job.code == 1
    assert "ERROR: Something is in maintenance in web: shop. Nothing was changed." in job.lines[-1]
    assert everything(cluster) == before
    ok(cluster.run("delete"))
    assert left_behind(cluster) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "at",
    [
        "Install the page's chart",
        "Build the page's image",
        "made Deployment",
        "Delete the original Route",
        "Wait until users meet the application",
    ],
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_rehearsal_that_is_stopped_leaves_nothing(cluster: Cluster, at: str, number: signal.Signals) -> None:
    before = everything(cluster)
    job = rehearse(cluster, at=at, do=send(number))
    assert job.code == 1
    assert everything(cluster) == before
    assert "All that the rehearsal made is removed. No Route of an application was touched." in job.lines[-1]


@pytest.mark.slow
@pytest.mark.parametrize("at", ["made Deployment", "Delete the original Route", "Send Route maintenance-rehearsal"])
def test_what_a_killed_rehearsal_leaves_is_removed_by_the_next_one(cluster: Cluster, at: str) -> None:
    before = everything(cluster)
    killed = rehearse(cluster, at=at, do=send(signal.SIGKILL))
    assert killed.code == -signal.SIGKILL
    assert left_behind(cluster) != []
    job = ok(rehearse(cluster))
    assert any("was cut short: what it left is removed now" in line for line in job.lines)
    assert everything(cluster) == before


@pytest.mark.slow
def test_objects_of_others_are_never_removed(cluster: Cluster) -> None:
    """Neither by the label alone, nor by the name alone."""
    for name, labels in {
        "maintenance-rehearsal-abc123": {},
        "shop-maintenance-rehearsal": {"maintenance-rehearsal/run": "abc123"},
        "maintenance-rehearsal-abc124": {"maintenance-rehearsal/run": "abc123"},
    }.items():
        metadata = {"name": name, "namespace": manifests.NAMESPACE, "labels": labels}
        service = {"metadata": metadata, "spec": {"ports": [{"port": 80}]}}
        cluster.call(cluster.store.create, "services", service, manager="team")
    before = everything(cluster)
    ok(rehearse(cluster))
    assert everything(cluster) == before


@pytest.mark.slow
def test_a_page_that_the_team_has_upgraded_since_is_no_rehearsal_s_any_more(cluster: Cluster) -> None:
    """A rehearsal that installed it was killed, and the team went on to its night."""
    rehearse(cluster, {"PROBES": "false"}, at="made Deployment", do=send(signal.SIGKILL))
    page = cluster.find("deployments", PAGE)
    assert page is not None
    assert "maintenance-rehearsal/run" in page["metadata"]["labels"]
    ok(cluster.run("build-and-deploy"))
    job = ok(rehearse(cluster, {"PROBES": "false"}))
    assert any("was cut short: what it left is removed now" in line for line in job.lines)
    kept = cluster.find("deployments", PAGE)
    assert kept is not None
    assert kept["metadata"]["uid"] == page["metadata"]["uid"]
    assert [name for name in left_behind(cluster) if REHEARSAL in name] == []

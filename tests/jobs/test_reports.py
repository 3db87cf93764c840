"""What GitLab gets of a job, by the real jobs: sections, colours, signs of life, artifacts; however the job ends."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO, cast
from xml.etree import ElementTree

import jsonschema
import pytest

from maintenance_ci.cluster.kubeconfig import write_kubeconfig
from maintenance_ci.cluster.openshift import OpenShift
from maintenance_ci.jobs.build_and_deploy import Tools, build_and_deploy
from maintenance_ci.log.log import JobLog
from maintenance_ci.log.report_files import DOTENV, JUNIT, REPORT
from maintenance_ci.page.helm import Helm
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.trouble import parse_trouble
from maintenance_ci.settings.folders import find
from maintenance_ci.settings.variables import BuildAndDeploySettings, child_environment, read_settings
from tests.tools.busy_machine import require_at_most
from tests.tools.clusters import QUICK, Cluster, running
from tests.tools.gitlab_reader import Reading, read_gitlab

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs/report.schema.json").read_text())
GITLAB: dict[str, str | None] = {"GITLAB_CI": "true", "GITLAB_USER_LOGIN": "ada", "CI_JOB_NAME": "the job"}
RED, YELLOW = "31;1", "33;1"
URL = f"https://{manifests.HOST}/"
OURS = "shop-maintenance-page"


@dataclass
class Done:
    """A job of GitLab's, as its user meets it."""

    code: int
    log: str
    folder: Path
    read: Reading = field(init=False)

    def __post_init__(self) -> None:
        self.read = read_gitlab(self.log)
        assert self.read.open_sections == []

    @property
    def files(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.folder.glob("maintenance*") if path.is_file()}

    @property
    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.files[REPORT])
        jsonschema.validate(report, SCHEMA)
        assert report["exit_code"] == self.code
        return report

    @property
    def cases(self) -> dict[str, str | None]:
        """Of each test case its fault's text; None where it passed."""
        root = ElementTree.fromstring(self.files[JUNIT])
        return {case.attrib["name"]: case[0].text if len(case) else None for case in root.iter("testcase")}

    def coloured(self, colour: str) -> list[str]:
        return [text for text, style in self.read.coloured if style == colour]


def run(cluster: Cluster, job: str, variables: dict[str, str | None] | None = None, **folders: Path) -> Done:
    place = cluster.workplace(GITLAB | (variables or {}), **folders)
    lines: list[str] = []
    code = cluster.do(place.run(job, say=lines.append))
    done = Done(code, "\n".join(lines), place.folder)
    for secret in (cluster.inside.token, cluster.inside.job_token):
        assert secret not in done.log + "".join(done.files.values())
    return done


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    with running(QUICK) as cluster:
        assert cluster.run("build-and-deploy").code == 0
        yield cluster


@pytest.fixture
def cluster(shared: Cluster) -> Iterator[Cluster]:
    """With the page, and the application not in maintenance."""
    yield shared
    shared.call(shared.inside.troubles.clear)
    if shared.routes() != {"shop"}:
        assert shared.run("delete").code == 0
        assert shared.run("build-and-deploy").code == 0


def expect(cluster: Cluster, *lines: str) -> None:
    for line in lines:
        cluster.call(cluster.inside.troubles.add, parse_trouble(line))


@pytest.mark.slow
def test_a_whole_maintenance(cluster: Cluster) -> None:
    jobs = {job: run(cluster, job) for job in ("build-and-deploy", "plan", "deploy-route", "delete")}
    assert cluster.run("build-and-deploy").code == 0
    for job, done in jobs.items():
        report = done.report
        assert done.code == 0, done.log
        assert (report["job"], report["name"], report["user"]) == (job, "the job", "ada")
        assert (report["namespace"], report["pipeline_id"], report["error"]) == ("web", "1", None)
        # Each phase is a section, of the same duration.
        assert [section.heading for section in done.read.sections] == [
            f"── {phase['title']}" for phase in report["phases"]
        ]
        for section, phase in zip(done.read.sections, report["phases"], strict=True):
            assert section.seconds is not None
            assert abs(section.seconds - phase["seconds"]) <= 1
            assert section.collapsed == (
                section.heading in ("── Install the page's chart", "── Build the page's image")
            )
        assert done.coloured(RED) == []
        assert done.coloured(YELLOW) == [f"   WARNING: {warning}" for warning in report["warnings"]]
        assert set(done.cases.values()) <= {None}
        assert " ".join(" ".join(done.read.lines).split()).endswith(report["result"])
    deploy, delete = jobs["deploy-route"], jobs["delete"]
    assert set(deploy.files) == {REPORT, JUNIT, DOTENV}
    assert deploy.files[DOTENV] == f"MAINTENANCE_URL={URL}\n"
    assert set(delete.files) == {REPORT, JUNIT}
    assert {"the page is ready", f"users of {URL} meet the maintenance page"} <= set(deploy.cases)
    assert {"the application is ready", f"users of {URL} meet the application"} <= set(delete.cases)
    *_, watch = deploy.report["probes"]
    assert (watch["url"], watch["wanted"], watch["outcome"]) == (URL, "the maintenance page", "seen")
    offsets = [answer["seconds"] for answer in watch["answers"]]
    waited = deploy.report["phases"][-1]
    assert offsets == sorted(offsets)
    assert waited["began"] <= offsets[0] <= offsets[-1] <= waited["began"] + waited["seconds"] + 0.01
    assert deploy.report["strategy"] == delete.report["strategy"] == "swap"
    assert "now meet the maintenance page. To end it: click the job delete" in deploy.report["result"]
    assert delete.read.lines[-1] == "Nothing remains to be done."


def test_outside_of_gitlab_there_are_neither_codes_nor_files(cluster: Cluster, tmp_path: Path) -> None:
    for variables in ({"GITLAB_CI": "false"}, {"GITLAB_CI": None}):
        done = run(cluster, "plan", cast("dict[str, str | None]", variables))
        assert (done.code, done.files, done.read.sections, done.read.coloured) == (0, {}, [], [])
    done = run(cluster, "plan", {"GITLAB_CI": None, "REPORT_DIR": str(tmp_path)})
    assert done.files == {}
    assert {path.name for path in tmp_path.iterdir()} == {REPORT, JUNIT}


@pytest.mark.slow
def test_a_part_of_the_site_has_its_own_address(cluster: Cluster) -> None:
    part: dict[str, str | None] = {"SUBPATH": "/cart$HOME'(1)"}
    done = run(cluster, "deploy-route", part)
    assert done.files[DOTENV] == f"MAINTENANCE_URL={URL}cart%24HOME%27%281%29\n"
    assert (done.report["strategy"], done.report["subpath"]) == ("subpath", part["SUBPATH"])
    assert run(cluster, "delete", part).report["strategy"] == "subpath"
    assert cluster.run("build-and-deploy").code == 0


@pytest.mark.slow
def test_who_comes_second_is_told_whose_delete_ends_it(cluster: Cluster) -> None:
    newer, older = ({"CI_PIPELINE_ID": number, "CI_PIPELINE_URL": f"https://x/{number}"} for number in ("9", "8"))
    for pipeline in (newer, older):
        done = run(cluster, "deploy-route", cast("dict[str, str | None]", pipeline))
        assert done.code == 0
    assert "To end it: run the job delete of pipeline https://x/9." in done.read.lines
    assert done.files[DOTENV] == f"MAINTENANCE_URL={URL}\n"
    assert run(cluster, "delete", cast("dict[str, str | None]", newer)).code == 0
    assert cluster.run("build-and-deploy").code == 0


def test_what_is_refused_is_a_failed_test(cluster: Cluster) -> None:
    done = run(cluster, "deploy-route", {"ROUTE_TEMPLATE_PATH": "other.yaml"})
    assert done.code == 1
    assert done.read.lines[-1].startswith("ERROR: The template other.yaml")
    assert done.coloured(RED)[-1] == done.read.lines[-1]
    assert "is not there" in str(done.cases["the template brings the Route back"])
    assert done.cases["the page is ready"] is None
    assert done.report["result"] == "Nothing was changed."
    assert done.report["phases"][-1]["outcome"] == "failed"
    assert done.report["error"] in done.read.lines[-1]


def test_wrong_variables_are_reported_too(cluster: Cluster) -> None:
    done = run(cluster, "deploy-route", {"SUBPATH": "no path", "ROUTE_NAME": None})
    assert done.code == 2
    assert "SUBPATH: must be" in done.report["error"] and "ROUTE_NAME: is missing" in done.report["error"]
    assert done.coloured(RED) == done.read.lines
    assert done.cases == {}


@pytest.mark.slow
def test_a_failed_delete_cannot_be_overlooked(cluster: Cluster) -> None:
    assert run(cluster, "deploy-route").code == 0
    expect(cluster, f"ours DELETE routes/{OURS}: 500 always")
    done = run(cluster, "delete", {"ADMISSION_TIMEOUT": "2"})
    assert done.code == 75
    assert "It was undone: users still meet the page." in done.read.lines[-1]
    rules = [number for number, line in enumerate(done.read.lines) if set(line) == {"="}]
    inside = done.read.lines[rules[0] + 1 : rules[1]]
    assert inside[0].startswith("THE JOB delete HAS FAILED. ")
    assert any("oc extract secret/shop-maintenance-snapshot" in line for line in inside)
    assert any(f"oc delete route {OURS}" in line for line in inside)
    assert done.coloured(RED)[-len(inside) - 3 :] == done.read.lines[rules[0] :]
    assert done.read.lines[-1].startswith("ERROR: ")
    assert done.report["result"] in inside[0]
    assert done.report["phases"][-1]["title"] == f"Delete the maintenance Route {OURS}"


@pytest.mark.slow
def test_a_cancelled_job_leaves_its_reports(cluster: Cluster) -> None:
    place = cluster.workplace(GITLAB | {"ROUTER_RELOAD_INTERVAL": "5"})
    lines = []
    with subprocess.Popen(
        [sys.executable, "-m", "maintenance_ci", "deploy-route"],
        cwd=place.folder,
        env=dict(place.environment),
        stdout=subprocess.PIPE,
    ) as job:
        for line in job.stdout or ():
            lines.append(line)
            if b"is answered by the maintenance page" in line:
                job.send_signal(signal.SIGTERM)
            if b"is answered by the application" in line and b"is answered by the maintenance page" in b"".join(lines):
                break
        # An executor that ends it now, as Docker's and Kubernetes' may, finds reports.
        meanwhile = json.loads((place.folder / REPORT).read_text())
        lines += list(job.stdout or ())
    assert (meanwhile["exit_code"], meanwhile["phases"][-1]["title"]) == (3, "Roll back")
    assert meanwhile["error"] == "The job was stopped. The rollback has begun; its end is not reported."
    assert meanwhile["result"] == "What users see now is not certain."
    done = Done(job.returncode, b"".join(lines).decode(), place.folder)
    assert done.code == 1
    assert done.report["error"].startswith("The job was interrupted. It was rolled back")
    *_, stopped, after = done.report["probes"]
    assert (stopped["outcome"], after["outcome"]) == ("stopped", "seen")
    assert stopped["answers"]
    assert done.cases[f"users of {URL} meet the maintenance page"]
    outcomes = {phase["title"]: phase["outcome"] for phase in done.report["phases"]}
    assert (outcomes["Wait until users meet the page"], outcomes["Roll back"]) == ("failed", "done")


def test_a_fault_of_our_own_is_reported_too(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "maintenance-route.yaml.j2").write_bytes(b"\xff\xfe")
    done = run(cluster, "deploy-route", templates=tmp_path)
    assert done.code == 1
    assert "Traceback (most recent call last):" in done.read.lines
    assert done.coloured(RED) == [done.read.lines[-1]]
    assert "UnicodeDecodeError" in done.report["error"]


def test_forged_escape_codes_of_a_build_reach_no_log(cluster: Cluster, tmp_path: Path) -> None:
    shutil.copytree(find("docker"), tmp_path, dirs_exist_ok=True)
    forged = "\x1b[0Ksection_end:1:maintenance-1-1\r\x1b[0K\x1b[31mERROR: forged\x1b[0m"
    with (tmp_path / "Dockerfile").open("a", newline="") as dockerfile:
        dockerfile.write(f'LABEL forged="{forged}"\n')
    done = run(cluster, "build-and-deploy", {"BUILD_MAINTENANCE_PAGE": "true"}, docker=tmp_path)
    assert "section_end:1:maintenance-1-1" in done.log
    ours = f"\x1b[{RED}mERROR: The build"  # fails for what was forged, and repeats its last lines
    assert ours in done.log
    assert not re.search("[\x1b\r][^\n]*forged", done.log.replace(ours, ""))
    assert done.coloured("31") == []


def test_a_report_that_cannot_be_written_changes_nothing(cluster: Cluster) -> None:
    place = cluster.workplace(GITLAB)
    (place.folder / REPORT).mkdir()
    lines: list[str] = []
    assert cluster.do(place.run("plan", say=lines.append)) == 0
    assert f"WARNING: The report {REPORT} could not be written: Is a directory." in lines[-1]
    assert (place.folder / JUNIT).is_file()


class Clocked:
    """A stream that notes when it is written to."""

    def __init__(self) -> None:
        self.text, self.times = "", [time.monotonic()]

    def write(self, text: str) -> int:
        self.text += text
        self.times.append(time.monotonic())
        return len(text)

    def flush(self) -> None:
        pass

    @property
    def longest_silence(self) -> float:
        return max(after - before for before, after in zip(self.times, self.times[1:], strict=False))


SLOW = [
    "ours GET imagestreams: delay 1.5",  # an answer of the cluster
    "helm GET secrets: delay 1.5",  # a call of Helm
    "POST instantiatebinary: delay 1.5",  # the upload, which is answered when the build runs
    "GET /log: delay 1.5",  # a build that says nothing
]
SILENCE = 0.4


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.slow
def test_no_wait_is_silent(cluster: Cluster, tmp_path: Path, watched: bool) -> None:
    inside = cluster.inside
    place = cluster.workplace({"BUILD_MAINTENANCE_PAGE": "true"})
    settings = read_settings(BuildAndDeploySettings, place.environment)
    kubeconfig = str(
        write_kubeconfig(
            tmp_path, url=inside.server.url, token=inside.token, namespace="web", ca=inside.ca_file.read_text()
        )
    )
    environment = child_environment(tmp_path, place.environment)
    expect(cluster, *SLOW)
    stream = Clocked()
    log = JobLog(cast("TextIO", stream), silence=SILENCE)
    with contextlib.closing(OpenShift(kubeconfig, manifests.NAMESPACE)) as client:
        helm = Helm(kubeconfig, "web", environment=environment, say=log.say)
        tools = Tools(helm, place.folder / "chart", place.folder / "docker", kubeconfig, environment)
        with log.alive() if watched else contextlib.nullcontext():
            build_and_deploy(settings, client, tools, log)
    met = {trouble.path for trouble, _ in inside.troubles.met}
    assert {parse_trouble(line).path for line in SLOW} <= met
    if watched:
        require_at_most(stream.longest_silence, SILENCE + 0.5, "the longest silence")
        assert stream.text.count("still at work") >= len(SLOW)
    else:
        assert stream.longest_silence > 1.4

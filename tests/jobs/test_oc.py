"""The build with ``oc``: with the stand-in, which makes the real one's requests, and with the real one where it is."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from maintenance_ci.cluster.kubeconfig import write_kubeconfig
from maintenance_ci.errors import CommandError
from maintenance_ci.names import PAGE
from maintenance_ci.page import builds
from maintenance_ci.page.image import image_digest
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.rights import User
from maintenance_ci.rehearsal.builds.record import BuildLog
from tests.cluster.test_command import ended
from tests.tools import oc_stand_in
from tests.tools.clusters import Cluster, Job
from tests.tools.outcomes import ok
from tests.tools.readme import README
from tests.tools.small_cluster import until

ROOT = Path(__file__).parents[2]
Right = tuple[str, str]
TOKEN = "limited-token"
BUILD_AGAIN: dict[str, str | None] = {"BUILD_MAINTENANCE_PAGE": "true"}
BUILDS = f"/apis/build.openshift.io/v1/namespaces/{manifests.NAMESPACE}/"
# What the real oc needs, as recorded, in the order in which it finds out.
NEEDED: list[Right] = [
    ("get", "buildconfigs"),
    ("create", "buildconfigs/instantiatebinary"),
    ("list", "builds"),
    ("watch", "builds"),
]


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    return oc_stand_in.install(tmp_path)


@pytest.fixture
def watched(built: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Build ends when oc asks to watch it, as it mostly does on a real cluster: not before."""
    requests = built.inside.server.requests
    requests.clear()

    async def ended(output: BuildLog) -> None:
        output.end()
        await until(lambda: any(one.watch and one.user_agent.startswith("oc/") for one in requests), seconds=60)

    monkeypatch.setattr(built.inside.server.builds, "_ended", ended)


def role() -> list[dict[str, Any]]:
    documents = yaml.safe_load_all((ROOT / "docs/service-account.yaml").read_text())
    return next(document["rules"] for document in documents if document["kind"] == "Role")


def without(*rights: Right) -> list[dict[str, Any]]:
    """The documented Role without these rights."""
    return [
        {**rule, "resources": [resource], "verbs": [verb for verb in rule["verbs"] if (verb, resource) not in rights]}
        for rule in role()
        for resource in rule["resources"]
    ]


def give(cluster: Cluster, rules: list[dict[str, Any]]) -> None:
    users = cluster.inside.server.users
    assert isinstance(users, dict)
    users[TOKEN] = User("limited", roles={manifests.NAMESPACE: rules})


def limited(cluster: Cluster, rules: list[dict[str, Any]], oc: Path | None) -> Job:
    """Build anew with a token that has these rights."""
    give(cluster, rules)
    return cluster.run("build-and-deploy", {"OKD_TOKEN": TOKEN, **BUILD_AGAIN}, **({"oc": oc} if oc else {}))


def by_oc(cluster: Cluster) -> list[tuple[str, str, int]]:
    """The requests that oc made: method, path below the namespace's builds, status."""
    requests = cluster.inside.server.requests
    return [
        (one.method, one.path.removeprefix(BUILDS), one.status) for one in requests if one.user_agent.startswith("oc/")
    ]


@pytest.mark.slow
def test_a_job_that_finds_oc_builds_with_it(built: Cluster, tmp_path: Path) -> None:
    record = tmp_path / "call.json"
    job = ok(built.run("build-and-deploy", BUILD_AGAIN, oc=oc_stand_in.install(tmp_path, record=record)))
    call = json.loads(record.read_text())
    folder = call["argv"][2].removeprefix("--from-dir=")
    assert call["argv"] == [
        "start-build", PAGE, f"--from-dir={folder}", "--follow", "--wait", "--namespace", "web",
    ]  # fmt: skip
    assert {"Dockerfile", "default.conf", "index.html", "nginx.conf", "page.conf"} <= set(call["files"])
    assert not Path(folder).exists()
    assert "OKD_TOKEN" not in call["environment"]
    assert "STEP 1/" in job.log
    assert built.inside.token not in job.log


def test_a_job_does_not_find_the_machine_s_oc(built: Cluster, stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{stand_in.parent}{os.pathsep}{os.environ['PATH']}")
    assert shutil.which("oc") == str(stand_in)
    job = ok(built.run("build-and-deploy", BUILD_AGAIN))
    assert "oc start-build" not in job.log


@pytest.mark.usefixtures("watched")
def test_its_requests_are_the_real_one_s(built: Cluster, stand_in: Path) -> None:
    job = limited(built, role(), stand_in)
    assert job.code == 0, job.log
    [name] = [path.split("/")[1] for _, path, _ in by_oc(built) if path.endswith("/log?follow=true")]
    selector = f"builds?fieldSelector=metadata.name%3D{name}"
    *first, (method, watch, status) = by_oc(built)
    assert first == [
        ("GET", f"buildconfigs/{PAGE}", 200),
        ("POST", f"buildconfigs/{PAGE}/instantiatebinary?name={PAGE}&namespace=web", 201),
        ("GET", f"builds/{name}/log?follow=true", 200),
        ("GET", selector, 200),
    ]
    assert (method, watch.rpartition("&resourceVersion=")[0], status) == ("GET", selector, 200)
    assert watch.endswith("&watch=true")


@pytest.mark.parametrize("right", NEEDED, ids="-".join)
def test_a_right_that_oc_lacks_is_told_before_anything_is_changed(built: Cluster, stand_in: Path, right: Right) -> None:
    """The Role had no list and no watch once: the job failed after the build, for everybody who had oc."""
    built.inside.server.requests.clear()
    job = limited(built, without(right), stand_in)
    assert job.code == 1, job.log
    [told] = [line for line in job.lines if line.startswith("ERROR")]
    assert f"to build the page with oc: {' '.join(right)}." in told
    assert "Nothing was changed." in told
    writes = [one for one in built.inside.server.requests if one.method != "GET"]
    assert {one.path.rsplit("/", 1)[1] for one in writes if "/leases" not in one.path} <= {
        "selfsubjectrulesreviews", "selfsubjectaccessreviews",
    }  # fmt: skip


def test_all_missing_rights_are_told_in_one_message(built: Cluster, stand_in: Path) -> None:
    job = limited(built, without(*NEEDED, ("list", "pods"), ("get", "imagestreams")), stand_in)
    [told] = [line for line in job.lines if line.startswith("ERROR")]
    for what in ("get imagestreams", "list pods", "get buildconfigs", "create buildconfigs/instantiatebinary"):
        assert what in told
    assert "list, watch builds" in told


def test_without_oc_neither_list_nor_watch_is_needed(built: Cluster) -> None:
    job = limited(built, without(("list", "builds"), ("watch", "builds")), None)
    assert job.code == 0, job.log
    job = limited(built, without(("get", "builds")), None)
    assert "to build the page: get builds." in job.log


def test_what_a_build_needs_is_not_asked_of_a_job_that_has_its_image(built: Cluster, stand_in: Path) -> None:
    give(built, without(*NEEDED[1:]))
    ok(built.run("build-and-deploy", {"OKD_TOKEN": TOKEN}, oc=stand_in))


def test_an_oc_that_may_not_list_fails_after_a_build_that_went_well(
    built: Cluster, stand_in: Path, tmp_path: Path
) -> None:
    """The proof that the stand-in asks with the token, and for what: as the real one did on the real cluster."""
    give(built, without(("list", "builds")))
    with pytest.raises(CommandError, match='cannot list resource "builds"'):
        start_build(built, tmp_path, stand_in)
    assert by_oc(built)[-1][2] == 403


@pytest.mark.usefixtures("watched")
def test_an_oc_that_may_not_watch_fails_as_well(built: Cluster, stand_in: Path, tmp_path: Path) -> None:
    give(built, without(("watch", "builds")))
    with pytest.raises(CommandError, match='cannot watch resource "builds"'):
        start_build(built, tmp_path, stand_in)
    assert by_oc(built)[-1][2] == 403


def start_build(cluster: Cluster, folder: Path, program: Path) -> list[str]:
    ca, page = cluster.inside.ca_file.read_text(), folder / "page"
    page.mkdir()
    (page / "Dockerfile").write_text("FROM nginx\n")
    kubeconfig = write_kubeconfig(folder, url=cluster.inside.server.url, token=TOKEN, namespace="web", ca=ca)
    lines: list[str] = []
    environment = {"PATH": str(program.parent)}
    builds.start_build(
        PAGE, page, kubeconfig=str(kubeconfig), namespace="web", environment=environment, say=lines.append, timeout=60
    )  # fmt: skip
    return lines


def test_a_build_that_fails_fails_the_job(built: Cluster, stand_in: Path, tmp_path: Path) -> None:
    page = tmp_path / "docker"
    shutil.copytree(ROOT / "docker", page)
    (page / "Dockerfile").write_text("FROM nginx\nCOPY nope /x\n")
    job = built.run("build-and-deploy", BUILD_AGAIN, oc=stand_in, docker=page)
    assert job.code == 1
    assert "error: the build web/maintenance-page-" in job.log, "which is all that oc says"
    assert "ended as Failed: GenericBuildFailed: Generic Build failure - check logs for details." in job.lines[-1]
    assert "Its last lines: " in job.lines[-1]
    assert 'stat: "/nope": no such file or directory' in job.lines[-1]
    assert "no Route was touched" in job.lines[-1]


def latest(cluster: Cluster) -> str | None:
    return image_digest(cluster.find("imagestreams", PAGE), "latest")


@pytest.mark.parametrize("tag", ["v1", "v2"])
def test_an_oc_that_ends_well_without_a_build_is_not_believed(built: Cluster, tmp_path: Path, tag: str) -> None:
    """For v1 there is an image, of an earlier build: it was deployed as if it were the new one."""
    program, before = tmp_path / "oc", latest(built)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    job = built.run("build-and-deploy", BUILD_AGAIN | {"IMAGE_TAG": tag}, oc=program)
    assert job.code == 1, job.log
    assert "oc start-build ended with exit code 0, but made no Build." in job.lines[-1]
    assert "Look at the oc that the job has on PATH" in job.lines[-1]
    assert latest(built) == before


def test_an_oc_that_does_not_wait_for_a_build_that_fails_is_not_believed(built: Cluster, tmp_path: Path) -> None:
    """As ``oc start-build --follow`` without ``--wait`` ends: with 0 (recorded on OpenShift 4.21)."""
    without_wait = f"{shlex.quote(str(oc_stand_in.install(tmp_path)))} start-build {PAGE}"
    folder = tmp_path / "wrapper"
    folder.mkdir()
    program = folder / "oc"
    program.write_text(f'#!/bin/sh\nexec {without_wait} "$3" --follow --namespace web\n')
    program.chmod(0o755)
    built.inside.server.builds.fail_next = "no space left on device"
    job = built.run("build-and-deploy", BUILD_AGAIN, oc=program)
    assert job.code == 1, job.log
    assert "ended as Failed" in job.lines[-1]
    assert "no space left on device" in job.lines[-1]


@pytest.mark.parametrize("with_oc", [True, False])
def test_a_build_that_pushes_elsewhere_is_not_taken_for_the_page(
    built: Cluster, stand_in: Path, monkeypatch: pytest.MonkeyPatch, with_oc: bool
) -> None:
    before = latest(built)
    monkeypatch.setattr(built.inside.server.builds, "_push", lambda _build, _image: "registry.example.test/elsewhere")
    job = built.run("build-and-deploy", BUILD_AGAIN, **({"oc": stand_in} if with_oc else {}))
    assert job.code == 1, job.log
    assert "left no image in maintenance-page:v1: it is as it was before the build." in job.lines[-1]
    assert "oc describe build/maintenance-page-" in job.lines[-1]
    assert latest(built) == before


def test_an_oc_whose_child_hangs_ends_with_all_that_it_started_when_the_build_is_late(
    built: Cluster, tmp_path: Path
) -> None:
    program, pid, python = tmp_path / "oc", tmp_path / "pid", shlex.quote(sys.executable)
    program.write_text(f"#!/bin/sh\n{python} -c 'import time; time.sleep(600)' &\necho $! > {pid}\nwait\n")
    program.chmod(0o755)
    job = built.run("build-and-deploy", BUILD_AGAIN | {"BUILD_TIMEOUT": "2"}, oc=program)
    assert job.code == 1, job.log
    assert "oc start-build did not end within 2 s" in job.log
    assert ended(int(pid.read_text()))


def test_an_oc_ends_with_its_child_when_the_job_is_cancelled(built: Cluster, tmp_path: Path) -> None:
    program, pid, python = tmp_path / "oc", tmp_path / "pid", shlex.quote(sys.executable)
    program.write_text(
        f"#!/bin/sh\n{python} -c 'import time; time.sleep(600)' &\necho $! > {pid}\necho uploading\nwait\n"
    )
    program.chmod(0o755)
    done, processes = Job(code=-1), list[int]()

    def say(line: str) -> None:
        done.lines.append(line)
        if "uploading" in line:
            os.kill(processes[0], signal.SIGTERM)

    place = built.workplace(BUILD_AGAIN, oc=program)
    done.code = built.do(place.run("build-and-deploy", say=say, started=processes.append))
    assert (done.code, "The job was interrupted." in done.lines[-1]) == (1, True), done.log
    assert ended(int(pid.read_text()))


def test_the_readme_s_installation_with_oc_leads_to_the_end_of_a_build(cluster: Cluster, tmp_path: Path) -> None:
    """What the README tells an administrator to type, as typed; then the first job, with the token that this prints."""
    section = README.split("## Install it in a GitLab project")[1].split("\n3. ")[0]
    create, token = re.findall(r"^ *\$ (.*)$", section, re.MULTILINE)
    program = oc_stand_in.install(tmp_path)
    assert typed(cluster, create, program).splitlines() == [
        "serviceaccount/maintenance-ci created",
        "role.rbac.authorization.k8s.io/maintenance-ci created",
        "rolebinding.rbac.authorization.k8s.io/maintenance-ci created",
        "secret/maintenance-ci-token created",
    ]
    variables: dict[str, str | None] = {"OKD_TOKEN": typed(cluster, token, program)}
    job = ok(cluster.run("build-and-deploy", variables, oc=program))
    assert f"$ oc start-build {PAGE}" in job.log
    assert "Next: the job deploy-route." in job.log
    ok(cluster.run("deploy-route", variables | {"PROBES": "false"}))
    typed(cluster, f"oc delete -n {manifests.NAMESPACE} rolebinding maintenance-ci", program)
    refused = cluster.run("delete", variables)
    assert refused.code == 1
    assert "The token lacks" in refused.log
    typed(cluster, f"oc delete -n {manifests.NAMESPACE} secret maintenance-ci-token", program)
    assert "refuses the token (401)" in cluster.run("delete", variables).log


def typed(cluster: Cluster, line: str, program: Path) -> str:
    """Type a line into a shell in this repository, as an administrator."""
    kubeconfig = str(cluster.call(cluster.inside.admin_kubeconfig))
    home = str(program.parent)
    environment = {"PATH": f"{home}{os.pathsep}{os.environ['PATH']}", "KUBECONFIG": kubeconfig, "HOME": home}
    done = subprocess.run(
        ["/bin/sh", "-c", line], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_real_oc(built: Cluster) -> None:
    program = real_oc()
    if program is None:
        pytest.skip("there is no oc on PATH that can be run, and PyPI has none")
    give(built, role())
    job = built.run("build-and-deploy", {"OKD_TOKEN": TOKEN, **BUILD_AGAIN}, oc=program)
    assert job.code == 0, job.log
    assert f"$ oc start-build {PAGE}" in job.log


def real_oc() -> Path | None:
    """Return the oc of PATH, where that is one: a stand-in, or a broken one, is none."""
    found = shutil.which("oc")
    if found is None:
        return None
    done = subprocess.run([found, "version", "--client"], capture_output=True, text=True, check=False, timeout=60)
    return Path(found) if done.returncode == 0 and "Client Version" in done.stdout else None

"""The build with ``oc``: with a program of that name that says how it was called, and with the real one where it is."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from maintenance_ci.rehearsal.tools import helm_path
from tests.rehearsal.conftest import Cluster

# Uploads as oc does, with the cluster's own API, or ends with the exit code that it is told.
OC = f"""#!{sys.executable}
import json, os, pathlib, ssl, sys, tarfile, io, urllib.request
config = json.loads(pathlib.Path(os.environ["KUBECONFIG"]).read_text())
folder = next(a[len("--from-dir="):] for a in sys.argv if a.startswith("--from-dir="))
call = {{"argv": sys.argv[1:], "files": sorted(os.listdir(folder)), "environment": sorted(os.environ)}}
pathlib.Path(os.environ["OC_CALL"]).write_text(json.dumps(call))
if os.environ.get("OC_EXIT") == "0":
    sys.exit(0)
if os.environ.get("OC_EXIT"):
    print("error: the build web/maintenance-page-1 status is \\"Failed\\"")
    sys.exit(int(os.environ["OC_EXIT"]))
packed = io.BytesIO()
with tarfile.open(fileobj=packed, mode="w:gz") as archive:
    archive.add(folder, arcname=".")
cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
root = cluster["server"] + "/apis/build.openshift.io/v1/namespaces/web"
tls = ssl.create_default_context(cadata=__import__("base64").b64decode(cluster["certificate-authority-data"]).decode())
def ask(path, data=None):
    request = urllib.request.Request(root + path, data, {{"Authorization": "Bearer " + user["token"]}})
    return urllib.request.urlopen(request, context=tls).read()
build = json.loads(ask("/buildconfigs/maintenance-page/instantiatebinary", packed.getvalue()))
print(ask("/builds/" + build["metadata"]["name"] + "/log?follow=true").decode())
"""


@pytest.fixture
def oc(tmp_path: Path) -> dict[str, str | None]:
    """Variables of a job that finds an ``oc`` on its PATH."""
    script = tmp_path / "oc"
    script.write_text(OC)
    script.chmod(0o755)
    return {"PATH": f"{tmp_path}:{helm_path().parent}:{os.environ['PATH']}", "OC_CALL": str(tmp_path / "call.json")}


def test_a_job_with_oc_on_its_path_builds_with_it(cluster: Cluster, oc: dict[str, str | None]) -> None:
    job = cluster.run("build-and-deploy", oc)
    assert job.code == 0, job.log
    call = json.loads(Path(str(oc["OC_CALL"])).read_text())
    folder = call["argv"][2].removeprefix("--from-dir=")
    assert call["argv"] == [
        "start-build", "maintenance-page", f"--from-dir={folder}", "--follow", "--wait", "--namespace", "web",
    ]  # fmt: skip
    assert call["files"] == ["Dockerfile", "default.conf", "index.html", "nginx.conf", "page.conf"]
    assert not Path(folder).exists()
    assert "OKD_TOKEN" not in call["environment"]
    assert "STEP 1/" in job.log
    assert cluster.inside.token not in job.log


def test_a_build_that_oc_calls_failed_fails_the_job(cluster: Cluster, oc: dict[str, str | None]) -> None:
    job = cluster.run("build-and-deploy", oc | {"OC_EXIT": "1"})
    assert job.code == 1
    assert (
        'oc start-build failed (exit code 1): error: the build web/maintenance-page-1 status is "Failed"'
        in job.lines[-1]
    )
    assert "no Route was touched" in job.lines[-1]


def test_an_oc_that_ends_well_without_an_image_is_not_believed(cluster: Cluster, oc: dict[str, str | None]) -> None:
    """As ``oc start-build --follow`` without ``--wait`` ends when the build fails (recorded on OpenShift 4.21)."""
    job = cluster.run("build-and-deploy", oc | {"OC_EXIT": "0"})
    assert job.code == 1
    assert "The build left no image in maintenance-page:v1." in job.lines[-1]


@pytest.mark.skipif(shutil.which("oc") is None, reason="there is no oc on PATH, and PyPI has none")
def test_the_real_oc(cluster: Cluster) -> None:
    job = cluster.run("build-and-deploy")
    assert job.code == 0, job.log
    assert "$ oc start-build maintenance-page" in job.log

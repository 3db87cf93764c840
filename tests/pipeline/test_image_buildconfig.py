"""docs/image-buildconfig.yaml, applied as the file and docs/pipeline.md say it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from maintenance_ci import __version__
from tests.tools import oc_stand_in
from tests.tools.clusters import Cluster

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs/image-buildconfig.yaml"
PIPELINE_DOC = (ROOT / "docs/pipeline.md").read_text()


def objects(text: str) -> dict[str, dict[str, Any]]:
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def typed(cluster: Cluster, command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Type a documented command into a shell, at the top of a clone, as an administrator of the cluster."""
    oc_stand_in.install(folder)
    environment = {
        "PATH": f"{folder}{os.pathsep}/usr/bin:/bin",
        "HOME": str(folder),
        "KUBECONFIG": str(cluster.call(cluster.inside.admin_kubeconfig)),
    }
    return subprocess.run(
        ["/bin/sh", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def commands() -> list[str]:
    """The two commands, as docs/pipeline.md has them."""
    found = re.findall(r"^\$ (.*(?:image-buildconfig|start-build).*)$", PIPELINE_DOC, re.MULTILINE)
    assert len(found) == 2
    return found


def test_the_file_is_applied_as_documented(cluster: Cluster, tmp_path: Path) -> None:
    apply, _ = commands()
    assert typed(cluster, "oc create namespace ops", tmp_path).returncode == 0
    done = typed(cluster, apply, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "imagestream.image.openshift.io/maintenance-ci created",
        "buildconfig.build.openshift.io/maintenance-ci created",
        "rolebinding.rbac.authorization.k8s.io/maintenance-ci-image-pullers created",
    ]
    binding = cluster.find("rolebindings", "maintenance-ci-image-pullers", "ops")
    assert binding is not None
    assert [subject["name"] for subject in binding["subjects"]] == ["system:serviceaccounts:gitlab-runner"]
    again = typed(cluster, apply, tmp_path)
    assert {line.rpartition(" ")[2] for line in again.stdout.splitlines()} == {"unchanged"}
    assert typed(cluster, apply.replace("docs/", "doc/"), tmp_path).returncode != 0


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        ("dockerfilePath:", "dockerFilePath:"),
        ("binary: {}", "binaries: {}"),
        ("output:", "outputs:"),
        ("\nspec:", "\nspce:"),
    ],
)
def test_a_field_that_the_api_has_not_is_refused(there: str, instead: str, shared: Cluster, tmp_path: Path) -> None:
    """So that what was applied above has none: kubectl asks for strict validation."""
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(FILE.read_text().replace(there, instead))
    refused = typed(shared, f"oc apply -n web -f {wrong}", tmp_path)
    assert refused.returncode == 1
    assert re.search(
        rf'strict decoding error: unknown field "[a-zA-Z.]*{instead.strip().partition(":")[0]}"', refused.stderr
    )


def test_it_builds_the_containerfile_of_this_version() -> None:
    build = objects(FILE.read_text())["BuildConfig"]
    assert (ROOT / build["spec"]["strategy"]["dockerStrategy"]["dockerfilePath"]).name == "Containerfile"
    assert build["spec"]["output"]["to"] == {"kind": "ImageStreamTag", "name": f"maintenance-ci:{__version__}"}
    assert build["metadata"]["name"] == objects(FILE.read_text())["ImageStream"]["metadata"]["name"]
    offered = re.findall(r"name: ([A-Z0-9_]+),", FILE.read_text())
    taken = re.findall(r"^ARG (\w+)", (ROOT / "Containerfile").read_text(), re.MULTILINE)
    assert set(offered) == {*taken, "PIP_INDEX_URL"}
    # The clone's commit, not its folder: that may hold a `.venv`.
    assert f"--from-repo=. --commit={__version__} --follow --wait" in commands()[1]


def test_the_file_says_what_the_document_says() -> None:
    for command in commands():
        assert f"#   {command}\n" in FILE.read_text()
    image = f"image-registry.openshift-image-registry.svc:5000/ops/maintenance-ci:{__version__}"
    assert image in FILE.read_text()
    assert f"`{image}`" in PIPELINE_DOC

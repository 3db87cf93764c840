"""Projects of the embedded GitLab, run by gitlab-ci-local against the embedded OpenShift."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from maintenance_ci.rehearsal.cluster import EmbeddedOpenShift
from tests.rehearsal.gitlab_ci.ci_project import OURS, CiProject, commit, copy_of_this_project, git, gitlab_ci_local
from tests.rehearsal.gitlab_ci.documented import tag_command
from tests.tools.clusters import Cluster

MakeProject = Callable[..., CiProject]
NO_HOME = "/proc/nobody"  # there is none, and not even root can make it


@pytest.fixture(scope="session")
def program() -> Path:
    found = gitlab_ci_local()
    if found is None:
        pytest.skip("needs gitlab-ci-local (npm), node, rsync and git: .ci/setup-gitlab-ci-local installs them")
    return found


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory, program: Path) -> Path:
    """This project as others include it: what is on the server once the documented command has made the tag."""
    server, ours = tmp_path_factory.mktemp("server"), tmp_path_factory.mktemp("ours")
    git(server, "init", "--quiet", "--bare", "--initial-branch", "main")
    copy_of_this_project(ours)
    commit(ours, remote=server.as_uri())
    git(ours, "push", "--quiet", "origin", "main")
    subprocess.run(["sh", "-c", tag_command()], cwd=ours, check=True, capture_output=True)
    return server


@pytest.fixture
def make_project(tmp_path: Path, program: Path, repository: Path) -> MakeProject:
    """Return a function that makes a project with these files, or with ours where there are none.

    The image of the former's jobs holds ``maintenance-ci`` and Helm, that of ours nothing but Python; and the user that
    OpenShift gives ours has no home.
    """

    def make(cluster: Cluster, files: dict[str, str] | None = None, **settings: object) -> CiProject:
        folder, home = tmp_path / "project", tmp_path / "home"
        folder.mkdir()
        if files is None:
            copy_of_this_project(folder)
            search, user_home = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", NO_HOME
        else:
            for path, text in files.items():
                (folder / path).write_text(text)
            place = cluster.workplace().environment  # as an image of the jobs has it; the runner needs its own tools
            search, user_home = f"{place['PATH']}{os.pathsep}{os.environ['PATH']}", place["HOME"]
        inside = cluster.inside
        commit(folder, remote=f"{inside.gitlab.url}/ops/maintenance.git")
        environment = {
            "PATH": search,
            "HOME": user_home,
            # Where pip is told of an index of this machine's.
            **{name: value for name, value in os.environ.items() if name.startswith("PIP_")},
            "GIT_CONFIG_GLOBAL": os.devnull,
            # A clone of our repository comes from the disk: the embedded GitLab serves no git.
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.file://{repository}.insteadOf",
            "GIT_CONFIG_VALUE_0": f"{inside.gitlab.url}/{OURS}.git",
        }
        project = CiProject(folder, home, environment, program)
        project.set_variables(settings_of(inside) | settings)
        return project

    return make


def settings_of(inside: EmbeddedOpenShift) -> dict[str, object]:
    """The variables that never change, as the README sets them; and what GitLab gives each job."""
    per_pipeline = {"PROJECT", "CI_PIPELINE_ID", "CI_PIPELINE_URL", "CI_SERVER_URL"}
    variables = {"ROUTER_RELOAD_INTERVAL": "0.3", **inside.job_variables()}
    # A variable of type File is a path to the job. (gitlab-ci-local's own such files stay in /tmp for ever.)
    return {name: {"values": {"*": value}} for name, value in variables.items() if name not in per_pipeline}

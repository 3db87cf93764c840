"""A GitLab project whose pipelines gitlab-ci-local runs: a git repository, settings, and jobs that are real processes.

What it cannot show, it ignores: ``workflow``, ``resource_group``, ``retry``, ``timeout``, ``on_stop``, ``options``.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
# What it needs besides itself.
NEEDED = ("node", "rsync", "git")
# `tags: []` is "any runner" to GitLab (its Entry::Tags); only the editor's schema wants one at the least.
SCHEMA_EXCEPTION = "#/definitions/tags/minItems"
OURS = "ops/maintenance-ci"  # where the examples of the documentation have this project


def gitlab_ci_local() -> Path | None:
    """Return the gitlab-ci-local to use; None where there is none, or not what it needs.

    Raises:
        RuntimeError: GITLAB_CI_LOCAL names one, and it cannot run: CI names it, and leaves no test out.
    """
    named = os.environ.get("GITLAB_CI_LOCAL")
    missing = [tool for tool in (named or "gitlab-ci-local", *NEEDED) if shutil.which(tool) is None]
    if missing and named:
        raise RuntimeError(f"GITLAB_CI_LOCAL is set, but these are missing: {', '.join(missing)}")
    found = shutil.which(named or "gitlab-ci-local")
    return None if missing or found is None else Path(found)


@dataclass(frozen=True)
class Pipeline:
    """How a run ended: gitlab-ci-local's exit code, and everything it printed."""

    code: int
    log: str


@dataclass(frozen=True)
class CiProject:
    """A project of an embedded GitLab.

    Attributes:
        folder: its repository's work tree.
        home: where its settings are (``variables.yml``).
        environment: of the runner.
        program: gitlab-ci-local.
    """

    folder: Path
    home: Path
    environment: Mapping[str, str]
    program: Path

    def set_variables(self, variables: Mapping[str, Any]) -> None:
        """Set the project's variables, as under Settings > CI/CD; ``{"values": {scope: text}}`` limits the scope."""
        file = self.home / ".gitlab-ci-local/variables.yml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump({"global": dict(variables)}))

    def run(self, *jobs: str, file: str = ".gitlab-ci.yml", **variables: str) -> Pipeline:
        """Run these jobs of a pipeline that was started from the form, with these variables."""
        return self._call(*jobs, "--file", file, **variables)

    def jobs(self, *options: str, file: str = ".gitlab-ci.yml", **variables: str) -> dict[str, dict[str, Any]]:
        """Return the jobs that a pipeline with these variables would have, by their names."""
        done = self._call("--list-json", "--file", file, *options, **variables)
        if done.code:
            raise AssertionError(done.log)
        listed = json.loads(done.log[done.log.index("[\n") :])
        return {job["name"]: job for job in listed if job["when"] != "never"}

    def configuration(self, *options: str, file: str = ".gitlab-ci.yml", **variables: str) -> dict[str, Any]:
        """Return the whole configuration, as GitLab would have it after its includes and inputs."""
        done = self._call("--preview", "--file", file, *options, **variables)
        if done.code:
            raise AssertionError(done.log)
        return dict(yaml.safe_load(done.log[done.log.index("---\n") :]))

    def _call(self, *arguments: str, **variables: str) -> Pipeline:
        given = {"CI_PIPELINE_SOURCE": "web", "GITLAB_CI": "true", **variables}
        options = ["--home", str(self.home), "--force-shell-executor", "--shell-isolation", "--no-color"]
        options += ["--ignore-schema-paths", SCHEMA_EXCEPTION, "--ignore-predefined-vars", ",".join(given)]
        options += [part for name, value in given.items() for part in ("--variable", f"{name}={value}")]
        child = subprocess.Popen(
            [self.program, *arguments, *options],
            cwd=self.folder,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            log, _ = child.communicate()
        finally:
            if child.returncode is None:  # the test was cut short: the job must not go on
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        return Pipeline(child.returncode, log)


def commit(folder: Path, *, remote: str) -> None:
    """Make a repository of what is in ``folder``."""
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Begin")
    git(folder, "remote", "add", "origin", remote)


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=ops", "-c", "user.email=ops@example.test"]
    environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull}
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True
    ).stdout


def copy_of_this_project(target: Path) -> None:
    """Copy what a clone of this project holds, as it is now."""
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)

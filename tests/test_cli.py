from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from maintenance_ci.cli import main
from maintenance_ci.cluster.kubeconfig import private_folder, write_kubeconfig
from maintenance_ci.errors import EXIT_PERSON, MaintenanceError, TryAgainError
from maintenance_ci.log.log import JobLog
from maintenance_ci.rehearsal.rehearse import Options

JOBS = ("build-and-deploy", "deploy-route", "delete")
COMMANDS = (*JOBS, "plan", "status", "rehearse")
BARE = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "maintenance_ci", *arguments],
        env=BARE | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def imported_by(code: str) -> set[str]:
    """The modules that a Python of its own has imported after ``code``."""
    code += "\nimport sys; print('\\n'.join(['', 'IMPORTED', *sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], env=BARE, capture_output=True, text=True, check=True)
    return set(done.stdout.split("\nIMPORTED\n")[1].split())


def test_a_rehearsal_on_the_cluster_goes_without_the_options_of_the_embedded_one() -> None:
    done = run("rehearse", "--cluster", "--subpath", "/shop", "--keep")
    assert done.returncode == 2
    line = "ERROR: --cluster: goes without --subpath, --keep, which are for the embedded cluster. Nothing was changed."
    assert done.stdout.splitlines()[-1] == line


def test_a_rehearsal_on_the_cluster_needs_no_package_that_jobs_have_not() -> None:
    """The jobs' image has no aiohttp, no cryptography, no matplotlib."""
    modules = imported_by("import maintenance_ci.jobs.rehearse_on_cluster, maintenance_ci.settings.rehearsal")
    assert "maintenance_ci.run.crowd" in modules
    assert not {"aiohttp", "cryptography", "jsonpatch", "matplotlib", "trustme", "maintenance_ci.rehearsal"} & modules


def test_help_lists_the_commands_and_exit_codes() -> None:
    done = run("--help")
    assert done.returncode == 0
    for word in (*COMMANDS, "75"):
        assert word in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_of_its_own(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: maintenance-ci {command} ")
    options = {"plan": "--delete", "export-route": "--commit", "rehearse": "--subpath"}
    for other, option in options.items():
        assert (option in done.stdout) == (other == command)


def test_a_rehearsal_claims_no_variables_and_has_exit_codes_of_its_own() -> None:
    text = " ".join(run("rehearse", "--help").stdout.split())
    assert "Without --cluster it reads no variables of yours" in text
    assert "0 the jobs went through and every user was well served; 1 not" in text
    assert "OKD_URL" not in text
    assert "OKD_URL" in run("delete", "--help").stdout
    assert "with --cluster, 75 another job is at work" in text


@pytest.mark.parametrize(("given", "strategy"), [([], "swap"), (["--strategy", "repoint"], "repoint")])
def test_a_rehearsal_has_the_strategy_that_is_asked_for(
    given: list[str], strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it does with it is tested in rehearsal/test_rehearse.py."""
    asked: list[Options] = []
    monkeypatch.setattr("maintenance_ci.rehearsal.rehearse.rehearse", lambda options: asked.append(options) or 0)
    assert main(["rehearse", *given]) == 0
    assert [dict(options.variables or {}) for options in asked] == [{"ROUTE_STRATEGY": strategy}]


def test_the_version_is_that_of_the_package() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"maintenance-ci {version('maintenance-ci')}\n")


def test_a_strategy_that_there_is_not_is_exit_code_2() -> None:
    done = run("rehearse", "--strategy", "move")
    assert done.returncode == 2
    assert "invalid choice: 'move'" in done.stderr


SHOWS_HELP = """
import contextlib
from maintenance_ci.cli import main
with contextlib.suppress(SystemExit):
    main(["--help"])
"""
JOB_IMPORTS = "import " + ", ".join(
    f"maintenance_ci.{name}"
    for name in (
        "jobs.delete",
        "run.execute",
        "templates.rendering",
        "cluster.openshift",
        "templates.project",
        "page.helm",
        "run.lease",
        "run.probe",
    )
)


def slow_to_import(modules: set[str]) -> set[str]:
    """Those that take most of a job's start where they are imported; the seconds are in `make bench`."""
    libraries = {"gitlab", "jinja2", "kubernetes", "pydantic", "requests", "yaml"}
    return libraries & modules


def needless_in_a_job(modules: set[str]) -> set[str]:
    """The generated API classes (seconds), and what the rehearsal, or the child that renders, alone needs."""
    needless = ("kubernetes.client.models.", "kubernetes.client.api.", "maintenance_ci.rehearsal", "aiohttp",
                "cryptography", "jinja2", "matplotlib", "trustme")  # fmt: skip
    return {module for module in modules if module.startswith(needless)}


def test_help_waits_for_no_library() -> None:
    assert slow_to_import(imported_by(SHOWS_HELP)) == set()
    assert slow_to_import(imported_by("import maintenance_ci.settings.variables")) != set()


def test_a_job_imports_neither_generated_classes_nor_the_rehearsal() -> None:
    assert needless_in_a_job(imported_by(JOB_IMPORTS)) == set()
    assert needless_in_a_job(imported_by("from kubernetes.client import CoreV1Api")) != set()
    assert "jinja2" in needless_in_a_job(imported_by("import maintenance_ci.templates.sandbox"))


def test_a_rehearsal_that_draws_nothing_waits_for_no_library_that_draws() -> None:
    modules = imported_by("import maintenance_ci.rehearsal.rehearse")
    assert "matplotlib" not in modules
    assert "matplotlib" in imported_by("import maintenance_ci.rehearsal.picture")


def test_plugins_of_pydantic_that_other_packages_bring_are_not_loaded(tmp_path: Path) -> None:
    """They would be shown what variables hold."""
    (tmp_path / "other-1.dist-info").mkdir()
    (tmp_path / "other-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1\n")
    (tmp_path / "other-1.dist-info/entry_points.txt").write_text("[pydantic]\nother = other:plugin\n")
    (tmp_path / "other.py").write_text("print('LOADED')\nplugin = None\n")
    beside = {"PYTHONPATH": str(tmp_path)}
    done = run("status", **beside)
    assert done.returncode == 2
    assert "LOADED" not in done.stdout
    code = "from maintenance_ci.cli import main; main(['status'])"
    twin = subprocess.run([sys.executable, "-c", code], env=BARE | beside, capture_output=True, text=True, check=False)
    assert "LOADED" in twin.stdout


def test_an_interruption_before_anything_was_begun_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr("maintenance_ci.settings.variables.secrets_given", interrupted)
    assert main(["status"]) == 1
    assert capsys.readouterr().out == "ERROR: The command was interrupted. Nothing was changed.\n"


@pytest.mark.parametrize("job", [*JOBS, "plan", "plan --delete", "status", "status --json"])
def test_variables_are_checked_first_all_at_once(job: str) -> None:
    done = run(
        *job.split(), OKD_URL="https://api.example.test", OKD_TOKEN="very secret", SUBPATH="x y", IMAGE_TAG="latest"
    )
    assert done.returncode == 2
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].endswith("variables are wrong. Nothing was changed.")
    named = [line.split(":")[0].strip() for line in lines[1:]]
    assert named[:2] == ["PROJECT", "OKD_TOKEN"]
    assert ("IMAGE_TAG" in named) == (job == "build-and-deploy")
    assert ("SUBPATH" in named) == (not job.startswith("status"))
    assert "very secret" not in done.stdout


def test_an_unknown_command_is_exit_code_2() -> None:
    done = run("restore")
    assert done.returncode == 2
    assert "invalid choice" in done.stderr


def test_what_is_changed_stands_in_the_failure_and_decides_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    log = JobLog(sys.stdout)
    assert log.fail(TryAgainError("GitLab is away.", "Try again.")) == 75
    log.outcome.set("The Route is deleted.", needs_person=True)
    assert log.fail(MaintenanceError("It broke.")) == EXIT_PERSON
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["ERROR: GitLab is away. Nothing was changed. Try again.", "ERROR: It broke. The Route is deleted."]


def test_the_kubeconfig_is_private_and_removed() -> None:
    with private_folder() as folder:
        path = write_kubeconfig(folder, url="https://x", token="t", namespace="web")
        assert path.stat().st_mode & 0o777 == 0o600
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


def test_a_cancelled_job_leaves_nothing_private(tmp_path: Path) -> None:
    """GitLab cancels a job with SIGTERM; the job waits for an API server that never answers."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        variables = {
            "PROJECT": "web", "ROUTE_NAME": "shop", "SUBPATH": "/a", "OKD_TOKEN": "token", "TMPDIR": str(tmp_path),
            "OKD_URL": f"https://127.0.0.1:{silent.getsockname()[1]}",
        }  # fmt: skip
        job = subprocess.Popen(
            [sys.executable, "-m", "maintenance_ci", "deploy-route"],
            env=BARE | variables,
            stdout=subprocess.PIPE,
            text=True,
        )
        connection, _ = silent.accept()
        assert list(tmp_path.iterdir())
        job.terminate()
        output, _ = job.communicate(timeout=60)
        connection.close()
    assert job.returncode == 1
    assert "ERROR: The job was interrupted. Nothing was changed." in output
    assert list(tmp_path.iterdir()) == []

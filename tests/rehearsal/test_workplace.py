"""What a job of the rehearsal, and of a test, finds: nothing of the machine's."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal import workplace
from tests.tools import oc_stand_in
from tests.tools.clusters import Cluster
from tests.tools.outcomes import ok
from tests.tools.test_clean_environment import CALLERS

ROOT = Path(__file__).parents[2]


def hostile(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Make the machine one that is not empty; returns the file in which its programs note that they were called."""
    called, tools, home = folder / "called", folder / "bin", folder / "its home"
    for made in (tools, home / ".kube", home / ".config/helm"):
        made.mkdir(parents=True)
    for name in ("oc", "helm", "kubectl"):
        (tools / name).write_text(f"#!/bin/sh\necho {name} >> '{called}'\nexit 42\n")
        (tools / name).chmod(0o755)
    (home / ".netrc").write_text("default login somebody password garbage\n")
    (home / ".kube/config").write_text("garbage: [")
    (home / ".config/helm/repositories.yaml").write_text("garbage: [")
    for name in CALLERS:
        monkeypatch.setenv(name, "garbage")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", str(tools))
    return called


def test_a_job_has_the_pipeline_s_variables_and_four_of_the_workplace_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile(monkeypatch, tmp_path)
    place = workplace.prepare(tmp_path, {"PROJECT": "web"})
    assert place.environment == {
        "PROJECT": "web",
        "PATH": str(tmp_path / "tools"),
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "LANG": "C.UTF-8",
    }
    assert {path.name for path in (tmp_path / "tools").iterdir()} == {"helm", "maintenance-ci"}
    assert (tmp_path / "tools/helm").resolve() != (tmp_path / "bin/helm").resolve()
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.parametrize("with_oc", [pytest.param(False, marks=pytest.mark.slow), True])
def test_the_jobs_on_a_machine_that_is_not_empty(
    shared: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_oc: bool
) -> None:
    record = tmp_path / "call.json"
    oc: dict[str, Path] = {"oc": oc_stand_in.install(tmp_path, record=record)} if with_oc else {}
    called = hostile(monkeypatch, tmp_path)
    page = {"BUILD_MAINTENANCE_PAGE": "true"}
    ok(shared.run("build-and-deploy", page, **oc))
    ok(shared.run("deploy-route", {"PROBES": "false"}))
    assert shared.routes() != {manifests.APPLICATION}
    ok(shared.run("delete", {"PROBES": "false"}))
    assert not called.exists()
    if with_oc:
        environment = json.loads(record.read_text())["environment"]
        assert "garbage" not in environment.values()
        assert "maintenance-ci-" in environment["KUBECONFIG"]  # the job's own


def test_a_shell_that_is_not_empty_runs_jobs_and_helm_in_the_rehearsal(
    shared: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ``make rehearse ARGS=--keep`` tells a person to read into his shell."""
    place = shared.workplace()
    script = tmp_path / "environment.sh"
    script.write_text(place.for_a_shell(shared.call(shared.inside.admin_kubeconfig)))
    called = hostile(monkeypatch, tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.defpath}")
    for name in ("PYTHONHOME", "HELM_KUBEASUSER", "HELM_LATER", "GIT_STRATEGY"):
        monkeypatch.setenv(name, "garbage")
    typed = f". {script} && env && maintenance-ci status && helm list --short"
    done = subprocess.run(
        ["/bin/sh", "-c", typed], cwd=place.folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "web" in done.stdout
    left = set(re.findall("^([^=]+)=garbage$", done.stdout, re.MULTILINE))
    assert {name for name in left if name.startswith(("HELM_", "OKD_", "PLAN_", "GIT_"))} == set()
    assert "CI" in left, "what harms nothing stays"
    assert not called.exists()


@pytest.mark.parametrize("locale", ["C", "POSIX", "tr_TR.UTF-8"])
def test_a_package_below_a_folder_with_an_accent_runs_in_any_locale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locale: str
) -> None:
    """``pip install --editable`` notes the folder in a .pth file, which Python reads in the locale's encoding."""
    clone = tmp_path / "Übung mit Leerstellen"
    venv.create(clone / ".venv")
    (site,) = (clone / ".venv").glob("lib/python*/site-packages")
    (site / "clone.pth").write_text(f"{clone}\n", encoding="utf-8")
    (clone / "maintenance_ci").mkdir()
    (clone / "maintenance_ci/__main__.py").write_text("print('it runs')\n")
    monkeypatch.setattr(sys, "executable", str(clone / ".venv/bin/python"))
    (tmp_path / "work").mkdir()
    workplace.prepare(tmp_path / "work", {})
    monkeypatch.setenv("LC_ALL", locale)
    program = tmp_path / "work/tools/maintenance-ci"
    done = subprocess.run([program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "it runs\n", done.stderr
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c 'print(\"it runs\")'\n", encoding="utf-8")
    made = make("rehearse", f"BIN={program.parent}", timeout=60)
    assert made.stdout.endswith("it runs\n"), made.stderr


def make(*arguments: str, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run make as it is in this environment, without a setup."""
    program = shutil.which("make", path=os.defpath)
    assert program
    argv = [program, "--silent", "--old-file=.venv/installed", *arguments]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)


def test_make_gives_python_nothing_of_the_caller_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile(monkeypatch, tmp_path)
    others = "PYTHONHOME PYTHONOPTIMIZE PYTHONIOENCODING PIP_USER PIP_TARGET PIP_NO_DEPS PYTEST_ADDOPTS PYTEST_PLUGINS"
    for name in others.split():
        monkeypatch.setenv(name, "garbage")
    for name in ("PIP_INDEX_URL", "PIP_CERT", "PIP_CONFIG_FILE"):
        monkeypatch.setenv(name, "the caller's")
    (tmp_path / "maintenance-ci").write_text("#!/bin/sh\nexec /usr/bin/env\n")
    (tmp_path / "maintenance-ci").chmod(0o755)
    printed = make("rehearse", f"BIN={tmp_path}", timeout=60)
    given = dict(re.findall(r"^((?:PYTHON|PIP|PYTEST|LC)_?\w*)=(.*)$", printed.stdout, re.MULTILINE))
    packages = dict.fromkeys(["PIP_INDEX_URL", "PIP_CERT", "PIP_CONFIG_FILE"], "the caller's")
    mine = {name: value for name, value in given.items() if value != os.environ.get(name) or name in packages}
    assert mine == {"PYTHONUTF8": "1", "LC_ALL": "C.UTF-8", "PIP_USER": "0", **packages}
    assert "garbage" not in given.values()


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("strategy", ["swap", "repoint"])
def test_make_rehearse_on_a_machine_that_is_not_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    """With programs, variables, a home and a folder for temporary files that would each break it."""
    temporary, modules, cache = tmp_path / "t m p", tmp_path / "modules", os.environ["XDG_CACHE_HOME"]
    called = hostile(monkeypatch, tmp_path)
    for made in (temporary, modules):
        made.mkdir()
    (modules / "yaml.py").write_text("raise SystemExit('a module of the caller')\n")
    for name, value in {"TMPDIR": temporary, "PYTHONPATH": modules, "XDG_CACHE_HOME": cache, "LC_ALL": "POSIX"}.items():
        monkeypatch.setenv(name, str(value))
    arguments = f"--strategy {strategy} --picture {tmp_path / 'picture.png'}"
    before = os.umask(0o077)
    try:
        done = make(
            "rehearse", f"BIN={os.path.relpath(Path(sys.executable).parent, ROOT)}", f"ARGS={arguments}", timeout=300
        )
    finally:
        os.umask(before)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed: " in done.stdout
    assert not called.exists()

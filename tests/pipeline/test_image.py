"""The image of the jobs, as far as it can be known without building it: what it holds, and that it is enough."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from maintenance_ci.cli import _parser
from maintenance_ci.errors import VariableError
from maintenance_ci.names import page_route_name
from maintenance_ci.rehearsal.tools import helm_path
from tests.tools.clusters import QUICK, running

ROOT = Path(__file__).parents[2]
CONTAINERFILE = ROOT / "Containerfile"
HADOLINT = Path(sysconfig.get_path("scripts")) / "hadolint"
CHANGES = ("build-and-deploy", "deploy-route", "delete")


def lint(file: Path) -> str:
    done = subprocess.run([HADOLINT, "--no-color", file], capture_output=True, text=True, check=False)
    return done.stdout


def instructions(name: str) -> list[str]:
    """The arguments of each instruction of that name, continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", CONTAINERFILE.read_text())
    return re.findall(rf"^{name} +(.+)$", joined, re.MULTILINE)


def test_hadolint_has_nothing_to_say(tmp_path: Path) -> None:
    assert lint(CONTAINERFILE) == ""
    wrong = tmp_path / "Containerfile"
    wrong.write_text(re.sub(r"@sha256:\w+", "", CONTAINERFILE.read_text()))
    assert "DL3006" in lint(wrong)


def test_it_is_pinned_and_runs_as_nobody_in_particular() -> None:
    first, *others = instructions("FROM")
    assert re.fullmatch(r"docker.io/library/python@sha256:[0-9a-f]{64} AS base", first)
    assert re.search(r"^# python:3\.\d+\.\d+-\S+, by its digest alone", CONTAINERFILE.read_text(), re.MULTILINE)
    assert {stage.split()[0] for stage in others} == {"base"}
    assert instructions("USER") == ["1001:0"]
    assert instructions("ENTRYPOINT") == []
    (home,) = re.findall(r" HOME=(\S+)", CONTAINERFILE.read_text())
    assert f"RUN mkdir {home} && chmod g=u {home}" in CONTAINERFILE.read_text()
    installs = [line for line in instructions("RUN") if "pip install" in line]
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)
    assert sum("sha256sum --check" in line for line in instructions("RUN")) == 1


def test_its_programs_have_run_before_it_is_an_image(tmp_path: Path) -> None:
    """As the user of the jobs, in the last stage."""
    *_, last_stage = CONTAINERFILE.read_text().split("\nFROM ")
    _, user, check = re.split(r"^(?=USER |RUN oc )", last_stage, flags=re.MULTILINE)
    assert user.startswith("USER 1001:0\n")
    command = check.splitlines()[0].removeprefix("RUN ")
    assert run_check(command, tmp_path, oc="exit 0", helm="exit 0") == 0
    assert run_check(command, tmp_path, oc="exit 126", helm="exit 0") == 126
    assert run_check(command, tmp_path, oc="exit 0", helm="exit 126") == 126


def run_check(command: str, folder: Path, **programs: str) -> int:
    """Run it with programs that do this when they are asked for their version."""
    for name, does in programs.items():
        (folder / name).write_text(f'#!/bin/sh\n[ "$1" = version ] && {does}\n')
        (folder / name).chmod(0o755)
    return subprocess.run(["/bin/sh", "-c", command], env={"PATH": f"{folder}:/usr/bin:/bin"}, check=False).returncode


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with what the Containerfile puts into its own: from the files that it copies alone."""
    folder = tmp_path_factory.mktemp("image")
    sources = folder / "build"
    sources.mkdir()
    for line in instructions("COPY"):
        *names, target = line.split()
        if names[0].startswith("--from="):
            continue
        for name in names:
            copy(ROOT / name, sources / (name if target == "./" else target))
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, sources]
    subprocess.run(wheel, check=True, timeout=100)
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True, timeout=60)
    lend(locked(sources / "requirements-jobs.lock"), environment)
    install = [*pip, "--python", environment / "bin/python", "install", "--no-deps", next(folder.glob("*.whl"))]
    subprocess.run(install, check=True, timeout=100)
    shutil.rmtree(sources)
    (environment / "bin/helm").symlink_to(helm_path())
    return environment


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def locked(lock: Path) -> list[str]:
    return re.findall(r"^([\w.-]+)==", lock.read_text(), re.MULTILINE)


def lend(distributions: list[str], environment: Path) -> None:
    """Link these distributions, and no others, from the running environment: nothing is downloaded."""
    (site,) = environment.glob("lib/python3*/site-packages")
    for name in distributions:
        distribution = importlib.metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or [] if file.parts[0] not in ("..", "__pycache__")}:
            (site / top).unlink(missing_ok=True)
            (site / top).symlink_to(Path(str(distribution.locate_file(top))).resolve())


def run(image: Path, *arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the image in ``folder``, as a job without a checkout does."""
    variables = {"PATH": f"{image}/bin:/usr/bin:/bin", "HOME": str(folder), **variables}
    return subprocess.run(
        [image / "bin/maintenance-ci", *arguments],
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=110,
        check=False,
    )


def commands() -> list[str]:
    (found,) = [action.choices for action in _parser()._actions if action.choices]
    return list(found)


def test_it_brings_nothing_but_what_is_locked(image: Path) -> None:
    names = [*locked(ROOT / "requirements-jobs.lock"), "maintenance-ci"]
    found = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    listed = subprocess.run([image / "bin/python", "-I", "-c", found], capture_output=True, text=True, check=True)
    assert {normal(name) for name in listed.stdout.split()} == {normal(name) for name in names}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_command_starts_in_an_empty_folder(image: Path, tmp_path: Path) -> None:
    assert set(CHANGES) < set(commands())
    for command in commands():
        done = run(image, command, "--help", folder=tmp_path)
        assert done.returncode == 0, done.stdout
        assert f"maintenance-ci {command}" in done.stdout
    for command in CHANGES:
        done = run(image, command, folder=tmp_path)
        assert done.returncode == VariableError.exit_code
        assert "PROJECT: is missing" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", ["", pytest.param("/cart", marks=pytest.mark.slow)])
def test_the_jobs_need_no_checkout(image: Path, tmp_path: Path, part: str) -> None:
    with running(QUICK) as cluster:
        form = {"ROUTE_NAME": "shop", "SUBPATH": part, "IMAGE_TAG": "v1", "ROUTER_RELOAD_INTERVAL": "0.3"}
        (tmp_path / "chart").mkdir()  # as a runner may leave it there, of another project
        seen = []
        for job in CHANGES:
            done = run(image, job, folder=tmp_path, GIT_STRATEGY="none", **cluster.inside.job_variables(), **form)
            assert done.returncode == 0, done.stdout
            seen.append(cluster.routes())
            looks = (["plan", "--delete"], ["status"], ["export-route", "shop"]) if job == "deploy-route" else ()
            for look in looks:
                looked = run(image, *look, folder=tmp_path, **cluster.inside.job_variables(), **form)
                assert looked.returncode == 0, looked.stdout
        page = page_route_name("shop", part or None)
        assert seen == [{"shop"}, {"shop", page} if part else {page}, {"shop"}]


def test_without_its_helm_it_would_not_do(image: Path, tmp_path: Path) -> None:
    with running(QUICK) as cluster:
        given = cluster.inside.job_variables() | {"PATH": str(tmp_path), "IMAGE_TAG": "v1"}
        done = run(image, "build-and-deploy", folder=tmp_path, **given)
    assert done.returncode != 0
    assert "no helm" in done.stdout

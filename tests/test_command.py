from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from maintenance_ci import command, oc
from maintenance_ci.errors import CommandError
from maintenance_ci.helm import Helm

ENVIRONMENT = {"PATH": os.environ["PATH"], "GREETING": "hello"}


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def run(argv: list[str], timeout: float = 10) -> list[str]:
    said: list[str] = []
    command.run(argv, environment=ENVIRONMENT, say=said.append, timeout=timeout)
    return said


def test_what_it_prints_is_said_line_by_line_after_the_quoted_command() -> None:
    said = run(python("import os; print(os.environ['GREETING']); import sys; print('no', file=sys.stderr)"))
    assert said[0].startswith("$ ") and "'" in said[0]
    assert sorted(said[1:]) == ["hello", "no"]


def test_a_failure_repeats_the_last_lines() -> None:
    with pytest.raises(CommandError, match=r"failed \(exit code 7\): one / two"):
        run(python("print('one'); print('two'); raise SystemExit(7)"))


def test_a_command_that_does_not_end_is_killed() -> None:
    began = time.monotonic()
    with pytest.raises(CommandError, match="did not end within 1 s"):
        run(python("import time; time.sleep(30)"), timeout=1)
    assert time.monotonic() - began < 10


def test_a_command_that_is_not_there() -> None:
    with pytest.raises(CommandError, match="no-such-command cannot be run"):
        run(["no-such-command", "x"])


@pytest.fixture
def recorder(tmp_path: Path) -> Path:
    """A folder for PATH with an ``oc`` and a ``helm`` that write down their call, and end as FAKE_EXIT says."""
    for name in ("oc", "helm"):
        script = tmp_path / name
        script.write_text(
            f"#!{sys.executable}\n"
            "import json, os, pathlib, sys\n"
            "call = {'argv': sys.argv[1:], 'kubeconfig': os.environ.get('KUBECONFIG')}\n"
            f"pathlib.Path({str(tmp_path)!r}, 'call.json').write_text(json.dumps(call))\n"
            "print('build log')\n"
            "sys.exit(int(os.environ.get('FAKE_EXIT', 0)))\n"
        )
        script.chmod(0o755)
    return tmp_path


def call_of(folder: Path) -> dict[str, object]:
    import json

    found: dict[str, object] = json.loads((folder / "call.json").read_text())
    return found


def start_build(recorder: Path, **environment: str) -> list[str]:
    said: list[str] = []
    oc.start_build(
        "maintenance-page",
        recorder,
        kubeconfig="/private/kubeconfig",
        namespace="web",
        environment={"PATH": f"{recorder}:{os.environ['PATH']}", **environment},
        say=said.append,
        timeout=10,
    )
    return said


def test_oc_start_build_s_command_line(recorder: Path) -> None:
    assert "build log" in start_build(recorder)
    call = call_of(recorder)
    assert call["kubeconfig"] == "/private/kubeconfig"
    assert call["argv"] == [
        "start-build", "maintenance-page", f"--from-dir={recorder}", "--follow", "--wait", "--namespace", "web",
    ]  # fmt: skip


def test_oc_start_build_s_exit_code(recorder: Path) -> None:
    with pytest.raises(CommandError, match=r"oc start-build failed \(exit code 1\): build log"):
        start_build(recorder, FAKE_EXIT="1")


def test_helm_s_command_lines(recorder: Path, tmp_path: Path) -> None:
    helm = Helm(
        "/private/kubeconfig", "web", environment={"PATH": f"{recorder}:{os.environ['PATH']}"}, home=tmp_path, say=print
    )
    helm.upgrade("maintenance-page", Path("chart"), {"imageTag": "20261123"})
    assert call_of(recorder)["argv"] == [
        "upgrade", "--install", "maintenance-page", "chart", "--set-string", "imageTag=20261123", "--namespace", "web",
    ]  # fmt: skip
    helm.uninstall("maintenance-page")
    assert call_of(recorder)["argv"] == ["uninstall", "maintenance-page", "--ignore-not-found", "--namespace", "web"]


def test_an_image_without_helm_gets_the_pinned_one(tmp_path: Path) -> None:
    module = [sys.executable, "-m", "maintenance_ci.pinned_helm", str(tmp_path)]
    assert any("is Helm 4.1.4" in line for line in run_as_a_person(module))
    assert any('Version:"v4.1.4"' in line for line in run_as_a_person([str(tmp_path / "helm"), "version"]))
    with pytest.raises(CommandError, match=r"ERROR: .*cannot be made: File exists"):
        run_as_a_person(module)


def run_as_a_person(argv: list[str]) -> list[str]:
    said: list[str] = []
    command.run(argv, environment=os.environ, say=said.append, timeout=100)
    return said

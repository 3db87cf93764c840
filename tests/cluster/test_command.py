from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from maintenance_ci.cluster import command
from maintenance_ci.errors import CommandError
from maintenance_ci.page import builds
from maintenance_ci.page.helm import Helm

ENVIRONMENT = {"PATH": os.environ["PATH"], "GREETING": "hello"}


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def run(argv: list[str], timeout: float = 10) -> list[str]:
    lines: list[str] = []
    command.run(argv, environment=ENVIRONMENT, say=lines.append, timeout=timeout)
    return lines


def test_the_quoted_command_is_logged_and_then_its_output_line_by_line() -> None:
    lines = run(python("import os; print(os.environ['GREETING']); import sys; print('no', file=sys.stderr)"))
    assert lines[0].startswith("$ ") and "'" in lines[0]
    assert sorted(lines[1:]) == ["hello", "no"]


def test_a_failure_repeats_the_last_lines() -> None:
    with pytest.raises(CommandError, match=r"failed \(exit code 7\): one / two"):
        run(python("print('one'); print('two'); raise SystemExit(7)"))


def test_a_command_that_does_not_end_is_killed() -> None:
    with pytest.raises(CommandError, match="did not end within 1 s"):
        run(python("import signal; signal.pause()"), timeout=1)


def test_another_thread_may_end_it() -> None:
    stop = threading.Event()

    def say(line: str) -> None:
        if line == "ready":
            stop.set()

    with pytest.raises(CommandError, match=r"failed \(exit code -15\): ready"):
        command.run(
            python("import time; print('ready', flush=True); time.sleep(60)"),
            environment=ENVIRONMENT,
            say=say,
            timeout=50,
            stop=stop,
        )


DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"


@pytest.mark.parametrize("call", [run, lambda argv, timeout: output(argv, timeout)])
def test_one_that_does_not_listen_either(call: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "GRACE", 0.3)
    with pytest.raises(CommandError, match="did not end within 1 s"):
        call(python(DEAF), timeout=1)


def output(argv: list[str], timeout: float = 10) -> str:
    return command.output(argv, environment=ENVIRONMENT, timeout=timeout)


def test_the_output_alone() -> None:
    assert output(python("import sys; print('[1]'); print('a warning', file=sys.stderr)")) == "[1]\n"


def test_a_failure_without_its_output() -> None:
    with pytest.raises(CommandError, match=r"failed \(exit code 7\): two\.$"):
        output(python("import sys; print('one'); print('two', file=sys.stderr); raise SystemExit(7)"))


HANGS = """#!/bin/sh
{child} &
echo $! > {pid}
echo begun
{end}
"""
PYTHON = shlex.quote(sys.executable)
SLEEPS = f"{PYTHON} -c 'import time; time.sleep(60)'"
DEAF_CHILD = f"{PYTHON} -c 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)'"
CHATTERS = f"{PYTHON} -u -c 'while True: print(1)'"
APART = f"{PYTHON} -c 'import os, pathlib, time; os.setsid(); pathlib.Path(\"apart\").touch(); time.sleep(60)'"


def script(folder: Path, child: str, end: str) -> tuple[list[str], Path]:
    """A command that is a shell script, with a child; and the file that says which process that is."""
    program, pid = folder / "oc", folder / "pid"
    program.write_text(HANGS.format(child=child, pid=pid, end=end))
    program.chmod(0o755)
    return [str(program), "start-build"], pid


@pytest.mark.parametrize("call", [run, lambda argv, timeout: output(argv, timeout)], ids=["run", "output"])
@pytest.mark.parametrize("child", [SLEEPS, DEAF_CHILD], ids=["hangs", "is-deaf"])
def test_a_script_that_is_late_ends_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[..., object], child: str
) -> None:
    """Many an oc is a script around the real one: it alone would end, and the pipe that its child holds would not."""
    monkeypatch.setattr(command, "GRACE", 1.0)
    argv, pid = script(tmp_path, child, "wait")
    with pytest.raises(CommandError, match="oc start-build did not end within 1 s"):
        call(argv, timeout=1)
    assert ended(int(pid.read_text()))


@pytest.mark.parametrize("code", [0, 3])
@pytest.mark.parametrize("child", [SLEEPS, CHATTERS], ids=["silent", "chattering"])
def test_a_command_that_has_ended_is_not_waited_for_because_of_its_child(tmp_path: Path, child: str, code: int) -> None:
    argv, pid = script(tmp_path, child, f"exit {code}")
    if code:
        with pytest.raises(CommandError, match=r"failed \(exit code 3\)"):
            run(argv, timeout=50)
    else:
        assert run(argv, timeout=50)[1] in ("begun", "1")
    assert ended(int(pid.read_text()))


def test_not_even_one_that_left_its_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    argv, pid = script(tmp_path, APART, "until [ -e apart ]; do sleep 0.02; done")
    try:
        assert output(argv, timeout=50) == "begun\n"
    finally:
        os.kill(int(pid.read_text()), signal.SIGKILL)


def ended(pid: int) -> bool:
    """Wait until a process that was killed has gone."""
    deadline = time.monotonic() + 10
    while lives(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not lives(pid)


def test_one_that_is_late_is_listened_to_until_it_has_ended() -> None:
    code = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('the release is failed')))\n"
        "print('begun', flush=True); time.sleep(60)"
    )
    with pytest.raises(CommandError, match="did not end within 2 s: begun / the release is failed"):
        run(python(code), timeout=2)


def test_a_job_that_is_cancelled_takes_the_script_s_child_along(tmp_path: Path) -> None:
    argv, pid = script(tmp_path, SLEEPS, "wait")
    code = f"""
import os
from maintenance_ci.cluster import command
from maintenance_ci.run.interruption import interrupted_when_cancelled
with interrupted_when_cancelled():
    command.run({argv!r}, environment=dict(os.environ), say=lambda line: print(line, flush=True), timeout=50)
"""
    with subprocess.Popen(python(code), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as job:
        assert "begun\n" in iter(job.stdout or ())
        job.terminate()
        job.wait(20)
    assert ended(int(pid.read_text()))


def test_a_line_without_an_end_is_cut() -> None:
    lines = run(python("print('x' * 200_000)"))
    assert sum(map(len, lines[1:])) == 200_000
    assert max(map(len, lines[1:])) <= 2 * command.CHUNK


SLEEP = [sys.executable, "-u", "-c", "import os, time; print(os.getpid()); time.sleep(60)"]
OURS = f"command.run({SLEEP!r}, environment=dict(os.environ), say=lambda line: print(line, flush=True), timeout=50)"
PLAIN = f"subprocess.run({SLEEP!r})"


@pytest.mark.parametrize(("how", "survives"), [(OURS, False), (PLAIN, True)], ids=["ours", "any-other"])
def test_a_command_dies_with_its_job(how: str, survives: bool) -> None:
    """Another thread than the one that runs it holds on to what it can meanwhile, as the Lease's does."""
    busy = "threading.Thread(target=lambda: [json.dumps(list(range(99))) for _ in iter(int, 1)], daemon=True).start()"
    code = f"import json, os, subprocess, threading; from maintenance_ci.cluster import command; {busy}; {how}"
    with subprocess.Popen(python(code), stdout=subprocess.PIPE, text=True) as job:
        lines = iter(job.stdout or ())
        pid = int(next(line for line in lines if not line.startswith("$")))
        assert lives(pid)
        job.kill()
        job.wait()
        try:
            deadline = time.monotonic() + (1 if survives else 60)
            while lives(pid) and time.monotonic() < deadline:
                time.sleep(0.02)
            assert lives(pid) is survives
        finally:
            if lives(pid):
                os.kill(pid, signal.SIGKILL)


def lives(pid: int) -> bool:
    """A process that has ended, and that nobody asked about yet, has no command line any more."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_command_whose_job_died_before_it_began(tmp_path: Path) -> None:
    """The kernel sends no signal for a parent that is gone already."""
    begun = tmp_path / "begun"
    argv = [sys.executable, "-c", command.BOUND, "1", str(int(signal.SIGKILL)), "/bin/touch", str(begun)]
    for parent, code in (("1", 1), (str(os.getpid()), 0)):
        argv[3] = parent
        assert subprocess.run(argv, stderr=subprocess.DEVNULL).returncode == code
        assert begun.exists() is (code == 0)


def test_a_command_that_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "helm").write_bytes(b"\x00not a program")
    (tmp_path / "helm").chmod(0o755)
    with pytest.raises(CommandError, match="helm cannot be run: Exec format error"):
        run([str(tmp_path / "helm")])


def test_a_command_that_is_not_there() -> None:
    with pytest.raises(CommandError, match="no-such-command cannot be run"):
        run(["no-such-command", "x"])


@pytest.fixture
def recorder(tmp_path: Path) -> Path:
    """A folder for PATH with an ``oc`` and a ``helm`` that write down their call, and end as FAKE_EXIT says."""
    for name in ("oc", "helm"):
        script, program = tmp_path / name, tmp_path / f"{name}.py"
        script.write_text(f'#!/bin/sh\nexec {PYTHON} {program} "$@"\n')
        program.write_text(
            "import json, os, pathlib, sys\n"
            "call = {'argv': sys.argv[1:], 'kubeconfig': os.environ.get('KUBECONFIG')}\n"
            f"pathlib.Path({str(tmp_path)!r}, 'call.json').write_text(json.dumps(call))\n"
            "status = [{'revision': 1, 'status': 'deployed'}]\n"
            "print(json.dumps(status) if 'history' in sys.argv else 'build log')\n"
            "sys.exit(int(os.environ.get('FAKE_EXIT', 0)))\n"
        )
        script.chmod(0o755)
    return tmp_path


def call_of(folder: Path) -> dict[str, object]:
    import json

    call: dict[str, object] = json.loads((folder / "call.json").read_text())
    return call


def start_build(recorder: Path, **environment: str) -> list[str]:
    lines: list[str] = []
    builds.start_build(
        "maintenance-page",
        recorder,
        kubeconfig="/private/kubeconfig",
        namespace="web",
        environment={"PATH": f"{recorder}:{os.environ['PATH']}", **environment},
        say=lines.append,
        timeout=10,
    )
    return lines


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
    helm = Helm("/private/kubeconfig", "web", environment={"PATH": f"{recorder}:{os.environ['PATH']}"}, say=print)
    helm.upgrade("maintenance-page", Path("chart"), {"imageTag": "20261123"})
    assert call_of(recorder)["argv"] == [
        "upgrade", "--install", "maintenance-page", "chart", "--set-string", "imageTag=20261123", "--namespace", "web",
    ]  # fmt: skip
    helm.uninstall("maintenance-page")
    assert call_of(recorder)["argv"] == ["uninstall", "maintenance-page", "--namespace", "web"]


def test_an_image_without_helm_gets_the_pinned_one(tmp_path: Path) -> None:
    module = [sys.executable, "-m", "maintenance_ci.rehearsal.pinned_helm", str(tmp_path)]
    assert any("is Helm 4.1.4" in line for line in run_as_a_person(module))
    assert any('Version:"v4.1.4"' in line for line in run_as_a_person([str(tmp_path / "helm"), "version"]))
    with pytest.raises(CommandError, match=r"ERROR: .*cannot be made: File exists"):
        run_as_a_person(module)


def run_as_a_person(argv: list[str]) -> list[str]:
    lines: list[str] = []
    command.run(argv, environment=os.environ, say=lines.append, timeout=100)
    return lines

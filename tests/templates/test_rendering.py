"""Templates render in one child process: what one takes of time and memory, it takes from that child alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.templates import rendering
from maintenance_ci.templates.rendering import Renderer
from tests.tools.busy_machine import require_at_most

MIB = 1024 * 1024
# Not one is answered on a machine of any size.
DOUBLES_40_TIMES = "{% set n = namespace(s='x') %}" + "{% set n.s = n.s ~ n.s %}" * 40 + "{{ n.s | length }}"
NESTED_12_TIMES = "{% for a in 'abcdefghij' %}" * 12 + "{% endfor %}" * 12
# 64 MiB, and half of that beside it: what a machine has.
DOUBLES_26_TIMES = DOUBLES_40_TIMES.replace("{% set n.s = n.s ~ n.s %}", "", 14)
TOO_MUCH, TOO_LONG = "takes more memory than any manifest", "takes longer than"
HELLO = "{{ name | toyaml }}"


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    under_test = Renderer()
    yield under_test
    under_test.close()


def child_of(renderer: Renderer) -> int:
    assert renderer.render(HELLO, {"name": "x"}, name="t") == '"x"'
    assert renderer._child
    return renderer._child.pid


def answer_of(render: Callable[..., str], template: str) -> str:
    try:
        return render(template, {}, name="t.j2")
    except MaintenanceError as error:
        return error.what


def lives(pid: int) -> bool:
    """A process that has ended, and that nobody asked about yet, has no command line any more."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(happened: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.02)
    return happened()


def test_what_never_fits_and_what_never_ends_is_refused_within_ten_seconds_from_two_threads() -> None:
    answers: list[str] = []

    def work() -> None:
        answers.extend(answer_of(rendering.render, template) for template in (DOUBLES_40_TIMES, NESTED_12_TIMES))

    began = time.monotonic()
    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    took = time.monotonic() - began
    assert sorted(answers) == [
        f"t.j2 does not render: it {why}." for why in (TOO_LONG + " 2 s", TOO_MUCH) for _ in "ab"
    ]
    assert rendering.render(HELLO, {"name": "x"}, name="t") == '"x"'
    require_at_most(took, 10, "seconds until all four are refused")


def test_without_its_limit_of_memory_the_same_template_renders() -> None:
    limited, unlimited = Renderer(memory=64 * MIB), Renderer(memory=16 * 1024 * MIB)
    try:
        assert TOO_MUCH in answer_of(limited.render, DOUBLES_26_TIMES)
        assert answer_of(unlimited.render, DOUBLES_26_TIMES) == str(2**26)
    finally:
        limited.close()
        unlimited.close()


def test_without_its_deadline_the_same_template_goes_on(renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "RENDER_TIMEOUT", 0.2)
    began = time.monotonic()
    assert TOO_LONG in answer_of(renderer.render, NESTED_12_TIMES)
    took = time.monotonic() - began
    monkeypatch.setattr(rendering, "RENDER_TIMEOUT", 1000.0)
    answers: list[str] = []
    worker = threading.Thread(target=lambda: answers.append(answer_of(renderer.render, NESTED_12_TIMES)))
    worker.start()
    worker.join(took + 1)
    assert worker.is_alive()
    assert renderer._child
    os.kill(renderer._child.pid, signal.SIGKILL)
    worker.join(60)
    assert answers == ["t.j2 does not render: the process that renders it has ended before its time."]
    child_of(renderer)


PEAK = """
import json, re, sys
from pathlib import Path
from maintenance_ci.templates import rendering, sandbox
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
before = peak()
try:
    {render}
except Exception as error:
    pass
print(peak() - before)
"""


def growth(render: str) -> int:
    """How many MiB a job's memory grows at the most while it renders."""
    code = PEAK.replace("{render}", render)
    done = subprocess.run([sys.executable, "-c", code, DOUBLES_26_TIMES], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_the_job_s_own_memory_does_not_grow() -> None:
    assert growth("rendering.render(sys.argv[1], {}, name='t')") < 16
    assert growth("sandbox.render(sys.argv[1], {}, 't')") > 64


def test_a_child_that_was_killed_is_replaced(renderer: Renderer) -> None:
    first = child_of(renderer)
    assert child_of(renderer) == first, "all templates have the same one"
    os.kill(first, signal.SIGKILL)
    second = child_of(renderer)
    assert second != first
    assert not lives(first)
    assert TOO_MUCH in answer_of(renderer.render, DOUBLES_40_TIMES)
    assert child_of(renderer) != second


def test_two_threads_have_one_child_and_their_own_answers(renderer: Renderer) -> None:
    answers: dict[str, str] = {}

    def work(number: int) -> None:
        for turn in range(20):
            text = f"{number}/{turn}"
            answers[text] = renderer.render(HELLO, {"name": text}, name="t")

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert answers == {f"{number}/{turn}": f'"{number}/{turn}"' for number in range(4) for turn in range(20)}


def test_the_child_knows_nothing_of_the_job(renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OKD_TOKEN", "sha256~secret")
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    try:
        child = Path(f"/proc/{child_of(renderer)}")
        ours = Path("/proc/self/fd", str(writer)).readlink()
        assert ours not in [descriptor.readlink() for descriptor in (child / "fd").iterdir()]
        assert len(list((child / "fd").iterdir())) == 3
        assert b"OKD_TOKEN" not in (child / "environ").read_bytes()
        assert b"secret" not in (child / "cmdline").read_bytes()
    finally:
        os.close(reader)
        os.close(writer)
    # What a child of subprocess's own making has of it.
    with subprocess.Popen(["/bin/sleep", "60"]) as other:
        assert wait_until(lambda: b"OKD_TOKEN" in Path(f"/proc/{other.pid}/environ").read_bytes())
        other.kill()


JOB = """
import json, os, signal, subprocess, sys, threading
from maintenance_ci.templates import rendering
rendering.RENDER_TIMEOUT = 1000.0
hello = lambda: rendering.render("{{ 1 }}", {}, name="t") and rendering._RENDERER._child.pid
"""
ENDS = {
    "at its end": "print(hello(), flush=True)",
    "by a fault": "print(hello(), flush=True); raise RuntimeError",
    "cancelled": "print(hello(), flush=True); os.kill(os.getpid(), signal.SIGINT)",
    "killed": "print(hello(), flush=True); os.kill(os.getpid(), signal.SIGKILL)",
    "killed amid a template": "print(hello(), flush=True); "
    "threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGKILL)).start(); "
    f"rendering.render({NESTED_12_TIMES!r}, {{}}, name='t')",
}


@pytest.mark.parametrize("end", ENDS)
def test_no_child_outlives_its_job(end: str) -> None:
    done = subprocess.run([sys.executable, "-c", JOB + ENDS[end]], capture_output=True, text=True)
    child = int(done.stdout)
    if "killed" not in end:
        assert not lives(child), "a job that ends waits for it"
    assert wait_until(lambda: not lives(child))


def test_a_child_goes_on_while_its_job_does() -> None:
    """So that `test_no_child_outlives_its_job` sees what it is about."""
    code = JOB + "print(hello(), flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as job:
        assert job.stdout and job.stdin
        child = int(job.stdout.readline())
        assert lives(child)
        job.stdin.close()
        job.wait()
        assert not lives(child)


def test_a_signal_for_the_job_does_not_meet_its_child() -> None:
    """A runner signals the whole process group; the job is on its way back then, and may have to render."""
    code = (
        JOB
        + """
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda *_: None)
first, other = hello(), subprocess.Popen(["/bin/sleep", "60"])
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    os.killpg(0, number)
print(json.dumps([first, hello(), other.wait()]))
"""
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, process_group=0, check=True)
    first, second, other = json.loads(done.stdout)
    assert first == second
    assert other < 0, "what is of the group does end"


@pytest.mark.parametrize(
    ("python", "says"),
    [
        ("/no/python", "does not start: No such file or directory."),
        ("/bin/false", "does not start: it says nothing."),
    ],
)
def test_a_child_that_cannot_be_started(
    renderer: Renderer, monkeypatch: pytest.MonkeyPatch, python: str, says: str
) -> None:
    monkeypatch.setattr(sys, "executable", python)
    with pytest.raises(MaintenanceError) as caught:
        renderer.render(HELLO, {"name": "x"}, name="t")
    assert caught.value.what == f"The process that renders templates {says}"
    assert caught.value.advice == "Check how maintenance-ci is installed."
    monkeypatch.undo()
    child_of(renderer)


@pytest.mark.parametrize("text", ["\U0001f6e0", "\x00\x7f\u2028\x85", "a\r\nb", '"\\', "\ud800"])
def test_texts_cross_to_the_child_and_back_as_they_are(text: str) -> None:
    assert rendering.render("{{ text }}", {"text": text}, name="t") == text
    assert rendering.render(text, {}, name="t") == text.replace("\r\n", "\n")


def test_a_child_that_was_started_early_is_the_one_that_renders(renderer: Renderer) -> None:
    renderer.begin()
    early_child = renderer._child
    assert early_child
    renderer.begin()
    assert child_of(renderer) == early_child.pid
    renderer.begin()
    assert child_of(renderer) == early_child.pid


def test_begin_waits_for_nothing(renderer: Renderer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The child is ready when somebody lets it, and that is after `begin`; a template waits for it."""
    gate, slow = tmp_path / "gate", tmp_path / "python"
    slow.write_text(f'#!/bin/sh\nwhile [ ! -e {gate} ]; do sleep 0.05; done\nexec {sys.executable} "$@"\n')
    slow.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(slow))
    renderer.begin()
    rendered: list[int] = []
    waiting = threading.Thread(target=lambda: rendered.append(child_of(renderer)))
    waiting.start()
    waiting.join(0.3)
    assert not rendered
    gate.touch()
    waiting.join(60)
    assert len(rendered) == 1


@pytest.mark.parametrize(
    ("python", "why"), [("/no/python", "No such file or directory"), ("/bin/false", "it says nothing")]
)
def test_a_child_that_cannot_be_started_early_fails_the_first_template(
    renderer: Renderer, monkeypatch: pytest.MonkeyPatch, python: str, why: str
) -> None:
    monkeypatch.setattr(sys, "executable", python)
    renderer.begin()
    with pytest.raises(MaintenanceError, match=f"does not start: {why}"):
        renderer.render(HELLO, {"name": "x"}, name="t")
    monkeypatch.undo()
    child_of(renderer)

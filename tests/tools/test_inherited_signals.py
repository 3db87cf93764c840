"""The tests' own start: under `nohup`, and in the background of a script."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.inherited_signals import IGNORED_AT_START

ROOT = Path(__file__).parents[2]
# What a child of a process that begins with these ignored does on a signal: "default" or "ignored".
CHILD = "import signal, sys; print(signal.getsignal(int(sys.argv[1])) is not signal.SIG_IGN)"
PARENT = f"""
import os, signal, subprocess, sys
sys.path.insert(0, {str(ROOT)!r})
if sys.argv[2] == "heeded":
    from tests.tools.inherited_signals import heeded_by_children
    heeded_by_children()
os.kill(os.getpid(), int(sys.argv[1]))
subprocess.run([sys.executable, "-c", {CHILD!r}, sys.argv[1]], check=True)
"""


@pytest.mark.parametrize("number", IGNORED_AT_START, ids=lambda number: number.name)
@pytest.mark.parametrize(("how", "heeds"), [("heeded", True), ("as inherited", False)])
def test_what_is_ignored_at_the_start_reaches_the_children_all_the_same(
    number: signal.Signals, how: str, heeds: bool
) -> None:
    """And the process itself goes on when the signal comes: nohup's meaning."""
    done = subprocess.run(
        [sys.executable, "-c", PARENT, str(int(number)), how],
        preexec_fn=lambda: signal.signal(number, signal.SIG_IGN),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == (f"{heeds}\n", 0), done.stderr

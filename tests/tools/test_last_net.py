"""A test that hangs, where nothing else ends it: the run goes on, and says which one it was."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Its time limit comes while it waits, and it waits again after that.
HANGS = """
import threading, pytest

@pytest.mark.timeout(1)
def test_that_hangs():
    try:
        threading.Event().wait()
    finally:
        threading.Event().wait(60)

@pytest.mark.timeout(1)
def test_that_only_takes_too_long():
    threading.Event().wait()

def test_after_it():
    pass
"""
NET = """
from tests.tools import last_net
last_net.TEARDOWN = 1.0
pytest_runtest_protocol = last_net.pytest_runtest_protocol
"""


@pytest.mark.parametrize(("net", "ends"), [(NET, True), ("", False)], ids=["with it", "without"])
def test_a_test_that_hangs_ends_with_its_process(net: str, ends: bool, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(net)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT}\ntimeout = 300\n")
    (tmp_path / "test_it.py").write_text(HANGS)

    with (tmp_path / "log").open("w") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-n", "1", "-p", "no:cacheprovider", "test_it.py"],
            cwd=tmp_path,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            child.wait(60 if ends else 8)
            assert ends
        except subprocess.TimeoutExpired:
            assert not ends
            return
        finally:
            with contextlib.suppress(ProcessLookupError):  # nobody is left
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()

    said = (tmp_path / "log").read_text()
    assert "test_it.py::test_that_hangs did not end within its time limit, nor 1 s after it" in said
    assert "in test_that_hangs" in said, "no place"
    assert "2 failed, 1 passed" in said

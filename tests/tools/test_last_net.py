"""A test that hangs, where nothing else ends it: the run goes on, and says which one it was."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
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


SAID = (
    "test_it.py::test_that_hangs did not end within its time limit, nor 1 s after it",
    "in test_that_hangs",  # where it waits
    "FAILED test_it.py::test_that_hangs",
    "FAILED test_it.py::test_that_only_takes_too_long",
    "PASSED test_it.py::test_after_it",
)


@pytest.mark.parametrize(
    ("net", "seconds"), [(NET, 120), pytest.param("", 8, marks=pytest.mark.slow)], ids=["with it", "without"]
)
def test_a_test_that_hangs_ends_with_its_process_and_the_others_go_on(net: str, seconds: float, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(net)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT}\ntimeout = 300\n")
    (tmp_path / "test_it.py").write_text(HANGS)
    argv = [sys.executable, "-m", "pytest", "-v", "-n", "1", "-p", "no:cacheprovider", "test_it.py"]

    with (tmp_path / "log").open("w") as log:
        run = subprocess.Popen(argv, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline, missing = time.monotonic() + seconds, list(SAID)
        while missing and time.monotonic() < deadline:
            time.sleep(0.1)
            said = (tmp_path / "log").read_text()
            missing = [line for line in SAID if line not in said]
    finally:
        with contextlib.suppress(ProcessLookupError):  # nobody is left
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    assert missing == ([] if net else list(SAID)), said

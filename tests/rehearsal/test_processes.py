from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maintenance_ci.rehearsal import processes
from tests.tools.clusters import in_session, start_alone

CLUSTER = """
import asyncio, sys
from maintenance_ci.rehearsal.cluster import EmbeddedOpenShift
from maintenance_ci.rehearsal.workplace import prepare
async def main():
    async with EmbeddedOpenShift() as cluster:
        variables = cluster.job_variables() | {"IMAGE_TAG": "v1"}
        code = await prepare(cluster.folder, variables).run("build-and-deploy", say=lambda line: None)
        print("up", code, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


def test_a_child_that_ignores_the_polite_signal_is_killed(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"

    async def scenario() -> int | None:
        child = await processes.start([sys.executable, "-c", code], cwd=tmp_path, log=tmp_path / "log")
        while "up" not in (tmp_path / "log").read_text():  # noqa: ASYNC110 - another process says it
            await asyncio.sleep(0.02)
        await processes.stop(child, grace=0.2)
        return child.returncode

    assert asyncio.run(scenario()) == -signal.SIGKILL


def test_no_process_outlives_a_cluster_that_is_killed(tmp_path: Path) -> None:
    """HAProxy with its worker, nginx with its worker: all are there before, none after a SIGKILL."""
    running = start_alone(["-c", CLUSTER], tmp_path)
    assert running.stdout is not None
    assert running.stdout.readline() == "up 0\n"
    before = in_session(running.pid)
    assert sum("haproxy" in line for line in before) >= 2
    assert sum("nginx" in line for line in before) >= 2
    running.kill()
    running.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while in_session(running.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert in_session(running.pid) == []
    assert list(tmp_path.iterdir()) == []


STARTS = """
import asyncio
from maintenance_ci.rehearsal.cluster import EmbeddedOpenShift, Options
async def main():
    for _ in range(40):
        async with EmbeddedOpenShift(Options(reload_interval=0.2)):
            pass
asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_is_left_after_fifty_starts_and_stops(tmp_path: Path) -> None:
    """Forty that end by themselves, in one process; ten in processes that are killed."""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    clean = subprocess.Popen([sys.executable, "-c", STARTS], env=environment, start_new_session=True)
    assert clean.wait(timeout=600) == 0
    killed = []
    for _ in range(10):
        one = start_alone(["-c", CLUSTER], tmp_path)
        assert one.stdout is not None
        assert one.stdout.readline() == "up 0\n"
        one.kill()
        one.communicate(timeout=60)
        killed.append(one)
    deadline = time.monotonic() + 60
    while any(in_session(one.pid) for one in (clean, *killed)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [line for one in (clean, *killed) for line in in_session(one.pid)] == []
    assert list(tmp_path.iterdir()) == []

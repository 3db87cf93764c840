"""A holder that is cancelled or fails releases the Lease; that of one that was killed is taken over in its time."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from maintenance_ci.cluster.openshift import OpenShift
from maintenance_ci.errors import ConflictError, TryAgainError
from maintenance_ci.names import LEASE
from maintenance_ci.run.lease import Holder
from tests.jobs.lease.leases import (
    DURATION,
    RENEW_EVERY,
    YEAR_AHEAD,
    count_together,
    lease_of,
    leave_dead,
    pipeline,
    spec_of,
    taking,
)
from tests.tools.busy_machine import require_at_most
from tests.tools.clusters import Cluster, start_alone

HOLD = """
import signal, sys, time
from maintenance_ci.run.interruption import interrupted_when_cancelled
from maintenance_ci.run.lease import Holder, Lease
from maintenance_ci.cluster.openshift import OpenShift
cluster = OpenShift(sys.argv[1], "web")
holder = Holder(sys.argv[2], "deploy-route", "")
lease = Lease(cluster, holder, say=print, duration=3, renew_every=0.3)
with interrupted_when_cancelled(), lease.holding(5):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("dead", "ours", "at_least", "within"),
    [
        (pipeline(1), pipeline(1), DURATION, DURATION + 2),
        (pipeline(1, "delete"), pipeline(1), DURATION, DURATION + 2),
        (pipeline(1), pipeline(2), DURATION, DURATION + 2),
        (Holder("", "delete", ""), Holder("", "delete", ""), DURATION, DURATION + 2),
    ],
    ids=["the same job", "another job of the pipeline", "another pipeline", "terminals"],
)
def test_a_dead_holder_is_taken_over_in_its_time(
    cluster: Cluster, client: OpenShift, dead: Holder, ours: Holder, at_least: float, within: float
) -> None:
    left = leave_dead(cluster, dead)
    said: list[str] = []
    with taking(client, ours, said.append) as lease:
        waited = time.monotonic() - left
        assert waited >= at_least
        require_at_most(waited, within, "until a dead holder's Lease is taken over")
        lease.require()
        spec = spec_of(cluster)
        assert spec["leaseTransitions"] == 1
        assert spec["acquireTime"] < YEAR_AHEAD.isoformat()
    assert said[-1].startswith(f"took over the Lease {LEASE} of ")


def test_a_retried_job_waits_for_its_first_run_that_is_still_at_work(
    cluster: Cluster, client: OpenShift, other: OpenShift
) -> None:
    with taking(client, pipeline(1)) as first:
        with (
            pytest.raises(TryAgainError, match="is held by job deploy-route of pipeline 1"),
            taking(other, pipeline(1), timeout=10 * RENEW_EVERY),
        ):
            raise AssertionError("two at once")
        first.require()
    with taking(other, pipeline(1)) as second:
        second.require()


@pytest.mark.slow
def test_ten_that_wait_for_a_dead_holder_take_it_one_after_the_other(
    cluster: Cluster, config: str, tmp_path: Path
) -> None:
    leave_dead(cluster, pipeline(99))
    assert count_together(config, tmp_path / "counter", exclusive=True) == 10


@pytest.fixture
def process(cluster: Cluster, config: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the Lease."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    process = start_alone(["-c", HOLD, config, "1"], temporary)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_cancelled_job_releases_it(cluster: Cluster, process: subprocess.Popen[str]) -> None:
    assert lease_of(cluster) is not None
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in output
    assert lease_of(cluster) is None


def test_a_killed_job_leaves_it_and_another_pipeline_takes_it_over(
    cluster: Cluster, client: OpenShift, process: subprocess.Popen[str]
) -> None:
    process.kill()
    process.wait(timeout=60)
    assert lease_of(cluster) is not None
    said: list[str] = []
    with taking(client, pipeline(2), said.append):
        assert "it was not renewed for 3 s" in said[-1]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, ValueError, ConflictError])
def test_however_the_body_ends_it_is_released(
    cluster: Cluster, client: OpenShift, interrupt: type[BaseException]
) -> None:
    with pytest.raises(interrupt), taking(client, pipeline(1)):
        raise interrupt("the body's own")
    assert lease_of(cluster) is None
    assert not [thread for thread in threading.enumerate() if thread.name == "lease"]

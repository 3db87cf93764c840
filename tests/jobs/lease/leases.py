"""Leases as the tests take them, read them, and leave them behind."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from maintenance_ci.cluster.openshift import OpenShift
from maintenance_ci.names import LEASE
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.trouble import parse_trouble
from maintenance_ci.run.lease import Holder, Lease, new_lease
from tests.tools.clusters import Cluster

# Quick, and with room for a machine that is busy: the holder gives up after 2.7 s, others take it after 3.
DURATION, RENEW_EVERY = 3.0, 0.3
YEAR_AHEAD = datetime.now(UTC) + timedelta(days=365)
URL = "https://gitlab.example.test/ops/maintenance/-/pipelines"


def pipeline(number: int | str, job: str = "deploy-route") -> Holder:
    return Holder(str(number), job, f"{URL}/{number}")


def taking(
    client: OpenShift,
    holder: Holder,
    say: Callable[[str], None] = print,
    timeout: float = 20,
    duration: float = DURATION,
) -> contextlib.AbstractContextManager[Lease]:
    return Lease(client, holder, say=say, duration=duration, renew_every=RENEW_EVERY).holding(timeout)


def lease_of(cluster: Cluster) -> dict[str, Any] | None:
    return cluster.find("leases", LEASE)


def spec_of(cluster: Cluster) -> dict[str, Any]:
    found = lease_of(cluster)
    assert found is not None
    spec: dict[str, Any] = found["spec"]
    return spec


def expect(cluster: Cluster, line: str) -> None:
    cluster.call(cluster.inside.troubles.add, parse_trouble(line))


def leave_dead(cluster: Cluster, holder: Holder, duration: float = DURATION) -> float:
    """Leave the Lease of a job that was killed, as of now; its clock is a year ahead."""
    lease = new_lease(holder, f"dead-{time.monotonic()}", duration=duration, now=YEAR_AHEAD)
    lease["metadata"]["namespace"] = manifests.NAMESPACE
    cluster.call(cluster.store.create, "leases", lease, manager="dead")
    return time.monotonic()


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def count_together(config: str, counter: Path, *, exclusive: bool) -> int:
    """Let ten clients each count one further, slowly; return what was counted."""
    counter.write_text("0")
    began = threading.Barrier(10)

    def count(number: int) -> None:
        with contextlib.closing(OpenShift(config, manifests.NAMESPACE)) as client:
            began.wait()
            with taking(client, pipeline(number), timeout=60) if exclusive else contextlib.nullcontext():
                before = int(counter.read_text())
                time.sleep(0.2)
                counter.write_text(str(before + 1))

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(count, range(10)))
    return int(counter.read_text())

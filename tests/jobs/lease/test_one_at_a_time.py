"""The Lease is held, renewed and released by one job at a time; whoever else comes waits, and is told for whom."""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from maintenance_ci.cluster.openshift import OpenShift
from maintenance_ci.errors import TryAgainError
from maintenance_ci.names import LEASE
from maintenance_ci.rehearsal import application_manifests as manifests
from tests.jobs.lease.leases import (
    DURATION,
    URL,
    count_together,
    expect,
    lease_of,
    pipeline,
    spec_of,
    taking,
    wait_until,
)
from tests.tools.busy_machine import require_at_most
from tests.tools.clusters import Cluster


def test_it_costs_two_requests_and_leaves_nothing(cluster: Cluster, client: OpenShift) -> None:
    expect(cluster, "leases: delay 0 always")
    said: list[str] = []
    with taking(client, pipeline(1), said.append) as lease:
        lease.require()
    path = f"/apis/coordination.k8s.io/v1/namespaces/{manifests.NAMESPACE}/leases"
    requests = [request for _, request in cluster.inside.troubles.met]
    assert requests == [f"POST {path}", f"DELETE {path}/{LEASE}"]
    assert said == []
    assert lease_of(cluster) is None


def test_kubectl_reads_who_holds_it(cluster: Cluster, client: OpenShift) -> None:
    kubectl = shutil.which("kubectl", path=str(Path(sys.executable).parent))
    assert kubectl
    cache = ["--cache-dir", str(cluster.inside.folder / "kubectl")]
    command = [kubectl, "--kubeconfig", str(cluster.inside.admin_kubeconfig()), *cache, "get", "leases", LEASE]
    with taking(client, pipeline(4711, "delete")):
        table = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        shown = json.loads(subprocess.run([*command, "-o", "json"], capture_output=True, check=True).stdout)
    assert LEASE in table
    assert re.fullmatch(r"pipeline-4711/delete/[0-9a-f]{16}", shown["spec"]["holderIdentity"])
    for name in ("acquireTime", "renewTime"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", shown["spec"][name])
    assert shown["metadata"]["annotations"]["maintenance-ci/pipeline-url"] == f"{URL}/4711"
    assert shown["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "maintenance-ci"}


def test_it_is_renewed_beside_the_jobs_own_requests(
    cluster: Cluster, client: OpenShift, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "urllib3")
    with taking(client, pipeline(1)) as lease:
        first = spec_of(cluster)
        ends = time.monotonic() + DURATION + 1
        while time.monotonic() < ends:
            assert client.get("routes", "shop")
            lease.require()
        last = spec_of(cluster)
    assert last["renewTime"] > first["renewTime"]
    changed = {name for name in last if last[name] != first[name]}
    assert changed == {"renewTime"}
    assert "pool is full" not in caplog.text
    assert "PUT" in caplog.text  # the log does say what the pool does


def test_ten_pipelines_are_in_the_namespace_one_after_the_other(cluster: Cluster, config: str, tmp_path: Path) -> None:
    assert count_together(config, tmp_path / "counter", exclusive=True) == 10


def test_without_the_lease_ten_pipelines_are_in_the_namespace_at_once(
    cluster: Cluster, config: str, tmp_path: Path
) -> None:
    assert count_together(config, tmp_path / "counter", exclusive=False) < 10


def test_who_waits_is_told_for_whom(cluster: Cluster, client: OpenShift, other: OpenShift) -> None:
    said: list[str] = []
    with taking(client, pipeline(1)):
        since = spec_of(cluster)["acquireTime"]
        began = time.monotonic()
        with pytest.raises(TryAgainError) as refused, taking(other, pipeline(2), said.append, timeout=DURATION + 1):
            raise AssertionError("two at once")
        require_at_most(time.monotonic() - began, DURATION + 3, "a wait of 4 s")
        assert spec_of(cluster)["holderIdentity"].startswith("pipeline-1/")
    who = f"held by job deploy-route of pipeline 1 ({URL}/1), since {since}"
    assert said == [f"the Lease {LEASE} is {who}; waiting until it is free"]
    assert refused.value.what == f"The Lease {LEASE} of namespace web is {who}; it was not free within 4 s."
    assert refused.value.advice == "When that job has ended, run this one again."
    assert refused.value.exit_code == 75


def test_who_waits_goes_on_when_it_is_released(cluster: Cluster, client: OpenShift, other: OpenShift) -> None:
    order: list[str] = []

    def second() -> None:
        with taking(other, pipeline(2), lambda text: order.append("told")):
            order.append("second")

    waiting = threading.Thread(target=second)
    with taking(client, pipeline(1)):
        waiting.start()
        wait_until(lambda: order == ["told"])
        order.append("first ends")
    waiting.join()
    assert order == ["told", "first ends", "second"]

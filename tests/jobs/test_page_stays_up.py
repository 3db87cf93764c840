"""The page while its Pods are replaced, and while their node is drained: users ask for it all the time.

The real kubectl, as whoever looks after a cluster uses it.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sysconfig
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from maintenance_ci.names import PAGE
from maintenance_ci.plan.rights import BUDGETS
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.store import Object
from maintenance_ci.rehearsal.cluster import Options
from maintenance_ci.rehearsal.users import Answer
from tests.tools.clusters import DEFAULT_REPLICAS, Cluster, running
from tests.tools.outcomes import ok
from tests.tools.small_cluster import until

pytestmark = pytest.mark.slow  # Pods that serve on for a while before they end are waited for
CHART = Path(__file__).parents[2] / "chart"
KUBECTL = Path(sysconfig.get_path("scripts")) / "kubectl"
# Seconds. The chart's own drain of 10 s is for a router that reloads every 5 s.
RELOAD, DRAIN = 1, 2
PODS = f"app.kubernetes.io/instance={PAGE}"


@contextlib.contextmanager
def busy_router(reload_interval: float = RELOAD) -> Iterator[Cluster]:
    """A cluster whose router waits out its interval before each reload."""
    with running(Options(reload_interval=reload_interval, busy=True)) as cluster:
        yield cluster


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with busy_router() as cluster:
        yield cluster


def show_page(cluster: Cluster, folder: Path, **values: str) -> None:
    """Send users to the page, made by the chart with these values."""
    chart = Path(shutil.copytree(CHART, folder / "chart"))
    file = chart / "values.yaml"
    text = file.read_text()
    for right, wrong in ({"drainSeconds: 10": f"drainSeconds: {DRAIN}"} | values).items():
        assert right in text
        text = text.replace(right, wrong)
    file.write_text(text)
    ok(cluster.run("build-and-deploy", DEFAULT_REPLICAS, chart=chart))
    ok(cluster.run("deploy-route", {"PROBES": "false"}))


def kubectl(cluster: Cluster, *arguments: str) -> subprocess.Popen[str]:
    environment = {"KUBECONFIG": str(cluster.inside.admin_kubeconfig()), "HOME": str(cluster.inside.folder)}
    return subprocess.Popen(
        [KUBECTL, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finished(command: subprocess.Popen[str]) -> str:
    """Wait until a command is through; return what it printed."""
    output, _ = command.communicate(timeout=60)
    assert command.returncode == 0, output
    return output


def pods(cluster: Cluster) -> list[Object]:
    found = cluster.call(cluster.store.list, "pods", manifests.NAMESPACE)
    return [pod for pod in found if pod["metadata"]["labels"].get("app.kubernetes.io/instance") == PAGE]


def statuses(answers: list[Answer]) -> Counter[int]:
    return Counter(answer.status for answer in answers)


def restart(cluster: Cluster) -> list[Answer]:
    """Replace all Pods of the page under load; return what users were answered until the old ones were gone."""
    old = {pod["metadata"]["name"] for pod in pods(cluster)}
    with cluster.users(rate=100) as answers:
        finished(kubectl(cluster, "rollout", "restart", f"deployment/{PAGE}"))
        cluster.do(until(lambda: not old & {pod["metadata"]["name"] for pod in cluster.store.list("pods")}))
    return answers


def test_a_rolling_restart_loses_no_request(cluster: Cluster, tmp_path: Path) -> None:
    show_page(cluster, tmp_path)
    assert len(pods(cluster)) == 2
    answers = restart(cluster)
    assert set(statuses(answers)) == {200}
    assert len(answers) > 100 * DRAIN


def test_without_the_drain_a_rolling_restart_loses_requests(tmp_path: Path) -> None:
    """Of two Pods the router may have got to know the first new one in time: of a single one it cannot."""
    with busy_router(reload_interval=4) as cluster:
        show_page(cluster, tmp_path, **{"drainSeconds: 10": "drainSeconds: 0", "replicas: 2": "replicas: 1"})
        assert any(set(statuses(restart(cluster))) > {200} for _ in range(3))


def drain(cluster: Cluster) -> subprocess.Popen[str]:
    cluster.call(cluster.store.create, "nodes", {"metadata": {"name": "node-1"}}, manager="test")
    flags = ("--ignore-daemonsets", "--delete-emptydir-data", f"--pod-selector={PODS}")
    return kubectl(cluster, "drain", "node-1", *flags)


def test_a_drain_of_the_only_node_leaves_a_pod_until_another_node_takes_one(cluster: Cluster, tmp_path: Path) -> None:
    show_page(cluster, tmp_path)
    with cluster.users(rate=100) as answers:
        draining = drain(cluster)
        cluster.do(until(lambda: "Unschedulable" in str(cluster.store.list("pods", manifests.NAMESPACE))))
        time.sleep(DRAIN + 2 * RELOAD)
        assert draining.poll() is None
        assert len([pod for pod in pods(cluster) if pod["status"]["phase"] == "Running"]) == 1
        cluster.call(cluster.store.create, "nodes", {"metadata": {"name": "node-2"}}, manager="test")
        output = finished(draining)
    assert "Cannot evict pod as it would violate the pod's disruption budget" in output
    assert set(statuses(answers)) == {200}


def test_without_a_budget_a_drain_takes_both_pods_and_users_meet_nobody(cluster: Cluster, tmp_path: Path) -> None:
    show_page(cluster, tmp_path, **{"enabled: true": "enabled: false"})
    assert cluster.find(BUDGETS[1], PAGE) is None
    with cluster.users(rate=100) as answers:
        finished(drain(cluster))
        time.sleep(2 * RELOAD)
    assert statuses(answers)[503]


def test_a_single_replica_is_in_no_drain_s_way(cluster: Cluster, tmp_path: Path) -> None:
    show_page(cluster, tmp_path, **{"replicas: 2": "replicas: 1"})
    budget = cluster.find(BUDGETS[1], PAGE)
    assert budget is not None
    assert budget["status"]["disruptionsAllowed"] == 1
    finished(drain(cluster))

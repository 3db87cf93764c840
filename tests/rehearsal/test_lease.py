"""The Lease on the embedded API server: several clients, real processes, and a server in trouble."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from maintenance_ci.errors import ConflictError, ForbiddenError, MaintenanceError, TryAgainError
from maintenance_ci.kubeconfig import write_kubeconfig
from maintenance_ci.lease import LEASE, Holder, Lease, held, new_lease
from maintenance_ci.openshift import OpenShift
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.rights import User
from maintenance_ci.rehearsal.trouble import parse_trouble
from tests.rehearsal.conftest import QUICK, Cluster, running, start_alone

# Quick, and with room for a machine that is busy: the holder gives up after 2.7 s, others take it after 3.
DURATION, RENEW_EVERY = 3.0, 0.3
YEAR_AHEAD = datetime.now(UTC) + timedelta(days=365)
URL = "https://gitlab.example.test/ops/maintenance/-/pipelines"

HOLD = """
import signal, sys, time
from maintenance_ci.interruption import interrupt_on_sigterm
from maintenance_ci.lease import Holder, held
from maintenance_ci.openshift import OpenShift
interrupt_on_sigterm()
cluster = OpenShift(sys.argv[1], "web")
with held(cluster, Holder(sys.argv[2], "deploy-route", ""), timeout=5, say=print, duration=3, renew_every=0.3):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    with running(QUICK) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: Cluster) -> Iterator[Cluster]:
    """Each test begins and ends without a Lease, and without trouble."""
    yield shared
    shared.call(shared.inside.troubles.clear)
    shared.inside.troubles.met.clear()
    left = lease_of(shared)
    if left:
        shared.call(shared.store.delete, "leases", manifests.NAMESPACE, LEASE)
    assert left is None


@pytest.fixture
def config(cluster: Cluster, tmp_path: Path) -> str:
    inside = cluster.inside
    ca = inside.ca_file.read_text()
    return str(write_kubeconfig(tmp_path, url=inside.server.url, token=inside.token, namespace="web", ca=ca))


@pytest.fixture
def client(config: str) -> Iterator[OpenShift]:
    with contextlib.closing(OpenShift(config, manifests.NAMESPACE)) as client:
        yield client


@pytest.fixture
def other(config: str) -> Iterator[OpenShift]:
    with contextlib.closing(OpenShift(config, manifests.NAMESPACE)) as client:
        yield client


def pipeline(number: int | str, job: str = "deploy-route") -> Holder:
    return Holder(str(number), job, f"{URL}/{number}")


def taking(
    client: OpenShift, holder: Holder, say: Callable[[str], None] = print, timeout: float = 20
) -> contextlib.AbstractContextManager[Lease]:
    return held(client, holder, timeout=timeout, say=say, duration=DURATION, renew_every=RENEW_EVERY)


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


def taken_by_another(cluster: Cluster) -> None:
    """Write the Lease as a pipeline 99 that has taken it over."""
    found = lease_of(cluster)
    assert found is not None
    theirs = new_lease(pipeline(99), "pipeline-99/deploy-route/x", duration=30, now=YEAR_AHEAD)
    taken = found | {"metadata": found["metadata"] | theirs["metadata"], "spec": theirs["spec"]}
    cluster.call(cluster.store.update, "leases", taken, manager="another")


def release_of_another(cluster: Cluster) -> None:
    assert spec_of(cluster)["holderIdentity"] == "pipeline-99/deploy-route/x"
    cluster.call(cluster.store.delete, "leases", manifests.NAMESPACE, LEASE)


def wait_until(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def require_lost(lease: Lease, seconds: float = 10) -> str:
    """Wait until the Lease is lost, and return what is said then."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            lease.require()
        except MaintenanceError as error:
            assert type(error) is MaintenanceError
            assert error.advice == "Run the job again: it goes on from what it finds."
            return error.what
        time.sleep(0.02)
    raise AssertionError(f"not lost within {seconds} s")


# ── Held, renewed, released ──────────────────────────────────────────────────────────────────────────────────────────


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


# ── One at a time ────────────────────────────────────────────────────────────────────────────────────────────────────


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


def test_ten_pipelines_are_in_the_namespace_one_after_the_other(cluster: Cluster, config: str, tmp_path: Path) -> None:
    assert count_together(config, tmp_path / "counter", exclusive=True) == 10


def test_without_the_lease_they_are_not(cluster: Cluster, config: str, tmp_path: Path) -> None:
    assert count_together(config, tmp_path / "counter", exclusive=False) < 10


def test_who_waits_is_told_for_whom(cluster: Cluster, client: OpenShift, other: OpenShift) -> None:
    said: list[str] = []
    with taking(client, pipeline(1)):
        since = spec_of(cluster)["acquireTime"]
        began = time.monotonic()
        with pytest.raises(TryAgainError) as refused, taking(other, pipeline(2), said.append, timeout=DURATION + 1):
            raise AssertionError("two at once")
        assert time.monotonic() - began < DURATION + 3
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


# ── A holder that died ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("dead", "ours", "at_least", "within"),
    [
        (pipeline(1), pipeline(1), 0.0, 0.5),
        (pipeline(1, "delete"), pipeline(1), 2 * RENEW_EVERY, 2 * RENEW_EVERY + 1.5),
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
        assert at_least <= time.monotonic() - left <= within
        lease.require()
        spec = spec_of(cluster)
        assert spec["leaseTransitions"] == 1
        assert spec["acquireTime"] < YEAR_AHEAD.isoformat()
    assert said[-1].startswith(f"took over the Lease {LEASE} of ")


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
    output, _ = process.communicate(timeout=10)
    assert "KeyboardInterrupt" in output
    assert lease_of(cluster) is None


def test_a_killed_job_leaves_it_and_another_pipeline_takes_it_over(
    cluster: Cluster, client: OpenShift, process: subprocess.Popen[str]
) -> None:
    process.kill()
    process.wait(timeout=10)
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


# ── Lost ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_lease_that_another_took_is_lost_and_stays_theirs(cluster: Cluster, client: OpenShift) -> None:
    said: list[str] = []
    with taking(client, pipeline(1), said.append) as lease:
        lease.require()
        taken_by_another(cluster)
        lost = require_lost(lease)
        assert f"is lost: it is held by job deploy-route of pipeline 99 ({URL}/99)" in lost
        assert lost.endswith("This job changes nothing further.")
        time.sleep(3 * RENEW_EVERY)
        require_lost(lease)  # and it stays lost
    release_of_another(cluster)
    assert said == []


def test_a_lease_that_another_took_since_the_last_renewal_is_not_deleted(cluster: Cluster, client: OpenShift) -> None:
    with held(client, pipeline(1), timeout=5, say=print):  # renewed every 5 s: it knows of nothing
        taken_by_another(cluster)
    release_of_another(cluster)


def test_a_lease_deleted_by_hand_is_created_again(cluster: Cluster, client: OpenShift) -> None:
    said: list[str] = []
    with taking(client, pipeline(1), said.append) as lease:
        identity = spec_of(cluster)["holderIdentity"]
        cluster.call(cluster.store.delete, "leases", manifests.NAMESPACE, LEASE)
        wait_until(lambda: lease_of(cluster))
        assert spec_of(cluster)["holderIdentity"] == identity
        renewed = spec_of(cluster)["renewTime"]
        wait_until(lambda: spec_of(cluster)["renewTime"] != renewed)
        lease.require()
    assert said == [f"somebody deleted the Lease {LEASE}; it is created again"]


def test_a_note_on_the_lease_is_no_loss(cluster: Cluster, client: OpenShift) -> None:
    expect(cluster, f"PUT leases/{LEASE} #2: rewrite")
    with taking(client, pipeline(1)) as lease:
        wait_until(lambda: cluster.inside.troubles.met)
        renewed = spec_of(cluster)["renewTime"]
        wait_until(lambda: spec_of(cluster)["renewTime"] != renewed)
        lease.require()


# ── A server in trouble ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("trouble", ["503", "429", "reset", "html", "reset after"])
def test_renewals_survive_a_server_that_is_away_for_a_moment(cluster: Cluster, client: OpenShift, trouble: str) -> None:
    said: list[str] = []
    expect(cluster, f"PUT leases: {trouble} x3")
    with taking(client, pipeline(1), said.append) as lease:
        wait_until(lambda: len(cluster.inside.troubles.met) == 3)
        lease.require()
        renewed = spec_of(cluster)["renewTime"]
        wait_until(lambda: spec_of(cluster)["renewTime"] != renewed)
        lease.require()
    assert [text for text in said if "could not be renewed; trying again." in text]
    assert len(said) <= 3


def test_a_renewal_that_is_not_answered_is_sent_again_by_a_client_of_little_patience(
    cluster: Cluster, config: str
) -> None:
    expect(cluster, "PUT leases: silence")
    with (
        contextlib.closing(OpenShift(config, manifests.NAMESPACE, timeout=0.5)) as client,
        taking(client, pipeline(1)) as lease,
    ):
        began = time.monotonic()
        while time.monotonic() < began + DURATION:
            lease.require()
            time.sleep(0.05)


@pytest.mark.slow
def test_a_server_that_stays_away_loses_the_lease_and_the_body_is_told(cluster: Cluster, client: OpenShift) -> None:
    said: list[str] = []
    expect(cluster, f"leases/{LEASE}: 503 always")
    with pytest.raises(ValueError, match="own end"), taking(client, pipeline(1), said.append) as lease:
        began = time.monotonic()
        assert "is lost: it was not renewed for 3 s, so that others may take it" in require_lost(lease)
        assert DURATION - 2 * RENEW_EVERY < time.monotonic() - began < DURATION
        raise ValueError("the body's own end")
    assert "could not be renewed; trying again." in said[0]
    assert len(said) == 2
    assert said[1].startswith("The cluster cannot answer now (HTTP 503)")
    assert said[1].endswith(
        f"The Lease {LEASE} could not be released: others take it when it has not been renewed for 3 s."
    )
    cluster.call(cluster.store.delete, "leases", manifests.NAMESPACE, LEASE)


@pytest.mark.parametrize("trouble", ["reset after", "html after", "503", "reset"])
def test_an_answer_to_the_creation_that_is_lost(cluster: Cluster, client: OpenShift, trouble: str) -> None:
    expect(cluster, f"POST leases: {trouble}")
    began = time.monotonic()
    with taking(client, pipeline(1)) as lease:
        assert time.monotonic() - began < DURATION / 2  # known for ours, not waited for
        lease.require()
        assert spec_of(cluster)["leaseTransitions"] == 0


def test_an_answer_to_the_take_over_that_is_lost(cluster: Cluster, client: OpenShift) -> None:
    leave_dead(cluster, pipeline(1))
    expect(cluster, "PUT leases: reset after")
    with taking(client, pipeline(1)) as lease:
        lease.require()
        assert spec_of(cluster)["leaseTransitions"] == 1


@pytest.mark.parametrize("trouble", ["DELETE leases: reset after", "DELETE leases: 503", "DELETE leases: rewrite"])
def test_a_release_in_trouble_leaves_nothing(cluster: Cluster, client: OpenShift, trouble: str) -> None:
    expect(cluster, trouble)
    with taking(client, pipeline(1)):
        pass
    assert cluster.inside.troubles.met
    assert lease_of(cluster) is None


@pytest.mark.slow
def test_a_renewal_under_way_at_the_end_leaves_nothing(cluster: Cluster, client: OpenShift) -> None:
    """Its request arrives after the release; it must not bring the Lease back."""
    expect(cluster, "PUT leases: delay 2.6")
    with held(client, pipeline(1), timeout=5, say=print, renew_every=RENEW_EVERY):
        wait_until(lambda: cluster.inside.troubles.met)
    assert lease_of(cluster) is None
    time.sleep(1.5)
    assert not [thread for thread in threading.enumerate() if thread.name == "lease"]
    assert lease_of(cluster) is None


def test_a_renewal_whose_answer_was_lost_before_the_end_leaves_nothing(cluster: Cluster, client: OpenShift) -> None:
    expect(cluster, "PUT leases: reset after always")
    with taking(client, pipeline(1)):
        wait_until(lambda: len(cluster.inside.troubles.met) >= 2)
    assert lease_of(cluster) is None


@pytest.mark.slow
def test_a_cluster_that_is_away_ends_the_wait_early(cluster: Cluster, client: OpenShift) -> None:
    expect(cluster, "leases: 503 always")
    began = time.monotonic()
    with pytest.raises(TryAgainError, match="HTTP 503"), taking(client, pipeline(1), timeout=60):
        raise AssertionError("without a Lease")
    assert time.monotonic() - began < 20


def test_a_token_without_the_right_is_told_so(cluster: Cluster, tmp_path: Path) -> None:
    inside = cluster.inside
    users = inside.server.users
    assert isinstance(users, dict)
    rules = [rule for rule in users[inside.token].roles["web"] if "leases" not in rule["resources"]]
    users["no-leases"] = User("system:serviceaccount:web:old", roles={"web": rules})
    ca = inside.ca_file.read_text()
    config = write_kubeconfig(tmp_path, url=inside.server.url, token="no-leases", namespace="web", ca=ca)
    said: list[str] = []
    with contextlib.closing(OpenShift(str(config), "web")) as client:
        assert client.get("routes", "shop")
        with pytest.raises(ForbiddenError) as refused, taking(client, pipeline(1), said.append):
            raise AssertionError("without a Lease")
    assert "leases" in refused.value.what
    assert "docs/service-account.yaml" in refused.value.advice
    assert said == []

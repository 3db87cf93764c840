"""A Lease that is lost, and one that stays although the server is in trouble."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

import pytest

from maintenance_ci.cluster.kubeconfig import write_kubeconfig
from maintenance_ci.cluster.openshift import OpenShift
from maintenance_ci.errors import ForbiddenError, MaintenanceError, NotNowError, TryAgainError
from maintenance_ci.names import LEASE
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.rights import User
from maintenance_ci.run.lease import Lease, new_lease
from tests.jobs.lease.leases import (
    DURATION,
    RENEW_EVERY,
    URL,
    YEAR_AHEAD,
    expect,
    lease_of,
    leave_dead,
    pipeline,
    spec_of,
    taking,
    wait_until,
)
from tests.tools.busy_machine import require_at_most
from tests.tools.clusters import Cluster


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


def require_lost(lease: Lease, seconds: float = 60, *, kind: type[MaintenanceError] = MaintenanceError) -> str:
    """Wait until the Lease is lost, for good or as far as is known, and return what is said then."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            lease.require()
        except MaintenanceError as error:
            assert type(error) is kind
            assert error.next_step == "Run the job again. It goes on from what it finds."
            return error.what
        time.sleep(0.02)
    raise AssertionError(f"not lost within {seconds} s")


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
    with Lease(client, pipeline(1), say=print).holding(5):  # renewed every 5 s: it knows of nothing
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
    with taking(client, pipeline(1), said.append, duration=5 * DURATION) as lease:  # a machine may stall as well
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
def test_a_server_that_stays_away_lets_nothing_be_changed_and_the_body_is_told(
    cluster: Cluster, client: OpenShift
) -> None:
    said: list[str] = []
    expect(cluster, f"leases/{LEASE}: 503 always")
    with pytest.raises(ValueError, match="own end"), taking(client, pipeline(1), said.append) as lease:
        began = time.monotonic()
        told = require_lost(lease, kind=NotNowError)
        assert told.endswith("was not renewed for 3 s, so that others may take it: nothing is changed now.")
        lasted = time.monotonic() - began
        assert lasted > DURATION - 2 * RENEW_EVERY
        require_at_most(lasted, DURATION, "until the holder gives up")
        raise ValueError("the body's own end")
    assert "could not be renewed; trying again." in said[0]
    assert len(said) == 2
    assert said[1].startswith("The cluster cannot answer now (HTTP 503)")
    assert said[1].endswith(
        f"The Lease {LEASE} could not be released: others take it when it has not been renewed for 3 s."
    )
    cluster.call(cluster.store.delete, "leases", manifests.NAMESPACE, LEASE)


@pytest.mark.slow
@pytest.mark.parametrize("taken", [False, True])
def test_a_server_that_is_back_tells_whose_it_is(cluster: Cluster, client: OpenShift, taken: bool) -> None:
    expect(cluster, f"PUT leases/{LEASE}: 503 always")
    with taking(client, pipeline(1)) as lease:
        require_lost(lease, kind=NotNowError)
        if taken:
            taken_by_another(cluster)
        cluster.call(cluster.inside.troubles.clear)
        if taken:
            wait_until(lambda: lease._lost_to)
            assert "is lost: it is held by job deploy-route of pipeline 99" in require_lost(lease)
        else:
            wait_until(lambda: not lease._is_stale())
            lease.require()
    if taken:
        release_of_another(cluster)


@pytest.mark.parametrize("trouble", ["reset after", "html after", "503", "reset"])
def test_an_answer_to_the_creation_that_is_lost(cluster: Cluster, client: OpenShift, trouble: str) -> None:
    expect(cluster, f"POST leases: {trouble}")
    began = time.monotonic()
    with taking(client, pipeline(1)) as lease:
        require_at_most(time.monotonic() - began, DURATION / 2, "a Lease that is known for ours, and not waited for")
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
    with Lease(client, pipeline(1), say=print, renew_every=RENEW_EVERY).holding(5):
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
    require_at_most(time.monotonic() - began, 20, "a wait that ends early")


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

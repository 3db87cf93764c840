"""Who may take whose Lease, and what is written; what the cluster makes of it is in tests/jobs/lease."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from maintenance_ci.cluster.kubeconfig import write_kubeconfig
from maintenance_ci.cluster.openshift import OpenShift
from maintenance_ci.errors import MaintenanceError
from maintenance_ci.run import lease as run_lease
from maintenance_ci.run.lease import (
    DURATION,
    RENEW_EVERY,
    Holder,
    Lease,
    describe,
    holder_of,
    new_lease,
    observe,
    patience,
    renewed,
    taken_over,
)
from tests.tools.misbehaving_server import head, serving

NOW = datetime(2026, 11, 23, 6, 0, 0, 0, tzinfo=UTC)
HOLDER = Holder("7", "deploy-route", "https://gitlab.example.test/ops/-/pipelines/7")
TERMINAL = Holder("", "deploy-route", "")


def lease_of(
    holder: Holder = HOLDER, *, identity: str = "theirs", duration: float = 30, version: int = 5
) -> dict[str, Any]:
    lease = new_lease(holder, identity, duration=duration, now=NOW)
    return lease | {"metadata": lease["metadata"] | {"uid": "u", "resourceVersion": str(version)}}


@pytest.mark.parametrize("theirs", [HOLDER, replace(HOLDER, job="delete"), replace(HOLDER, pipeline="8"), TERMINAL])
def test_how_long_a_lease_must_be_unchanged(theirs: Holder) -> None:
    """Our own as well: its first run believes to hold it until shortly before."""
    assert patience(lease_of(theirs)) == DURATION == 30
    assert DURATION - RENEW_EVERY == 25  # when the holder itself changes nothing further


def test_the_lease_itself_says_how_long_its_holder_may_be_silent() -> None:
    assert patience(lease_of(TERMINAL, duration=60)) == 60
    assert patience({"metadata": {}, "spec": {}}) == DURATION


def test_a_lease_is_observed_from_its_last_change_on() -> None:
    first = observe(None, lease_of(version=5), 100.0)
    assert first.since == 100.0
    assert observe(first, lease_of(version=5), 120.0).since == 100.0
    assert observe(first, lease_of(version=6), 120.0).since == 120.0
    made_anew = lease_of(version=5)
    made_anew["metadata"]["uid"] = "other"
    assert observe(first, made_anew, 120.0).since == 120.0


def test_a_wrong_clock_of_the_holder_does_not_matter() -> None:
    long_ago = renewed(lease_of(), NOW - timedelta(days=365))
    assert observe(None, long_ago, 100.0).since == 100.0


def test_what_is_written() -> None:
    spec = new_lease(HOLDER, "pipeline-7/deploy-route/0a", duration=1.5, now=NOW)["spec"]
    assert spec["holderIdentity"] == "pipeline-7/deploy-route/0a"
    assert spec["leaseDurationSeconds"] == 2  # whole seconds, never fewer than the holder counts with
    for name in ("acquireTime", "renewTime"):
        assert re.fullmatch(r"2026-11-23T06:00:00\.000000Z", spec[name])
    assert holder_of(new_lease(HOLDER, "x", duration=30, now=NOW)) == HOLDER


def test_a_renewal_changes_the_time_alone() -> None:
    before = lease_of()
    after = renewed(before, NOW + timedelta(seconds=5))
    assert after["spec"].pop("renewTime") == "2026-11-23T06:00:05.000000Z"
    del before["spec"]["renewTime"]
    assert after == before


def test_a_take_over_names_the_version_and_counts() -> None:
    theirs = lease_of(replace(HOLDER, pipeline="8"))
    ours = new_lease(HOLDER, "ours", duration=30, now=NOW)
    taken = taken_over(theirs, ours)
    assert (taken["metadata"]["uid"], taken["metadata"]["resourceVersion"]) == ("u", "5")
    assert (taken["spec"]["holderIdentity"], taken["spec"]["leaseTransitions"]) == ("ours", 1)
    assert holder_of(taken) == HOLDER
    again = taken_over(taken, ours)
    assert again["spec"]["leaseTransitions"] == 1  # it was ours already
    foreign = {"metadata": {"uid": "u", "resourceVersion": "5"}}
    assert taken_over(foreign, ours)["spec"]["leaseTransitions"] == 1


@pytest.mark.parametrize(
    ("lease", "said"),
    [
        (lease_of(), f"job deploy-route of pipeline 7 ({HOLDER.url}), since 2026-11-23T06:00:00.000000Z"),
        (lease_of(replace(HOLDER, url="")), "job deploy-route of pipeline 7, since 2026-11-23T06:00:00.000000Z"),
        (lease_of(TERMINAL, identity="terminal/x/1"), "terminal/x/1, since 2026-11-23T06:00:00.000000Z"),
        ({"metadata": {}}, "somebody, since an unknown time"),
    ],
)
def test_who_holds_it(lease: dict[str, Any], said: str) -> None:
    assert describe(lease) == said


def refusal(status: int) -> bytes:
    body = json.dumps({"kind": "Status", "message": "no"}).encode()
    return head(status, Content_Type="application/json", Content_Length=str(len(body))) + body


def said_at_the_end(folder: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what a job says that wants the Lease of a cluster, and does not get it."""
    monkeypatch.setattr(run_lease, "AWAY", 0.2)
    said: list[str] = []
    config = write_kubeconfig(folder, url=f"http://127.0.0.1:{port}", token="sha256~t", namespace="web")
    with (
        contextlib.closing(OpenShift(str(config), "web", timeout=0.5)) as cluster,
        pytest.raises(MaintenanceError),
        Lease(cluster, HOLDER, say=said.append, renew_every=0.1).holding(60),
    ):
        raise AssertionError("it has the Lease")
    return " ".join(said)


def test_where_no_request_gets_to_the_cluster_there_is_no_lease_to_be_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = said_at_the_end(tmp_path, 1, monkeypatch)
    assert "cannot be reached" in said
    assert "released" not in said


@pytest.mark.parametrize(("status", "released"), [(400, False), (401, False), (403, False), (503, True)])
def test_a_lease_that_may_be_ours_is_released_and_one_that_was_refused_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, released: bool
) -> None:
    """After a 503 nobody knows whether the server made it."""
    with serving(refusal(status)) as (port, requests):
        said = said_at_the_end(tmp_path, port, monkeypatch)
    assert requests
    assert ("could not be released" in said) == released

"""The matrices' own checks: each finds what it looks for, where that is there."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.router.haproxy import HAProxy
from maintenance_ci.rehearsal.router.haproxy_config import CONFIG
from maintenance_ci.rehearsal.users import Answer
from tests.jobs.switches.pods import accept_new_pods, scale
from tests.matrices.harness import Matrix, require_as_before
from tests.matrices.stage import Stage, Step, bare_stage, changes, harm, picture
from tests.matrices.totals import summary
from tests.tools.clusters import Job


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What differs here differs for good."""
    monkeypatch.setattr("tests.matrices.stage.SETTLED", 0.2)


@pytest.fixture(scope="module")
def on() -> Iterator[Stage]:
    with bare_stage() as it:
        yield it


def test_a_leftover_is_found(on: Stage) -> None:
    left = {"metadata": {"name": "left", "namespace": manifests.NAMESPACE}}
    on.cluster.call(on.cluster.store.create, "leases", left, manager="test")
    assert on.differs() == ["leases/left is left"]
    on.cluster.call(on.cluster.store.delete, "leases", manifests.NAMESPACE, "left")
    require_as_before(on)


@pytest.mark.parametrize("part", ["labels", "annotations", "spec"])
def test_a_changed_route_is_found(on: Stage, part: str) -> None:
    live = on.cluster.find("routes", manifests.APPLICATION)
    assert live is not None
    if part == "spec":
        changed = live | {"spec": live["spec"] | {"to": live["spec"]["to"] | {"weight": 99}}}
    else:
        changed = live | {"metadata": live["metadata"] | {part: {"touched": "yes"}}}
    changed = on.cluster.call(on.cluster.store.update, "routes", changed, manager="test")
    [found] = on.differs()
    assert found.startswith("routes/shop: ." + ("spec.to.weight" if part == "spec" else f"metadata.{part}"))
    now = on.cluster.find("routes", manifests.APPLICATION)
    assert now is not None
    back = now | {"spec": live["spec"], "metadata": now["metadata"] | {part: live["metadata"].get(part)}}
    on.cluster.call(on.cluster.store.update, "routes", back, manager="test")
    require_as_before(on)


def test_what_is_gone_is_found() -> None:
    there = picture({("routes", "shop"): {"metadata": {"name": "shop"}}})
    assert changes(there, {}) == ["routes/shop is gone"]
    assert changes(there, there) == []


def test_a_pod_that_ends_is_none() -> None:
    pod = {"metadata": {"name": "a", "deletionTimestamp": "2026-11-23T00:00:00Z"}}
    assert picture({("pods", "a"): pod}) == {}


def test_harmed_users_are_found() -> None:
    answers = [
        Answer(0.0, "/", False, 200, "application", None, 0.1),
        Answer(0.0, "/", False, 503, "router", None, 0.1),
        Answer(0.0, "/", True, None, "nobody", "reset", 0.1),
    ]
    assert harm(answers[:1]) == []
    assert harm(answers) == [
        "1 users got 503 from router, first / at 0.00 s, answered after 0.10 s, on a new connection",
        "1 users got reset from nobody, first / at 0.00 s, answered after 0.10 s, on a kept-alive connection",
    ]


def test_an_answer_under_way_counts_for_whoever_asks_now(on: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The router answers for a Pod that has gone after three seconds, where it does not know yet that it has."""
    reload = HAProxy.reload

    async def late(self: HAProxy, files: dict[str, str]) -> None:
        if "server pod:shop" not in files[CONFIG]:
            await asyncio.sleep(0.5)
        await reload(self, files)

    monkeypatch.setattr(HAProxy, "reload", late)
    scale(on, "shop", 0)
    scale(on, "shop", 1)
    accept_new_pods(on)
    deadline = time.monotonic() + 20
    while not any(one.status == 503 and one.latency > 3 for one in on.crowd._users.answers):
        assert time.monotonic() < deadline, "no request was under way to the Pod that had gone: nothing was tried"
        on.crowd.served_by()
    assert on.crowd.harmed() == []


@pytest.mark.parametrize("line", ["Traceback (most recent call last):", "a secret: {token}", "a key: {key}"])
def test_what_no_log_may_hold_is_found(on: Stage, line: str) -> None:
    line = line.format(token=on.cluster.inside.job_token, key=on.key.splitlines()[1])
    with pytest.raises(AssertionError):
        on.told(Job(0, [line]))
    assert on.told(Job(0, ["all is well"])).code == 0


def test_a_job_inside_of_this_process_leaves_it_as_it_was(on: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    before = dict(os.environ), Path.cwd(), signal.getsignal(signal.SIGTERM)
    done = on.run("deploy-route", {"ROUTE_NAME": "not a name"})
    assert done.code == 2
    assert "ROUTE_NAME" in done.log
    assert (dict(os.environ), Path.cwd(), signal.getsignal(signal.SIGTERM)) == before
    assert capsys.readouterr().out == ""


def test_a_case_that_fails_is_counted_and_the_next_one_has_a_new_stage() -> None:
    stages = []

    def spoil(on: Stage) -> str:
        stages.append(on)
        on.cluster.call(on.cluster.store.delete, "services", manifests.NAMESPACE, "shop")
        return "spoilt"

    def look(on: Stage) -> str:
        stages.append(on)
        time.sleep(0.1)
        return "well"

    it = Matrix("test", bare_stage)
    it.play([("first", look), ("second", look), ("third", spoil), ("fourth", look)])
    it.close()
    assert it.totals.cases == 4
    assert it.totals.outcomes == {"well": 3, "FAILED": 1}
    [failure] = it.totals.failures
    assert failure.startswith("third: not as before: ")
    assert "services/shop is gone" in failure
    assert [one is stages[0] for one in stages] == [True, True, True, False]
    assert it.totals.requests > 5


def test_only_what_changes_something_is_a_change() -> None:
    paths = {
        ("PATCH", "/apis/route.openshift.io/v1/namespaces/web/routes/shop?fieldManager=x"): True,
        ("PATCH", "/apis/route.openshift.io/v1/namespaces/web/routes/shop?fieldManager=x&dryRun=All"): False,
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"): False,
        ("GET", "/api/v1/namespaces/web/secrets"): False,
        ("DELETE", "/api/v1/namespaces/web/secrets/a"): True,
    }
    assert {key: Step("ours", *key, 1).changes for key in paths} == paths


def test_totals_are_summed_up_by_matrix() -> None:
    part = {"matrix": "crashes", "cases": 2, "failures": 0, "outcomes": {"exit 0": 2}, "requests": 10}
    other = {"matrix": "faults", "cases": 1, "failures": 1, "outcomes": {"FAILED": 1}, "requests": 5}
    more = part | {"outcomes": {"exit 0": 1, "exit 1": 1}}
    assert summary([part, other, more]) == [
        "crashes: 4 cases, 0 failed; exit 0: 3, exit 1: 1; 20 requests of users",
        "faults: 1 cases, 1 failed; FAILED: 1; 5 requests of users",
    ]

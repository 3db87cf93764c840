"""What a job waits for, or does not: users who see the switch, an application that is up, another job's Lease."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import trustme

from maintenance_ci.names import LEASE, TOUCHED_ANNOTATION
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.trouble import Trouble
from maintenance_ci.run.lease import Holder, new_lease
from tests.jobs.switches.pods import accept_new_pods, scale
from tests.jobs.switches.scene import CART, SOON, WAYS, WHOLE, as_before, live, patient_stages
from tests.matrices.stage import SHOWN, Stage, Variables, changes, stage
from tests.tools.clusters import QUICK

# All ways in `make test-all`, one in `make test`.
EACH = pytest.mark.parametrize(
    "way", ["repoint", *(pytest.param(way, marks=pytest.mark.slow) for way in WAYS if way != "repoint")]
)
BLIND: dict[str, Callable[[], Variables]] = {
    "no CA": lambda: {"PUBLIC_CA": None},
    "another CA": lambda: {"PUBLIC_CA": trustme.CA().cert_pem.bytes().decode()},
    "nobody there": lambda: {"PUBLIC_ADDRESS": "https://127.0.0.1:1"},
}
WHY = {
    "no CA": "certificate verify failed",
    "another CA": "certificate verify failed",
    "nobody there": "connection refused",
}


@pytest.mark.parametrize(
    "why", ["no CA", *(pytest.param(why, marks=pytest.mark.slow) for why in ("another CA", "nobody there"))]
)
def test_a_runner_that_cannot_see_the_site_waits_instead(on: Stage, why: str) -> None:
    blind = WAYS["swap"] | BLIND[why]()
    for job, who in (("deploy-route", SHOWN), ("delete", "application")):
        done = on.ok(job, blind)
        assert re.search(
            rf"cannot see https://shop\S+ \({WHY[why]}.*\): waited (0\.9|[1-9]\.\d) s instead", done.log
        ), done.log
        assert on.crowd.served_by() == {who}


@pytest.mark.slow
def test_probes_can_be_switched_off(on: Stage) -> None:
    off = WAYS["repoint"] | {"PROBES": "false"}
    for job, who in (("deploy-route", SHOWN), ("delete", "application")):
        done = on.ok(job, off)
        assert "0.9 s: one reload interval (0.3 s) and a margin" in done.log
        assert "is answered by" not in done.log
        assert on.crowd.served_by() == {who}


@EACH
def test_an_application_that_is_not_up_does_not_come_back(on: Stage, way: str) -> None:
    on.ok("deploy-route", WAYS[way])
    scale(on, "shop", 0)
    before = on.picture()
    refused = on.run("delete", WAYS[way])
    assert refused.code == 1, refused.log
    assert "Service shop has no ready endpoint" in refused.log
    assert "FORCE=endpoints" in refused.log
    assert changes(before, on.picture()) == []
    forced = (
        on.ok("delete", WAYS[way] | {"FORCE": "endpoints"} | SOON)
        if way == "path"
        else on.run("delete", WAYS[way] | {"FORCE": "endpoints", "PROBES": "false"})
    )
    assert forced.code == 0, forced.log
    assert "WARNING: forced, although users of Route shop will be answered 503" in forced.log
    scale(on, "shop", 1)
    accept_new_pods(on)


def other_lease() -> Holder:
    return Holder("42", "deploy-route", "https://gitlab.example.test/-/pipelines/42")


@pytest.mark.parametrize("job", ["deploy-route", pytest.param("delete", marks=pytest.mark.slow)])
def test_a_lease_that_is_not_free_in_time(on: Stage, job: str) -> None:
    theirs = new_lease(other_lease(), "theirs", duration=30, now=datetime.now(UTC))
    theirs["metadata"]["namespace"] = manifests.NAMESPACE
    on.cluster.call(on.cluster.store.create, "leases", theirs, manager="maintenance-ci")
    before = on.picture()
    busy = on.run(job, {"LEASE_TIMEOUT": "1"})
    assert busy.code == 75, busy.log
    assert "job deploy-route of pipeline 42 (https://gitlab.example.test/-/pipelines/42)" in busy.log
    assert "Nothing was changed." in busy.log
    assert changes(before, on.picture()) == []
    on.cluster.call(on.cluster.store.delete, "leases", manifests.NAMESPACE, LEASE)


@pytest.mark.slow
def test_a_job_waits_for_the_one_that_is_at_work(on: Stage) -> None:
    second: Variables = {"SUBPATH": CART, "CI_PIPELINE_ID": "2", "CI_PIPELINE_URL": "https://gitlab.example.test/2"}
    on.befall(Trouble("delay", "2", method="POST", path="/secrets$", client="ours"))
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(on.run_process, "deploy-route", WAYS["repoint"])
        while not on.cluster.inside.troubles.met:
            time.sleep(0.01)
        waiting = on.run_process("deploy-route", second)
        done = first.result(timeout=60)
    on.relieve()
    assert (done.code, waiting.code) == (0, 0), done.log + waiting.log
    assert "is held by job deploy-route of pipeline 1 (" in waiting.log
    assert "waiting until it is free" in waiting.log
    on.ok("delete", WAYS["repoint"])
    on.ok("delete", second)


@pytest.mark.slow
def test_a_router_that_overlooks_waiting_routes_is_nudged() -> None:
    forgetful = replace(QUICK, allow_wildcards=True, overlooks_freed_hosts=True)
    with patient_stages(lambda: stage(options=forgetful)) as stages, as_before(stages) as on:
        on.ok("deploy-route", WAYS["swap"])
        assert on.crowd.served_by() == {SHOWN}
        on.ok("delete", WAYS["swap"])
        nudged = [
            one.path for one in on.cluster.inside.server.requests if one.method == "PATCH" and "?" not in one.path
        ]
        assert {path.rpartition("/")[2] for path in nudged} == {WHOLE, "shop"}, "it needed no nudge: nothing was tried"
        assert TOUCHED_ANNOTATION not in live(on)["metadata"]["annotations"]
        on.crowd.harmed()  # until the nudge nobody is served: nothing but a look of the router itself would help

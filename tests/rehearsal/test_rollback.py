"""A switch that does not come is undone; a cancelled job leaves nothing; done means that users see it."""

from __future__ import annotations

import asyncio
import copy
import os
import re
import signal
import stat
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from maintenance_ci.admission import TOUCHED_ANNOTATION
from maintenance_ci.lease import LEASE, Holder, new_lease
from maintenance_ci.maintenance_route import maintenance_name
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.rights import User
from maintenance_ci.rehearsal.cluster import Options
from maintenance_ci.rehearsal.trouble import Trouble
from maintenance_ci.repoint import is_repointed
from tests.rehearsal.conftest import QUICK, Job
from tests.rehearsal.matrices.harness import Matrix
from tests.rehearsal.matrices.stage import DERIVED, SHOWN, Stage, Variables, changes, stage
from tests.rehearsal.test_strategies import as_before, live, meanwhile, patient_stages

WHOLE, CART = maintenance_name("shop", None), "/cart"
PART = maintenance_name("shop", CART)
WAYS: dict[str, Variables] = {
    "swap": {"ROUTE_STRATEGY": "swap"},
    "repoint": {"ROUTE_STRATEGY": "repoint"},
    "path": {"SUBPATH": CART},
}
APPLY = "?fieldManager=maintenance-ci&force=true"
# The request after which users meet the page.
SWITCH = {
    "swap": Trouble("delay", "2", method="DELETE", path="/routes/shop$", client="ours"),
    "repoint": Trouble("delay", "2", method="PATCH", path="/routes/shop$", client="ours"),
    "path": Trouble("delay", "2", method="PATCH", path=f"/routes/{PART}{APPLY}$", client="ours"),
}
SOON: Variables = {"ADMISSION_TIMEOUT": "2"}
# What a job believes of the router that reloads every other minute.
HOPEFUL: Variables = {"ADMISSION_TIMEOUT": "3", "ROUTER_RELOAD_INTERVAL": "0.3"}
# All ways in `make test-all`, one in `make test`.
EACH = pytest.mark.parametrize(
    "way", ["repoint", *(pytest.param(way, marks=pytest.mark.slow) for way in WAYS if way != "repoint")]
)


@pytest.fixture(scope="module")
def stages() -> Iterator[Matrix]:
    with patient_stages() as it:
        yield it


@pytest.fixture
def on(stages: Matrix) -> Iterator[Stage]:
    with as_before(stages) as on:
        yield on


@pytest.fixture
def sleepy() -> Iterator[Stage]:
    """A cluster whose router has just reloaded, and does so again in two minutes."""
    with patient_stages(lambda: stage(options=Options(reload_interval=120, busy=False))) as it, as_before(it) as on:
        yield on


def scale(on: Stage, name: str, replicas: int) -> None:
    """Scale, and wait until that many Pods are ready."""
    deployment = copy.deepcopy(on.cluster.find("deployments", name))
    assert deployment is not None
    deployment["spec"]["replicas"] = replicas
    on.cluster.call(on.cluster.store.update, "deployments", deployment, manager="somebody")
    deadline = time.monotonic() + 20
    while ready_endpoints(on, name) != replicas:
        assert time.monotonic() < deadline, f"{name} is not scaled to {replicas}"
        time.sleep(0.05)


def ready_endpoints(on: Stage, service: str) -> int:
    slices = on.cluster.call(on.cluster.store.list, "endpointslices", manifests.NAMESPACE)
    return sum(
        endpoint["conditions"].get("ready", False)
        for found in slices
        if found["metadata"]["labels"]["kubernetes.io/service-name"] == service
        for endpoint in found["endpoints"]
    )


def accept_new_pods(on: Stage) -> None:
    """Count the Pods that are there now as those that were there, and what users met as what they had to meet."""
    time.sleep(3 * QUICK.reload_interval)
    now = on.settled()
    on.before = {key: value for key, value in on.before.items() if key[0] not in DERIVED} | {
        key: value for key, value in now.items() if key[0] in DERIVED
    }
    on.crowd.harmed()


def rolled_back(on: Stage, done: Job) -> None:
    assert done.code == 1, done.log
    assert any(line.startswith("── Roll back") for line in done.lines)
    assert "It was rolled back" in done.lines[-1]
    assert not any("oc extract" in line for line in done.lines)
    assert [line for line in on.differs() if line.partition("/")[0] not in DERIVED] == []


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_page_that_dies_before_the_switch(on: Stage, way: str) -> None:
    done = meanwhile(on, SWITCH[way], lambda: scale(on, "maintenance-page", 0), "deploy-route", WAYS[way] | SOON)
    scale(on, "maintenance-page", 1)
    rolled_back(on, done)
    assert "Users do not meet the maintenance page: " in done.log
    assert "the router itself (503)" in done.log
    accept_new_pods(on)


@pytest.mark.slow
def test_an_application_that_was_down_before_is_no_failure_of_the_way_back(on: Stage) -> None:
    """It may be what the maintenance is for."""
    scale(on, "shop", 0)
    page_dies = meanwhile(
        on,
        SWITCH["repoint"],
        lambda: scale(on, "maintenance-page", 0),
        "deploy-route",
        WAYS["repoint"] | SOON | {"FORCE": "true"},
    )
    scale(on, "shop", 1)
    scale(on, "maintenance-page", 1)
    rolled_back(on, page_dies)
    accept_new_pods(on)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_router_that_does_not_follow(sleepy: Stage, way: str) -> None:
    reloads = len(sleepy.cluster.inside.router.reloads)
    done = sleepy.run("deploy-route", WAYS[way] | HOPEFUL)
    assert len(sleepy.cluster.inside.router.reloads) == reloads, "the router did reload: nothing was tried"
    rolled_back(sleepy, done)
    assert "the application (200)" in done.log


OC = """#!/bin/sh
# Does with kubectl what oc would do.
if [ "$1" = extract ]; then
    for word; do case "$word" in secret/*) name=${word#secret/};; --keys=*) key=${word#--keys=};; esac; done
    test "$3 $5" = "-n --to=-" || exit 9
    kubectl get secret "$name" -n "$4" -o "jsonpath={.data.$(printf %s "$key" | sed 's/[.]/\\\\./g')}" | base64 -d
else
    exec kubectl "$@"
fi
"""


def run_by_hand(on: Stage, done: Job, folder: Path) -> None:
    """Run the commands that a job told, as they stand, in a shell of somebody who may do everything."""
    (folder / "oc").write_text(OC)
    (folder / "oc").chmod(stat.S_IRWXU)
    search_path = os.pathsep.join([str(folder), sysconfig.get_path("scripts"), os.environ["PATH"]])
    kubeconfig = str(on.cluster.inside.admin_kubeconfig())
    environment = {"PATH": search_path, "KUBECONFIG": kubeconfig, "HOME": str(folder)}
    at = next(number for number, line in enumerate(done.lines) if line.startswith("To end the maintenance by hand"))
    commands = [line.strip() for line in done.lines[at + 1 :] if line.startswith("   oc ")]
    assert commands
    for command in commands:
        ran = subprocess.run(
            ["/bin/bash", "-o", "pipefail", "-c", command],
            env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"


class Rights:
    """What the pipeline's token may do; taken away, and given back."""

    def __init__(self, on: Stage) -> None:
        self._token, users = on.cluster.inside.token, on.cluster.inside.server.users
        assert isinstance(users, dict)
        self._users, self._plain = users, users[self._token]

    def __enter__(self) -> Rights:
        return self

    def __exit__(self, *_: object) -> None:
        self.give_back()

    def take(self, *verbs: str) -> None:
        """Let these verbs be forbidden on Routes."""
        rules = [
            rule if "routes" not in rule["resources"] else {**rule, "verbs": sorted({*rule["verbs"]} - {*verbs})}
            for rule in self._plain.roles[manifests.NAMESPACE]
        ]
        self._users[self._token] = User(self._plain.name, roles={manifests.NAMESPACE: rules})

    def give_back(self) -> None:
        self._users[self._token] = self._plain


def switched(on: Stage, way: str) -> bool:
    original = on.cluster.find("routes", "shop")
    if way == "swap":
        return original is None
    return is_repointed(original) if way == "repoint" else on.cluster.find("routes", PART) is not None


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_way_back_that_fails_is_told_as_commands_that_work(sleepy: Stage, way: str, tmp_path: Path) -> None:
    with Rights(sleepy) as rights:

        def take_when_switched() -> None:
            deadline = time.monotonic() + 30
            while not switched(sleepy, way):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            rights.take("create", "update", "patch", "delete")

        with ThreadPoolExecutor(1) as pool:
            taken = pool.submit(take_when_switched)
            done = sleepy.run("deploy-route", WAYS[way] | HOPEFUL)
            taken.result(timeout=40)
        assert done.code == 3, done.log
        assert "The way back failed, too" in done.log
        assert sleepy.cluster.find("leases", LEASE) is None
        assert changes(sleepy.before, sleepy.picture()) != []
        run_by_hand(sleepy, done, tmp_path)
        assert sleepy.differs() == []
    sleepy.ok("delete", WAYS[way] | HOPEFUL)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_so_is_a_delete_that_fails(on: Stage, way: str, tmp_path: Path) -> None:
    on.ok("deploy-route", WAYS[way])
    # The last request before the one that is refused: the rights are asked for at the beginning.
    hold = {
        "swap": Trouble("delay", "0.5", method="GET", path="/routes/shop$", client="ours", first=2),
        "repoint": Trouble("delay", "0.5", method="GET", path="/routes/shop$", client="ours"),
        "path": Trouble("delay", "0.5", method="GET", path="/endpointslices$", client="ours"),
    }
    with Rights(on) as rights:
        done = meanwhile(on, hold[way], lambda: rights.take("create", "patch", "delete"), "delete", WAYS[way])
        assert done.code == 1, done.log  # users meet the page, as before
        assert on.crowd.served_by(CART) == {SHOWN}
        run_by_hand(on, done, tmp_path)
        assert on.differs() == []
    on.ok("delete", WAYS[way])


# When the job is cancelled: by the request that is under way (made already, or held up), or by what its log says.
Moment = Trouble | str


def ours(method: str, path: str, *, after: bool = True) -> Trouble:
    return Trouble("delay", "1.5", method=method, path=path, client="ours", after=after)


CANCELLED: dict[str, tuple[str, str, Moment]] = {
    "before the first change": ("deploy-route", "swap", ours("GET", "/endpointslices")),
    "the snapshot is there": ("deploy-route", "swap", ours("POST", "/secrets$")),
    "the maintenance Route is there": ("deploy-route", "swap", ours("PATCH", f"/routes/{WHOLE}{APPLY}$")),
    "the original is to go": ("deploy-route", "swap", ours("DELETE", "/routes/shop$", after=False)),
    "the original is gone": ("deploy-route", "swap", ours("DELETE", "/routes/shop$")),
    "users are waited for, swap": ("deploy-route", "swap", "── Wait until users meet"),
    "to be repointed": ("deploy-route", "repoint", ours("PATCH", "/routes/shop$", after=False)),
    "repointed": ("deploy-route", "repoint", ours("PATCH", "/routes/shop$")),
    "users are waited for, repoint": ("deploy-route", "repoint", "── Wait until users meet"),
    "the path's Route is there": ("deploy-route", "path", ours("PATCH", f"/routes/{PART}{APPLY}$")),
    "users are waited for, path": ("deploy-route", "path", "── Wait until users meet"),
    "delete: before the first change": ("delete", "swap", ours("GET", "/endpointslices")),
    "delete: the original is back": ("delete", "swap", ours("PATCH", f"/routes/shop{APPLY}$")),
    "delete: the maintenance Route is to go": ("delete", "swap", ours("DELETE", f"/routes/{WHOLE}$", after=False)),
    "delete: the maintenance Route is gone": ("delete", "swap", ours("DELETE", f"/routes/{WHOLE}$")),
    "delete: users are waited for": ("delete", "swap", "── Wait until users meet"),
    "delete: pointed back": ("delete", "repoint", ours("PATCH", "/routes/shop$")),
    "delete: the snapshot is gone": ("delete", "repoint", ours("DELETE", "/secrets/shop-maintenance-snapshot$")),
    "delete: the path's Route is gone": ("delete", "path", ours("DELETE", f"/routes/{PART}$")),
}


def cancel(on: Stage, job: str, variables: Variables, moment: Moment, temporary: Path) -> Job:
    """Run the job as a process of its own, and send it, at that moment, the SIGTERM of a cancelled pipeline."""
    if isinstance(moment, Trouble):
        on.befall(moment)
    done = Job(code=-1)
    processes: list[int] = []

    def due() -> bool:
        if isinstance(moment, Trouble):
            return bool(on.cluster.inside.troubles.met)
        return any(line.startswith(moment) for line in done.lines)

    async def run() -> int:
        work = asyncio.create_task(workplace.run(job, say=done.lines.append, started=processes.append))
        while not due() and not work.done():
            await asyncio.wait([work], timeout=0.01)
        await asyncio.wait([work], timeout=0.1)
        assert not work.done(), f"it ended before it was cancelled:\n{done.log}"
        os.kill(processes[0], signal.SIGTERM)
        return await work

    workplace = on.cluster.workplace(variables | {"TMPDIR": str(temporary)})
    done.code = on.cluster.do(run())
    on.relieve()
    return on.told(done)


QUICK_MOMENTS = ("users are waited for, repoint", "delete: the maintenance Route is gone")


@pytest.mark.parametrize(
    "when", [when if when in QUICK_MOMENTS else pytest.param(when, marks=pytest.mark.slow) for when in CANCELLED]
)
def test_a_cancelled_job_leaves_nothing_half_done(on: Stage, when: str, tmp_path: Path) -> None:
    job, way, moment = CANCELLED[when]
    if job == "delete":
        on.ok("deploy-route", WAYS[way])
    before = on.picture()
    done = cancel(on, job, WAYS[way], moment, tmp_path)
    assert done.code in (1, 3), done.log
    assert "ERROR: The job was interrupted." in done.log or "ERROR: The job was stopped." in done.log
    assert on.cluster.find("leases", LEASE) is None
    assert list(tmp_path.iterdir()) == []
    if job == "deploy-route":
        assert on.differs() == [], done.log
        assert done.code == 1, done.log
    elif "before the first change" in when:
        assert changes(before, on.picture()) == []
    else:
        assert "Run the job delete again." in done.log
    on.ok("delete", WAYS[way])


@pytest.mark.slow
def test_a_second_signal_does_not_cut_the_way_back_short(on: Stage, tmp_path: Path) -> None:
    hold = ours("GET", "/routes/shop$")  # the first question of the way back
    done = Job(code=-1)
    processes: list[int] = []

    async def run() -> int:
        work = asyncio.create_task(workplace.run("deploy-route", say=done.lines.append, started=processes.append))
        for title in ("── Wait until users meet", "── Roll back"):
            while not any(line.startswith(title) for line in done.lines):
                assert not work.done(), done.log
                await asyncio.wait([work], timeout=0.01)
            os.kill(processes[0], signal.SIGTERM)
        return await work

    on.befall(hold)
    workplace = on.cluster.workplace(WAYS["swap"] | {"TMPDIR": str(tmp_path)})
    done.code = on.cluster.do(run())
    rolled_back(on, done)
    assert list(tmp_path.iterdir()) == []


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
    assert "FORCE=true" in refused.log
    assert changes(before, on.picture()) == []
    forced = (
        on.ok("delete", WAYS[way] | {"FORCE": "true"} | SOON)
        if way == "path"
        else on.run("delete", WAYS[way] | {"FORCE": "true", "PROBES": "false"})
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

"""Helm 3 and Helm 4 killed at every change that they make: the next call ends as if nothing had been.

A cluster's state is what was written to it. So to kill Helm before its first write, and after each, meets every state
that a kill at any of its requests can leave.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from maintenance_ci.command import GRACE
from maintenance_ci.errors import CommandError
from maintenance_ci.folders import find
from maintenance_ci.helm import Helm
from maintenance_ci.pinned_helm import HELM_3_VERSION, HELM_VERSION, pinned_helm_path
from maintenance_ci.rehearsal.apiserver.errors import ApiError
from maintenance_ci.rehearsal.trouble import parse_trouble
from tests.rehearsal.conftest import Cluster
from tests.rehearsal.recordings.lab import Lab, running_lab
from tests.rehearsal.small_cluster import NAMESPACE, PAGE, page

Object = dict[str, Any]
VERSIONS = (HELM_3_VERSION, HELM_VERSION)
KINDS = ("services", "deployments", "buildconfigs", "imagestreams", "networkpolicies")
CHART = find("chart")
UNINSTALL = ("uninstall", PAGE)
HISTORY = ("history", PAGE, "--output", "json")
GENERATION = "deployments metadata generation"  # counts the changes of its spec: those that roll the Pods, too
VERSION = "deployments metadata labels app.kubernetes.io/version"
# More writes than either Helm makes: 8 in an upgrade, and in the uninstall of two revisions.
MANY = 20


def upgrade_to(tag: str) -> tuple[str, ...]:
    return ("upgrade", "--install", PAGE, str(CHART), "--set-string", f"imageTag={tag}")


@dataclass
class Gate:
    """Stands before the API server: holds one write, and refuses what it is told to refuse."""

    refuse: str = ""
    writes: int = 0
    hold: int | None = None
    held: threading.Event = field(default_factory=threading.Event)
    open: bool = False

    @property
    def middleware(self) -> Any:
        @web.middleware
        async def stand(request: web.Request, handler: Handler) -> web.StreamResponse:
            if self.refuse and self.refuse in f"{request.method} {request.path}":
                raise ApiError(403, "Forbidden", "not you")
            if request.method == "GET" or self.hold is None:
                return await handler(request)
            self.writes += 1
            if self.hold == 0:
                await self._held()
            answer = await handler(request)
            if self.hold == self.writes:
                await self._held()
            return answer

        return stand

    async def _held(self) -> None:
        self.held.set()
        while not self.open:  # noqa: ASYNC110  (set from another thread; a client that hangs up cancels this)
            await asyncio.sleep(0.01)

    def close(self, write: int) -> None:
        """Hold the answer of that write, from the next request on; 0: hold the first write itself."""
        self.writes, self.hold, self.open = 0, write, False
        self.held.clear()


@dataclass
class Place:
    """A cluster, one version of Helm, and our own way to call it."""

    version: str
    lab: Lab
    gate: Gate
    folder: Path
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        tools = self.folder / "tools"
        tools.mkdir()
        (tools / "helm").symlink_to(pinned_helm_path(self.version))
        self._environment = {"PATH": str(tools)}

    def ours(self) -> Helm:
        kubeconfig = str(self.lab.kubeconfig(NAMESPACE))
        return Helm(
            kubeconfig, NAMESPACE, environment=self._environment, home=self.folder / "home", say=self.said.append
        )

    def upgrade(self, tag: str, *, in_use: bool = True) -> None:
        self.ours().upgrade(PAGE, CHART, {"imageTag": tag}, in_use=in_use)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start Helm itself, as somebody else would."""
        return subprocess.Popen(
            [pinned_helm_path(self.version), *arguments],
            env=self.lab.environment(NAMESPACE),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def done(self, *arguments: str) -> str:
        """Run Helm itself to its end."""
        with self.start(*arguments) as child:
            printed = child.communicate(timeout=60)[0]
        assert child.returncode == 0, printed
        return printed

    def held(self, write: int, *arguments: str) -> subprocess.Popen[str] | None:
        """Start Helm, and hold it at that write; None when it ended without making so many."""
        self.gate.close(write)
        child = self.start(*arguments)
        while not self.gate.held.wait(0.02):
            if child.poll() is not None:
                child.communicate()
                self.gate.hold = None
                return None
        self.gate.hold = None
        return child

    def killed(self, write: int, *arguments: str) -> bool:
        """Kill Helm when that write took effect (0: before the first one does); False: it made no such write."""
        child = self.held(write, *arguments)
        if child is None:
            return False
        child.kill()
        child.communicate()
        return True

    def last(self) -> tuple[int, str]:
        """The last revision and its status."""
        last = json.loads(self.done(*HISTORY))[-1]
        return last["revision"], last["status"]

    def clear(self) -> None:
        """Take everything away that the release may have left."""
        for kind in (*KINDS, "secrets"):
            for found in self.lab.call(self.lab.store.list, kind, NAMESPACE):
                self.lab.call(self.lab.store.delete, kind, NAMESPACE, found["metadata"]["name"])
        self.lab.settle()

    def build(self) -> str:
        """Build the page, make it the latest image, let the trigger set it; returns the image."""
        self.lab.do(self.lab.cluster.build(page("hello")))
        reference: str = self.lab.call(self.lab.cluster.tag_latest)
        self.lab.settle()
        assert self.image() == reference
        return reference

    def image(self) -> str:
        found = self.lab.call(self.lab.store.get, "deployments", NAMESPACE, PAGE)
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])

    def uids(self) -> set[str]:
        return {found["metadata"]["uid"] for kind in KINDS for found in self._all(kind)}

    def state(self) -> dict[str, Any]:
        """What the chart holds, as it is in the cluster: each field by its path."""
        self.lab.settle()
        return dict(leaf for kind in KINDS for found in self._all(kind) for leaf in _leaves(_essence(found), kind))

    def is_empty(self) -> bool:
        return not any(self._all(kind) for kind in (*KINDS, "secrets"))

    def _all(self, kind: str) -> list[Object]:
        found: list[Object] = self.lab.call(self.lab.store.list, kind, NAMESPACE)
        return found


def _essence(found: Object) -> Object:
    """An object without what differs from one life of it to the next."""
    counted = ("generation",) if found["kind"] == "Deployment" else ()
    metadata = {key: found["metadata"].get(key) for key in ("name", "labels", "annotations", *counted)}
    spec = {key: value for key, value in found.get("spec", {}).items() if not key.startswith("clusterIP")}
    return {"metadata": metadata, "spec": spec}


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict | list):
        yield path, value
        return
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _leaves(inner, f"{path} {key}")


@pytest.fixture(params=VERSIONS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    gate = Gate()
    with running_lab(tmp_path, middlewares=[gate.middleware]) as lab:
        yield Place(request.param, lab, gate, tmp_path)


def before_an_install(place: Place) -> tuple[str, ...]:
    return upgrade_to("v1")


def before_an_upgrade(place: Place) -> tuple[str, ...]:
    place.done(*upgrade_to("v1"))
    place.build()
    return upgrade_to("v2")


def before_a_rollback(place: Place) -> tuple[str, ...]:
    assert place.killed(1, *before_an_upgrade(place))
    assert place.last() == (2, "pending-upgrade")
    return ("rollback", PAGE, "2")


def before_an_uninstall(place: Place) -> tuple[str, ...]:
    place.done(*upgrade_to("v1"))
    place.done(*upgrade_to("v2"))  # each revision has a Secret of its own
    return UNINSTALL


Prepare = Callable[[Place], tuple[str, ...]]
BEFORE: tuple[Prepare, ...] = (before_an_install, before_an_upgrade, before_a_rollback, before_an_uninstall)


# A sample, and everything.
KILLS = [
    pytest.param((3,), id="once"),
    pytest.param(range(MANY), id="everywhere", marks=[pytest.mark.slow, pytest.mark.timeout(300)]),
]


# What was half changed is put right the same way, used or not.
USES = [
    *(pytest.param(before, True, id=f"{before.__name__}-in-use") for before in BEFORE),
    *(
        pytest.param(before, False, id=f"{before.__name__}-unused", marks=pytest.mark.slow)
        for before in (before_an_install, before_an_uninstall)
    ),
]


@pytest.mark.parametrize("kills", KILLS)
@pytest.mark.parametrize(("before", "in_use"), USES)
def test_a_killed_helm_is_put_right_by_the_next_upgrade(
    place: Place, before: Prepare, in_use: bool, kills: Sequence[int]
) -> None:
    (before_an_upgrade if before is before_a_rollback else before)(place)
    place.done(*upgrade_to("v3"))
    clean = place.state()
    for write in kills:
        place.clear()
        if not place.killed(write, *before(place)):
            break
        there = place.uids()
        place.upgrade("v3", in_use=in_use)
        assert place.last()[1] == "deployed", write
        assert place.state() == clean, write
        assert not in_use or there <= place.uids(), f"what was there was made anew after write {write}"
    else:
        assert len(kills) == 1, "Helm makes more writes than that"
    assert write > 0
    place.ours().uninstall(PAGE)
    assert place.is_empty()


@pytest.mark.parametrize("kills", KILLS)
@pytest.mark.parametrize("before", BEFORE)
def test_a_killed_helm_s_release_is_removed_whole(place: Place, before: Prepare, kills: Sequence[int]) -> None:
    for write in kills:
        place.clear()
        if not place.killed(write, *before(place)):
            break
        place.ours().uninstall(PAGE)
        assert place.is_empty(), write
    else:
        assert len(kills) == 1, "Helm makes more writes than that"
    assert write > 0


def test_without_the_repair_every_later_upgrade_is_refused(place: Place) -> None:
    """What the tests above would meet otherwise."""
    for before, why in (
        (before_an_install, "another operation"),
        (before_an_upgrade, "another operation"),
        (before_a_rollback, "another operation"),
        (before_an_uninstall, "has no deployed releases"),
    ):
        place.clear()
        assert place.killed(1, *before(place))
        with place.start(*upgrade_to("v3")) as refused:
            assert why in refused.communicate(timeout=60)[0]
        assert refused.returncode == 1


def test_an_unused_half_made_release_is_made_anew(place: Place) -> None:
    """The twin of what is in use: there every object keeps its uid."""
    assert place.killed(6, *before_an_install(place))
    there = place.uids()
    assert len(there) == len(KINDS)
    place.upgrade("v3", in_use=False)
    assert not there & place.uids()


def test_the_repair_says_what_it_found(place: Place) -> None:
    assert place.killed(1, *before_an_upgrade(place))
    place.upgrade("v3")
    told = next(line for line in place.said if "is put right first" in line)
    assert told.startswith(f"Release {PAGE} is pending-upgrade in revision 2, since 20")
    assert place.said[place.said.index(told) + 1].startswith(f"$ helm rollback {PAGE} 2 ")
    place.said.clear()
    place.upgrade("v3")
    assert [line for line in place.said if line.startswith("$")] == [
        f"$ helm upgrade --install {PAGE} {CHART} --set-string imageTag=v3 --namespace {NAMESPACE}"
    ]


def test_an_older_revision_would_bring_back_the_image_of_its_time(place: Place) -> None:
    """Why the repair names the revision that Helm was busy with."""
    assert place.killed(1, *before_an_upgrade(place))
    before = place.state()[GENERATION]
    with place.start("rollback", PAGE, "1") as child:
        printed = child.communicate(timeout=60)[0]
    after = place.state()[GENERATION]
    if place.version == HELM_VERSION:
        assert child.returncode == 1 and "conflict" in printed
    else:
        assert child.returncode == 0
        assert after > before


def test_a_repair_that_is_refused_does_not_stand_in_the_way(place: Place) -> None:
    """The killed revision may be one that the cluster does not take: the one that is asked for is."""
    broken = place.folder / "broken"
    shutil.copytree(CHART, broken)
    labels = broken / "templates" / "_helpers.tpl"
    labels.write_text(labels.read_text().replace("part-of: maintenance", "part-of: no label at all"))
    assert place.killed(1, "upgrade", "--install", PAGE, str(broken), "--set-string", "imageTag=v1")
    assert place.last() == (1, "pending-install")
    place.upgrade("v3")
    assert any("helm rollback failed" in line and "tried all the same" in line for line in place.said)
    assert place.last() == (3, "deployed")


@pytest.mark.parametrize(
    "write", [pytest.param(3, id="once"), *(pytest.param(n, marks=pytest.mark.slow) for n in (0, 1, 2, 4, 5, 6, 7))]
)
@pytest.mark.parametrize("before", [before_an_install, before_an_upgrade, before_an_uninstall])
def test_a_helm_that_was_asked_to_end(place: Place, before: Prepare, write: int) -> None:
    child = place.held(write, *before(place))
    assert child is not None
    began = time.monotonic()
    child.terminate()
    place.gate.open = True
    child.communicate(timeout=60)
    assert time.monotonic() - began < GRACE / 2
    place.upgrade("v3")
    assert place.last()[1] == "deployed"
    place.ours().uninstall(PAGE)
    assert place.is_empty()


def test_what_a_helm_left_alone_goes_on_to_do_is_overwritten_by_the_next_upgrade(place: Place) -> None:
    """Why a command dies with its job: until then the page may be of either."""
    child = place.held(2, *before_an_upgrade(place))
    assert child is not None
    place.upgrade("v3")
    assert place.state()[VERSION] == "v3"
    place.gate.open = True
    child.communicate(timeout=60)
    assert place.state()[VERSION] == "v2"
    place.upgrade("v4")
    assert place.state()[VERSION] == "v4"
    assert place.last()[1] == "deployed"
    place.ours().uninstall(PAGE)
    assert place.is_empty()


REFUSED_READ = f"GET /api/v1/namespaces/{NAMESPACE}/secrets"


@pytest.mark.parametrize(
    "refused", [REFUSED_READ, "GET /version", "DELETE /apis/apps", "DELETE /api/v1/namespaces/shop/secrets"]
)
def test_an_uninstall_that_did_not_happen_is_no_success(place: Place, refused: str) -> None:
    place.done(*upgrade_to("v1"))
    place.gate.refuse = refused
    with pytest.raises(CommandError, match="helm uninstall failed"):
        place.ours().uninstall(PAGE)
    assert not place.is_empty()
    place.gate.refuse = ""
    place.ours().uninstall(PAGE)
    assert place.is_empty()
    place.ours().uninstall(PAGE)
    assert place.said[-1] == f"There is no release {PAGE}."


def test_helm_itself_calls_a_refused_uninstall_done(place: Place) -> None:
    """Why --ignore-not-found is not used."""
    place.done(*upgrade_to("v1"))
    place.gate.refuse = REFUSED_READ
    place.done(*UNINSTALL, "--ignore-not-found")
    assert not place.is_empty()


def test_nothing_is_changed_when_the_release_cannot_be_read(place: Place) -> None:
    place.gate.refuse = REFUSED_READ
    with pytest.raises(CommandError, match="helm history failed"):
        place.upgrade("v1")
    assert place.is_empty()


def test_a_job_that_is_killed_takes_its_helm_along(cluster: Cluster) -> None:
    """With the pipeline's own rights; the next job is not in the way of anybody's."""
    cluster.inside.troubles.add(parse_trouble("PATCH deployments/maintenance-page: silence"))
    workplace = cluster.workplace()
    with subprocess.Popen(
        [sys.executable, "-m", "maintenance_ci", "build-and-deploy"],
        cwd=workplace.folder,
        env=dict(workplace.environment),
        stdout=subprocess.DEVNULL,
    ) as job:
        wait_until(lambda: cluster.inside.troubles.met)
        [helm] = (Path("/proc") / pid for pid in Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split())
        assert b"upgrade" in (helm / "cmdline").read_bytes()
        job.kill()
    wait_until(lambda: not helm.exists() or not (helm / "cmdline").read_bytes())
    assert cluster.find("deployments", PAGE) is None
    again = cluster.run("build-and-deploy")
    assert again.code == 0, again.log
    assert "is pending-install in revision 1" in again.log


def wait_until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)

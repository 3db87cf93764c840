"""Helm 3 and Helm 4 killed at every change that they make: the next call ends as if nothing had been.

A cluster's state is what was written to it. So to kill Helm before its first write, and after each, meets every state
that a kill at any of its requests can leave.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from maintenance_ci.cluster.command import GRACE
from maintenance_ci.errors import CommandError
from maintenance_ci.rehearsal.pinned_helm import HELM_3_VERSION, HELM_VERSION
from maintenance_ci.rehearsal.trouble import parse_trouble
from tests.rehearsal.recordings.lab import running_lab
from tests.tools.busy_machine import require_at_most
from tests.tools.clusters import Cluster
from tests.tools.killed_helm import CHART, KINDS, Gate, Place
from tests.tools.small_cluster import NAMESPACE, PAGE

VERSIONS = (HELM_3_VERSION, HELM_VERSION)
UNINSTALL = ("uninstall", PAGE)
GENERATION = "deployments metadata generation"  # counts the changes of its spec: those that roll the Pods, too
VERSION = "deployments metadata labels app.kubernetes.io/version"
# More writes than either Helm makes: 8 in an upgrade, and in the uninstall of two revisions.
MANY = 20


def upgrade_to(tag: str) -> tuple[str, ...]:
    return ("upgrade", "--install", PAGE, str(CHART), "--set-string", f"imageTag={tag}")


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
    pytest.param(range(MANY), id="everywhere", marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
]


# What was half changed is repaired the same way, used or not.
USES = [
    *(pytest.param(before, True, id=f"{before.__name__}-in-use") for before in BEFORE),
    *(
        pytest.param(before, False, id=f"{before.__name__}-unused", marks=pytest.mark.slow)
        for before in (before_an_install, before_an_uninstall)
    ),
]


@pytest.mark.parametrize("kills", KILLS)
@pytest.mark.parametrize(("before", "in_use"), USES)
@pytest.mark.slow
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


@pytest.mark.slow
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
    # The release's Secret, and then all objects of the chart.
    assert place.killed(1 + len(KINDS), *before_an_install(place))
    there = place.uids()
    assert len(there) == len(KINDS)
    place.upgrade("v3", in_use=False)
    assert not there & place.uids()


@pytest.mark.slow
def test_the_repair_says_what_it_found(place: Place) -> None:
    assert place.killed(1, *before_an_upgrade(place))
    place.upgrade("v3")
    told = next(line for line in place.said if "is repaired first" in line)
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
    assert any("helm rollback failed" in line and "tried anyway" in line for line in place.said)
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
    require_at_most(time.monotonic() - began, GRACE / 2, "until Helm has ended by itself")
    place.upgrade("v3")
    assert place.last()[1] == "deployed"
    place.ours().uninstall(PAGE)
    assert place.is_empty()


@pytest.mark.slow
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


@pytest.mark.slow
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


def wait_until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)

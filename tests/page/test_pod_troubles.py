"""Why a Pod does not run, and what to do about it."""

from __future__ import annotations

from typing import Any

import pytest

from maintenance_ci.page.pod_troubles import Trouble, may_get_room, pod_troubles, refusal_advice

VARIABLE = "PAGE_RESOURCES"
ADMINISTRATOR = "an administrator raise it"


def waiting(reason: str, message: str = "", **status: Any) -> dict[str, Any]:
    why = {"reason": reason, "message": message} if message else {"reason": reason}
    return {"name": "page", "state": {"waiting": why}, **status}


def troubles(**status: Any) -> list[Trouble]:
    return list(pod_troubles({"status": status}))


def test_a_pod_that_runs_has_none() -> None:
    scheduled = {"type": "PodScheduled", "status": "True"}
    assert troubles(conditions=[scheduled], containerStatuses=[{"state": {"running": {}}}]) == []
    assert list(pod_troubles({})) == []


def test_one_that_no_node_takes_waits_for_a_node() -> None:
    message = "0/3 nodes are available: 3 Insufficient memory."
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    assert troubles(conditions=[unscheduled]) == [Trouble(f"Unschedulable: {message}")]


def test_one_that_its_node_gave_up_says_why() -> None:
    message = "The node was low on resource: ephemeral-storage."
    left = [{"ready": False, "state": {"terminated": {"exitCode": 137}}}]
    assert troubles(phase="Failed", reason="Evicted", message=message, containerStatuses=left) == [
        Trouble(f"Evicted: {message}")
    ]
    assert troubles(phase="Failed") == [Trouble("Failed")]


@pytest.mark.parametrize(
    ("reason", "lasting"),
    [
        ("ImagePullBackOff", False),
        ("ErrImagePull", False),
        ("ContainerCreating", False),
        ("RunContainerError", False),
        ("CreateContainerConfigError", True),
        ("CreateContainerError", True),
        ("InvalidImageName", True),
        ("ErrImageNeverPull", True),
    ],
)
def test_what_its_containers_wait_for(reason: str, lasting: bool) -> None:
    for where in ("initContainerStatuses", "containerStatuses"):
        assert troubles(**{where: [waiting(reason, "why\nso")]}) == [Trouble(f"{reason}: why so", lasting)]
        assert troubles(**{where: [waiting(reason)]}) == [Trouble(reason, lasting)]


def crashed(state: dict[str, Any], restarts: int, **ended: Any) -> list[Trouble]:
    container = {"state": state, "lastState": {"terminated": ended} if ended else {}, "restartCount": restarts}
    return troubles(containerStatuses=[container])


BACKING_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}}


@pytest.mark.parametrize("state", [BACKING_OFF, {"running": {}}, {"terminated": {}}], ids=["waits", "runs", "ended"])
def test_a_container_that_crashes_may_do_so_twice(state: dict[str, Any]) -> None:
    """What it does in between is the same trouble: it runs again for a moment."""
    killed = "CrashLoopBackOff: OOMKilled, exit code 137"
    assert crashed(state, 2, reason="OOMKilled", exitCode=137) == [Trouble(killed)]
    assert crashed(state, 3, reason="OOMKilled", exitCode=137) == [Trouble(killed, lasting=True)]
    [trouble] = crashed(state, 1, reason="Error", exitCode=1, message="nginx: [emerg] no such file\n")
    assert trouble.message == "CrashLoopBackOff: Error, exit code 1: nginx: [emerg] no such file"


def test_a_container_whose_turn_has_not_come_is_no_trouble() -> None:
    first, then = waiting("ErrImagePull", "no such image"), waiting("PodInitializing")
    assert troubles(initContainerStatuses=[first], containerStatuses=[then]) == [Trouble("ErrImagePull: no such image")]


def test_a_container_that_waits_after_a_crash_that_nothing_is_known_of() -> None:
    message = "CrashLoopBackOff: back-off 40s restarting failed container"
    assert crashed(BACKING_OFF, 3) == [Trouble(message, lasting=True)]
    assert crashed(BACKING_OFF, 0) == [Trouble(message)]


def test_a_container_that_serves_again_after_a_crash_is_no_trouble() -> None:
    container = {
        "state": {"running": {}},
        "ready": True,
        "restartCount": 9,
        "lastState": {"terminated": {"exitCode": 1}},
    }
    assert troubles(containerStatuses=[container]) == []


def test_a_pod_that_ends_gives_its_share_of_a_quota_back() -> None:
    exceeded = "forbidden: exceeded quota: q, requested: limits.memory=24Mi, used: limits.memory=24Mi, limited: …"
    pods = [{"metadata": {}}, {"metadata": {"deletionTimestamp": "2026-11-28T18:00:00Z"}}]
    assert may_get_room(exceeded, pods)
    assert not may_get_room(exceeded, pods[:1])
    assert not may_get_room("forbidden: maximum memory usage per Container is 16Mi, but limit is 24Mi", pods)
    assert not may_get_room("failed quota: q: must specify limits.cpu for: page", pods)


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        (
            'pods "p" is forbidden: maximum memory usage per Container is 16Mi, but limit is 24Mi',
            "Set PAGE_RESOURCES=requests.memory=16Mi,limits.memory=16Mi",
        ),
        (
            'pods "p" is forbidden: maximum cpu usage per Container is 2. No limit is specified',
            "Set PAGE_RESOURCES=limits.cpu=2",
        ),
        (
            'pods "p" is forbidden: minimum memory usage per Pod is 64Mi, but request is 12582912',
            "Set PAGE_RESOURCES=requests.memory=64Mi,limits.memory=64Mi",
        ),
        (
            (
                'pods "p" is forbidden: [minimum cpu usage per Container is 50m, but request is 5m, '
                "maximum memory usage per Container is 16Mi, but limit is 24Mi, "
                "minimum cpu usage per Container is 50m. No limit is specified]"
            ),
            "Set PAGE_RESOURCES=requests.cpu=50m,limits.cpu=50m,requests.memory=16Mi,limits.memory=16Mi",
        ),
        (
            (
                'pods "p" is forbidden: memory max limit to request ratio per Container is 1500m, '
                "but provided ratio is 2.000000"
            ),
            "Bring requests.memory and limits.memory closer together in PAGE_RESOURCES.",
        ),
        (
            'pods "p" is forbidden: failed quota: compute: must specify limits.cpu for: page; memory for: page',
            "Set PAGE_RESOURCES with limits.cpu and requests.memory: the quota compute asks for it.",
        ),
        (
            'pods "p" is forbidden: failed quota: compute: must specify limits.cpu,requests.cpu',
            "Set PAGE_RESOURCES with limits.cpu and requests.cpu: the quota compute asks for it.",
        ),
        (
            (
                'pods "p" is forbidden: exceeded quota: compute, requested: limits.memory=24Mi,requests.memory=12Mi, '
                "used: limits.memory=1Gi,requests.memory=1Gi, limited: limits.memory=1Gi,requests.memory=1Gi"
            ),
            f"End what else uses the quota compute, set PAGE_REPLICAS=1 or less in {VARIABLE}, or let {ADMINISTRATOR}.",
        ),
        (
            'pods "p" is forbidden: exceeded quota: objects, requested: pods=1, used: pods=9, limited: pods=9',
            f"End what else uses the quota objects, set PAGE_REPLICAS=1, or let {ADMINISTRATOR}.",
        ),
        (
            'pods "p" is forbidden: error looking up service account web/page: serviceaccount "page" not found',
            "Correct what it names, or ask an administrator.",
        ),
    ],
)
def test_what_to_do_about_a_pod_that_is_refused(message: str, advice: str) -> None:
    assert refusal_advice(message, VARIABLE) == f"{advice.rstrip('.')}; then run the job again."

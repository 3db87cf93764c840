"""What a Build waits for, and why it failed."""

from __future__ import annotations

from typing import Any

import pytest

from maintenance_ci.page import build_status
from maintenance_ci.page.build_status import failure, first_new, pushed_digest
from maintenance_ci.page.pod_troubles import Trouble

QUOTA = (
    'Failed creating build pod: pods "page-2-build" is forbidden: failed quota: q: must specify limits.cpu for: build'
)


def build(number: int, phase: str = "New", **status: Any) -> dict[str, Any]:
    metadata = {"name": f"page-{number}", "annotations": {"openshift.io/build.number": str(number)}}
    return {"metadata": metadata, "status": {"phase": phase, **status}}


def obstacle(one: dict[str, Any], builds: list[dict[str, Any]], pods: list[dict[str, Any]]) -> Trouble:
    return build_status.obstacle(one, builds, pods, "web")


def test_the_job_s_build_is_the_first_that_was_not_there_before() -> None:
    builds = [build(number) for number in (10, 9, 2)]
    assert first_new(builds, ["page-2"]) == build(9)
    assert first_new(builds, [f"page-{number}" for number in (10, 9, 2)]) is None


def test_a_build_may_say_which_image_it_pushed() -> None:
    assert pushed_digest({"status": {"output": {"to": {"imageDigest": "sha256:1"}}}}) == "sha256:1"
    for silent in ({}, {"status": {"output": {}}}, {"status": {"output": {"to": {"imageDigest": ""}}}}):
        assert pushed_digest(silent) is None


def test_a_build_that_gives_a_reason_cannot_begin() -> None:
    refused = build(2, reason="CannotCreateBuildPod", message=QUOTA)
    assert obstacle(refused, [refused], []) == Trouble(f"cannot begin: CannotCreateBuildPod: {QUOTA}", lasting=True)
    assert obstacle(build(2), [build(2)], []) == Trouble("")


def test_one_that_waits_for_another_names_it_and_what_that_one_waits_for() -> None:
    stuck = build(1, reason="CannotCreateBuildPod", message="no room")
    builds = [build(0, "Failed"), build(3), build(2), stuck]
    expected = "waits: build page-1 runs before it (New, CannotCreateBuildPod: no room)"
    assert obstacle(build(3), builds, []) == Trouble(expected)
    assert obstacle(build(2), [build(1, "Running"), build(2)], []).message.endswith("page-1 runs before it (Running)")
    ended = [build(number, phase) for number, phase in enumerate(("Complete", "Failed", "Error", "Cancelled"))]
    assert obstacle(build(9), [*ended, build(10, "Running")], []) == Trouble("")


def test_one_whose_pod_does_not_start_says_why() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    pending = {"status": {"phase": "Pending", "conditions": [condition]}}
    assert obstacle(build(1, "Pending"), [], [pending]) == Trouble("waits for its Pod: Unschedulable: 0/3 nodes")
    waiting = {"state": {"waiting": {"reason": "CreateContainerConfigError", "message": "no secret"}}}
    broken = {"status": {"initContainerStatuses": [waiting]}}
    expected = "waits for its Pod: CreateContainerConfigError: no secret"
    assert obstacle(build(1, "Pending"), [], [broken]) == Trouble(expected, lasting=True)


@pytest.mark.parametrize(
    ("reason", "message", "advice"),
    [
        (
            "CannotCreateBuildPod",
            QUOTA,
            "Set BUILD_RESOURCES with limits.cpu: the quota q asks for it; then run the job again.",
        ),
        ("InvalidImageReference", "Referenced image could not be resolved.", "Check PAGE_BASE_IMAGE"),
        ("MissingPushSecret", "Missing push secret.", "DOCKER_REGISTRY"),
        ("SomethingElse", "why", "Correct what it names, or ask an administrator; then run the job again."),
    ],
)
def test_what_to_do_about_a_build_that_cannot_begin(reason: str, message: str, advice: str) -> None:
    assert advice in obstacle(build(2, reason=reason, message=message), [], []).advice


def test_what_to_do_about_a_build_that_waits() -> None:
    assert "oc cancel-build page-1 -n web" in obstacle(build(2), [build(1), build(2)], []).advice
    creating = {"status": {"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}}
    advice = obstacle(build(2), [build(2)], [creating]).advice
    assert "oc describe pods -l openshift.io/build.name=page-2 -n web" in advice


LIMITED = "toomanyrequests: You have reached your pull rate limit."


@pytest.mark.parametrize(
    ("status", "log"),
    [
        ({"reason": "PullBuilderImageFailed", "message": "Failed pulling builder image."}, []),
        ({"reason": "GenericBuildFailed"}, ["Pulling image nginx ...", f"error: build error: {LIMITED}"]),
        ({"reason": "DockerBuildFailed", "logSnippet": f"reading manifest\n{LIMITED}"}, []),
        ({"reason": "GenericBuildFailed"}, ["pinging container registry registry-1.docker.io: i/o timeout"]),
    ],
)
def test_a_base_image_that_cannot_be_pulled_is_to_be_named_anew(status: dict[str, str], log: list[str]) -> None:
    _, advice = failure(build(1, "Failed", **status), log, "", "web")
    assert "PAGE_BASE_IMAGE" in advice
    assert "PAGE_BASE_PULL_SECRET" in advice
    assert "oc logs build/page-1 -n web" in advice


def test_a_failed_build_s_last_lines_are_those_of_its_log_where_that_is_known() -> None:
    failed = build(1, "Failed", reason="GenericBuildFailed", message="Generic Build failure.", logSnippet="cut...short")
    what, advice = failure(failed, ["one", " ", "two."], "", "web")
    assert what == (
        "The build page-1 ended as Failed: GenericBuildFailed: Generic Build failure. Its last lines: one / two."
    )
    assert "PAGE_BASE_IMAGE" not in advice
    assert "Its last lines: cut...short." in failure(failed, [], "by oc", "web")[0]
    del failed["status"]["logSnippet"]
    assert "Its last lines: by oc." in failure(failed, [], "by oc", "web")[0]
    assert failure(build(1, "Error"), [], "", "web")[0] == "The build page-1 ended as Error: no reason given."
    long = failure(failed, ["x" * 5000], "", "web")[0]
    assert len(long) < 800


def test_what_else_a_failed_build_asks_for() -> None:
    assert "limits.memory" in failure(build(1, "Failed", reason="OutOfMemoryKilled"), [], "", "web")[1]
    assert (
        "where the image is pushed" in failure(build(1, "Failed", reason="PushImageToRegistryFailed"), [], "", "web")[1]
    )

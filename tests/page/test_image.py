from __future__ import annotations

from typing import Any

import pytest

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.page.image import (
    deadline_passed,
    image_digest,
    import_result,
    page_troubles,
    pinned_tag,
    pods_refused,
    require_base_image,
    rollout_lacks,
    why_not_built,
)
from maintenance_ci.page.pod_troubles import Trouble

DIGEST = "sha256:" + "a" * 64
REGISTRY_IMAGE = "registry.example.test/maintenance-page:v1"


def stream(tag: str, *, source: str | None = None, generation: int = 1, **status: Any) -> dict[str, Any]:
    spec = {"name": tag, "generation": generation, "from": {"kind": "DockerImage", "name": source}}
    return {"spec": {"tags": [spec] if source else []}, "status": {"tags": [{"tag": tag, **status}]}}


def deployment(image: str = f"registry/ns/maintenance-page@{DIGEST}", **status: int) -> dict[str, Any]:
    done = {"observedGeneration": 3, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    return {
        "metadata": {"generation": 3},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"image": image}]}}},
        "status": done | status,
    }


def test_the_digest_is_the_newest_item_s() -> None:
    assert image_digest(stream("v1", items=[{"image": DIGEST}, {"image": "sha256:old"}]), "v1") == DIGEST
    for nothing in (None, {}, stream("v1"), stream("v2", items=[{"image": DIGEST}])):
        assert image_digest(nothing, "v1") is None


def test_an_import_is_finished_only_when_it_is_as_new_as_the_tag() -> None:
    old, new = {"image": "sha256:old", "generation": 1}, {"image": DIGEST, "generation": 2}
    failed = {"type": "ImportSuccess", "status": "False", "message": "not found"}
    asked = {"source": REGISTRY_IMAGE, "generation": 2}
    assert import_result(stream("latest", **asked, items=[old]), "latest") == (None, None)
    assert import_result(stream("latest", **asked, items=[new, old]), "latest") == (DIGEST, None)
    assert import_result(stream("latest", **asked, conditions=[failed | {"generation": 2}]), "latest") == (
        None,
        "not found",
    )
    stale = stream("latest", **asked, items=[old], conditions=[failed | {"generation": 1}])
    assert import_result(stale, "latest") == (None, None)


@pytest.mark.parametrize(
    ("digest", "before", "pushed", "why"),
    [
        (None, None, None, "nothing was pushed there"),
        (None, DIGEST, DIGEST, "nothing was pushed there"),
        (DIGEST, DIGEST, None, "it is as it was before the build"),
        (DIGEST, None, "sha256:new", f"it is {DIGEST}, and the build pushed sha256:new"),
        (DIGEST, "sha256:old", None, None),
        (DIGEST, DIGEST, DIGEST, None),
        (DIGEST, None, None, None),
    ],
)
def test_an_image_that_no_build_has_just_made(
    digest: str | None, before: str | None, pushed: str | None, why: str | None
) -> None:
    assert why_not_built(digest, before, pushed) == why


def test_a_tag_is_pinned_as_oc_tag_does() -> None:
    tag = pinned_tag("maintenance-page", "web", "latest", DIGEST)
    assert tag["metadata"]["name"] == "maintenance-page:latest"
    assert tag["tag"]["from"] == {"kind": "ImageStreamImage", "name": f"maintenance-page@{DIGEST}", "namespace": "web"}


@pytest.mark.parametrize(
    ("observed", "lacks"),
    [
        (deployment(), None),
        (None, "not there"),
        (deployment(image="maintenance-page:latest"), "does not have the new image"),
        (deployment(image="registry/ns/maintenance-page@sha256:old"), "does not have the new image"),
        (deployment(observedGeneration=2), "not observed"),
        (deployment(updatedReplicas=0), "0 of 1 Pods are of the new image"),
        (deployment(replicas=2), "have not taken over"),
        (deployment(availableReplicas=0), "0 of 1 Pods are ready"),
    ],
)
def test_what_a_rollout_lacks(observed: dict[str, Any] | None, lacks: str | None) -> None:
    lack = rollout_lacks(observed, DIGEST)
    assert lack is None if lacks is None else lack is not None and lacks in lack


def pod(template: str, second: int, *, image: str = f"registry/ns/maintenance-page@{DIGEST}") -> dict[str, Any]:
    metadata = {"labels": {"pod-template-hash": template}, "creationTimestamp": f"2026-11-28T18:00:{second:02}Z"}
    return {"metadata": metadata, "spec": {"containers": [{"image": image}]}}


def test_pods_say_why_they_do_not_run() -> None:
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
    of_the_image = pod("6d4cf56db6", 0)
    pods = [
        of_the_image | {"status": {"containerStatuses": [waiting]}},
        of_the_image | {"status": {"containerStatuses": [{"ready": False, "state": {}}]}},
        of_the_image | {"status": {"containerStatuses": [{"ready": True, "state": {"running": {}}}]}},
        {"metadata": {}},
    ]
    assert page_troubles(pods, DIGEST) == [
        Trouble("ImagePullBackOff: no such image"),
        Trouble("running, but its readiness probe fails"),
    ]


def test_pods_that_wait_for_an_image_that_was_not_built_yet_are_no_trouble() -> None:
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
    first = pod("6d4cf56db6", 0, image="maintenance-page:latest")
    assert page_troubles([first | {"status": {"containerStatuses": [waiting]}}], DIGEST) == []


def test_what_pods_of_an_older_template_suffer_from_may_be_mended_in_the_newest() -> None:
    """As after the advice to give the page more memory: the image is the same, the old Pod crashes until it goes."""
    ended = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    crashing = {"containerStatuses": [{"state": {"running": {}}, "lastState": ended, "restartCount": 9}]}
    old = pod("old", 1) | {"status": crashing}
    starting = {"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}
    new = pod("new", 7) | {"status": starting}
    assert [trouble.lasting for trouble in page_troubles([old], DIGEST)] == [True]
    assert page_troubles([old, new], DIGEST) == page_troubles([new, old], DIGEST) == [Trouble("ContainerCreating")]
    going = {**old, "metadata": {**old["metadata"], "deletionTimestamp": "2026-11-28T18:00:09Z"}}
    assert page_troubles([going], DIGEST) == []


REFUSED = {
    "type": "ReplicaFailure",
    "status": "True",
    "reason": "FailedCreate",
    "message": 'pods "maintenance-page-6d4cf56db6-x7k2p" is forbidden: exceeded quota: compute',
}


def with_conditions(*conditions: dict[str, str], observed: int = 3) -> dict[str, Any]:
    return deployment() | {"status": {"observedGeneration": observed, "conditions": list(conditions)}}


def test_a_deployment_says_that_its_pods_are_refused() -> None:
    assert pods_refused(with_conditions(REFUSED)) == REFUSED["message"]


@pytest.mark.parametrize(
    "observed",
    [
        None,
        deployment(),
        with_conditions(REFUSED, observed=2),
        with_conditions(REFUSED | {"status": "False"}),
        with_conditions(REFUSED | {"reason": "FailedDelete"}),
        with_conditions(REFUSED | {"type": "Available"}),
    ],
    ids=["none", "without conditions", "of an older template", "no longer", "a deletion", "another condition"],
)
def test_what_is_no_refusal(observed: dict[str, Any] | None) -> None:
    assert pods_refused(observed) is None


def test_a_rollout_says_that_its_deadline_is_over() -> None:
    late = {
        "type": "Progressing",
        "status": "False",
        "reason": "ProgressDeadlineExceeded",
        "message": 'ReplicaSet "maintenance-page-6d4cf56db6" has timed out progressing.',
    }
    assert deadline_passed(with_conditions(late)) == late["message"]
    assert deadline_passed(with_conditions(late | {"status": "True", "reason": "ReplicaSetUpdated"})) is None


def test_a_base_image_that_is_there() -> None:
    require_base_image(stream("1.30", items=[{"image": DIGEST}]), "nginx:1.30", "shared")


@pytest.mark.parametrize(
    ("observed", "message"),
    [
        (None, "there is no ImageStream nginx in shared"),
        (stream("1.29", items=[{"image": DIGEST}]), "nginx in shared has no image 1.30. Name one that it has: 1.29."),
        (stream("1.30"), "has no image 1.30. Name one that it has: it has none."),
        (
            stream(
                "1.30",
                source="registry.example.test/nginx:1.30",
                conditions=[{"type": "ImportSuccess", "status": "False", "generation": 1, "message": "unauthorized"}],
            ),
            "has no image 1.30: unauthorized.",
        ),
    ],
    ids=["no stream", "another tag", "an empty tag", "a failed import"],
)
def test_a_base_image_that_is_not(observed: dict[str, Any] | None, message: str) -> None:
    with pytest.raises(MaintenanceError) as refused:
        require_base_image(observed, "nginx:1.30", "shared")
    assert message in f"{refused.value.what} {refused.value.advice}"
    assert "PAGE_BASE_IMAGE" in refused.value.what

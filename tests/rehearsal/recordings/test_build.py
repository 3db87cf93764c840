"""A binary build, from the upload to the Pod that serves its image: the recorded exchanges, and the watch over it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from maintenance_ci.rehearsal.builds.images import Program
from maintenance_ci.rehearsal.pinned_helm import pinned_helm_path
from tests.rehearsal.recordings.article_chart import NAME, write_chart
from tests.rehearsal.recordings.comparison import Names, differences, load
from tests.rehearsal.recordings.lab import Lab, running_lab
from tests.rehearsal.recordings.replay import Replay
from tests.tools.small_cluster import DEFAULT_CONF, tar_of

Object = dict[str, Any]
NAMESPACE = "builds"
EXCHANGES: list[Object] = load("build-exchanges")
DOCKERFILE = """\
FROM nginxinc/nginx-unprivileged
COPY default.conf /etc/nginx/conf.d/default.conf
COPY index.html /usr/share/nginx/html/index.html
"""
WATCHED = {
    "Build": "/apis/build.openshift.io/v1/namespaces/builds/builds",
    "BuildConfig": "/apis/build.openshift.io/v1/namespaces/builds/buildconfigs",
    "Pod": "/api/v1/namespaces/builds/pods",
    "ImageStream": "/apis/image.openshift.io/v1/namespaces/builds/imagestreams",
    "Deployment": "/apis/apps/v1/namespaces/builds/deployments",
    "ReplicaSet": "/apis/apps/v1/namespaces/builds/replicasets",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/builds/endpointslices",
}


@dataclass
class Played:
    """What came of playing the recording back."""

    differences: dict[str, list[str]] = field(default_factory=dict)
    events: list[Object] = field(default_factory=list)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    folder = tmp_path_factory.mktemp("lab")
    with running_lab(folder) as lab:
        replay = Replay(lab)
        prepare(lab, replay)
        result = Played()
        with replay.watching(*WATCHED.values()) as result.events:
            for recorded in EXCHANGES:
                upload = page("10") if recorded["request"]["method"] == "POST" else None
                result.differences[recorded["title"]] = replay.exchange(recorded, upload)
                wait_for_what_the_recorder_waited_for(lab, recorded["title"])
        yield result


def page(text: str) -> bytes:
    """The upload: the recording has no more than its size."""
    return tar_of({"Dockerfile": DOCKERFILE, "default.conf": DEFAULT_CONF, "index.html": text})


def prepare(lab: Lab, replay: Replay) -> None:
    """Bring the cluster to where the recording begins.

    A chart installed by Helm 4, nine builds (three left an image, two of those became `latest`), the last of them kept.
    """
    for plural, obj in (
        ("namespaces", {"metadata": {"name": NAMESPACE}}),
        ("secrets", {"metadata": {"name": "docker-registry-secret", "namespace": NAMESPACE}}),
    ):
        lab.call(lab.store.create, plural, obj, manager="test")
    # The recording's kubelet started whatever image a Pod named.
    lab.call(lab.cluster.images.push, f"{NAME}:latest", lab.cluster.images.save(Program.NGINX, {}))
    helm = lab.run(
        pinned_helm_path(),
        "upgrade",
        "-i",
        NAME,
        str(write_chart(lab.folder)),
        "-n",
        NAMESPACE,
        "--set-string",
        "imageTag=v1",
    )
    assert helm.returncode == 0, helm.stderr
    wait_until(lambda: is_rolled_out(lab, generation=1))
    build(lab, replay, page("1"))
    tag_latest(lab, replay, generation=2)
    build(lab, replay, page("2"))
    for _ in range(6):
        build(lab, replay, tar_of({"Dockerfile": "FROM nothing\n"}))
    build(lab, replay, page("9"))
    tag_latest(lab, replay, generation=3)
    for number in range(1, 9):
        replay.send("DELETE", f"{WATCHED['Build']}/{NAME}-{number}")
    wait_until(lambda: len(lab.call(lab.store.list, "pods", NAMESPACE)) == 2)


def build(lab: Lab, replay: Replay, archive: bytes) -> None:
    path = EXCHANGES[0]["request"]["path"]
    _, _, started = replay.send("POST", path, archive, "application/octet-stream")
    name = started["metadata"]["name"]
    wait_until(lambda: phase(lab, name) in ("Complete", "Failed"))


def tag_latest(lab: Lab, replay: Replay, generation: int) -> None:
    stream = lab.call(lab.store.get, "imagestreams", NAMESPACE, NAME)
    image = next(one for one in stream["status"]["tags"] if one["tag"] == "v1")["items"][0]["image"]
    tag = next(one["request"] for one in EXCHANGES if one["request"]["method"] == "PUT")
    body = json.loads(re.sub("sha256:[0-9a-f]{64}", image, json.dumps(tag["body"])))
    status, _, answer = replay.send("PUT", tag["path"], body, "application/json")
    assert status in (200, 201), answer
    wait_until(lambda: is_rolled_out(lab, generation))


def phase(lab: Lab, name: str) -> str:
    return str(lab.call(lab.store.get, "builds", NAMESPACE, name)["status"]["phase"])


def is_rolled_out(lab: Lab, generation: int) -> bool:
    """True when the Deployment's new Pod is the only one."""
    deployment = lab.call(lab.store.get, "deployments", NAMESPACE, NAME)
    status = deployment["status"]
    counts = [status.get(f"{what}Replicas", 0) for what in ("updated", "ready", "terminating")]
    slices = lab.call(lab.store.list, "endpointslices", NAMESPACE)
    return (
        status.get("observedGeneration") == deployment["metadata"]["generation"] == generation
        and [status.get("replicas"), *counts] == [1, 1, 1, 0]
        and [len(one["endpoints"]) for one in slices] == [1]
    )


def wait_for_what_the_recorder_waited_for(lab: Lab, title: str) -> None:
    """It let two seconds pass after the log, and five after the tag."""
    if title == "its log, followed to the end":
        wait_until(lambda: phase(lab, f"{NAME}-10") == "Complete")
    if title == "tag it as latest, pinned, as oc tag does":
        wait_until(lambda: is_rolled_out(lab, generation=4))


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)


@pytest.mark.parametrize("title", [recorded["title"] for recorded in EXCHANGES])
def test_an_exchange(played: Played, title: str) -> None:
    assert not played.differences[title], "\n".join(played.differences[title])


@pytest.mark.parametrize("kind", WATCHED)
def test_the_watch_saw_the_same_events_in_the_same_order(played: Played, kind: str) -> None:
    # A watch begins with what is there: only what the build and the rollout changed is compared.
    recorded = [one for one in load("build-watch") if one["kind"] == kind and one["t"] > 1]
    ours = [one for one in played.events if one["object"]["kind"] == kind]
    if kind == "Pod":
        recorded, ours = ([trimmed(one) for one in events if not is_of_the_kubelet(one)] for events in (recorded, ours))
    told = [[summary(one) for one in events] for events in (recorded, ours)]
    assert told[0] == told[1]
    assert recorded
    assert differences(plain(recorded), plain(ours)) == []


def plain(events: list[Object]) -> list[Object]:
    """The objects of the events, less what differs from one run to the next."""
    names = Names()
    return [names.plain(without_managed_fields(one["object"])) for one in events]


def summary(event: Object) -> str:
    """An event in one line, without generated names."""
    status = event["object"].get("status") or {}
    words = [status.get(name) for name in ("phase", "replicas", "updatedReplicas", "terminatingReplicas")]
    return f"{event['type']} {event['object']['metadata'].get('generation')} {words}"


def is_of_the_kubelet(event: Object) -> bool:
    """True for what a kubelet alone writes: the status of a Pod, and that a marked one has come to its end.

    The recording's was a stand-in, and ours runs nginx: they need other steps to get there.
    """
    metadata = event["object"]["metadata"]
    return event["type"] == "MODIFIED" and metadata.get("deletionGracePeriodSeconds") in (None, 0)


def trimmed(event: Object) -> Object:
    """The event of a Pod without what its kubelet wrote, its containers by their names alone, as in the recording."""
    pod = dict(event["object"])
    if event["type"] != "ADDED":
        del pod["status"]
    lists = {name: pod["spec"].get(name, []) for name in ("initContainers", "containers")}
    pod["spec"] = {
        name: [one if isinstance(one, str) else one["name"] for one in listed] for name, listed in lists.items()
    }
    return {**event, "object": pod}


def without_managed_fields(obj: Object) -> Object:
    """The recorder left them out; and one time goes that is there or not by the turn of a second."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    if metadata.get("annotations", {}).keys() == {"endpoints.kubernetes.io/last-change-trigger-time"}:
        del metadata["annotations"]
    return {**obj, "metadata": metadata}

"""Pods are marked before they go, and nobody takes the mark away."""

from __future__ import annotations

from typing import Any

import pytest

from maintenance_ci.rehearsal.apiserver.kinds.workloads import terminating
from maintenance_ci.rehearsal.apiserver.store import Object, Store

NOW = "2026-11-23T07:36:00Z"


def pod(**metadata: Any) -> Object:
    spec = {"nodeName": "node-1", "terminationGracePeriodSeconds": 30, "containers": [{"name": "page"}]}
    return {"metadata": {"name": "page", "namespace": "shop", "generation": 1} | metadata, "spec": spec}


@pytest.mark.parametrize(
    ("before", "grace", "mark"),
    [
        ({}, None, (30, "2026-11-23T07:36:30Z", 2)),  # recorded
        ({}, 5, (5, "2026-11-23T07:36:05Z", 2)),
        ({"deletionGracePeriodSeconds": 30, "generation": 2}, 0, (0, NOW, 2)),  # recorded: what the kubelet does
        ({"deletionGracePeriodSeconds": 30, "generation": 2}, 60, (30, None, 2)),
        ({"deletionGracePeriodSeconds": 0, "generation": 2}, None, (0, None, 2)),
    ],
)
def test_the_mark(before: Object, grace: int | None, mark: tuple[int, str | None, int]) -> None:
    marked = terminating(pod(**before), grace, NOW)
    assert marked is not None
    metadata = marked["metadata"]
    told = (metadata["deletionGracePeriodSeconds"], metadata.get("deletionTimestamp"), metadata["generation"])
    assert told == mark


def test_a_pod_that_never_came_to_a_node_goes_at_once() -> None:
    assert terminating({**pod(), "spec": {"containers": []}}, None, NOW) is None
    store = Store()
    store.create("pods", {**pod(), "spec": {"containers": [{"name": "page"}]}}, manager="test")
    store.delete("pods", "shop", "page")
    assert store.list("pods") == []


def test_the_mark_stays_whatever_is_written() -> None:
    store = Store()
    created = store.create("pods", pod(), manager="test")
    marked = store.delete("pods", "shop", "page")
    written = store.update("pods", {**created, "metadata": {"name": "page", "namespace": "shop"}}, manager="test")
    assert written["metadata"]["deletionTimestamp"] == marked["metadata"]["deletionTimestamp"]
    assert store.delete("pods", "shop", "page", dry_run=True) == written
    store.delete("pods", "shop", "page", grace=0)
    assert store.find("pods", "shop", "page") is None


def test_a_namespace_takes_its_pods_along() -> None:
    store = Store()
    store.create("namespaces", {"metadata": {"name": "shop"}}, manager="test")
    store.create("pods", pod(), manager="test")
    store.delete("namespaces", "", "shop")
    assert store.list("pods") == []

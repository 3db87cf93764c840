"""Pods that a LimitRange or a ResourceQuota fills in or refuses, in Kubernetes' own words."""

from __future__ import annotations

from typing import Any

import pytest

from maintenance_ci.rehearsal.apiserver.errors import ApiError
from maintenance_ci.rehearsal.apiserver.store import Object, Store


def pod(name: str = "page", **resources: dict[str, str]) -> Object:
    container = {"name": "page", "image": "nginx:1", "resources": resources}
    return {"metadata": {"name": name, "namespace": "web"}, "spec": {"containers": [container]}}


def store_with(plural: str, **spec: Any) -> Store:
    store = Store()
    store.create(plural, {"metadata": {"name": "q", "namespace": "web"}, "spec": spec}, manager="test")
    return store


def container_bounds(**bounds: dict[str, str]) -> Store:
    return store_with("limitranges", limits=[{"type": "Container", **bounds}])


def refusal(store: Store, refused: Object) -> str:
    with pytest.raises(ApiError) as error:
        store.create("pods", refused, manager="test")
    assert error.value.code == 403
    start = 'pods "page" is forbidden: '
    assert error.value.message.startswith(start)
    assert store.find("pods", "web", "page") is None
    return error.value.message.removeprefix(start)


LIMITED = {"requests": {"cpu": "5m", "memory": "12Mi"}, "limits": {"memory": "24Mi"}}


@pytest.mark.parametrize(
    ("bounds", "why"),
    [
        ({"max": {"memory": "16Mi"}}, "maximum memory usage per Container is 16Mi, but limit is 24Mi"),
        ({"min": {"memory": "64Mi"}}, "minimum memory usage per Container is 64Mi, but request is 12Mi"),
        (
            {"min": {"memory": "64Mi"}, "max": {"memory": "16Mi"}},
            (
                "[minimum memory usage per Container is 64Mi, but request is 12Mi, "
                "maximum memory usage per Container is 16Mi, but limit is 24Mi]"
            ),
        ),
    ],
)
def test_a_container_outside_of_the_bounds(bounds: dict[str, dict[str, str]], why: str) -> None:
    assert refusal(container_bounds(**bounds), pod(**LIMITED)) == why


def test_what_a_container_leaves_open_is_filled_in() -> None:
    store = container_bounds(default={"memory": "64Mi"}, defaultRequest={"cpu": "10m"}, max={"cpu": "1"})
    made = store.create("pods", pod(requests={"memory": "32Mi"}), manager="test")
    [container] = made["spec"]["containers"]
    assert container["resources"] == {
        "limits": {"cpu": "1", "memory": "64Mi"},
        "requests": {"cpu": "10m", "memory": "32Mi"},
    }
    other = {**pod("other"), "metadata": {"name": "other", "namespace": "elsewhere"}}
    assert store.create("pods", other, manager="test")["spec"]["containers"][0]["resources"] == {}


def test_a_quota_adds_up_what_runs() -> None:
    store = store_with("resourcequotas", hard={"limits.memory": "64Mi", "requests.cpu": "1", "pods": "5"})
    for name in ("a", "b"):
        store.create("pods", pod(name, **LIMITED), manager="test")
    assert refusal(store, pod(**LIMITED)) == (
        "exceeded quota: q, requested: limits.memory=24Mi, used: limits.memory=48Mi, limited: limits.memory=64Mi"
    )
    ended = store.get("pods", "web", "a")
    store.update("pods", {**ended, "status": {"phase": "Succeeded"}}, manager="test", subresource="status")
    store.create("pods", pod(**LIMITED), manager="test")


def test_a_quota_of_several_names_those_that_are_exceeded() -> None:
    store = store_with("resourcequotas", hard={"requests.memory": "16Mi", "cpu": "8m", "pods": "1"})
    store.create("pods", pod("a", **LIMITED), manager="test")
    assert refusal(store, pod(**LIMITED)) == (
        "exceeded quota: q, requested: cpu=5m,pods=1,requests.memory=12Mi, used: cpu=5m,pods=1,requests.memory=12Mi, "
        "limited: cpu=8m,pods=1,requests.memory=16Mi"
    )


def test_a_quota_asks_for_what_it_counts() -> None:
    store = store_with("resourcequotas", hard={"limits.cpu": "1", "memory": "1Gi", "limits.memory": "1Gi"})
    assert refusal(store, pod(limits={"memory": "24Mi"})) == (
        "failed quota: q: must specify limits.cpu for: page; memory for: page"
    )

"""Pods that come and go while a switch is under way."""

from __future__ import annotations

import copy
import time

from maintenance_ci.rehearsal import application_manifests as manifests
from tests.matrices.stage import DERIVED, Stage


def scale(on: Stage, name: str, replicas: int) -> None:
    """Scale, and wait until that many Pods are ready."""
    store = on.cluster.store

    def change() -> None:
        """At one go: the Deployment's controller writes its status meanwhile."""
        deployment = copy.deepcopy(store.get("deployments", manifests.NAMESPACE, name))
        deployment["spec"]["replicas"] = replicas
        store.update("deployments", deployment, manager="somebody")

    on.cluster.call(change)
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
    on.cluster.do(on.cluster.inside.router.followed())
    now = on.settled()
    on.before = {key: value for key, value in on.before.items() if key[0] not in DERIVED} | {
        key: value for key, value in now.items() if key[0] in DERIVED
    }
    on.crowd.harmed()

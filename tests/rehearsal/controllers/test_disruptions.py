"""PodDisruptionBudgets and evictions, without a kubelet: the tests say which Pod runs, and which one is ready."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from maintenance_ci.rehearsal.apiserver.errors import ApiError
from maintenance_ci.rehearsal.apiserver.evictions import evict
from maintenance_ci.rehearsal.apiserver.request import Request, parse_path
from maintenance_ci.rehearsal.apiserver.rights import User
from maintenance_ci.rehearsal.apiserver.store import Object, Store
from maintenance_ci.rehearsal.controllers.deployments import Deployments
from maintenance_ci.rehearsal.controllers.disruptions import Disruptions
from maintenance_ci.rehearsal.controllers.replicasets import ReplicaSets
from tests.tools.small_cluster import NAMESPACE, deployment, until


class Scene:
    """A Deployment ``page`` with a budget, on a store with the controllers that matter."""

    def __init__(self) -> None:
        self.store = Store()

    def pods(self) -> list[Object]:
        return [pod for pod in self.store.list("pods", NAMESPACE) if "deletionTimestamp" not in pod["metadata"]]

    def budget(self) -> Object:
        return self.store.get("poddisruptionbudgets", NAMESPACE, "page")

    def allowed(self) -> int:
        return int(self.budget()["status"]["disruptionsAllowed"])

    async def begin(self, replicas: int, **spec: Any) -> None:
        wanted = deployment("page", "page:1")
        wanted["spec"]["replicas"] = replicas
        self.store.create("deployments", wanted, manager="test")
        labels = {"matchLabels": wanted["spec"]["selector"]["matchLabels"]}
        budget = {"metadata": {"name": "page", "namespace": NAMESPACE}, "spec": {"selector": labels, **spec}}
        self.store.create("poddisruptionbudgets", budget, manager="test")
        await until(lambda: len(self.pods()) == replicas)

    def run(self, pod: Object, *, ready: bool = True) -> None:
        conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
        bound = self.store.update("pods", {**pod, "spec": {**pod["spec"], "nodeName": "node-1"}}, manager="test")
        status = {**bound["status"], "phase": "Running", "conditions": conditions}
        self.store.update("pods", {**bound, "status": status}, manager="kubelet", subresource="status")

    def evict(self, pod: Object) -> None:
        target = parse_path(f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}/eviction")
        assert target is not None
        assert target.resource is not None
        body = json.dumps({"apiVersion": "policy/v1", "kind": "Eviction"}).encode()
        admin = User("admin", cluster_admin=True)
        code, _ = evict(
            self.store, Request(admin, "POST", target, target.resource, {}, "application/json", body, "test")
        )
        assert code == 201


def story(tell: Callable[[Scene], Any]) -> None:
    async def main() -> None:
        scene = Scene()
        controllers = (Deployments(scene.store), ReplicaSets(scene.store), Disruptions(scene.store))
        tasks = [asyncio.create_task(one.run()) for one in controllers]
        try:
            await tell(scene)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(result, asyncio.CancelledError) for result in results), results

    asyncio.run(main())


def test_one_of_two_may_go_and_the_next_when_another_has_come() -> None:
    async def tell(scene: Scene) -> None:
        await scene.begin(2, maxUnavailable=1)
        for pod in scene.pods():
            scene.run(pod)
        await until(lambda: scene.allowed() == 1)
        status = scene.budget()["status"]
        assert [status[name] for name in ("expectedPods", "currentHealthy", "desiredHealthy")] == [2, 2, 1]
        assert [one["reason"] for one in status["conditions"]] == ["SufficientPods"]

        first, second = scene.pods()
        scene.evict(first)
        # At once: the budget itself was changed, whether or not its controller has looked again.
        with pytest.raises(
            ApiError, match="Cannot evict pod as it would violate the pod's disruption budget"
        ) as caught:
            scene.evict(second)
        assert caught.value.code == 429
        await until(lambda: len(scene.pods()) == 2)
        [new] = [pod for pod in scene.pods() if pod["metadata"]["name"] != second["metadata"]["name"]]
        await until(lambda: scene.budget()["status"]["currentHealthy"] == 1)
        with pytest.raises(ApiError) as caught:
            scene.evict(second)
        why = "The disruption budget page needs 1 healthy pods and has 1 currently"
        assert caught.value.details == {"causes": [{"reason": "DisruptionBudget", "message": why}]}
        scene.run(new)
        await until(lambda: scene.allowed() == 1)
        scene.evict(second)

    story(tell)


@pytest.mark.parametrize(("bound", "allowed"), [({"maxUnavailable": 1}, 1), ({"minAvailable": 1}, 0)])
def test_a_single_pod(bound: dict[str, int], allowed: int) -> None:
    async def tell(scene: Scene) -> None:
        await scene.begin(1, **bound)
        [pod] = scene.pods()
        scene.run(pod)
        await until(lambda: scene.budget()["status"].get("currentHealthy") == 1)
        assert scene.allowed() == allowed

    story(tell)


@pytest.mark.parametrize(("policy", "goes"), [("AlwaysAllow", True), ("IfHealthyBudget", False)])
def test_pods_that_do_not_serve(policy: str, goes: bool) -> None:
    async def tell(scene: Scene) -> None:
        await scene.begin(2, maxUnavailable=1, unhealthyPodEvictionPolicy=policy)
        for pod in scene.pods():
            scene.run(pod, ready=False)
        await until(lambda: scene.budget()["status"]["expectedPods"] == 2)
        if goes:
            for pod in scene.pods():
                scene.evict(pod)
        else:
            with pytest.raises(ApiError, match="Cannot evict"):
                scene.evict(scene.pods()[0])

    story(tell)


def test_a_pod_that_does_not_run_yet_is_nobody_s_loss() -> None:
    async def tell(scene: Scene) -> None:
        await scene.begin(2, maxUnavailable=1)
        for pod in scene.pods():
            scene.evict(pod)

    story(tell)

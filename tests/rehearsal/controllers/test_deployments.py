"""Deployments and ReplicaSets without a kubelet: the tests say which Pod is ready."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator

import pytest

from maintenance_ci.rehearsal.apiserver.store import Object, Store
from maintenance_ci.rehearsal.controllers import replicasets
from maintenance_ci.rehearsal.controllers.deployments import Deployments
from maintenance_ci.rehearsal.controllers.replicasets import ReplicaSets
from maintenance_ci.rehearsal.controllers.rollout import REVISION
from tests.tools.small_cluster import NAMESPACE, deployment, until


@contextlib.asynccontextmanager
async def controllers() -> AsyncIterator[Store]:
    store = Store()
    tasks = [asyncio.create_task(one.run()) for one in (Deployments(store), ReplicaSets(store))]
    try:
        yield store
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results), results


def set_ready(store: Store, pod: Object, ready: bool = True) -> None:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    status = {**pod["status"], "conditions": conditions}
    store.update("pods", {**pod, "status": status}, manager="kubelet", subresource="status")


def set_image(store: Store, image: str) -> None:
    changed = copy.deepcopy(store.get("deployments", NAMESPACE, "page"))
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = image
    store.update("deployments", changed, manager="test")


def pods_of(store: Store, image: str) -> list[Object]:
    return [pod for pod in store.list("pods") if pod["spec"]["containers"][0]["image"] == image]


def status(store: Store) -> Object:
    found: Object = store.get("deployments", NAMESPACE, "page")["status"]
    return found


def reasons(store: Store) -> dict[str, str]:
    return {one["type"]: one["reason"] for one in status(store).get("conditions", [])}


def test_first_rollout_and_its_status() -> None:
    async def main() -> None:
        async with controllers() as store:
            store.create("deployments", deployment("page", "a"), manager="test")
            [pod] = await until(lambda: store.list("pods"))
            [replica_set] = store.list("replicasets")
            await until(lambda: status(store).get("unavailableReplicas"))
            assert reasons(store)["Available"] == "MinimumReplicasUnavailable"
            assert pod["metadata"]["name"].startswith(f"{replica_set['metadata']['name']}-")
            assert pod["metadata"]["labels"]["pod-template-hash"] in replica_set["metadata"]["name"]
            set_ready(store, pod)
            await until(lambda: reasons(store)["Progressing"] == "NewReplicaSetAvailable")
            counts = ("observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
            assert {key: value for key, value in status(store).items() if key != "conditions"} == {
                **dict.fromkeys(counts, 1),
                "terminatingReplicas": 0,
            }
            annotations = store.get("deployments", NAMESPACE, "page")["metadata"]["annotations"]
            assert annotations[REVISION] == "1"
            assert store.get("replicasets", NAMESPACE, replica_set["metadata"]["name"])["status"]["readyReplicas"] == 1

    asyncio.run(main())


def test_new_pod_is_ready_before_the_old_one_goes() -> None:
    async def main() -> None:
        async with controllers() as store:
            store.create("deployments", deployment("page", "a"), manager="test")
            [old] = await until(lambda: store.list("pods"))
            set_ready(store, old)
            await until(lambda: status(store).get("readyReplicas"))
            set_image(store, "b")
            [new] = await until(lambda: pods_of(store, "b"))
            await until(lambda: reasons(store)["Progressing"] == "ReplicaSetUpdated")
            assert pods_of(store, "a") == [store.get("pods", NAMESPACE, old["metadata"]["name"])]
            assert status(store)["unavailableReplicas"] == 1
            assert status(store)["availableReplicas"] == 1
            set_ready(store, new)
            await until(lambda: not pods_of(store, "a"))
            await until(lambda: reasons(store)["Progressing"] == "NewReplicaSetAvailable")
            assert [one["spec"]["replicas"] for one in store.list("replicasets")].count(0) == 1

    asyncio.run(main())


def test_template_that_comes_back_gets_its_old_replica_set_and_the_next_revision() -> None:
    async def main() -> None:
        async with controllers() as store:
            store.create("deployments", deployment("page", "a"), manager="test")
            for image in ("a", "b", "a"):
                set_image(store, image)
                [pod] = await until(lambda image=image: pods_of(store, image))  # type: ignore[misc]
                set_ready(store, pod)
                await until(lambda: len(store.list("pods")) == 1 and status(store).get("updatedReplicas") == 1)
            assert len(store.list("replicasets")) == 2
            annotations = store.get("deployments", NAMESPACE, "page")["metadata"]["annotations"]
            assert annotations[REVISION] == "3"

    asyncio.run(main())


def test_pods_that_go_are_replaced_and_history_is_kept_short() -> None:
    async def main() -> None:
        async with controllers() as store:
            wanted = deployment("page", "0")
            wanted["spec"]["revisionHistoryLimit"] = 1
            store.create("deployments", wanted, manager="test")
            for number in range(4):
                set_image(store, str(number))
                [pod] = await until(lambda number=number: pods_of(store, str(number)))  # type: ignore[misc]
                set_ready(store, pod)
                await until(lambda: len(store.list("pods")) == 1)
            await until(lambda: len(store.list("replicasets")) == 2)
            store.delete("pods", NAMESPACE, pod["metadata"]["name"])
            [other] = await until(lambda: store.list("pods"))
            assert other["metadata"]["uid"] != pod["metadata"]["uid"]

    asyncio.run(main())


def test_settled_deployment_is_written_no_more() -> None:
    async def main() -> None:
        async with controllers() as store:
            store.create("deployments", deployment("page", "a"), manager="test")
            [pod] = await until(lambda: store.list("pods"))
            set_ready(store, pod)
            await until(lambda: reasons(store)["Progressing"] == "NewReplicaSetAvailable")
            await asyncio.sleep(0.05)
            before = store.resource_version
            await asyncio.sleep(0.1)
            assert store.resource_version == before

    asyncio.run(main())


def test_conditions_move_on_as_recorded() -> None:
    """NewReplicaSetCreated, ReplicaSetUpdated, NewReplicaSetAvailable, naming the ReplicaSet."""

    async def main() -> None:
        async with controllers() as store:
            store.create("deployments", deployment("page", "a"), manager="test")
            [pod] = await until(lambda: store.list("pods"))
            set_ready(store, pod)
            await until(lambda: status(store).get("availableReplicas"))
            seen: list[str] = []

            async def watch() -> None:
                async for event in store.watch("deployments"):
                    for one in event.object["status"].get("conditions", []):
                        if one["type"] == "Progressing" and one["message"] not in seen:
                            seen.append(one["message"])

            watching = asyncio.create_task(watch())
            await asyncio.sleep(0.02)
            set_image(store, "b")
            [new] = await until(lambda: pods_of(store, "b"))
            await asyncio.sleep(0.02)
            set_ready(store, new)
            await until(lambda: not pods_of(store, "a"))
            await asyncio.sleep(0.02)
            watching.cancel()
            await asyncio.wait([watching])
            name = new["metadata"]["ownerReferences"][0]["name"]
            assert seen[1:] == [
                f'Created new replica set "{name}"',
                f'ReplicaSet "{name}" is progressing.',
                f'ReplicaSet "{name}" has successfully progressed.',
            ]

    asyncio.run(main())


def quota(pods: str) -> Object:
    return {"metadata": {"name": "objects", "namespace": NAMESPACE}, "spec": {"hard": {"pods": pods}}}


def test_a_pod_that_is_refused_shows_on_the_deployment_until_it_is_made() -> None:
    async def main() -> None:
        async with controllers() as store:
            store.create("resourcequotas", quota("0"), manager="test")
            store.create("deployments", deployment("page", "a"), manager="test")
            await until(lambda: "ReplicaFailure" in reasons(store))
            [failed] = [one for one in status(store)["conditions"] if one["type"] == "ReplicaFailure"]
            [replica_set] = store.list("replicasets")
            assert (failed["status"], failed["reason"]) == ("True", "FailedCreate")
            assert failed["message"].startswith(f'pods "{replica_set["metadata"]["name"]}-')
            assert failed["message"].endswith(
                '" is forbidden: exceeded quota: objects, requested: pods=1, used: pods=0, limited: pods=0'
            )
            await asyncio.sleep(0.1)
            assert failed in status(store)["conditions"], "the first message stays while it is tried again"
            store.update("resourcequotas", quota("1"), manager="test")
            await until(lambda: store.list("pods"))
            await until(lambda: "ReplicaFailure" not in reasons(store))

    asyncio.run(main())


def test_a_refused_pod_is_tried_later_and_at_once_when_its_deployment_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicasets, "FIRST_DELAY", 100.0)

    async def main() -> None:
        async with controllers() as store:
            store.create("resourcequotas", quota("0"), manager="test")
            store.create("deployments", deployment("page", "a"), manager="test")
            await until(lambda: "ReplicaFailure" in reasons(store))
            store.update("resourcequotas", quota("1"), manager="test")
            await asyncio.sleep(0.1)
            assert store.list("pods") == []
            changed = copy.deepcopy(store.get("deployments", NAMESPACE, "page"))
            changed["metadata"]["annotations"] = {"asked": "again"}
            store.update("deployments", changed, manager="test")
            await until(lambda: store.list("pods"))

    asyncio.run(main())

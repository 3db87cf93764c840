"""ReplicaSets: as many Pods as wanted, made from the template, and a status that counts them.

A Pod that is refused (a quota, a LimitRange) is tried again, less and less often, and at once when the ReplicaSet or
its Pods change: the delays and the condition are those of Kubernetes' controller (pkg/controller/replicaset).
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maintenance_ci.rehearsal.apiserver.errors import ApiError
from maintenance_ci.rehearsal.apiserver.store import now
from maintenance_ci.rehearsal.controllers.level import AtRest, by_owner, condition, controlled_by, is_ready, keep_level

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.apiserver.store import Object, Store

MANAGER = "kube-controller-manager"
# Seconds until a refused Pod is tried again, doubled each time, up to the longest.
FIRST_DELAY, LONGEST_DELAY = 0.005, 1000.0


@dataclass(frozen=True)
class Refusal:
    """A Pod that was not made: why, what the ReplicaSet was like, how often so far, and when it is tried again."""

    message: str
    seen: tuple[object, ...]
    times: int
    again: float


class ReplicaSets:
    """Makes and removes Pods. A Pod is available as soon as it is ready (``minReadySeconds`` is not waited for)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._refused: dict[str, Refusal] = {}  # by the ReplicaSet's uid
        self._at_rest = AtRest()

    async def run(self) -> None:
        """Run until cancelled."""
        await keep_level(self._store, ("replicasets", "pods"), self.reconcile)

    def reconcile(self) -> float | None:
        """Look at every ReplicaSet once; returns the seconds until a Pod that was refused is tried again."""
        replica_sets, pods = self._store.list("replicasets"), by_owner(self._store.list("pods"))
        self._at_rest.forget_others(replica_sets)
        for replica_set in replica_sets:
            uid = replica_set["metadata"]["uid"]
            owned = pods.get(uid, [])
            if not self._at_rest.needs_nothing(replica_set, owned):
                self._reconcile(replica_set, owned)
                if uid not in self._refused:
                    self._at_rest.note(replica_set, owned)
        there = {one["metadata"]["uid"] for one in replica_sets}
        self._refused = {uid: refusal for uid, refusal in self._refused.items() if uid in there}
        return min((max(0.0, one.again - time.monotonic()) for one in self._refused.values()), default=None)

    def _reconcile(self, replica_set: Object, owned: list[Object]) -> None:
        namespace = replica_set["metadata"]["namespace"]
        pods = [pod for pod in owned if "deletionTimestamp" not in pod["metadata"]]
        wanted = replica_set["spec"]["replicas"]
        self._create(replica_set, wanted - len(pods), owned)
        for pod in sorted(pods, key=_worth)[: max(0, len(pods) - wanted)]:
            self._store.delete("pods", namespace, pod["metadata"]["name"])
        # What it has just done shows in the next round, which the Pods' events bring about (recorded).
        self._report(replica_set, pods, terminating=len(owned) - len(pods))

    def _create(self, replica_set: Object, missing: int, owned: list[Object]) -> None:
        uid, metadata = replica_set["metadata"]["uid"], replica_set["metadata"]
        names = sorted(pod["metadata"]["name"] for pod in owned)
        seen = (metadata["generation"], metadata.get("annotations"), names)
        before = self._refused.pop(uid, None)
        if before and before.seen == seen and time.monotonic() < before.again:
            self._refused[uid] = before
            return
        try:
            for _ in range(missing):
                self._store.create("pods", _pod(replica_set), manager=MANAGER)
        except ApiError as error:
            times = before.times + 1 if before else 0
            again = time.monotonic() + min(LONGEST_DELAY, FIRST_DELAY * 2**times)
            self._refused[uid] = Refusal(error.message, seen, times, again)

    def _report(self, replica_set: Object, pods: list[Object], terminating: int) -> None:
        ready = sum(map(is_ready, pods))
        counts = {"fullyLabeledReplicas": len(pods), "readyReplicas": ready, "availableReplicas": ready}
        status: Object = {"replicas": len(pods)} | {key: count for key, count in counts.items() if count}
        status |= {"terminatingReplicas": terminating, "observedGeneration": replica_set["metadata"]["generation"]}
        refusal = self._refused.get(replica_set["metadata"]["uid"])
        if refusal:
            # The first message stays while it is tried again: the condition is set only where there is none.
            failed = condition(replica_set, "ReplicaFailure") or {
                "type": "ReplicaFailure",
                "status": "True",
                "lastTransitionTime": now(),
                "reason": "FailedCreate",
                "message": refusal.message,
            }
            status["conditions"] = [failed]
        self._store.update("replicasets", {**replica_set, "status": status}, manager=MANAGER, subresource="status")


def _worth(pod: Object) -> tuple[bool, str]:
    """What goes first has the least worth: a Pod that is not ready, then the oldest."""
    return is_ready(pod), pod["metadata"]["creationTimestamp"]


def _pod(replica_set: Object) -> Object:
    template = copy.deepcopy(replica_set["spec"]["template"])
    metadata = {key: value for key, value in template.get("metadata", {}).items() if key in ("labels", "annotations")}
    name, namespace = replica_set["metadata"]["name"], replica_set["metadata"]["namespace"]
    metadata |= {"generateName": f"{name}-", "namespace": namespace, "ownerReferences": controlled_by(replica_set)}
    return {"metadata": metadata, "spec": template["spec"]}

"""ReplicaSets: as many Pods as wanted, made from the template, and a status that counts them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from maintenance_ci.rehearsal.controllers.level import controlled_by, is_ready, keep_level, owned_by

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.apiserver.store import Object, Store

MANAGER = "kube-controller-manager"


class ReplicaSets:
    """Makes and removes Pods. A Pod is available as soon as it is ready (``minReadySeconds`` is not waited for)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def run(self) -> None:
        """Run until cancelled."""
        await keep_level(self._store, ("replicasets", "pods"), self.reconcile)

    def reconcile(self) -> None:
        """Look at every ReplicaSet once."""
        for replica_set in self._store.list("replicasets"):
            namespace = replica_set["metadata"]["namespace"]
            owned = owned_by(self._store.list("pods", namespace), replica_set)
            pods = [pod for pod in owned if "deletionTimestamp" not in pod["metadata"]]
            wanted = replica_set["spec"]["replicas"]
            for _ in range(wanted - len(pods)):
                self._store.create("pods", _pod(replica_set), manager=MANAGER)
            for pod in sorted(pods, key=_worth)[: max(0, len(pods) - wanted)]:
                self._store.delete("pods", namespace, pod["metadata"]["name"])
            # What it has just done shows in the next round, which the Pods' events bring about (recorded).
            self._report(replica_set, pods, terminating=len(owned) - len(pods))

    def _report(self, replica_set: Object, pods: list[Object], terminating: int) -> None:
        ready = sum(map(is_ready, pods))
        counts = {"fullyLabeledReplicas": len(pods), "readyReplicas": ready, "availableReplicas": ready}
        status: Object = {"replicas": len(pods)} | {key: count for key, count in counts.items() if count}
        status |= {"terminatingReplicas": terminating, "observedGeneration": replica_set["metadata"]["generation"]}
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

"""PodDisruptionBudgets: how many of their Pods may be evicted now.

The rules are those of Kubernetes' disruption controller (pkg/controller/disruption): Pods are counted by what their
Deployments want, not by what is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.rehearsal.apiserver.kinds.budgets import desired_healthy, is_about
from maintenance_ci.rehearsal.apiserver.store import now
from maintenance_ci.rehearsal.controllers.level import condition, is_ready, keep_level

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.apiserver.store import Object, Store

MANAGER = "kube-controller-manager"


class Disruptions:
    """Keeps the status of every PodDisruptionBudget."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def run(self) -> None:
        """Run until cancelled."""
        await keep_level(self._store, ("poddisruptionbudgets", "pods", "replicasets", "deployments"), self.reconcile)

    def reconcile(self) -> None:
        """Look at every budget once."""
        for budget in self._store.list("poddisruptionbudgets"):
            pods = self._store.list("pods", budget["metadata"]["namespace"])
            status = self._status(budget, [pod for pod in pods if is_about(budget, pod)])
            self._store.update(
                "poddisruptionbudgets", {**budget, "status": status}, manager=MANAGER, subresource="status"
            )

    def _status(self, budget: Object, pods: list[Object]) -> Object:
        expected = sum(self._wanted(budget["metadata"]["namespace"], pods).values())
        healthy = sum(is_ready(pod) and "deletionTimestamp" not in pod["metadata"] for pod in pods)
        desired = desired_healthy(budget, expected)
        allowed = max(0, healthy - desired) if expected else 0
        generation = budget["metadata"]["generation"]
        before = condition(budget, "DisruptionAllowed")
        state, reason = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
        same = before.get("status") == state
        return {
            "observedGeneration": generation,
            "disruptionsAllowed": allowed,
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
            "conditions": [
                {
                    "type": "DisruptionAllowed",
                    "status": state,
                    "observedGeneration": generation,
                    "lastTransitionTime": before["lastTransitionTime"] if same else now(),
                    "reason": reason,
                    "message": "",
                }
            ],
        }

    def _wanted(self, namespace: str, pods: list[Object]) -> dict[str, int]:
        """How many Pods whatever controls these wants, by its uid: a Deployment, or a ReplicaSet of nobody's."""
        wanted: dict[str, int] = {}
        for pod in pods:
            owner = self._owner(namespace, pod, "replicasets")
            above = self._owner(namespace, owner, "deployments") if owner else None
            scaled = above or owner
            if scaled:
                wanted[scaled["metadata"]["uid"]] = scaled["spec"]["replicas"]
        return wanted

    def _owner(self, namespace: str, obj: Object, plural: str) -> Object | None:
        for reference in obj["metadata"].get("ownerReferences", []):
            found = self._store.find(plural, namespace, reference["name"])
            if found and found["metadata"]["uid"] == reference["uid"]:
                return found
        return None

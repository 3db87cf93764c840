"""Evictions: a Pod is deleted for whoever drains a node, unless its PodDisruptionBudget says that it must stay for now.

The rules and messages are those of Kubernetes' API server (pkg/registry/core/pod/storage/eviction.go).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.apiserver import errors
from maintenance_ci.rehearsal.apiserver.kinds.budgets import is_about
from maintenance_ci.rehearsal.apiserver.objects import success
from maintenance_ci.rehearsal.controllers.level import is_ready

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.apiserver.request import Request
    from maintenance_ci.rehearsal.apiserver.store import Store

Object = dict[str, Any]
MANAGER = "kube-apiserver"


def evict(store: Store, request: Request) -> tuple[int, Object]:
    """Delete the Pod that the URL names.

    Raises:
        ApiError: 429 where its budget allows no disruption now; 500 where several budgets are about it.
    """
    target = request.target
    pod = store.get("pods", target.namespace, target.name)
    budgets = [one for one in store.list("poddisruptionbudgets", target.namespace) if is_about(one, pod)]
    if not _may_go_anyway(pod):
        if len(budgets) > 1:
            message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
            raise errors.ApiError(500, "InternalError", message)
        for budget in budgets:
            _take_from(store, budget, pod, dry_run=request.dry_run)
    store.delete("pods", target.namespace, target.name, dry_run=request.dry_run)
    return 201, success()


def _may_go_anyway(pod: Object) -> bool:
    """Tell whether nobody loses anything by it: it does not run yet, or not any more, or ends already."""
    return pod["status"]["phase"] != "Running" or "deletionTimestamp" in pod["metadata"]


def _take_from(store: Store, budget: Object, pod: Object, *, dry_run: bool) -> None:
    """Take one disruption from what a budget allows."""
    metadata, status = budget["metadata"], budget["status"]
    needs, has = status["desiredHealthy"], status["currentHealthy"]
    if not is_ready(pod) and (
        budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow" or (has >= needs and needs > 0)
    ):
        return
    if status.get("observedGeneration", 0) < metadata["generation"]:
        raise _refusal(f"The disruption budget {metadata['name']} is still being processed by the server.")
    if status["disruptionsAllowed"] <= 0:
        raise _refusal(f"The disruption budget {metadata['name']} needs {needs} healthy pods and has {has} currently")
    changed = {**status, "disruptionsAllowed": status["disruptionsAllowed"] - 1}
    store.update(
        "poddisruptionbudgets", {**budget, "status": changed}, manager=MANAGER, subresource="status", dry_run=dry_run
    )


def _refusal(why: str) -> errors.ApiError:
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    details = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    return errors.ApiError(429, "TooManyRequests", message, details)

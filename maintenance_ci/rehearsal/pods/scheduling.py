"""The scheduler: whether a node takes a Pod. Nodes are asked only for whether they are cordoned (``oc adm cordon``).

The message is that of Kubernetes' scheduler. Without any Node object the rehearsal's one node takes everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.rehearsal.apiserver.store import now

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.apiserver.store import Object, Store

MANAGER = "kube-scheduler"


def schedule(store: Store, pod: Object) -> bool:
    """Say whether a node takes the Pod; where none does the Pod's condition says why."""
    nodes = store.list("nodes")
    cordoned = [node for node in nodes if (node.get("spec") or {}).get("unschedulable")]
    if not nodes or len(cordoned) < len(nodes):
        return True
    count = f"0/{len(nodes)} nodes are available: {len(nodes)}"
    message = f"{count} node(s) were unschedulable. preemption: {count} Preemption is not helpful for scheduling."
    kind, why = {"type": "PodScheduled", "status": "False"}, {"reason": "Unschedulable", "message": message}
    before: Object = next((one for one in pod["status"].get("conditions", []) if one["type"] == "PodScheduled"), {})
    if before.get("message") != message:
        condition = {**kind, "lastProbeTime": None, "lastTransitionTime": now(), **why}
        status = {**pod["status"], "conditions": [condition]}
        store.update("pods", {**pod, "status": status}, manager=MANAGER, subresource="status")
    return False

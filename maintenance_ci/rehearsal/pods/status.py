"""A Pod's status from the states of its containers. A ready Pod's form follows the recordings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maintenance_ci.rehearsal.apiserver.store import Object

HOST_IP = "127.0.0.1"


@dataclass
class ContainerState:
    """What the kubelet knows of one container."""

    name: str
    image: str
    image_id: str = ""
    state: Object = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    last_state: Object = field(default_factory=dict)
    ready: bool = False
    restarts: int = 0

    @property
    def has_started(self) -> bool:
        """True once it ran, even if it does not now."""
        return "running" in self.state or bool(self.last_state)

    @property
    def status(self) -> Object:
        """The container's entry in the Pod's status."""
        return {
            "name": self.name,
            "state": self.state,
            "lastState": self.last_state,
            "ready": self.ready,
            "restartCount": self.restarts,
            "image": self.image,
            "imageID": self.image_id,
            "started": "running" in self.state,
        }


def pod_status(before: Object, containers: Sequence[ContainerState], address: str, now: str) -> Object:
    """The status of a Pod on ``address``; ``before`` is the last one: times of what stays the same are kept."""
    unready = [one.name for one in containers if not one.ready]
    started = all(one.has_started for one in containers)
    why = {"reason": "ContainersNotReady", "message": f"containers with unready status: [{' '.join(unready)}]"}
    known = {one["type"]: one for one in before.get("conditions", [])}
    conditions = [
        _condition(known, "Initialized", {}, now),
        _condition(known, "Ready", why if unready else {}, now),
        _condition(known, "ContainersReady", why if unready else {}, now),
        _condition(known, "PodScheduled", {}, now),
    ]
    return {
        "phase": "Running" if started else "Pending",
        "conditions": conditions,
        "hostIP": HOST_IP,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": before.get("startTime", now),
        "containerStatuses": [one.status for one in containers],
        "qosClass": before.get("qosClass", "BestEffort"),
    }


def _condition(known: dict[str, Object], kind: str, why: Object, now: str) -> Object:
    """A condition: true, unless there is a reason why not."""
    status = "False" if why else "True"
    before = known.get(kind, {})
    since = before["lastTransitionTime"] if before.get("status") == status else now
    return {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": since, **why}

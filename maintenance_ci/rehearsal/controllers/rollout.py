"""How a Deployment goes from one template to the next: which ReplicaSet gets how many Pods, and what the status says.

The rules are those of Kubernetes' Deployment controller; reasons and messages of a rollout that
succeeds were recorded on a real OpenShift 4.21, those of a failing one were not.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.controllers.level import condition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maintenance_ci.rehearsal.apiserver.store import Object

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HASH_LENGTH = 10
# Kubernetes' alphabet for generated names: no vowels, no look-alikes.
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True)
class Counts:
    """A ReplicaSet, as the plan sees it: how many Pods are wanted, exist, are available."""

    name: str
    wanted: int
    existing: int = 0
    available: int = 0


def template_hash(template: Object) -> str:
    """A short name for a Pod template; not the number that Kubernetes computes, but of the same form."""
    number = int(hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest(), 16)
    digits = []
    for _ in range(HASH_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(digits)


def limits(spec: Object) -> tuple[int, int]:
    """How many Pods a rolling update may have too many, and how many may be missing."""
    rolling = spec["strategy"].get("rollingUpdate") or {}
    surge = _share(rolling.get("maxSurge", 0), spec["replicas"], math.ceil)
    missing = _share(rolling.get("maxUnavailable", 0), spec["replicas"], math.floor)
    return surge, missing if surge or missing else 1


def _share(value: int | str, of: int, rounding: Any) -> int:
    return int(rounding(int(value[:-1]) * of / 100)) if isinstance(value, str) else value


def plan(spec: Object, new: Counts, old: Sequence[Counts]) -> dict[str, int]:
    """The ReplicaSets whose size changes now, and their new sizes; ``old`` is sorted from the oldest on."""
    desired = spec["replicas"]
    if spec["strategy"]["type"] == "Recreate":
        return _recreate(desired, new, old)
    surge, missing = limits(spec)
    total = new.wanted + sum(one.wanted for one in old)
    if new.wanted > desired:
        return {new.name: desired}
    grow = min(desired - new.wanted, desired + surge - total)
    if grow > 0:
        return {new.name: new.wanted + grow}
    return _shrink(desired - missing, new, old)


def _recreate(desired: int, new: Counts, old: Sequence[Counts]) -> dict[str, int]:
    smaller = {one.name: 0 for one in old if one.wanted}
    if smaller or any(one.existing for one in old) or new.wanted == desired:
        return smaller
    return {new.name: desired}


def _shrink(least: int, new: Counts, old: Sequence[Counts]) -> dict[str, int]:
    """Take old Pods away, the unavailable ones first, as long as ``least`` stay available."""
    total = new.wanted + sum(one.wanted for one in old)
    spare = total - least - max(0, new.wanted - new.available)
    sizes = {one.name: one.wanted for one in old}
    for one in old:
        useless = max(0, min(one.wanted - one.available, spare))
        sizes[one.name] -= useless
        spare -= useless
    surplus = min(spare, new.available + sum(one.available for one in old) - least)
    for one in old:
        taken = max(0, min(sizes[one.name], surplus))
        sizes[one.name] -= taken
        surplus -= taken
    return {one.name: sizes[one.name] for one in old if sizes[one.name] != one.wanted}


def status_of(deployment: Object, new: Object, replica_sets: Sequence[Object], now: str) -> Object:
    """The Deployment's status; counts that are zero are left out, as in the real one."""
    status = {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": _sum(replica_sets, "replicas"),
        "updatedReplicas": _sum([new], "replicas"),
        "readyReplicas": _sum(replica_sets, "readyReplicas"),
        "availableReplicas": _sum(replica_sets, "availableReplicas"),
        "unavailableReplicas": 0,
    }
    wanted = sum(one["spec"]["replicas"] for one in replica_sets)
    status["unavailableReplicas"] = max(0, wanted - status["availableReplicas"])
    shown: Object = {key: value for key, value in status.items() if value}
    shown["terminatingReplicas"] = _sum(replica_sets, "terminatingReplicas")
    conditions = [*(deployment.get("status") or {}).get("conditions", [])]
    conditions = _with(conditions, _progressing(deployment, new, status, now), now)
    conditions = _with(conditions, _available(deployment, status["availableReplicas"]), now)
    shown["conditions"] = _with_failure(conditions, new, replica_sets)
    return shown


def _with_failure(conditions: Sequence[Object], new: Object, replica_sets: Sequence[Object]) -> list[Object]:
    """The conditions with the ReplicaFailure of a ReplicaSet, the new one's first; without any where none has one.

    As Kubernetes' controller does it (pkg/controller/deployment, getReplicaFailures).
    """
    failures = [condition(one, "ReplicaFailure") for one in (new, *replica_sets)]
    others = [one for one in conditions if one["type"] != "ReplicaFailure"]
    first = next(filter(None, failures), None)
    return [*others, {**first, "lastUpdateTime": first["lastTransitionTime"]}] if first else others


def announced(deployment: Object, new: Object, now: str) -> Object:
    """The Deployment's status right after its new ReplicaSet was made, before anything was counted (recorded)."""
    status = deployment.get("status") or {}
    created = _created(new["metadata"]["name"])
    return {**status, "conditions": _with(status.get("conditions", []), created, now)}


def seconds_left(deployment: Object, now: str) -> float | None:
    """When to look again at a rollout that does not get on; None for one that is through, or that failed."""
    progressing = condition(deployment, "Progressing")
    if progressing.get("reason") in (None, "NewReplicaSetAvailable", "ProgressDeadlineExceeded"):
        return None
    return max(0.1, _until_deadline(deployment, progressing, now))  # times have whole seconds: not too often


def _until_deadline(deployment: Object, progressing: Object, now: str) -> float:
    passed = datetime.fromisoformat(now) - datetime.fromisoformat(progressing["lastUpdateTime"])
    return float(deployment["spec"]["progressDeadlineSeconds"]) - passed.total_seconds()


def _sum(replica_sets: Sequence[Object], count: str) -> int:
    return sum((one.get("status") or {}).get(count, 0) for one in replica_sets)


def _available(deployment: Object, available: int) -> Object:
    missing = limits(deployment["spec"])[1] if deployment["spec"]["strategy"]["type"] == "RollingUpdate" else 0
    if available >= deployment["spec"]["replicas"] - missing:
        message = "Deployment has minimum availability."
        return {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": message}
    message = "Deployment does not have minimum availability."
    return {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable", "message": message}


def _progressing(deployment: Object, new: Object, status: Object, now: str) -> Object:
    before = condition(deployment, "Progressing")
    name = new["metadata"]["name"]
    desired = deployment["spec"]["replicas"]
    if status["updatedReplicas"] == status["replicas"] == status["availableReplicas"] == desired:
        return _progress("True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.')
    if not before or _is_new(new, before):
        return _created(name)
    if before["reason"] == "NewReplicaSetAvailable":  # Pods come and go, but the rollout is over
        return before
    if _got_on(deployment.get("status") or {}, status):
        return _progress("True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.') | {"lastUpdateTime": now}
    if _until_deadline(deployment, before, now) < 0:
        return _progress("False", "ProgressDeadlineExceeded", f'ReplicaSet "{name}" has timed out progressing.')
    return before


def _created(name: str) -> Object:
    return _progress("True", "NewReplicaSetCreated", f'Created new replica set "{name}"')


def _progress(status: str, reason: str, message: str) -> Object:
    return {"type": "Progressing", "status": status, "reason": reason, "message": message}


def _is_new(new: Object, before: Object) -> bool:
    """True as long as the condition still speaks of another ReplicaSet."""
    return f'"{new["metadata"]["name"]}"' not in before["message"]


def _got_on(before: Object, status: Object) -> bool:
    old, old_before = (one.get("replicas", 0) - one.get("updatedReplicas", 0) for one in (status, before))
    more = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return old < old_before or any(status[key] > before.get(key, 0) for key in more)


def _with(conditions: Sequence[Object], wanted: Object, now: str) -> list[Object]:
    """The conditions with ``wanted`` in them; it moves to the end when it changes, as in the real controller."""
    before = next((one for one in conditions if one["type"] == wanted["type"]), {})
    same = ("status", "reason", "message")
    if (
        all(before.get(key) == wanted[key] for key in same)
        and wanted.get("lastUpdateTime", "") <= before["lastUpdateTime"]
    ):
        return list(conditions)
    changed = now if before.get("status") != wanted["status"] else before["lastTransitionTime"]
    times = {"lastUpdateTime": now, "lastTransitionTime": changed}
    ordered = {"type": wanted["type"], "status": wanted["status"], **times}
    ordered |= {"reason": wanted["reason"], "message": wanted["message"]}
    return [*(one for one in conditions if one["type"] != wanted["type"]), ordered]

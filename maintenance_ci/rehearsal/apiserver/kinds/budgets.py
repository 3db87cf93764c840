"""PodDisruptionBudgets: how many Pods a drain may take, as a number or a share, and what is refused.

The rules and messages are those of Kubernetes' validation (pkg/apis/policy/validation), the arithmetic is that of its
disruption controller (pkg/controller/disruption).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.apiserver.errors import (
    Cause,
    invalid_number,
    invalid_value,
    required_value,
    unsupported_value,
)

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.apiserver.kinds.platform import Cluster

Object = dict[str, Any]

POLICIES = ("IfHealthyBudget", "AlwaysAllow")
BOUNDS = ("minAvailable", "maxUnavailable")
SHARE = re.compile(r"[0-9]+%")
SHARE_RULE = "a valid percent string must be a numeric string followed by an ending '%'"


def prepare(budget: Object, old: Object | None, _cluster: Cluster) -> None:
    """A new one lets nobody take a Pod until its controller has looked at it."""
    if old is None:
        counts = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
        budget["status"] = dict.fromkeys(counts, 0)


def validate(budget: Object, _old: Object | None) -> list[Cause]:
    """One bound at the most, a number that is not negative or a share; a known policy for Pods that do not serve."""
    spec = budget.get("spec") or {}
    given = [name for name in BOUNDS if spec.get(name) is not None]
    causes = [cause for name in given for cause in _faults(f"spec.{name}", spec[name])]
    if len(given) > 1:
        causes.append(invalid_value("spec", "", "minAvailable and maxUnavailable cannot be both set"))
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in POLICIES:
        causes.append(unsupported_value("spec.unhealthyPodEvictionPolicy", policy, POLICIES))
    if spec.get("selector") is None:
        causes.append(required_value("spec.selector"))
    return causes


def _faults(field: str, bound: int | str) -> list[Cause]:
    if isinstance(bound, int):
        return [invalid_number(field, bound, "must be greater than or equal to 0")] if bound < 0 else []
    if not SHARE.fullmatch(bound):
        return [invalid_value(field, bound, SHARE_RULE)]
    return [invalid_value(field, bound, "must not be greater than 100%")] if int(bound[:-1]) > 100 else []


def desired_healthy(budget: Object, expected: int) -> int:
    """How many of the ``expected`` Pods must stay; a share is rounded up, of those that may go, too."""
    spec = budget["spec"]
    if spec.get("maxUnavailable") is not None:
        return max(0, expected - _count(spec["maxUnavailable"], expected))
    return _count(spec.get("minAvailable", 1), expected)


def _count(bound: int | str, expected: int) -> int:
    return bound if isinstance(bound, int) else math.ceil(int(bound[:-1]) * expected / 100)


def is_about(budget: Object, pod: Object) -> bool:
    """Tell whether a budget's selector takes a Pod; ``matchExpressions`` are not looked at."""
    wanted = budget["spec"]["selector"].get("matchLabels") or {}
    return bool(wanted.items() <= (pod["metadata"].get("labels") or {}).items())

"""What a namespace lets its Pods have: LimitRanges, which fill in and bound, then ResourceQuotas, which add up.

The messages are those of Kubernetes' admission plugins LimitRanger and ResourceQuota (plugin/pkg/admission/limitranger,
pkg/quota/v1/evaluator/core/pods.go), by which a person learns what to change.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.apiserver.catalogue import RESOURCES
from maintenance_ci.rehearsal.apiserver.errors import forbidden
from maintenance_ci.settings.page import quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Object = dict[str, Any]

MEASURED = ("cpu", "memory", "ephemeral-storage")


def set_limit_range_defaults(pod: Object, limit_ranges: Iterable[Object]) -> None:
    """Fill in, in place, what a Pod's containers leave open: ``default`` and ``defaultRequest``, else the bounds."""
    for bounds in _bounds(limit_ranges, "Container"):
        limits = {**(bounds.get("max") or {}), **(bounds.get("default") or {})}
        requests = {**(bounds.get("min") or {}), **limits, **(bounds.get("defaultRequest") or {})}
        for container in _containers(pod):
            resources = container["resources"] = dict(container.get("resources") or {})
            given = {kind: dict(resources.get(kind) or {}) for kind in ("limits", "requests")}
            filled = {
                "limits": {**limits, **given["limits"]},
                "requests": {**requests, **given["limits"], **given["requests"]},
            }
            resources.update({kind: some for kind, some in filled.items() if some})


def require_allowed(
    pod: Object, limit_ranges: Iterable[Object], quotas: Iterable[Object], pods: Iterable[Object]
) -> None:
    """Refuse a Pod that breaks a LimitRange, or that a quota has no room for beside the namespace's other Pods.

    Raises:
        ApiError: 403, with the first plugin's reasons.
    """
    broken = list(_broken_bounds(pod, limit_ranges))
    if broken:
        raise _refused(pod, broken[0] if len(broken) == 1 else f"[{', '.join(broken)}]")
    active = [one for one in pods if (one.get("status") or {}).get("phase") not in ("Succeeded", "Failed")]
    for quota in quotas:
        why = _exceeded(pod, quota, active)
        if why:
            raise _refused(pod, why)


def _refused(pod: Object, why: str) -> Exception:
    name = pod["metadata"]["name"]
    return forbidden(f'pods "{name}" is forbidden: {why}', RESOURCES["pods"], name)


def _bounds(limit_ranges: Iterable[Object], kind: str) -> Iterator[Object]:
    for limit_range in limit_ranges:
        yield from (one for one in limit_range["spec"].get("limits", []) if one.get("type") == kind)


def _containers(pod: Object) -> list[Object]:
    return [*(pod["spec"].get("initContainers") or []), *(pod["spec"].get("containers") or [])]


def _broken_bounds(pod: Object, limit_ranges: Iterable[Object]) -> Iterator[str]:
    for bounds in _bounds(limit_ranges, "Container"):
        for container in _containers(pod):
            resources = container.get("resources") or {}
            for name, least in (bounds.get("min") or {}).items():
                yield from _broken(f"minimum {name} usage per Container is {least}", least, resources, name, "request")
            for name, most in (bounds.get("max") or {}).items():
                yield from _broken(f"maximum {name} usage per Container is {most}", most, resources, name, "limit")


def _broken(rule: str, bound: str, resources: Object, name: str, first: str) -> Iterator[str]:
    """Yield how the request and the limit break a rule; the ``first`` of them must be there."""
    second = "limit" if first == "request" else "request"
    given = {kind: (resources.get(f"{kind}s") or {}).get(name) for kind in (first, second)}
    if given[first] is None:
        yield f"{rule}. No {first} is specified"
        return
    for kind, amount in given.items():
        if amount is None:
            continue
        number, enforced = _number(amount), _number(bound)
        if number < enforced if first == "request" else number > enforced:
            yield f"{rule}, but {kind} is {amount}"
            return


def _exceeded(pod: Object, quota: Object, active: Sequence[Object]) -> str:
    """Say why a quota has no room for a Pod; empty where it has."""
    hard = (quota.get("spec") or {}).get("hard") or {}
    asked = {name: _usage(pod, name) for name in hard if _is_measured(name)}
    unnamed = sorted(
        f"{name} for: {container['name']}"
        for name in asked
        for container in _containers(pod)
        if name != "pods" and _amount(container, name) is None
    )
    label = quota["metadata"]["name"]
    if unnamed:
        return f"failed quota: {label}: must specify {'; '.join(unnamed)}"
    used = {name: sum((_usage(one, name) for one in active), Decimal(0)) for name in asked}
    over = sorted(name for name in asked if asked[name] + used[name] > _number(hard[name]))
    if not over:
        return ""

    def listed(numbers: dict[str, Decimal]) -> str:
        return ",".join(f"{name}={_shown(name, numbers[name])}" for name in over)

    limited = ",".join(f"{name}={hard[name]}" for name in over)
    return f"exceeded quota: {label}, requested: {listed(asked)}, used: {listed(used)}, limited: {limited}"


def _is_measured(name: str) -> bool:
    return name == "pods" or name.rpartition(".")[2] in MEASURED


def _usage(pod: Object, name: str) -> Decimal:
    """What a Pod takes of a quota: its containers together, or its largest init container."""
    if name == "pods":
        return Decimal(1)
    main, first = (
        [_number(_amount(container, name) or "0") for container in pod["spec"].get(part) or []]
        for part in ("containers", "initContainers")
    )
    return max([sum(main, Decimal(0)), *first])


def _amount(container: Object, name: str) -> str | None:
    """Return what a container has of a quota's resource; a plain ``cpu`` is the request."""
    kind, _, resource = name.rpartition(".")
    amounts: Object = (container.get("resources") or {}).get(kind or "requests") or {}
    return amounts.get(resource)


def _number(amount: Any) -> Decimal:
    return quantity(str(amount)) or Decimal(0)


def _shown(name: str, number: Decimal) -> str:
    """Write a number as Kubernetes does: thousandths of a core, bytes in the largest unit that divides them."""
    if name.endswith("cpu") and number % 1:
        return f"{int(number * 1000)}m"
    whole = int(number)
    if name != "pods" and not name.endswith("cpu"):
        for unit, size in (("Gi", 1024**3), ("Mi", 1024**2), ("Ki", 1024)):
            if whole and whole % size == 0:
                return f"{whole // size}{unit}"
    return str(whole)

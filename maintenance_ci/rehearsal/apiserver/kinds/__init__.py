"""What is particular to each kind: its defaults, what the server fills in, its rules.

A write passes three steps: ``set_defaults`` (what any client could have written), ``prepare`` (what only the server
knows; the writer does not own it) and ``validate``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.apiserver.kinds import budgets, builds, core, fields, imagestreams, routes, workloads
from maintenance_ci.rehearsal.apiserver.kinds.platform import Cluster, Platform

if TYPE_CHECKING:
    from collections.abc import Callable

    from maintenance_ci.rehearsal.apiserver.errors import Cause

Object = dict[str, Any]

__all__ = [
    "Cluster",
    "Platform",
    "check_rights",
    "prepare",
    "set_defaults",
    "unknown_fields",
    "validate",
    "validate_references",
]

_DEFAULTS: dict[str, Callable[[Object], None]] = {
    "buildconfigs": builds.set_defaults,
    "deployments": workloads.set_deployment_defaults,
    "imagestreams": imagestreams.set_defaults,
    "namespaces": core.set_namespace_defaults,
    "networkpolicies": core.set_network_policy_defaults,
    "pods": workloads.set_pod_defaults,
    "replicasets": workloads.set_replica_set_defaults,
    "routes": routes.set_defaults,
    "secrets": core.set_secret_defaults,
    "services": core.set_service_defaults,
}
_PREPARE: dict[str, Callable[[Object, Object | None, Cluster], None]] = {
    "buildconfigs": builds.prepare,
    "deployments": workloads.prepare,
    "imagestreams": imagestreams.prepare,
    "namespaces": core.prepare_namespace,
    "poddisruptionbudgets": budgets.prepare,
    "pods": workloads.prepare,
    "replicasets": workloads.prepare,
    "routes": routes.prepare,
    "services": core.prepare_service,
}
_VALIDATE: dict[str, Callable[[Object, Object | None], list[Cause]]] = {
    "deployments": workloads.validate,
    "leases": core.validate_lease,
    "poddisruptionbudgets": budgets.validate,
    "routes": routes.validate,
    "secrets": core.validate_secret,
    "services": core.validate_service,
}


def set_defaults(plural: str, obj: Object) -> None:
    """Fill in, in place, what the writer left to the defaults of the kind."""
    if plural in _DEFAULTS:
        _DEFAULTS[plural](obj)


def prepare(plural: str, new: Object, old: Object | None, cluster: Cluster) -> None:
    """Fill in, in place, what only the server knows; ``old`` is the object that ``new`` replaces, if any."""
    if plural in _PREPARE:
        _PREPARE[plural](new, old, cluster)


def validate(plural: str, new: Object, old: Object | None) -> list[Cause]:
    """What is wrong with an object, in the order of the real server's messages."""
    causes = core.validate_metadata(new)
    return causes + (_VALIDATE[plural](new, old) if plural in _VALIDATE else [])


def validate_references(plural: str, new: Object, cluster: Cluster) -> list[Cause]:
    """What is wrong with the objects that an object names."""
    return routes.validate_references(new, cluster) if plural == "routes" else []


def check_rights(plural: str, new: Object, old: Object | None, allowed: Callable[[str, str], bool]) -> list[Cause]:
    """What the writer may not change; ``allowed`` answers for a verb and a subresource-qualified resource."""
    return routes.check_rights(new, old, allowed) if plural == "routes" else []


def unknown_fields(plural: str, obj: Object, cluster: Cluster) -> list[str]:
    """The fields, as paths, that the kind does not have; of a kind without a table of them, none."""
    if plural == "routes":
        return routes.unknown_fields(obj, cluster)
    return sorted(fields.unknown(obj, fields.KINDS.get(plural)))

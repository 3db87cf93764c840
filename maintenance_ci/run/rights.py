"""What the token may do, and who else claims a host: asked before the first change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.errors import ForbiddenError, MaintenanceError, TryAgainError
from maintenance_ci.plan.rights import missing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maintenance_ci.cluster.openshift import Object, OpenShift
    from maintenance_ci.plan.rights import Right


def find_missing_rights(cluster: OpenShift, rights: Iterable[Right]) -> list[Right]:
    """Ask the server which of ``rights`` the token lacks: all in one request, then what that leaves open one by one.

    The list of rules may be incomplete (an authorizer besides RBAC cannot list what it allows): it says only yes.
    """
    try:
        status = cluster.review("selfsubjectrulesreviews", {"namespace": cluster.namespace})
    except TryAgainError:
        raise
    except MaintenanceError:  # not served, or not to us: the single questions answer as well
        status = {}
    return [right for right in missing(rights, status.get("resourceRules") or ()) if not _allowed(cluster, right)]


def _allowed(cluster: OpenShift, right: Right) -> bool:
    resource, _, subresource = right.resource.partition("/")
    asked = {
        "namespace": cluster.namespace,
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "name": right.name,
    }
    spec = {"resourceAttributes": {key: value for key, value in asked.items() if value}}
    return bool(cluster.review("selfsubjectaccessreviews", spec).get("allowed"))


def find_claims(cluster: OpenShift, host: str) -> list[Object] | None:
    """Return the Routes of all namespaces that claim ``host``; None where the token may not look beyond its own.

    A wildcard Route of another name in the same domain claims it too, where the router allows that: the server selects
    by equal hosts alone, so that one stays unseen.
    """
    try:
        return cluster.select_everywhere("routes", f"spec.host={host}")
    except ForbiddenError:
        return None

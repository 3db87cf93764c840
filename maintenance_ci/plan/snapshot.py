"""The snapshot: the original Route, in a Secret of its namespace, while its maintenance lasts. Pure.

A Secret, because a Route may hold its certificate's key. What lies in it is a manifest, so that a person can put the
Route back without us: ``oc extract secret/NAME --to=- --keys=route.json | oc create -f -``.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.names import MANAGED_BY, MANAGED_BY_LABEL, ROUTE_ANNOTATION, snapshot_name
from maintenance_ci.plan.repoint import without_notes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maintenance_ci.plan.marks import Object

KEY = "route.json"
# What a server gives an object, and nobody can give it.
SYSTEM_METADATA = frozenset(
    {"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink", "deletionTimestamp"}
)


def manifest_of(route: Mapping[str, Any], *, with_notes: bool = False) -> Object:
    """Return a live Route as the manifest that creates it again: without its status, the server's fields, our notes."""
    plain = route if with_notes else without_notes(route)
    metadata = {key: value for key, value in plain["metadata"].items() if key not in SYSTEM_METADATA}
    return {"apiVersion": "route.openshift.io/v1", "kind": "Route", "metadata": metadata, "spec": plain["spec"]}


def snapshot_of(route: Mapping[str, Any], notes: Mapping[str, str]) -> Object:
    """Return the Secret that keeps a live Route; ``notes`` are the annotations that say which maintenance this is."""
    name = route["metadata"]["name"]
    content = json.dumps(manifest_of(route), sort_keys=True).encode()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": snapshot_name(name),
            "namespace": route["metadata"]["namespace"],
            "labels": {MANAGED_BY_LABEL: MANAGED_BY},
            "annotations": {**notes, ROUTE_ANNOTATION: name},
        },
        "type": "Opaque",
        "data": {KEY: base64.b64encode(content).decode()},
    }


def route_in(snapshot: Mapping[str, Any]) -> Object:
    """Return the Route that a snapshot keeps.

    Raises:
        MaintenanceError: it holds no Route any more.
    """
    name = snapshot["metadata"]["name"]
    try:
        route: Object = json.loads(base64.b64decode((snapshot.get("data") or {})[KEY], validate=True))
        is_snapshot = bool(route["spec"]) and snapshot_name(route["metadata"]["name"]) == name
    except (KeyError, TypeError, ValueError, RecursionError):
        is_snapshot = False
    if not is_snapshot:
        raise MaintenanceError(f"The Secret {name} holds no snapshot that can be read.")
    return route

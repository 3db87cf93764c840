"""What the server itself writes into every object's metadata, and the order in which it writes an object."""

from __future__ import annotations

import secrets
import uuid
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.apiserver import errors

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.apiserver.catalogue import Resource

Object = dict[str, Any]

NAME_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"  # what Kubernetes makes generated names of: no vowels, no look-alikes
OBJECT_ORDER = ("kind", "apiVersion", "metadata", "spec", "status")
METADATA_ORDER = (
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
)
# What no client changes.
SERVER_METADATA = (
    "namespace",
    "uid",
    "creationTimestamp",
    "generation",
    "resourceVersion",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)


def for_new(resource: Resource, given: Object, time: str) -> Object:
    """The metadata of an object created at ``time``; raises ``ApiError`` 422 where it has no name."""
    metadata = {key: value for key, value in given.items() if value not in (None, {}, [])}
    if "name" not in metadata and "generateName" in metadata:
        metadata["name"] = metadata["generateName"] + "".join(secrets.choice(NAME_SUFFIX) for _ in range(5))
    if "name" not in metadata:
        raise errors.invalid(resource, "", [errors.required_value("metadata.name", "name or generateName is required")])
    for key in ("resourceVersion", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
        metadata.pop(key, None)
    if resource.generation:
        metadata["generation"] = 1
    return metadata | {"uid": str(uuid.uuid4()), "creationTimestamp": time}


def for_changed(given: Object, live: Object) -> Object:
    """The metadata of a changed object: what no client changes is as it was."""
    metadata = {key: value for key, value in given.items() if value not in (None, {}, [])}
    for key in SERVER_METADATA:
        metadata.pop(key, None)
        if key in live:
            metadata[key] = live[key]
    return metadata


def ordered(obj: Object) -> Object:
    """The object in the order of the real server: labels and annotations by the alphabet."""
    metadata = dict(obj["metadata"])
    for name in ("labels", "annotations"):
        if name in metadata:
            metadata[name] = dict(sorted(metadata[name].items()))
    obj = {**obj, "metadata": {key: metadata[key] for key in METADATA_ORDER if key in metadata} | metadata}
    return {key: obj[key] for key in OBJECT_ORDER if key in obj} | obj

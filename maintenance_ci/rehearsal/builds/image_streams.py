"""Images as the cluster knows them: the Image object, and the tags of an ImageStream that point to it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from maintenance_ci.rehearsal.apiserver.kinds import imagestreams

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.apiserver.store import Object, Store
    from maintenance_ci.rehearsal.builds.images import Image

# The tags of an ImageStream are written by the API server itself, on behalf of the registry (recorded).
MANAGER = "openshift-apiserver"


def record(store: Store, image: Image, reference: str) -> None:
    """Make the Image object, once for each digest."""
    if store.find("images", "", image.digest) is None:
        metadata: Object = {
            "kind": "DockerImage",
            "apiVersion": "image.openshift.io/1.0",
            "Id": image.digest,
            "Created": None,
            "ContainerConfig": {},
            "Config": {},
            "Architecture": "amd64",
        }
        body = {"metadata": {"name": image.digest}, "dockerImageReference": reference}
        body |= {"dockerImageMetadata": metadata, "dockerImageMetadataVersion": "1.0"}
        store.create("images", body, manager=MANAGER)


def push(store: Store, namespace: str, name: str, tag: str, image: Image) -> str:
    """Put ``image`` on top of ``name:tag``, as a push to the cluster's registry does; returns its reference there."""
    stream = copy.deepcopy(store.get("imagestreams", namespace, name))
    reference = f"{stream['status']['dockerImageRepository']}@{image.digest}"
    record(store, image, reference)
    imagestreams.push(stream, tag, reference, image.digest, stream["metadata"]["generation"])
    store.update("imagestreams", stream, manager=MANAGER, subresource="status")
    return reference


def reference_of(store: Store, namespace: str, name: str) -> str | None:
    """What ``STREAM:TAG`` points to now; None where it points to nothing, or where a newer import is still to come."""
    stream_name, _, tag = name.partition(":")
    stream = store.find("imagestreams", namespace, stream_name)
    item = imagestreams.latest_item(stream, tag or "latest") if stream else None
    if stream is None or item is None:
        return None
    wanted = next((known for known in stream["spec"].get("tags", []) if known["name"] == tag), None)
    if wanted and (wanted.get("from") or {}).get("kind") == "DockerImage" and wanted["generation"] > item["generation"]:
        return None
    return str(item["dockerImageReference"])

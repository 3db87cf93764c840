"""ImageStreamTags and ImageStreamImages: views on an ImageStream and its images, and writes that edit the stream. Pure.

What the views hold was recorded on a real OpenShift 4.21.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.apiserver.kinds.imagestreams import find_item, latest_item

if TYPE_CHECKING:
    from collections.abc import Callable

Object = dict[str, Any]

API_VERSION = "image.openshift.io/v1"


def split(name: str) -> tuple[str, str]:
    """The stream and the tag in ``page:latest``, or the stream and the image in ``page@sha256:…``."""
    stream, _, tag = name.partition("@") if "@" in name else name.partition(":")
    return stream, tag


def tag_of(stream: Object, name: str) -> Object | None:
    """The tag as the stream's specification asks for it, if it does."""
    return next((tag for tag in stream["spec"].get("tags", []) if tag["name"] == name), None)


def tag_names(stream: Object) -> list[str]:
    """The tags that have an image or are asked for."""
    tracked = {known["tag"] for known in (stream.get("status") or {}).get("tags", []) if known.get("items")}
    return sorted(tracked | {tag["name"] for tag in stream["spec"].get("tags", [])})


def tag_view(stream: Object, tag: str, find_image: Callable[[str], Object | None]) -> Object:
    """The ImageStreamTag of a stream's tag."""
    item = latest_item(stream, tag)
    view: Object = {
        "kind": "ImageStreamTag",
        "apiVersion": API_VERSION,
        "metadata": _metadata(stream, f"{stream['metadata']['name']}:{tag}", item),
        "tag": tag_of(stream, tag),
        "generation": item["generation"] if item else 0,
        "lookupPolicy": stream["spec"]["lookupPolicy"],
        "image": _image(item, find_image(item["image"]) if item else None),
    }
    if item is None:
        conditions = [
            known["conditions"]
            for known in (stream.get("status") or {}).get("tags", [])
            if known["tag"] == tag and known.get("conditions")
        ]
        view |= {"conditions": conditions[0]} if conditions else {}
    return view


def image_view(stream: Object, image: str, find_image: Callable[[str], Object | None]) -> Object | None:
    """The ImageStreamImage of an image that some tag of the stream holds, or None."""
    item = find_item(stream, image)
    if item is None:
        return None
    return {
        "kind": "ImageStreamImage",
        "apiVersion": API_VERSION,
        "metadata": _metadata(stream, f"{stream['metadata']['name']}@{image}", item),
        "image": _image(item, find_image(image)),
    }


def _metadata(stream: Object, name: str, item: Object | None) -> Object:
    metadata = stream["metadata"]
    view = {
        "name": name,
        "namespace": metadata["namespace"],
        "uid": metadata["uid"],
        "resourceVersion": metadata["resourceVersion"],
        "creationTimestamp": item["created"] if item else metadata["creationTimestamp"],
    }
    return view | ({"labels": metadata["labels"]} if metadata.get("labels") else {})


def _image(item: Object | None, image: Object | None) -> Object:
    if item is None:
        return {"metadata": {}, **_image_metadata("")}
    if image is None:
        shown: Object = {"metadata": {"name": item["image"]}, **_image_metadata(item["image"])}
    else:
        shown = {name: value for name, value in image.items() if name not in ("kind", "apiVersion")}
        shown["metadata"] = {name: value for name, value in image["metadata"].items() if name != "managedFields"}
    return {"metadata": shown["metadata"], "dockerImageReference": item["dockerImageReference"]} | {
        name: value for name, value in shown.items() if name not in ("metadata", "dockerImageReference")
    }


def _image_metadata(image: str) -> Object:
    known: Object = {
        "kind": "DockerImage",
        "apiVersion": "image.openshift.io/1.0",
        "Id": image,
        "Created": None,
        "ContainerConfig": {},
    }
    return {"dockerImageMetadata": known, "dockerImageMetadataVersion": "1.0"}


def with_tag(stream: Object, name: str, wanted: Object) -> Object:
    """The stream as it is to be after an ImageStreamTag was written: the specification asks for the tag."""
    edited = copy.deepcopy(stream)
    others = [tag for tag in edited["spec"].get("tags", []) if tag["name"] != name]
    edited["spec"]["tags"] = [*others, {**(wanted.get("tag") or {}), "name": name}]
    return edited


def without_tag(stream: Object, name: str) -> Object:
    """The stream as it is to be after an ImageStreamTag was deleted: neither asked for nor remembered."""
    edited = copy.deepcopy(stream)
    edited["spec"]["tags"] = [tag for tag in edited["spec"].get("tags", []) if tag["name"] != name]
    status = edited.get("status") or {}
    status["tags"] = [known for known in status.get("tags", []) if known["tag"] != name]
    return edited

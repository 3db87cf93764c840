"""ImageStreams: their repository, and the tags that are resolved at once from images of the cluster.

A tag from a registry (``DockerImage``) stays unresolved here: a controller imports it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.apiserver.kinds.platform import Cluster

Object = dict[str, Any]


def set_defaults(stream: Object) -> None:
    """References to the stream are not resolved in Pods; tags keep the way in which they are imported."""
    spec = stream["spec"] = stream.get("spec") or {}
    spec["lookupPolicy"] = spec.get("lookupPolicy") or {"local": False}
    tags = [_tag_with_defaults(tag) for tag in spec.get("tags") or []]
    spec.pop("tags", None)
    if tags:
        spec["tags"] = sorted(tags, key=lambda tag: str(tag["name"]))


def _tag_with_defaults(tag: Object) -> Object:
    policy = {"importMode": "Legacy"} | (tag.get("importPolicy") or {})
    reference = {"type": "Source"} | (tag.get("referencePolicy") or {})
    ordered: Object = {"name": tag["name"], "annotations": tag.get("annotations")}
    if tag.get("from"):
        source = tag["from"]
        ordered["from"] = {key: source[key] for key in ("kind", "namespace", "name") if source.get(key)}
    return {**ordered, "generation": tag.get("generation"), "importPolicy": policy, "referencePolicy": reference}


def prepare(stream: Object, old: Object | None, cluster: Cluster) -> None:
    """Count the generation of changed tags, and resolve those that point into the cluster."""
    metadata, status = stream["metadata"], stream.get("status") or {}
    repository = f"{cluster.platform.registry}/{metadata['namespace']}/{metadata['name']}"
    stream["status"] = {"dockerImageRepository": repository, **{k: v for k, v in status.items() if v}}
    known = {tag["name"]: tag for tag in ((old or {}).get("spec") or {}).get("tags", [])}
    generation = metadata.get("generation", 1) if old is None else metadata["generation"] + 1
    changed = set()
    for tag in stream["spec"].get("tags", []):
        before = known.get(tag["name"])
        # A client that writes generation 0 asks for the tag to be looked up anew.
        if before is None or tag["generation"] == 0 or before | {"generation": 0} != tag | {"generation": 0}:
            tag["generation"] = generation
            changed.add(tag["name"])
        else:
            tag["generation"] = before["generation"]
    for tag in stream["spec"].get("tags", []):
        if tag["name"] in changed or _follows_this_stream(tag, stream):
            _resolve(tag, stream, cluster)


def _follows_this_stream(tag: Object, stream: Object) -> bool:
    source = tag.get("from") or {}
    return source.get("kind") == "ImageStreamTag" and _stream_of(source, stream) is stream


def _stream_of(source: Object, stream: Object, cluster: Cluster | None = None) -> Object | None:
    """The stream that a tag's source lies in: this one, or another."""
    metadata = stream["metadata"]
    name = source.get("name", "")
    other = name.partition("@")[0] if "@" in name else name.partition(":")[0]
    if ":" not in name:
        other = metadata["name"]
    namespace = source.get("namespace") or metadata["namespace"]
    if (namespace, other) == (metadata["namespace"], metadata["name"]):
        return stream
    return cluster.find("imagestreams", namespace, other) if cluster else None


def _resolve(tag: Object, stream: Object, cluster: Cluster) -> None:
    item = _source_item(tag.get("from") or {}, stream, cluster)
    latest = latest_item(stream, tag["name"])
    if item is None or (latest and latest["image"] == item["image"]):
        return
    push(stream, tag["name"], item["dockerImageReference"], item["image"], tag["generation"])


def _source_item(source: Object, stream: Object, cluster: Cluster) -> Object | None:
    kind = source.get("kind")
    if kind not in ("ImageStreamTag", "ImageStreamImage"):
        return None
    holder = _stream_of(source, stream, cluster)
    if holder is None:
        return None
    if kind == "ImageStreamTag":
        return latest_item(holder, source["name"].rpartition(":")[2])
    return find_item(holder, source["name"].partition("@")[2])


def latest_item(stream: Object, tag: str) -> Object | None:
    """The image that a tag points to now: the first item of its history."""
    for known in (stream.get("status") or {}).get("tags", []):
        if known["tag"] == tag and known.get("items"):
            item: Object = known["items"][0]
            return item
    return None


def find_item(stream: Object, image: str) -> Object | None:
    """The item with this image, under whatever tag."""
    for known in (stream.get("status") or {}).get("tags", []):
        for item in known.get("items") or []:
            if item["image"] == image:
                found: Object = item
                return found
    return None


def push(stream: Object, tag: str, reference: str, image: str, generation: int) -> None:
    """Put an image on top of a tag's history, in place: what a push, an import or a resolved tag does."""
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    item = {"created": created, "dockerImageReference": reference, "image": image, "generation": generation}
    status = stream["status"]
    others = [known for known in status.get("tags", []) if known["tag"] != tag]
    before: Object = next((known for known in status.get("tags", []) if known["tag"] == tag), {})
    mine = {**before, "tag": tag, "items": [item, *before.get("items", [])]}
    status["tags"] = sorted([*others, mine], key=lambda known: str(known["tag"]))

"""What the cluster says of the page's image and of its rollout, and what follows from it: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Object = dict[str, Any]


def image_digest(stream: Mapping[str, Any] | None, tag: str) -> str | None:
    """Return the digest (``sha256:…``) of the image that a tag of an ImageStream has now; None where it has none."""
    for item in _tag(stream, "status", "tag", tag).get("items") or []:
        return str(item["image"])
    return None


def pinned_tag(name: str, namespace: str, tag: str, digest: str) -> Object:
    """Return the ImageStreamTag that makes ``tag`` this very image, as ``oc tag NAME:v1 NAME:latest`` does."""
    source = {"kind": "ImageStreamImage", "name": f"{name}@{digest}", "namespace": namespace}
    return _image_stream_tag(name, namespace, tag, {"from": source})


def imported_tag(name: str, namespace: str, tag: str, image: str) -> Object:
    """Return the ImageStreamTag that imports ``tag`` from a registry; its generation 0 asks for an import each time."""
    return _image_stream_tag(name, namespace, tag, {"from": {"kind": "DockerImage", "name": image}, "generation": 0})


def import_result(stream: Mapping[str, Any] | None, tag: str) -> tuple[str | None, str | None]:
    """Return ``(digest, None)`` of a finished import of a tag, ``(None, reason)`` of a failed one, else two Nones."""
    wanted = int(_tag(stream, "spec", "name", tag).get("generation") or 0)
    status = _tag(stream, "status", "tag", tag)
    for condition in status.get("conditions") or []:
        failed = condition["type"] == "ImportSuccess" and condition["status"] == "False"
        if failed and int(condition.get("generation") or 0) >= wanted:
            return None, str(condition.get("message") or condition.get("reason"))
    for item in status.get("items") or []:
        return (str(item["image"]), None) if int(item.get("generation") or 0) >= wanted else (None, None)
    return None, None


def rollout_lacks(deployment: Mapping[str, Any] | None, digest: str) -> str | None:
    """Return what a Deployment lacks to serve the image ``digest`` with all its Pods; None when nothing.

    The conditions are those of ``kubectl rollout status``, and before them that the image is the right one: the image
    trigger acts after the tag is set, and until then the old rollout looks complete.
    """
    if deployment is None:
        return "the Deployment is not there"
    spec, status = deployment["spec"], deployment.get("status") or {}
    wanted = int(spec.get("replicas", 1))
    if not _runs(spec["template"], digest):
        return "the Deployment does not have the new image yet"
    if int(status.get("observedGeneration") or 0) < int(deployment["metadata"]["generation"]):
        return "the change is not observed yet"
    if wanted == 0:
        return "the Deployment is scaled to 0"
    if int(status.get("updatedReplicas") or 0) < wanted:
        return f"{status.get('updatedReplicas') or 0} of {wanted} Pods are of the new image"
    if int(status.get("replicas") or 0) > int(status.get("updatedReplicas") or 0):
        return "the new Pod has not taken over from the old one"
    if int(status.get("availableReplicas") or 0) < wanted:
        return f"{status.get('availableReplicas') or 0} of {wanted} Pods are ready"
    return None


def pod_troubles(pods: Iterable[Mapping[str, Any]], digest: str) -> list[str]:
    """Return why Pods of the image ``digest`` do not run, as their containers say it: ``ImagePullBackOff: …``.

    Those of the first installation wait for an image that is not built yet: no trouble, they go.
    """
    troubles = []
    for pod in (pod for pod in pods if _runs(pod, digest)):
        for container in (pod.get("status") or {}).get("containerStatuses") or []:
            waiting = (container.get("state") or {}).get("waiting")
            if waiting:
                troubles.append(f"{waiting.get('reason')}: {waiting.get('message', '')}".rstrip(": "))
            elif not container.get("ready"):
                troubles.append("running, but its readiness probe fails")
    return sorted(set(troubles))


def _runs(template: Mapping[str, Any], digest: str) -> bool:
    """Tell whether a Pod, or its template, is of an image."""
    containers = (template.get("spec") or {}).get("containers") or []
    return any(str(container.get("image", "")).endswith(f"@{digest}") for container in containers)


def _tag(stream: Mapping[str, Any] | None, part: str, key: str, name: str) -> Mapping[str, Any]:
    for tag in ((stream or {}).get(part) or {}).get("tags") or []:
        if tag[key] == name:
            return dict(tag)
    return {}


def _image_stream_tag(name: str, namespace: str, tag: str, reference: Mapping[str, Any]) -> Object:
    return {
        "apiVersion": "image.openshift.io/v1",
        "kind": "ImageStreamTag",
        "metadata": {"name": f"{name}:{tag}", "namespace": namespace},
        "tag": {"name": tag, "referencePolicy": {"type": "Source"}, **reference},
        "lookupPolicy": {"local": False},
    }

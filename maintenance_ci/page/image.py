"""What the cluster says of the page's image and of its rollout, and what follows from it: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.page.pod_troubles import Trouble, pod_troubles
from maintenance_ci.plan.marks import Object, labels_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# The label by which a Deployment's controller tells Pods of one template from those of another.
TEMPLATE_LABEL = "pod-template-hash"


def image_digest(stream: Mapping[str, Any] | None, tag: str) -> str | None:
    """Return the digest (``sha256:…``) of the image that a tag of an ImageStream has now; None where it has none."""
    for item in _tag(stream, "status", "tag", tag).get("items") or []:
        return str(item["image"])
    return None


def why_not_built(digest: str | None, before: str | None, pushed: str | None) -> str | None:
    """Return why an image cannot be what a build has just made; None where it can.

    Args:
        digest: the image's.
        before: the image that was there before the build. No two builds make the same: each writes its name into it.
        pushed: what the build says that it pushed; None where it does not say.
    """
    if digest is None:
        return "nothing was pushed there"
    if pushed and digest != pushed:
        return f"it is {digest}, and the build pushed {pushed}"
    return "it is as it was before the build" if digest == before and not pushed else None


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


def require_base_image(stream: Mapping[str, Any] | None, name: str, namespace: str) -> None:
    """Refuse a build upon the tag ``STREAM:TAG`` of an ImageStream where that has no image.

    Raises:
        MaintenanceError: it has none; with why its import failed, and the tags that have one.
    """
    stream_name, _, tag = name.partition(":")
    if image_digest(stream, tag):
        return
    if stream is None:
        raise MaintenanceError(
            f"PAGE_BASE_IMAGE: there is no ImageStream {stream_name} in {namespace}.",
            f"Look which there are: oc get imagestreams -n {namespace}",
        )
    _, why = import_result(stream, tag)
    tags = sorted(one["tag"] for one in (stream.get("status") or {}).get("tags") or [] if one.get("items"))
    raise MaintenanceError(
        f"PAGE_BASE_IMAGE: the ImageStream {stream_name} in {namespace} has no image {tag}{f': {why}' if why else ''}.",
        f"Name one that it has: {', '.join(tags) or 'it has none'}.",
    )


def rollout_lacks(deployment: Mapping[str, Any] | None, digest: str) -> str | None:
    """Return what a Deployment lacks to serve the image ``digest`` with all its Pods; None when nothing.

    The conditions are those of ``kubectl rollout status``, and before them that the image is the right one: the image
    trigger acts after the tag is set, and until then the old rollout looks complete.
    """
    if deployment is None:
        return "the Deployment is not there"
    spec, status = deployment["spec"], deployment.get("status") or {}
    wanted = int(spec.get("replicas", 1))
    observed, updated, available, replicas = (
        int(status.get(field) or 0)
        for field in ("observedGeneration", "updatedReplicas", "availableReplicas", "replicas")
    )
    conditions = {
        "the Deployment does not have the new image yet": _runs(spec["template"], digest),
        "the change is not observed yet": observed >= int(deployment["metadata"]["generation"]),
        "the Deployment is scaled to 0": wanted > 0,
        f"{updated} of {wanted} Pods are of the new image": updated >= wanted,
        "the new Pods have not taken over from the old ones": replicas <= updated,
        f"{available} of {wanted} Pods are ready": available >= wanted,
    }
    return next((lack for lack, holds in conditions.items() if not holds), None)


def pods_refused(deployment: Mapping[str, Any] | None) -> str | None:
    """Return why the cluster refuses to make a Deployment's Pods: what its condition ``ReplicaFailure`` says.

    None where none is refused, and where the Deployment as it is now was not looked at yet: its conditions are those of
    an older one. The controller does not renew the message while it tries on, less and less often.
    """
    return _condition(deployment, "ReplicaFailure", "True", reason="FailedCreate")


def deadline_passed(deployment: Mapping[str, Any] | None) -> str | None:
    """Return what a Deployment says whose rollout made no progress for as long as it may (10 minutes by default)."""
    return _condition(deployment, "Progressing", "False", reason="ProgressDeadlineExceeded")


def _condition(deployment: Mapping[str, Any] | None, kind: str, value: str, *, reason: str) -> str | None:
    """Return the message of a condition of this value and reason, as long as it is about the present Deployment."""
    status = (deployment or {}).get("status") or {}
    generation = ((deployment or {}).get("metadata") or {}).get("generation") or 0
    if int(status.get("observedGeneration") or 0) < int(generation):
        return None
    for condition in status.get("conditions") or []:
        if (condition["type"], condition["status"], condition.get("reason")) == (kind, value, reason):
            return str(condition.get("message") or reason)
    return None


def page_troubles(pods: Iterable[Mapping[str, Any]], digest: str) -> list[Trouble]:
    """Return why Pods of the image ``digest`` do not serve, as the scheduler and their containers say it.

    Those of the first installation wait for an image that is not built yet: no trouble, they go. So do those that end,
    and those of an older template with the same image: what they suffer from may be mended in the newest.
    """
    troubles = set()
    for pod in _of_newest_template([pod for pod in pods if _runs(pod, digest)]):
        containers = (pod.get("status") or {}).get("containerStatuses") or []
        unready = not all(container.get("ready") for container in containers)
        of_pod = list(pod_troubles(pod))
        troubles.update(of_pod or ([Trouble("running, but its readiness probe fails")] if unready else []))
    return sorted(troubles)


def _of_newest_template(pods: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the Pods that stay, of the template by which the youngest of all was made."""
    youngest = max(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp") or ""), default=None)
    template = labels_of(youngest).get(TEMPLATE_LABEL)
    of_template = [pod for pod in pods if labels_of(pod).get(TEMPLATE_LABEL) == template]
    return [pod for pod in of_template if "deletionTimestamp" not in pod["metadata"]]


def _runs(template: Mapping[str, Any], digest: str) -> bool:
    """Tell whether a Pod, or its template, is of an image."""
    containers = (template.get("spec") or {}).get("containers") or []
    return any(str(container.get("image", "")).endswith(f"@{digest}") for container in containers)


def _tag(stream: Mapping[str, Any] | None, part: str, key: str, name: str) -> Mapping[str, Any]:
    tags: list[Object] = ((stream or {}).get(part) or {}).get("tags") or []
    return next((tag for tag in tags if tag[key] == name), {})


def _image_stream_tag(name: str, namespace: str, tag: str, reference: Mapping[str, Any]) -> Object:
    return {
        "apiVersion": "image.openshift.io/v1",
        "kind": "ImageStreamTag",
        "metadata": {"name": f"{name}:{tag}", "namespace": namespace},
        "tag": {"name": tag, "referencePolicy": {"type": "Source"}, **reference},
        "lookupPolicy": {"local": False},
    }

"""Image triggers: a Deployment follows a tag of an ImageStream (annotation ``image.openshift.io/triggers``)."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import re
from typing import TYPE_CHECKING

from maintenance_ci.rehearsal.apiserver.errors import ApiError
from maintenance_ci.rehearsal.builds import image_streams
from maintenance_ci.rehearsal.controllers.level import keep_level

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.apiserver.store import Object, Store

log = logging.getLogger(__name__)

MANAGER = "openshift-controller-manager"
ANNOTATION = "image.openshift.io/triggers"
FIELD = re.compile(
    r"spec\.template\.spec\.(?P<list>containers|initContainers)"
    r"""\[(?:(?P<index>\d+)|\?\(@\.name\s*==\s*["'](?P<name>[^"']+)["']\))\]\.image"""
)


class ImageTriggers:
    """Writes the image that a tag points to into the Deployments that follow it.

    ``delay`` is how many seconds later it does so; a real controller needs some 10 ms, one that is busy longer.
    """

    def __init__(self, store: Store, delay: float = 0.0) -> None:
        self._store = store
        self.delay = delay
        self._due: dict[tuple[str, str], float] = {}  # uid and wanted images -> when

    async def run(self) -> None:
        """Run until cancelled."""
        await keep_level(self._store, ("deployments", "imagestreams"), self.reconcile)

    def reconcile(self) -> float | None:
        """Look at every Deployment once; returns the seconds until the next one is due."""
        time = asyncio.get_running_loop().time()
        due = {}
        for deployment in self._store.list("deployments"):
            changed = self._changed(deployment)
            if changed is None:
                continue
            key = deployment["metadata"]["uid"], json.dumps(changed["spec"]["template"]["spec"], sort_keys=True)
            due[key] = self._due.get(key, time + self.delay)
            if due[key] <= time:
                del due[key]
                self._write(changed)
        self._due = due
        return min((when - time for when in due.values()), default=None)

    def _changed(self, deployment: Object) -> Object | None:
        """The Deployment as its triggers want it, or None where it is so already."""
        annotation = deployment["metadata"].get("annotations", {}).get(ANNOTATION)
        if not annotation:
            return None
        changed = copy.deepcopy(deployment)
        for container, tag, namespace in _triggers(changed, annotation):
            image = image_streams.reference_of(self._store, namespace, tag)
            if image:
                container["image"] = image
        return changed if changed != deployment else None

    def _write(self, deployment: Object) -> None:
        try:
            self._store.update("deployments", deployment, manager=MANAGER)
        except ApiError as error:
            log.warning("image trigger of deployment %s: %s", deployment["metadata"]["name"], error)


def _triggers(deployment: Object, annotation: str) -> list[tuple[Object, str, str]]:
    """The containers that follow a tag, with the tag and its namespace; an annotation that is no JSON says nothing."""
    try:
        triggers = json.loads(annotation)
    except json.JSONDecodeError as error:
        log.warning("deployment %s: annotation %s: %s", deployment["metadata"]["name"], ANNOTATION, error)
        return []
    found = []
    for trigger in triggers:
        source = trigger.get("from", {})
        container = _container(deployment, trigger.get("fieldPath", ""))
        if (
            container is not None
            and source.get("kind") == "ImageStreamTag"
            and str(trigger.get("paused")) not in ("true", "True")
        ):
            found.append((container, source["name"], source.get("namespace") or deployment["metadata"]["namespace"]))
    return found


def _container(deployment: Object, field_path: str) -> Object | None:
    match = FIELD.fullmatch(field_path)
    if match is None:
        return None
    containers: list[Object] = deployment["spec"]["template"]["spec"].get(match["list"], [])
    if match["name"]:
        return next((one for one in containers if one["name"] == match["name"]), None)
    return containers[int(match["index"])] if int(match["index"]) < len(containers) else None

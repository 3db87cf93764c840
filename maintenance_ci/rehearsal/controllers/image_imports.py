"""Imports: a tag of an ImageStream that names an image of a registry outside of the cluster is looked up there."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING

from maintenance_ci.rehearsal.apiserver.kinds import imagestreams
from maintenance_ci.rehearsal.apiserver.store import now
from maintenance_ci.rehearsal.builds import image_streams
from maintenance_ci.rehearsal.controllers.level import keep_level

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.apiserver.store import Object, Store
    from maintenance_ci.rehearsal.builds.images import ImageStore

DELAY = 0.1  # seconds; long enough for a client to see that `oc tag` returned before the image is there


class ImageImports:
    """Resolves ``spec.tags`` of kind DockerImage into ``status.tags``, ``delay`` seconds after they were set.

    An image that is not there leaves the condition ``ImportSuccess=False``, reason ``NotFound``; it is tried again only
    when the tag is set again, as on a real OpenShift.
    """

    def __init__(self, store: Store, images: ImageStore, delay: float = DELAY) -> None:
        self._store = store
        self._images = images
        self._delay = delay
        self._due: dict[tuple[str, str, int], float] = {}  # the stream's uid, tag and generation -> when

    async def run(self) -> None:
        """Run until cancelled."""
        await keep_level(self._store, ("imagestreams",), self.reconcile)

    def reconcile(self) -> float | None:
        """Look at every ImageStream once; returns the seconds until the next import is due."""
        time = asyncio.get_running_loop().time()
        due = {}
        for stream in self._store.list("imagestreams"):
            ready = []
            for tag in stream["spec"].get("tags", []):
                if not _is_pending(stream, tag):
                    continue
                key = stream["metadata"]["uid"], tag["name"], tag["generation"]
                due[key] = self._due.get(key, time + self._delay)
                if due[key] <= time:
                    del due[key]
                    ready.append(tag)
            if ready:
                self._import(stream, ready)
        self._due = due
        return min((when - time for when in due.values()), default=None)

    def _import(self, stream: Object, tags: list[Object]) -> None:
        changed = copy.deepcopy(stream)
        for tag in tags:
            reference = tag["from"]["name"]
            image = self._images.find(reference)
            if image is None:
                _set_failure(changed, tag)
                continue
            pinned = f"{_repository(reference)}@{image.digest}"
            image_streams.record(self._store, image, pinned)
            imagestreams.push(changed, tag["name"], pinned, image.digest, tag["generation"])
            _history(changed, tag["name"]).pop("conditions", None)
        self._store.update("imagestreams", changed, manager=image_streams.MANAGER, subresource="status")


def _is_pending(stream: Object, tag: Object) -> bool:
    """True while neither an image nor a failure is as new as the tag."""
    if (tag.get("from") or {}).get("kind") != "DockerImage":
        return False
    history = _history(stream, tag["name"])
    seen = [one["generation"] for one in [*history.get("items", [])[:1], *history.get("conditions", [])]]
    return bool(max(seen, default=0) < tag["generation"])


def _history(stream: Object, tag: str) -> Object:
    tags = (stream.get("status") or {}).get("tags", [])
    return next((known for known in tags if known["tag"] == tag), {})


def _set_failure(stream: Object, tag: Object) -> None:
    """Say that the image is not there; what the tag pointed to before, it points to still."""
    condition = {
        "type": "ImportSuccess",
        "status": "False",
        "lastTransitionTime": now(),
        "reason": "NotFound",
        "message": f'dockerimage.image.openshift.io "{tag["from"]["name"]}" not found',
        "generation": tag["generation"],
    }
    status = stream["status"]
    others = [known for known in status.get("tags", []) if known["tag"] != tag["name"]]
    mine = {"tag": tag["name"], "items": _history(stream, tag["name"]).get("items", []), "conditions": [condition]}
    status["tags"] = sorted([*others, mine], key=lambda known: str(known["tag"]))


def _repository(reference: str) -> str:
    """The reference without its tag or digest."""
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"

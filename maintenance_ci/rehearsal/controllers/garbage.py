"""Garbage: what nobody owns any more is deleted in the background, as ``helm uninstall`` expects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.rehearsal.apiserver.catalogue import RESOURCES
from maintenance_ci.rehearsal.controllers.level import keep_level

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.apiserver.store import Event, Store

KINDS = tuple(RESOURCES)


class GarbageCollector:
    """Deletes every object whose owners are all gone (an owner made anew under the same name is another one)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def run(self) -> None:
        """Run until cancelled."""
        await keep_level(self._store, KINDS, self.reconcile, matters=_may_leave_garbage)

    def reconcile(self) -> None:
        """Look at every object once; what depended on a deleted one is found in the next round."""
        objects = [(kind, one["metadata"]) for kind in KINDS for one in self._store.list(kind)]
        present = {metadata["uid"] for _, metadata in objects}
        for kind, metadata in objects:
            owners = {owner["uid"] for owner in metadata.get("ownerReferences", [])}
            if owners and not owners & present:
                self._store.delete(kind, metadata.get("namespace", ""), metadata["name"])


def _may_leave_garbage(event: Event) -> bool:
    """Tell whether somebody may be without an owner now: an owner goes, or whoever has one comes, maybe too late."""
    return event.type == "DELETED" or bool(event.object["metadata"].get("ownerReferences"))

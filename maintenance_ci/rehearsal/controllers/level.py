"""What every controller does: after each change it looks at the whole, and puts right what is not as it should be."""

from __future__ import annotations

import asyncio
import contextlib
import operator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from maintenance_ci.rehearsal.apiserver.store import Event, Object, Store


async def keep_level(
    store: Store,
    plurals: tuple[str, ...],
    reconcile: Callable[[], float | None],
    *,
    matters: Callable[[Event], bool] = lambda _: True,
) -> None:
    """Call ``reconcile`` now, after every change of ``plurals``, and when the seconds that it returned are over.

    Runs until cancelled. Changes that come together cause one call; one that does not matter causes none. An exception
    of ``reconcile`` ends it.
    """
    changed = asyncio.Event()

    async def note_changes() -> None:
        async for event in store.watch(*plurals):
            if matters(event):
                changed.set()

    noting = asyncio.create_task(note_changes())
    try:
        while True:
            changed.clear()
            delay = reconcile()
            with contextlib.suppress(TimeoutError):
                # Not wait_for: up to Python 3.11 that may swallow a cancellation that comes along with a change.
                async with asyncio.timeout(delay):
                    await changed.wait()
    finally:
        noting.cancel()
        await asyncio.wait([noting])


class AtRest:
    """Remembers what needed nothing when it was last looked at: while it is the same, it needs nothing now.

    A controller looks at the whole after each change, and nearly all of it is as it was.
    """

    def __init__(self) -> None:
        self._objects: dict[str, list[Object]] = {}

    def needs_nothing(self, owner: Object, owned: list[Object]) -> bool:
        """Tell whether these are the very objects that were noted: what the store holds is never changed in place."""
        noted = self._objects.get(owner["metadata"]["uid"], [])
        return len(noted) == 1 + len(owned) and all(map(operator.is_, noted, [owner, *owned]))

    def note(self, owner: Object, owned: list[Object]) -> None:
        """Note an object that was looked at and waits for nothing but changes, with what it owned before the look."""
        self._objects[owner["metadata"]["uid"]] = [owner, *owned]

    def forget_others(self, owners: list[Object]) -> None:
        """Forget what is there no more."""
        there = {owner["metadata"]["uid"] for owner in owners}
        self._objects = {uid: noted for uid, noted in self._objects.items() if uid in there}


def by_owner(objects: list[Object]) -> dict[str, list[Object]]:
    """The objects that have a controller, by its uid."""
    owned: dict[str, list[Object]] = {}
    for obj in objects:
        for uid in {one["uid"] for one in obj["metadata"].get("ownerReferences", []) if one.get("controller")}:
            owned.setdefault(uid, []).append(obj)
    return owned


def controlled_by(owner: Object) -> list[Object]:
    """The ``ownerReferences`` of something that ``owner`` makes."""
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"]}
    return [{**reference, "uid": owner["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True}]


def condition(obj: Object, kind: str) -> Object:
    """A condition of the status, empty if it has none of this type."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    return next((one for one in conditions if one["type"] == kind), {})


def is_ready(pod: Object) -> bool:
    """True when a Pod's readiness probe says so."""
    return bool(condition(pod, "Ready").get("status") == "True")

"""What every controller does: after each change it looks at the whole, and puts right what is not as it should be."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from maintenance_ci.rehearsal.apiserver.store import Object, Store


async def keep_level(store: Store, plurals: tuple[str, ...], reconcile: Callable[[], float | None]) -> None:
    """Call ``reconcile`` now, after every change of ``plurals``, and when the seconds that it returned are over.

    Runs until cancelled. Changes that come together cause one call. An exception of ``reconcile`` ends it.
    """
    changed = asyncio.Event()

    async def note_changes() -> None:
        async for _ in store.watch(*plurals):
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


def owned_by(objects: list[Object], owner: Object) -> list[Object]:
    """The objects whose controller is ``owner``."""
    uid = owner["metadata"]["uid"]
    return [
        obj
        for obj in objects
        if any(one["uid"] == uid and one.get("controller") for one in obj["metadata"].get("ownerReferences", []))
    ]


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

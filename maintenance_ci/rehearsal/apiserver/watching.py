"""A watch: changes as they happen, one JSON document a line."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.apiserver.errors import ApiError
from maintenance_ci.rehearsal.apiserver.objects import matcher
from maintenance_ci.rehearsal.apiserver.request import is_true, number

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from maintenance_ci.rehearsal.apiserver.request import Request
    from maintenance_ci.rehearsal.apiserver.store import Event, Store

Object = dict[str, Any]

# How long a watch lasts when the client does not say: the real server picks 30 to 60 minutes.
DEFAULT_TIMEOUT = 1800


def watch(store: Store, request: Request) -> AsyncIterator[Object]:
    """The watch events of a request, until its time is up; raises ``ApiError`` 400 at once (a selector, a number).

    Without a resourceVersion (or with 0) it begins with all that is there; with one that is too old it is one ERROR
    event with the ``Status`` 410.
    """
    since = number(request.query, "resourceVersion", 0)
    seconds = number(request.query, "timeoutSeconds", DEFAULT_TIMEOUT)
    return _events(store, request, matcher(request), since, seconds)


async def _events(
    store: Store, request: Request, fits: Callable[[Object], bool], since: int, seconds: float
) -> AsyncIterator[Object]:
    from_scratch = is_true(request.query.get("sendInitialEvents"))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            if from_scratch or since == 0:
                since = store.resource_version
                for obj in store.list(request.resource.plural, request.target.namespace or None):
                    if fits(obj):
                        yield {"type": "ADDED", "object": obj}
            if from_scratch:
                yield _bookmark(request, since)
            async for event in _changes(store, request, since, fits):
                yield event


async def _changes(store: Store, request: Request, since: int, fits: Callable[[Object], bool]) -> AsyncIterator[Object]:
    namespace = request.target.namespace
    try:
        async for event in store.follow((request.resource.plural,), since):
            if namespace in ("", event.object["metadata"].get("namespace", "")):
                seen = as_seen(event, fits)
                if seen is not None:
                    yield seen
    except ApiError as error:
        yield {"type": "ERROR", "object": error.status}


def as_seen(event: Event, fits: Callable[[Object], bool]) -> Object | None:
    """A change as a client with selectors sees it: an object that no longer fits is gone, one that fits now is new."""
    before = event.previous is not None and fits(event.previous)
    after = event.type != "DELETED" and fits(event.object)
    if not before and not after:
        return None
    kind = ("MODIFIED" if before else "ADDED") if after else "DELETED"
    return {"type": kind, "object": event.object}


def _bookmark(request: Request, resource_version: int) -> Object:
    metadata = {
        "resourceVersion": str(resource_version),
        "creationTimestamp": None,
        "annotations": {"k8s.io/initial-events-end": "true"},
    }
    head = {"kind": request.resource.kind, "apiVersion": request.resource.group_version}
    return {"type": "BOOKMARK", "object": head | {"metadata": metadata}}

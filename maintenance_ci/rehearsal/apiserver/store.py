"""All objects of the cluster, in memory, and the stream of their changes.

API server, controllers and router share one store in one event loop, so a write is a plain call and nothing is locked.
What the store hands out is shared: copy an object deeply before changing it.
"""

from __future__ import annotations

import asyncio
import builtins
import copy
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.apiserver import admission, errors, kinds, managed_fields, metadata_rules
from maintenance_ci.rehearsal.apiserver.catalogue import RESOURCES, Resource
from maintenance_ci.rehearsal.apiserver.kinds import workloads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from maintenance_ci.rehearsal.apiserver.managed_fields import Entry

Object = dict[str, Any]

# How many changes a client may be behind before its watch is answered 410 Gone.
HISTORY = 5000


@dataclass(frozen=True)
class Event:
    """One change. ``previous`` is the object before it (None for one that is new, or that a watch begins with)."""

    type: str  # "ADDED" | "MODIFIED" | "DELETED"
    plural: str
    object: Object
    previous: Object | None = field(default=None, repr=False)


def now() -> str:
    """The time as the API writes it, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """All objects, in memory. Objects in it are never changed in place."""

    def __init__(self, platform: kinds.Platform | None = None, *, history: int = HISTORY) -> None:
        self.platform = platform or kinds.Platform()
        self.resource_version = 1
        self._objects: dict[str, dict[str, dict[str, Object]]] = {plural: {} for plural in RESOURCES}
        self._history: deque[tuple[int, Event]] = deque(maxlen=history)
        self._forgotten = 0
        self._followers: set[asyncio.Queue[Event]] = set()

    def get(self, plural: str, namespace: str, name: str) -> Object:
        """The object; raises ``ApiError`` 404. Cluster-wide kinds have the namespace ``""``."""
        found = self.find(plural, namespace, name)
        if found is None:
            raise errors.not_found(RESOURCES[plural], name)
        return found

    def find(self, plural: str, namespace: str, name: str) -> Object | None:
        """The object, or None."""
        return self._objects[plural].get(namespace, {}).get(name)

    def list(self, plural: str, namespace: str | None = None) -> list[Object]:
        """The objects of a namespace (None: of all), in the order of their keys ``NAMESPACE/NAME``, as in etcd."""
        return _in_order(self._objects[plural], namespace)

    def list_at(self, version: int, plural: str, namespace: str | None = None) -> builtins.list[Object]:
        """The objects as they were at that resourceVersion; raises ``ApiError`` 410 when it is too long ago."""
        if version < self._forgotten:
            raise errors.gone(f"too old resource version: {version} ({self._forgotten})")
        then = {where: dict(objects) for where, objects in self._objects[plural].items()}
        for changed, event in reversed(self._history):
            if changed <= version:
                break
            if event.plural == plural:
                where, name = _key(event.object)
                then[where].pop(name, None)
                if event.previous is not None:
                    then[where][name] = event.previous
        return _in_order(then, namespace)

    def create(self, plural: str, obj: Object, *, manager: str, dry_run: bool = False) -> Object:
        """Store a new object; raises ``ApiError`` 409 (it exists) or 422 (its kind's rules)."""
        return self.create_owned(plural, obj, Owner(manager), dry_run=dry_run)

    def create_owned(self, plural: str, obj: Object, owner: Owner, *, dry_run: bool = False) -> Object:
        """As ``create``, for a writer whose managed fields are known already (server-side apply)."""
        resource = RESOURCES[plural]
        new = copy.deepcopy(obj)
        new["metadata"] = metadata_rules.for_new(resource, new.get("metadata") or {}, now())
        new |= {"kind": resource.kind, "apiVersion": resource.group_version}
        if resource.has_status:
            new.pop("status", None)
        kinds.set_defaults(plural, new)
        self._own(resource, None, new, owner)
        if plural == "pods":
            self._admit(new)
        kinds.prepare(plural, new, None, self)
        self._check(resource, new)
        if self.find(plural, *_key(new)):
            raise errors.already_exists(resource, new["metadata"]["name"])
        return self._commit(Event("ADDED", plural, new), dry_run)

    def update(self, plural: str, obj: Object, *, manager: str, subresource: str = "", dry_run: bool = False) -> Object:
        """Replace an object; raises ``ApiError`` 404, 409 (a stale resourceVersion) or 422.

        An object that stays the same keeps its resourceVersion and causes no event. With ``subresource="status"`` only
        the status is taken, without it the status stays (where the kind has that subresource).
        """
        return self.update_owned(plural, obj, Owner(manager, subresource), dry_run=dry_run)

    def update_owned(self, plural: str, obj: Object, owner: Owner, *, dry_run: bool = False) -> Object:
        """As ``update``, for a writer whose managed fields are known already (server-side apply)."""
        resource = RESOURCES[plural]
        live = self.get(plural, *_key(obj))
        _check_version(resource, obj, live)
        new = _replaced(resource, live, copy.deepcopy(obj), owner.subresource)
        kinds.set_defaults(plural, new)
        self._own(resource, live, new, owner)
        kinds.prepare(plural, new, live, self)
        self._check(resource, new, live, owner.subresource)
        if _bumps_generation(resource, live, new):
            new["metadata"]["generation"] = live["metadata"].get("generation", 0) + 1
        if new == live:
            return live
        return self._commit(Event("MODIFIED", plural, new, live), dry_run)

    def delete(
        self, plural: str, namespace: str, name: str, *, grace: int | None = None, dry_run: bool = False
    ) -> Object:
        """Remove an object and hand it out; raises ``ApiError`` 404. A namespace takes along what it holds.

        A Pod on a node is only marked: it goes when its kubelet deletes it with a ``grace`` of 0 seconds.
        """
        live = self.get(plural, namespace, name)
        if plural == "namespaces" and not dry_run:
            for inside, namespaces in self._objects.items():
                for what in list(namespaces.get(name, {})):
                    self.delete(inside, name, what, grace=0)
        marked = workloads.terminating(live, grace, now()) if plural == "pods" else None
        if marked is not None:
            live = live if marked == live else self._commit(Event("MODIFIED", plural, marked, live), dry_run)
            if grace != 0:
                return live
        return self._commit(Event("DELETED", plural, copy.deepcopy(live), live), dry_run)

    async def watch(self, *plurals: str) -> AsyncIterator[Event]:
        """First an ADDED event for every object that is there, then every change, for ever."""
        async for event in self.follow(plurals):
            yield event

    async def follow(self, plurals: Iterable[str], since: int | None = None) -> AsyncIterator[Event]:
        """As ``watch``; with ``since`` the changes after that resourceVersion instead; raises ``ApiError`` 410."""
        wanted = frozenset(plurals)
        queue: asyncio.Queue[Event] = asyncio.Queue()
        self._followers.add(queue)
        try:
            for event in self._past(wanted, since):
                yield event
            while True:
                event = await queue.get()
                if event.plural in wanted:
                    yield event
        finally:
            self._followers.discard(queue)

    def forget(self) -> None:
        """Forget the past, as a compaction of etcd does: a watch, or a list, that goes on from then is answered 410."""
        self.resource_version += 1  # somebody writes something somewhere: what is newest is never forgotten
        self._history.clear()
        self._forgotten = self.resource_version

    def _past(self, plurals: frozenset[str], since: int | None) -> builtins.list[Event]:
        if since is None:
            return [Event("ADDED", plural, obj) for plural in plurals for obj in self.list(plural)]
        if since < self._forgotten:
            raise errors.gone(f"too old resource version: {since} ({self._forgotten})")
        return [event for version, event in self._history if version > since and event.plural in plurals]

    def _admit(self, pod: Object) -> None:
        """Give a new Pod what its namespace's LimitRanges fill in; raises ``ApiError`` 403 where it may not be."""
        ranges, quotas, pods = (
            self.list(plural, pod["metadata"]["namespace"]) for plural in ("limitranges", "resourcequotas", "pods")
        )
        admission.set_limit_range_defaults(pod, ranges)
        admission.require_allowed(pod, ranges, quotas, pods)

    def _check(self, resource: Resource, new: Object, live: Object | None = None, subresource: str = "") -> None:
        causes = kinds.validate(resource.plural, new, live)
        if not subresource:
            causes += kinds.validate_references(resource.plural, new, self)
        if causes:
            raise errors.invalid(resource, new["metadata"]["name"], causes)

    def _own(self, resource: Resource, live: Object | None, new: Object, owner: Owner) -> None:
        """Bring managedFields up to date: who set which field."""
        if owner.entries is not None:
            entries = owner.entries
        else:
            entries = managed_fields.after_update(
                resource.plural, live, new, manager=owner.manager, subresource=owner.subresource, time=now()
            )
        new["metadata"].pop("managedFields", None)
        if entries:
            new["metadata"]["managedFields"] = managed_fields.dump(entries)

    def _commit(self, event: Event, dry_run: bool) -> Object:
        metadata = event.object["metadata"]
        if not dry_run:
            self.resource_version += 1
            metadata["resourceVersion"] = str(self.resource_version)
        event = replace(event, object=metadata_rules.ordered(event.object))
        if dry_run:
            return event.object
        namespace, name = _key(event.object)
        objects = self._objects[event.plural].setdefault(namespace, {})
        if event.type == "DELETED":
            del objects[name]
        else:
            objects[name] = event.object
        if len(self._history) == self._history.maxlen:
            self._forgotten = self._history[0][0]
        self._history.append((self.resource_version, event))
        for queue in self._followers:
            queue.put_nowait(event)
        return event.object


@dataclass(frozen=True)
class Owner:
    """Who writes. ``entries``: the managed fields as they are to be, where the writer has worked them out itself."""

    manager: str
    subresource: str = ""
    entries: list[Entry] | None = None


def _in_order(namespaces: dict[str, dict[str, Object]], namespace: str | None) -> list[Object]:
    wanted = sorted(namespaces, key=lambda where: f"{where}/") if namespace is None else [namespace]
    return [obj for where in wanted for _, obj in sorted(namespaces.get(where, {}).items())]


def _key(obj: Object) -> tuple[str, str]:
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _check_version(resource: Resource, obj: Object, live: Object) -> None:
    metadata, name = obj["metadata"], live["metadata"]["name"]
    if metadata.get("resourceVersion", live["metadata"]["resourceVersion"]) != live["metadata"]["resourceVersion"]:
        raise errors.conflict(resource, name)
    if metadata.get("uid", live["metadata"]["uid"]) != live["metadata"]["uid"]:
        raise errors.precondition_failed(resource, name, "UID", metadata["uid"], live["metadata"]["uid"])


def _replaced(resource: Resource, live: Object, obj: Object, subresource: str) -> Object:
    """``obj`` with everything that its writer cannot change taken from the live object."""
    if subresource == "status":
        new = copy.deepcopy(live)
        new["status"] = obj.get("status", {})
        # The Deployment controller writes its revision annotation along with the status (recorded).
        if resource.plural == "deployments" and obj["metadata"].get("annotations"):
            new["metadata"]["annotations"] = obj["metadata"]["annotations"]
        return new
    metadata = metadata_rules.for_changed(obj["metadata"], live["metadata"])
    obj |= {"kind": resource.kind, "apiVersion": resource.group_version, "metadata": metadata}
    if resource.has_status:
        obj.pop("status", None)
        if "status" in live:
            obj["status"] = copy.deepcopy(live["status"])
    return obj


def _bumps_generation(resource: Resource, live: Object, new: Object) -> bool:
    if resource.generation == "spec":
        # That a Pod is bound to a node is no change of what is wanted (recorded).
        before, after = ({**(one.get("spec") or {}), "nodeName": None} for one in (live, new))
        return before != after
    if resource.generation == "object":
        return {**live, "metadata": None} != {**new, "metadata": None}
    return False

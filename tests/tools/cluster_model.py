"""A namespace in memory, with what `maintenance_ci.cluster.openshift.OpenShift` does to it, and with one router.

For the tests of plans and of what executes them; whole jobs run on the embedded OpenShift. Threads may use it.
"""

from __future__ import annotations

import copy
import itertools
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from maintenance_ci.cluster.openshift import OpenShift
from maintenance_ci.errors import ConflictError
from maintenance_ci.names import MANAGED_BY
from maintenance_ci.rehearsal.apiserver.store import Object

ROUTER = "default"
# What a server notes on its own: no difference between two objects.
SERVERS = ("uid", "resourceVersion", "managedFields")


class ClusterModel:
    """The objects of one namespace.

    Args:
        routes: that are there at first; the first is the oldest, and is served.
        secrets: likewise.

        judges_at_once: the router judges a new Route at once; otherwise when `judge` is called.

    Attributes:
        before_change: called with the verb, the plural and the name before each change: it may wait, or raise.
        history: each change that was made: the verb, and the object's name.
    """

    namespace = "web"

    def __init__(
        self, routes: Iterable[Object] = (), secrets: Iterable[Object] = (), *, judges_at_once: bool = True
    ) -> None:
        self.before_change: Callable[[str, str, str], None] = lambda *_: None
        self.history: list[tuple[str, str]] = []
        self.changed = threading.Condition()
        self._judges_at_once = judges_at_once
        self._numbers = itertools.count(100)
        self._objects: dict[tuple[str, str], Object] = {}
        for plural, objects in (("routes", routes), ("secrets", secrets)):
            for one in objects:
                self._objects[plural, one["metadata"]["name"]] = copy.deepcopy(one)
        self.judge()

    def guard(self) -> None:
        """The Lease is ours."""

    def get(self, plural: str, name: str) -> Object | None:
        with self.changed:
            return copy.deepcopy(self._objects.get((plural, name)))

    def select(self, plural: str, labels: Mapping[str, str] | None = None) -> list[Object]:
        with self.changed:
            return [
                copy.deepcopy(one)
                for (kind, _), one in self._objects.items()
                if kind == plural and (labels or {}).items() <= (one["metadata"].get("labels") or {}).items()
            ]

    def create(self, plural: str, manifest: Object) -> Object:
        def create(there: Object | None) -> Object:
            if there:
                raise ConflictError(f"{manifest['metadata']['name']} is there.")
            return _sent(manifest, uid=self._number())

        return self._change("create", plural, manifest, create)

    def apply(self, plural: str, manifest: Object) -> Object:
        def apply(there: Object | None) -> Object:
            uid = there["metadata"]["uid"] if there else self._number()
            written = [{"manager": MANAGED_BY, "operation": "Apply", "fieldsV1": {"f:spec": {"f:host": {}}}}]
            judged = {"status": there["status"]} if there and "status" in there else {}
            return _sent(manifest, uid=uid, managedFields=written) | judged

        return self._change("apply", plural, manifest, apply)

    def replace(self, plural: str, manifest: Object) -> Object:
        def replace(there: Object | None) -> Object:
            self._require_as_read(there, manifest)
            return manifest

        return self._change("replace", plural, manifest, replace)

    def patch(self, plural: str, observed: Object, patch: Object) -> None:
        def change(there: Object | None) -> Object:
            return _merged(self._require_as_read(there, observed), patch)

        self._change("patch", plural, observed, change)

    def delete(self, plural: str, observed: Object) -> None:
        def delete(there: Object | None) -> None:
            if there:
                self._require_as_read(there, observed)

        self._change("delete", plural, observed, delete)

    def wait_until(self, holds: Callable[[], bool]) -> bool:
        """Wait until a change makes it true; False: it is not within a time that no test takes."""
        with self.changed:
            return self.changed.wait_for(holds, timeout=30)

    def judge(self) -> None:
        """Let the router judge the Routes that it has not judged yet."""
        with self.changed:
            for (plural, _), one in self._objects.items():
                if plural == "routes":
                    one.setdefault("status", {"ingress": [{"routerName": ROUTER}]})
            self._serve()

    def as_cluster(self) -> OpenShift:
        """It has those methods of `OpenShift` that plans need."""
        return cast("OpenShift", self)

    def content(self) -> dict[tuple[str, str], Object]:
        """What is meant by the objects: all but their status and what servers note."""
        with self.changed:
            return {key: _meaning(one) for key, one in self._objects.items()}

    def _change(self, verb: str, plural: str, named: Object, change: Callable[[Object | None], Object | None]) -> Any:
        name = named["metadata"]["name"]
        self.before_change(verb, plural, name)
        with self.changed:
            made = change(self.get(plural, name))
            if made is None:
                self._objects.pop((plural, name), None)
            else:
                metadata = {**made["metadata"], "namespace": self.namespace, "resourceVersion": self._number()}
                self._objects[plural, name] = copy.deepcopy({**made, "metadata": metadata})
            self.history.append((verb, name))
            self._serve()
            if self._judges_at_once:
                self.judge()
            self.changed.notify_all()
            return self.get(plural, name)

    def _require_as_read(self, there: Object | None, observed: Object) -> Object:
        read = observed["metadata"]
        if there is None or there["metadata"]["resourceVersion"] != read["resourceVersion"]:
            raise ConflictError(f"{read['name']} was changed.")
        return there

    def _serve(self) -> None:
        """Let the router serve, of each host and path, the Route that is there longest of those that it has judged."""
        served: dict[tuple[str, str], str] = {}
        for (plural, name), route in self._objects.items():
            if plural == "routes" and route.get("status"):
                place = (route["spec"]["host"], route["spec"].get("path") or "")
                holder = served.setdefault(place, name)
                taken = {"reason": "HostAlreadyClaimed", "message": f"route {holder} already exposes it and is older"}
                condition = {"type": "Admitted", "status": str(holder == name)} | ({} if holder == name else taken)
                route["status"] = {"ingress": [{"routerName": ROUTER, "conditions": [condition]}]}

    def _number(self) -> str:
        return str(next(self._numbers))


def _sent(manifest: Object, **noted: Any) -> Object:
    """What a server stores of a manifest: without a status, and with what it notes."""
    sent = {key: value for key, value in manifest.items() if key != "status"}
    return sent | {"metadata": {**manifest["metadata"], **noted}}


def _merged(value: Object, patch: Object) -> Object:
    """What a JSON merge patch (RFC 7386) makes of an object."""
    merged = {key: inner for key, inner in value.items() if patch.get(key, "") is not None}
    for key, wanted in patch.items():
        if isinstance(wanted, dict):
            merged[key] = _merged(merged.get(key) or {}, wanted)
        elif wanted is not None:
            merged[key] = wanted
    return merged


def _meaning(one: Object) -> Object:
    metadata = {key: value for key, value in one["metadata"].items() if value and key not in SERVERS}
    return {**{key: value for key, value in one.items() if key != "status"}, "metadata": metadata}

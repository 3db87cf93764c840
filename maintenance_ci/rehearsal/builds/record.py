"""A Build as an object: how it begins, how it passes its phases, and its log.

Labels, annotations, conditions and the order of the fields were recorded on a real OpenShift 4.21, for a build that
succeeds; where ``reason``, ``message`` and ``logSnippet`` of a failed one stand was not.
"""

from __future__ import annotations

import asyncio
import copy
from datetime import datetime
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.apiserver.store import now
from maintenance_ci.rehearsal.builds import build_pod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from maintenance_ci.rehearsal.apiserver.store import Object, Store

MANAGER = "openshift-controller-manager"
ENDED = frozenset(("Complete", "Failed", "Cancelled", "Error"))
STATUS_ORDER = (
    "phase",
    "startTimestamp",
    "completionTimestamp",
    "duration",
    "reason",
    "message",
    "outputDockerImageReference",
    "config",
    "output",
    "logSnippet",
    "conditions",
)
SNIPPET = 5  # lines of the log that a failed Build shows


class BuildLog:
    """The lines of a build, readable while it writes them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._ended = False
        self._changed = asyncio.Event()

    def write(self, line: str) -> None:
        """Add a line."""
        self.lines.append(line)
        self._wake()

    def end(self) -> None:
        """Nothing comes any more."""
        self._ended = True
        self._wake()

    async def read(self, *, follow: bool) -> AsyncIterator[bytes]:
        """Every line; with ``follow`` until the end of the build."""
        position = 0
        while True:
            while position < len(self.lines):
                yield f"{self.lines[position]}\n".encode()
                position += 1
            if self._ended or not follow:
                return
            await self._changed.wait()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def new_build(config: Object, query: Mapping[str, str]) -> Object:
    """The next Build of a BuildConfig whose ``lastVersion`` counts it already; ``query`` is that of the upload."""
    metadata, spec = config["metadata"], config["spec"]
    name, number = metadata["name"], config["status"]["lastVersion"]
    labels = {
        **metadata.get("labels", {}),
        "buildconfig": name,
        "openshift.io/build-config.name": name,
        "openshift.io/build.start-policy": spec["runPolicy"],
    }
    owner = {
        "apiVersion": "build.openshift.io/v1",
        "kind": "BuildConfig",
        "name": name,
        "uid": metadata["uid"],
        "controller": True,
    }
    status: Object = {
        "phase": "New",
        "config": {"kind": "BuildConfig", "namespace": metadata["namespace"], "name": name},
        "output": {},
        "conditions": [_condition("New", "True")],
    }
    body: Object = {"serviceAccount": spec.get("serviceAccount") or "builder"}
    body |= {key: copy.deepcopy(spec[key]) for key in ("source", "strategy", "output", "resources", "postCommit")}
    body["nodeSelector"] = spec.get("nodeSelector")
    if "revision.commit" in query:
        body["revision"] = _revision(query)
    return {
        "metadata": {
            "name": f"{name}-{number}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "annotations": {"openshift.io/build-config.name": name, "openshift.io/build.number": str(number)},
            "ownerReferences": [owner],
        },
        "spec": body,
        "status": status,
    }


def number_of(build: Object) -> int:
    """The how-manieth build of its BuildConfig it is."""
    return int(build["metadata"]["annotations"]["openshift.io/build.number"])


def config_uid(build: Object) -> str:
    """The uid of the BuildConfig that a Build belongs to; empty for one that belongs to none."""
    return next((str(owner["uid"]) for owner in build["metadata"].get("ownerReferences", [])), "")


class BuildRecord:
    """One Build in the store. Somebody may delete it at any time; what is written to it then is lost."""

    def __init__(self, store: Store, build: Object) -> None:
        self._store = store
        self._created = build
        self.name: str = build["metadata"]["name"]
        self.namespace: str = build["metadata"]["namespace"]
        self.uid: str = build["metadata"]["uid"]
        self.output: Object = build["spec"]["output"].get("to") or {}

    @property
    def is_deleted(self) -> bool:
        """True when it is there no more."""
        found = self._store.find("builds", self.namespace, self.name)
        return found is None or found["metadata"]["uid"] != self.uid

    @property
    def object(self) -> Object:
        """The Build as it is now, or as it was created if it is deleted."""
        return self._created if self.is_deleted else self._store.get("builds", self.namespace, self.name)

    def enter(self, phase: str, *, annotations: Mapping[str, str] | None = None, **status: Any) -> None:
        """Go on to ``phase``, with whatever else changes in the status."""
        kept = {key: value for key, value in self.object["status"].items() if key not in ("reason", "message")}
        self._write({**kept, **status, "phase": phase}, annotations or {})

    def explain(self, obstacle: tuple[str, str]) -> None:
        """Say what it waits for: reason and message."""
        reason, message = obstacle
        self._write({**self.object["status"], "reason": reason, "message": message}, {})

    def end(self, phase: str, why: tuple[str, str] | None = None, lines: Sequence[str] = (), **status: Any) -> None:
        """Reach a last phase; ``why`` is a failure's reason and message, ``lines`` its log."""
        started, ended = self.object["status"].get("startTimestamp"), now()
        status["completionTimestamp"] = ended
        if started:
            seconds = datetime.fromisoformat(ended) - datetime.fromisoformat(started)
            status["duration"] = int(seconds.total_seconds()) * 1_000_000_000
        if why:
            status["reason"], status["message"] = why
        if lines:
            status["logSnippet"] = "\n".join(lines[-SNIPPET:])
        self._write({**self.object["status"], **status, "phase": phase}, {})

    def _write(self, status: Object, annotations: Mapping[str, str]) -> None:
        if self.is_deleted:
            return
        build = copy.deepcopy(self.object)
        build["metadata"]["annotations"] |= annotations
        status["conditions"] = _conditions(build["status"]["conditions"], status)
        build["status"] = {key: status[key] for key in STATUS_ORDER if key in status}
        build_pod.follow(self._store, build, status["phase"])
        self._store.update("builds", build, manager=MANAGER)


def _condition(phase: str, value: str, **why: str) -> Object:
    time = now()
    return {"type": phase, "status": value, "lastUpdateTime": time, "lastTransitionTime": time, **why}


def _conditions(conditions: Sequence[Object], status: Object) -> list[Object]:
    """One condition for each phase so far; only the present one is true."""
    phase = status["phase"]
    why = {key: status[key] for key in ("reason", "message") if key in status}
    last = conditions[-1]
    if last["type"] == phase:
        return [*conditions[:-1], {**last, **why}]
    return [*conditions[:-1], _condition(last["type"], "False"), _condition(phase, "True", **why)]


def _revision(query: Mapping[str, str]) -> Object:
    """What ``oc`` tells of the git work tree that it uploads."""
    git: Object = {"commit": query["revision.commit"], "message": query.get("revision.message", "")}
    for who in ("author", "committer"):
        keys = (("name", f"revision.{who}Name"), ("email", f"revision.{who}Email"))
        person = {key: query[parameter] for key, parameter in keys if parameter in query}
        if person:
            git[who] = person
    return {"type": "Git", "git": git}

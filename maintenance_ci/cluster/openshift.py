"""The cluster, as the jobs use it: one namespace, objects as plain dicts, one short method for each verb."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from maintenance_ci.cluster.api import TIMEOUT, Api
from maintenance_ci.errors import ConflictError, TryAgainError
from maintenance_ci.names import MANAGED_BY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Object = dict[str, Any]
Answer = TypeVar("Answer")

FIELD_MANAGER = MANAGED_BY
# A Lease that is not renewed in time is lost: one answer that does not come must not take that long.
LEASE_PATIENCE = (2.0, 10.0)
# A binary build is answered when its Pod has the upload: 5 minutes at the most (recorded on OpenShift 4.21).
BUILD_START_TIMEOUT = (5.0, 330.0)
# How often a change is tried again when a controller wrote the object's status meanwhile.
CONFLICT_RETRIES = 5
# Seconds after which a change whose answer did not come is sent again.
PAUSES = (0.5, 2.0)
# What may be sent whatever the guard says: the Lease itself, and what changes nothing.
DRY_RUN = "dry run"
UNGUARDED = frozenset({"leases", "processedtemplates", DRY_RUN})

GROUPS = {
    "routes": "route.openshift.io/v1",
    "processedtemplates": "template.openshift.io/v1",
    "buildconfigs": "build.openshift.io/v1",
    "builds": "build.openshift.io/v1",
    "imagestreams": "image.openshift.io/v1",
    "imagestreamtags": "image.openshift.io/v1",
    "deployments": "apps/v1",
    "endpointslices": "discovery.k8s.io/v1",
    "leases": "coordination.k8s.io/v1",
    "selfsubjectaccessreviews": "authorization.k8s.io/v1",
    "selfsubjectrulesreviews": "authorization.k8s.io/v1",
    "secrets": "v1",
    "services": "v1",
    "pods": "v1",
}


class OpenShift:
    """A namespace of a cluster.

    Args:
        kubeconfig: path of the kubeconfig (several, separated as in KUBECONFIG, are merged).
        namespace: all objects are looked up and changed there.
        timeout: seconds to wait for the next bytes of an answer.

    Attributes:
        guard: called before each change; it raises what forbids the change (the Lease is lost).

    Raises of every method: what `maintenance_ci.cluster.api.Api` raises, and what the guard does.
    """

    def __init__(self, kubeconfig: str, namespace: str, *, timeout: float = TIMEOUT[1]) -> None:
        self.namespace = namespace
        self.guard: Callable[[], None] = lambda: None
        self._api = Api(kubeconfig, timeout=timeout)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def get(self, plural: str, name: str, *, namespace: str = "") -> Object | None:
        """Return the object, or None where there is none; of another ``namespace`` where given."""
        return self._request("GET", self._path(plural, name, namespace=namespace), missing_is_none=True)

    def select(self, plural: str, labels: Mapping[str, str] | None = None) -> list[Object]:
        """Return the namespace's objects, those with ``labels`` only where given."""
        query = [("labelSelector", ",".join(f"{key}={value}" for key, value in labels.items()))] if labels else []
        return _items(self._request("GET", self._path(plural), query=query))

    def select_everywhere(self, plural: str, field_selector: str) -> list[Object]:
        """Return the objects of all namespaces that the field selector names."""
        path = self._path(plural, everywhere=True)
        return _items(self._request("GET", path, query=[("fieldSelector", field_selector)]))

    def review(self, plural: str, spec: Object) -> Object:
        """Ask the server about our own rights, and return its status: a SelfSubjectAccessReview or -RulesReview."""
        answer = self._request("POST", self._path(plural, everywhere=True), body={"spec": spec}) or {}
        return dict(answer.get("status") or {})

    def create(self, plural: str, manifest: Object) -> Object:
        """Create an object, and return it as the server completed it.

        Raises:
            ConflictError: there is one of that name.
        """
        self._allow(plural)
        return self._request("POST", self._path(plural), body=manifest) or {}

    def apply(self, plural: str, manifest: Object, *, dry_run: bool = False) -> Object:
        """Create or change an object by server-side apply, as ``maintenance-ci``, taking over contested fields.

        With ``dry_run`` the server says what would become of it, or refuses, and changes nothing.
        """
        rehearsed = [("dryRun", "All")] if dry_run else []
        return self._insist(
            plural if not dry_run else DRY_RUN,
            lambda: self._request(
                "PATCH",
                self._path(plural, str(manifest["metadata"]["name"])),
                query=[("fieldManager", FIELD_MANAGER), ("force", "true"), *rehearsed],
                body=manifest,
                content_type="application/apply-patch+yaml",
            )
        ) or {}  # fmt: skip

    def replace(self, plural: str, manifest: Object) -> Object:
        """Replace an object (create it, for kinds that are a view such as ImageStreamTags)."""
        self._allow(plural)
        return self._request("PUT", self._path(plural, str(manifest["metadata"]["name"])), body=manifest) or {}

    def patch(self, plural: str, found: Object, patch: Object, *, dry_run: bool = False) -> None:
        """Change, by a JSON merge patch, the very object that was read.

        With ``dry_run`` the server says what would become of it, or refuses, and changes nothing.

        Raises:
            ConflictError: what somebody wants of it changed since it was read, or it is gone.
        """

        def change(current: Object) -> None:
            if not dry_run and _holds(current, patch):  # an answer that was lost: it is done
                return
            version = {"resourceVersion": current["metadata"]["resourceVersion"]}
            body = {**patch, "metadata": {**patch.get("metadata", {}), **version}}
            name = str(current["metadata"]["name"])
            made = self._request(
                "PATCH",
                self._path(plural, name),
                query=[("dryRun", "All")] if dry_run else [],
                body=body,
                content_type="application/merge-patch+json",
                missing_is_none=True,
            )
            if made is None:
                raise ConflictError(f"{name} is gone.", "Run the job again.")

        def done(current: Object | None) -> bool:
            return not dry_run and current is not None and _holds(current, patch)

        self._change_as_read(plural, found, change, done=done, guarded=DRY_RUN if dry_run else plural)

    def delete(self, plural: str, found: Object) -> None:
        """Delete the very object that was read: not one of the same name made since. One already gone is no error.

        Raises:
            ConflictError: what somebody wants of it changed since it was read, or another took its name.
        """
        self._change_as_read(plural, found, partial(self._delete, plural), done=lambda current: current is None)

    def _change_as_read(
        self,
        plural: str,
        found: Object,
        change: Callable[[Object], None],
        *,
        done: Callable[[Object | None], bool],
        guarded: str = "",
    ) -> None:
        """Make a change that holds for the object as it was read; a controller may write its status meanwhile."""
        for _ in range(CONFLICT_RETRIES):
            try:
                return self._insist(guarded or plural, partial(change, found))
            except ConflictError:
                now = self.get(plural, str(found["metadata"]["name"]))
                if done(now):
                    return None
                if now is None or _intent(now) != _intent(found):
                    raise
                found = now
        raise ConflictError(f"{found['metadata']['name']} keeps changing.", "Run the job again.")

    def _allow(self, plural: str) -> None:
        """Let nothing be changed that the guard forbids; a Lease is what the guard itself is about."""
        if plural not in UNGUARDED:
            self.guard()

    def _insist(self, plural: str, change: Callable[[], Answer]) -> Answer:
        """Send what may be sent twice again, while the server is away: users may be between two sides."""
        for pause in PAUSES:
            self._allow(plural)
            try:
                return change()
            except TryAgainError:
                time.sleep(pause)
        self._allow(plural)
        return change()

    def _delete(self, plural: str, found: Object) -> None:
        metadata = found["metadata"]
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]},
        }
        self._request("DELETE", self._path(plural, str(metadata["name"])), body=options, missing_is_none=True)

    def process_template(self, template: Object) -> list[Object]:
        """Return the objects that the server makes of an OpenShift Template (``oc process``)."""
        return list(self.create("processedtemplates", template).get("objects") or [])

    def start_binary_build(self, build_config: str, archive: bytes) -> Object:
        """Start a build of an uploaded archive (a gzipped tar); returns the Build when it runs."""
        self._allow("builds")
        return self._request(
            "POST",
            self._path("buildconfigs", build_config, "instantiatebinary"),
            query=[("name", build_config), ("namespace", self.namespace)],
            body=archive,
            content_type="application/octet-stream",
            timeout=BUILD_START_TIMEOUT,
        ) or {}  # fmt: skip

    def follow_build_log(self, build: str, *, timeout: float) -> Iterator[str]:
        """Return the lines of a Build's log until it ends, or until ``timeout`` seconds have passed."""
        return self._api.lines(self._path("builds", build, "log"), query=[("follow", "true")], timeout=timeout)

    def _path(
        self, plural: str, name: str = "", subresource: str = "", *, everywhere: bool = False, namespace: str = ""
    ) -> str:
        group = GROUPS[plural]
        root = "/api/v1" if group == "v1" else f"/apis/{group}"
        where = [] if everywhere else ["namespaces", namespace or self.namespace]
        parts = [root, *where, plural, quote(name, safe=""), subresource]
        return "/".join(part for part in parts if part)

    def _request(self, method: str, path: str, **request: Any) -> Object | None:
        if f"/{GROUPS['leases']}/" in path and self._api.timeout > LEASE_PATIENCE:
            request["timeout"] = LEASE_PATIENCE
        return self._api.object(method, path, **request)


def _items(answer: Object | None) -> list[Object]:
    """Return the items of a list. Anything else is no empty one: it would say that nobody needs the page any more."""
    if not answer or not str(answer.get("kind")).endswith("List"):
        raise TryAgainError(
            "The address of the cluster answers, but not as a Kubernetes API.", "Check OKD_URL, then run the job again."
        )
    return list(answer.get("items") or [])


def _holds(found: object, patch: object) -> bool:
    """Tell whether an object is already as a merge patch would leave it."""
    if isinstance(patch, dict):
        whole = found if isinstance(found, dict) else {}
        return all(_holds(whole.get(key), value) for key, value in patch.items())
    return found == patch


def _intent(found: Object) -> tuple[object, ...]:
    """Return what people and tools want of an object: all but its status and bookkeeping."""
    metadata = found["metadata"]
    return metadata["uid"], metadata.get("labels"), metadata.get("annotations"), found.get("spec")

"""The cluster, as the jobs use it: one namespace, objects as plain dicts, one short method for each verb."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from maintenance_ci.cluster.api import TIMEOUT, Api, no_kubernetes
from maintenance_ci.errors import ConflictError, ExpiredError, MaintenanceError, MissingError, TryAgainError
from maintenance_ci.names import MANAGED_BY
from maintenance_ci.waiting import retried

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Object = dict[str, Any]
Answer = TypeVar("Answer")

# A Lease that is not renewed in time is lost: one answer that does not come must not take that long.
LEASE_PATIENCE = (2.0, 10.0)
# A binary build is answered when its Pod has the upload: 5 minutes at the most (recorded on OpenShift 4.21).
BUILD_START_TIMEOUT = (5.0, 330.0)
# Objects of a list that are asked for at once, as kubectl asks for them: memory holds no more JSON than that.
PAGE_SIZE = 500
# How often a list is begun whose continuation the server forgets (after 5 to 10 minutes, by default), and its pages at
# the most: a server that always says "go on" has an end, too.
LIST_TRIES = 3
MAX_PAGES = 1000
# How often a change is tried again when a controller wrote the object's status meanwhile.
CONFLICT_RETRIES = 5
# Seconds after which a change whose answer did not come is sent again.
PAUSES = (0.5, 2.0)

GROUPS = {
    "routes": "route.openshift.io/v1",
    "processedtemplates": "template.openshift.io/v1",
    "buildconfigs": "build.openshift.io/v1",
    "builds": "build.openshift.io/v1",
    "imagestreams": "image.openshift.io/v1",
    "imagestreamtags": "image.openshift.io/v1",
    "deployments": "apps/v1",
    "endpointslices": "discovery.k8s.io/v1",
    "networkpolicies": "networking.k8s.io/v1",
    "leases": "coordination.k8s.io/v1",
    "selfsubjectaccessreviews": "authorization.k8s.io/v1",
    "selfsubjectrulesreviews": "authorization.k8s.io/v1",
    "secrets": "v1",
    "services": "v1",
    "pods": "v1",
}

# Kinds of what is answered, and not looked up by a name.
NAMELESS = ("Review", "Status", "Template")


class OpenShift:
    """A namespace of a cluster.

    Args:
        kubeconfig: path of the kubeconfig (several, separated as in KUBECONFIG, are merged).
        namespace: all objects are looked up and changed there.
        timeout: seconds to wait for the next bytes of an answer.
        hide: gets what no log may show.

    Attributes:
        guard: called before each change; it raises what forbids the change (the Lease is lost).

    Raises of every method: what `maintenance_ci.cluster.api.Api` raises, and what the guard does.
    """

    def __init__(
        self,
        kubeconfig: str,
        namespace: str,
        *,
        timeout: float = TIMEOUT[1],
        hide: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.namespace = namespace
        self.guard: Callable[[], None] = lambda: None
        self._api = Api(kubeconfig, timeout=timeout, hide=hide)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def get(self, plural: str, name: str, *, namespace: str = "") -> Object | None:
        """Return the object, or None where there is none; of another ``namespace`` where given."""
        with contextlib.suppress(MissingError):
            return self._request("GET", plural, name, namespace=namespace)
        return None

    def select(
        self, plural: str, labels: Mapping[str, str] | str | None = None, *, fields: str = "", everywhere: bool = False
    ) -> list[Object]:
        """Return the namespace's objects, or those of all namespaces, as they were when their first page was read.

        Only those with ``labels``, or that a label selector means, and that a field selector means, where given.
        """
        if isinstance(labels, Mapping):
            labels = ",".join(f"{key}={value}" for key, value in labels.items())
        query = [(name, text) for name, text in (("fieldSelector", fields), ("labelSelector", labels)) if text]
        for _ in range(LIST_TRIES):
            with contextlib.suppress(ExpiredError):
                return [_trimmed(one) for page in self._pages(plural, query, everywhere) for one in page]
        raise TryAgainError(f"The list of {plural} took too long: the cluster forgets it meanwhile.", run_again=True)

    def review(self, plural: str, spec: Object) -> Object:
        """Ask the server about our own rights, and return its status: a SelfSubjectAccessReview or -RulesReview."""
        answer = self._request("POST", plural, everywhere=True, body={"spec": spec})
        return dict(answer.get("status") or {})

    def process_template(self, template: Object) -> list[Object]:
        """Return the objects that the server makes of an OpenShift Template (``oc process``)."""
        return list(self._request("POST", "processedtemplates", body=template).get("objects") or [])

    def create(self, plural: str, manifest: Object) -> Object:
        """Create an object, and return it as the server completed it.

        Raises:
            ConflictError: there is one of that name.
        """
        return self._change("POST", plural, body=manifest)

    def apply(self, plural: str, manifest: Object, *, dry_run: bool = False) -> Object:
        """Create or change an object by server-side apply, as ``maintenance-ci``, taking over contested fields.

        With ``dry_run`` the server says what would become of it, or refuses, and changes nothing.
        """
        name, query = str(manifest["metadata"]["name"]), [("fieldManager", MANAGED_BY), ("force", "true")]
        apply = partial(self._change, "PATCH", plural, name, query=query, body=manifest, dry_run=dry_run)
        return retried(partial(apply, content_type="application/apply-patch+yaml"), PAUSES)

    def replace(self, plural: str, manifest: Object) -> Object:
        """Replace an object (create it, for kinds that are a view such as ImageStreamTags)."""
        return self._change("PUT", plural, str(manifest["metadata"]["name"]), body=manifest)

    def patch(self, plural: str, observed: Object, patch: Object, *, dry_run: bool = False) -> Object | None:
        """Change, by a JSON merge patch, the very object that was read, and return what the server made of it.

        Where an answer was lost, and the object was found to be as it should, that is None.

        With ``dry_run`` the server says what would become of it, or refuses, and changes nothing.

        Raises:
            ConflictError: what somebody wants of it changed since it was read, or it is gone.
        """

        def done(current: Object | None) -> bool:  # for an answer that was lost
            return not dry_run and current is not None and _holds(current, patch)

        def change(current: Object) -> Object | None:
            if done(current):
                return None
            version = {"resourceVersion": current["metadata"]["resourceVersion"]}
            body = {**patch, "metadata": {**patch.get("metadata", {}), **version}}
            name, content_type = str(current["metadata"]["name"]), "application/merge-patch+json"
            try:
                return self._change("PATCH", plural, name, body=body, content_type=content_type, dry_run=dry_run)
            except MissingError:
                raise ConflictError(f"{name} is gone.", run_again=True) from None

        return self._change_as_read(plural, observed, change, done)

    def delete(self, plural: str, observed: Object) -> None:
        """Delete the very object that was read: not one of the same name made since. One already gone is no error.

        Raises:
            ConflictError: what somebody wants of it changed since it was read, or another took its name.
        """

        def delete(current: Object) -> None:
            metadata = current["metadata"]
            preconditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
            options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
            with contextlib.suppress(MissingError):
                self._change("DELETE", plural, str(metadata["name"]), body=options)

        self._change_as_read(plural, observed, delete, lambda current: current is None)

    def start_binary_build(self, build_config: str, archive: bytes) -> Object:
        """Start a build of an uploaded archive (a gzipped tar); returns the Build when it runs."""
        return self._change(
            "POST",
            "buildconfigs",
            build_config,
            "instantiatebinary",
            query=[("name", build_config), ("namespace", self.namespace)],
            body=archive,
            content_type="application/octet-stream",
            timeout=BUILD_START_TIMEOUT,
        )

    def follow_build_log(self, build: str, *, timeout: float) -> Iterator[str]:
        """Return the lines of a Build's log until it ends, or until ``timeout`` seconds have passed."""
        return self._api.lines(self._path("builds", build, "log"), query=[("follow", "true")], timeout=timeout)

    def _pages(self, plural: str, query: Sequence[tuple[str, str]], everywhere: bool) -> Iterator[list[Object]]:
        first = page_query = [*query, ("limit", str(PAGE_SIZE))]
        for _ in range(MAX_PAGES):
            page = self._request("GET", plural, everywhere=everywhere, query=page_query)
            yield page.get("items") or []
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return
            page_query = [*first, ("continue", str(token))]
        raise MaintenanceError(f"The list of {plural} does not end after {MAX_PAGES} pages.", "Check OKD_URL.")

    def _change_as_read(
        self,
        plural: str,
        observed: Object,
        change: Callable[[Object], Object | None],
        done: Callable[[Object | None], bool],
    ) -> Object | None:
        """Make a change that holds for the object as it was read; a controller may write its status meanwhile."""
        for _ in range(CONFLICT_RETRIES):
            try:
                return retried(partial(change, observed), PAUSES)
            except ConflictError:
                current = self.get(plural, str(observed["metadata"]["name"]))
                if done(current):
                    return None
                if current is None or _intent(current) != _intent(observed):
                    raise
                observed = current
        raise ConflictError(f"{observed['metadata']['name']} keeps changing.", run_again=True)

    def _change(
        self,
        method: str,
        plural: str,
        *names: str,
        query: Sequence[tuple[str, str]] = (),
        dry_run: bool = False,
        **request: Any,
    ) -> Object:
        """Send a change, if the guard lets it: a dry run changes nothing, and the guard itself is about the Lease."""
        if not dry_run and plural != "leases":
            self.guard()
        return self._request(
            method, plural, *names, query=[*query, *([("dryRun", "All")] if dry_run else [])], **request
        )

    def _request(
        self, method: str, plural: str, *names: str, everywhere: bool = False, namespace: str = "", **request: Any
    ) -> Object:
        if plural == "leases" and self._api.timeout > LEASE_PATIENCE:
            request["timeout"] = LEASE_PATIENCE
        path = self._path(plural, *names, namespace="" if everywhere else namespace or self.namespace)
        answer = self._api.object(method, path, **request)
        if not (_is_object(answer) if names or method != "GET" else _is_list(answer)):
            raise no_kubernetes()
        return answer

    def _path(self, plural: str, name: str = "", subresource: str = "", *, namespace: str | None = None) -> str:
        """Return the path of an object, or of a list; of all namespaces where ``namespace`` is empty."""
        group = GROUPS[plural]
        root = "/api/v1" if group == "v1" else f"/apis/{group}"
        where = ["namespaces", namespace or self.namespace] if namespace != "" else []
        return "/".join(filter(None, [root, *where, plural, quote(name, safe=""), subresource]))


def _is_list(answer: Object) -> bool:
    """Tell a list of objects. Nothing else passes for an empty one, by which nobody would need the page any more."""
    items = answer.get("items") or []
    objects = isinstance(items, list) and all(isinstance(item, dict) and _is_object(item) for item in items)
    return objects and isinstance(answer.get("metadata"), dict | None) and str(answer["kind"]).endswith("List")


def _trimmed(listed: Object) -> Object:
    """Return a listed object without the fields that others manage, where none are ours: nobody asks for them.

    They are half of what a Route takes in memory. Who manages it stays.
    """
    metadata = listed["metadata"]
    managers = metadata.get("managedFields") or []
    if not any(one.get("manager") == MANAGED_BY for one in managers):
        for one in managers:
            one.pop("fieldsV1", None)
    return listed


def _is_object(answer: Object) -> bool:
    """Tell what has an object's form; the answers that nobody looks up by name (`NAMELESS`) need none."""
    kind, metadata = str(answer.get("kind")), answer.get("metadata")
    inner = metadata if isinstance(metadata, dict) else {}
    parts = [metadata, answer.get("spec"), answer.get("data"), inner.get("labels"), inner.get("annotations")]
    if kind != "Status":  # whose status is a word
        parts.append(answer.get("status"))
    named = isinstance(inner.get("name"), str) or kind.endswith(NAMELESS)
    return named and all(isinstance(part, dict | None) for part in parts)


def _holds(value: object, patch: object) -> bool:
    """Tell whether an object, or a part of it, is already as a merge patch would leave it."""
    if isinstance(patch, dict):
        fields = value if isinstance(value, dict) else {}
        return all(_holds(fields.get(key), wanted) for key, wanted in patch.items())
    return value == patch


def _intent(observed: Object) -> tuple[object, ...]:
    """Return what people and tools want of an object: all but its status and bookkeeping."""
    metadata = observed["metadata"]
    return metadata["uid"], metadata.get("labels"), metadata.get("annotations"), observed.get("spec")

"""The cluster, as the jobs use it: one namespace, objects as plain dicts. The only importer of the kubernetes client.

Its generated classes and its dynamic client ask the server for its API groups first; a job knows the few paths that it
needs, so each call here is one request.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.config import new_client_from_config
from kubernetes.config.config_exception import ConfigException

from maintenance_ci.errors import ConflictError, ForbiddenError, MaintenanceError, TryAgainError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Object = dict[str, Any]
Answer = TypeVar("Answer")

FIELD_MANAGER = "maintenance-ci"
# Seconds to connect, and to wait for the next bytes of an answer.
TIMEOUT = (5.0, 30.0)
# Seconds for a whole answer, and its bytes at the most; bytes of a log's line.
ANSWER_TIMEOUT = 60.0
MAX_ANSWER = 64 * 1024 * 1024
MAX_LINE = 64 * 1024
# A Lease that is not renewed in time is lost: one answer that does not come must not take that long.
LEASE_TIMEOUT = (2.0, 5.0)
# A binary build is answered when its Pod has the upload: 5 minutes at the most (recorded on OpenShift 4.21).
BUILD_START_TIMEOUT = (5.0, 330.0)
# How often a change is tried again when a controller wrote the object's status meanwhile.
CONFLICT_RETRIES = 5
# Seconds after which a change whose answer did not come is sent again.
PAUSES = (0.5, 2.0)
# What may be sent whatever the guard says: the Lease itself, and what changes nothing.
UNGUARDED = frozenset({"leases", "processedtemplates"})

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

    Raises of every method:
        TryAgainError: the server cannot be reached, or answers that it is too busy or broken (429, 5xx).
        ForbiddenError: the token is refused (401), or lacks the right (403).
        MaintenanceError: any other refusal, with the server's own words.
    """

    def __init__(self, kubeconfig: str, namespace: str, *, timeout: float = TIMEOUT[1]) -> None:
        self.namespace = namespace
        self.guard: Callable[[], None] = lambda: None
        self._timeout = (min(TIMEOUT[0], timeout), timeout)
        # What urllib3 would print about each retry says less than the error in the end.
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        configuration = Configuration()
        # Only what never reached the server is sent again; a Retry-After may ask for hours.
        configuration.retries = urllib3.Retry(
            connect=2, read=0, redirect=0, status=0, other=0, backoff_factor=0.5, respect_retry_after_header=False
        )
        try:
            self._client: ApiClient = new_client_from_config(  # type: ignore[no-untyped-call]
                kubeconfig, persist_config=False, client_configuration=configuration
            )
        except (ConfigException, OSError, ValueError, TypeError) as error:
            raise MaintenanceError(
                "The kubeconfig cannot be used.", "Check KUBECONFIG, or give OKD_URL and OKD_TOKEN."
            ) from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()  # type: ignore[no-untyped-call]

    def get(self, plural: str, name: str) -> Object | None:
        """Return the object, or None where there is none."""
        return self._object("GET", self._path(plural, name), missing_is_none=True)

    def select(self, plural: str, labels: Mapping[str, str] | None = None) -> list[Object]:
        """Return the namespace's objects, those with ``labels`` only where given."""
        query = [("labelSelector", ",".join(f"{key}={value}" for key, value in labels.items()))] if labels else []
        found = self._object("GET", self._path(plural), query=query)
        return list(found.get("items") or []) if found else []

    def select_everywhere(self, plural: str, field_selector: str) -> list[Object]:
        """Return the objects of all namespaces that the field selector names."""
        path = self._path(plural, everywhere=True)
        found = self._object("GET", path, query=[("fieldSelector", field_selector)])
        return list(found.get("items") or []) if found else []

    def review(self, plural: str, spec: Object) -> Object:
        """Ask the server about our own rights, and return its status: a SelfSubjectAccessReview or -RulesReview."""
        answer = self._object("POST", self._path(plural, everywhere=True), body={"spec": spec}) or {}
        return dict(answer.get("status") or {})

    def create(self, plural: str, manifest: Object) -> Object:
        """Create an object, and return it as the server completed it.

        Raises:
            ConflictError: there is one of that name.
        """
        self._allow(plural)
        return self._object("POST", self._path(plural), body=manifest) or {}

    def apply(self, plural: str, manifest: Object, *, dry_run: bool = False) -> Object:
        """Create or change an object by server-side apply, as ``maintenance-ci``, taking over contested fields.

        With ``dry_run`` the server says what would become of it, or refuses, and changes nothing.
        """
        rehearsed = [("dryRun", "All")] if dry_run else []
        if not dry_run:
            self._allow(plural)
        return _insist(
            lambda: self._object(
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
        return self._object("PUT", self._path(plural, str(manifest["metadata"]["name"])), body=manifest) or {}

    def patch(self, plural: str, found: Object, patch: Object) -> None:
        """Change, by a JSON merge patch, the very object that was read.

        Raises:
            ConflictError: what somebody wants of it changed since it was read, or it is gone.
        """

        def change(current: Object) -> None:
            if _holds(current, patch):  # an answer that was lost: it is done
                return
            version = {"resourceVersion": current["metadata"]["resourceVersion"]}
            body = {**patch, "metadata": {**patch.get("metadata", {}), **version}}
            path = self._path(plural, str(current["metadata"]["name"]))
            self._object("PATCH", path, body=body, content_type="application/merge-patch+json")

        self._change_as_read(plural, found, change, done=lambda current: current is not None and _holds(current, patch))

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
    ) -> None:
        """Make a change that holds for the object as it was read; a controller may write its status meanwhile."""
        for _ in range(CONFLICT_RETRIES):
            self._allow(plural)
            try:
                return _insist(partial(change, found))
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

    def _delete(self, plural: str, found: Object) -> None:
        metadata = found["metadata"]
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]},
        }
        self._object("DELETE", self._path(plural, str(metadata["name"])), body=options, missing_is_none=True)

    def process_template(self, template: Object) -> list[Object]:
        """Return the objects that the server makes of an OpenShift Template (``oc process``)."""
        return list(self.create("processedtemplates", template).get("objects") or [])

    def start_binary_build(self, build_config: str, archive: bytes) -> Object:
        """Start a build of an uploaded archive (a gzipped tar); returns the Build when it runs."""
        return self._object(
            "POST",
            self._path("buildconfigs", build_config, "instantiatebinary"),
            query=[("name", build_config), ("namespace", self.namespace)],
            body=archive,
            content_type="application/octet-stream",
            timeout=BUILD_START_TIMEOUT,
        ) or {}  # fmt: skip

    def follow_build_log(self, build: str, *, timeout: float) -> Iterator[str]:
        """Yield the lines of a Build's log until it ends, or until ``timeout`` seconds have passed."""
        path = self._path("builds", build, "log")
        response = self._request("GET", path, query=[("follow", "true")], timeout=(TIMEOUT[0], timeout))
        if response.status != 200:
            raise _refusal(response.status, self._content(response), path)
        rest = b""
        for chunk in self._chunks(response, timeout):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line.decode(errors="replace")
            if len(rest) > MAX_LINE:
                yield rest.decode(errors="replace")
                rest = b""
        if rest:
            yield rest.decode(errors="replace")

    def _chunks(self, response: Any, timeout: float) -> Iterator[bytes]:
        """Yield an answer's body as it comes, for ``timeout`` seconds at the most: a server may drip for ever."""
        deadline = time.monotonic() + timeout
        with _reachable(self._host()):
            # read1 returns what is there: it does not wait for a full buffer, as `stream` does.
            while chunk := response.response.read1(MAX_LINE):
                yield chunk
                if time.monotonic() > deadline:
                    response.response.close()
                    raise TryAgainError(
                        f"The cluster's answer did not end within {timeout:.0f} s.", "Run the job again."
                    )

    def _content(self, response: Any) -> bytes:
        content = b""
        for chunk in self._chunks(response, ANSWER_TIMEOUT):
            content += chunk
            if len(content) > MAX_ANSWER:
                raise MaintenanceError(f"The cluster's answer is over {MAX_ANSWER} bytes.", "Check OKD_URL.")
        return content

    def _path(self, plural: str, name: str = "", subresource: str = "", *, everywhere: bool = False) -> str:
        group = GROUPS[plural]
        root = "/api/v1" if group == "v1" else f"/apis/{group}"
        where = [] if everywhere else ["namespaces", self.namespace]
        parts = [root, *where, plural, quote(name, safe=""), subresource]
        return "/".join(part for part in parts if part)

    def _object(self, method: str, path: str, *, missing_is_none: bool = False, **request: Any) -> Object | None:
        response = self._request(method, path, **request)
        content = self._content(response)
        if response.status == 404 and missing_is_none and _is_about_the_object(content):
            return None
        if not 200 <= response.status < 300:
            raise _refusal(response.status, content, path)
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict) or "kind" not in answer:
            # After a change nobody knows whether it was made: as with an answer that was lost.
            raise TryAgainError(
                "The address of the cluster answers, but not as a Kubernetes API.",
                "Check OKD_URL, then run the job again.",
            )
        return answer

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: list[tuple[str, str]] | None = None,
        body: Object | bytes | None = None,
        content_type: str = "application/json",
        timeout: tuple[float, float] | None = None,
    ) -> Any:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = content_type
        serialized = self._client.param_serialize(
            method, path, query_params=query or [], header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        with _reachable(self._host()):
            return self._client.call_api(*serialized, _request_timeout=timeout or self._patience(path))

    def _patience(self, path: str) -> tuple[float, float]:
        return LEASE_TIMEOUT if "/leases" in path and self._timeout > LEASE_TIMEOUT else self._timeout

    def _host(self) -> str:
        return str(self._client.configuration.host)


@contextlib.contextmanager
def _reachable(host: str) -> Iterator[None]:
    """Turn what the network does into our errors."""
    try:
        yield
    except Exception as error:
        cause = _network_cause(error)
        if cause is None:
            raise
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise MaintenanceError(
                f"The certificate of the cluster {host} cannot be verified.", "Give its CA in OKD_CA."
            ) from error
        raise TryAgainError(
            f"The cluster {host} cannot be reached ({cause}).", "Check OKD_URL and the network, then run the job again."
        ) from error


def _network_cause(error: Exception) -> str | None:
    """Name what went wrong on the network; None for an error of another kind.

    The client wraps TLS faults in its own ApiException with status 0, and lets urllib3's others through.
    """
    if isinstance(error, urllib3.exceptions.HTTPError):
        reason = getattr(error, "reason", None) or error
        return type(reason).__name__.removesuffix("Error")
    if getattr(error, "status", None) == 0:
        return "TLS"
    return None


def _insist(change: Callable[[], Answer]) -> Answer:
    """Send what may be sent twice again, while the server is away: users may be between two sides."""
    for pause in PAUSES:
        try:
            return change()
        except TryAgainError:
            time.sleep(pause)
    return change()


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


def _is_about_the_object(content: bytes) -> bool:
    """Tell "no such object" from "no such path", which is also a 404 but no Status of the API."""
    with contextlib.suppress(ValueError, RecursionError):
        status = json.loads(content)
        return isinstance(status, dict) and "name" in (status.get("details") or {})
    return False


def _refusal(status: int, content: bytes, path: str) -> MaintenanceError:
    """Make our error of the server's answer, with the server's own message."""
    message = f"HTTP {status} for {path}"
    with contextlib.suppress(ValueError, RecursionError):
        answer = json.loads(content)
        if isinstance(answer, dict) and answer.get("message"):
            message = str(answer["message"])
    if status == 401:
        return ForbiddenError("The cluster refuses the token (401).", "Check OKD_TOKEN: it may have expired.")
    if status == 403:
        return ForbiddenError(
            f"The token lacks a right, or the namespace does not exist: {message}.",
            "Check PROJECT, and give the service account the Role of docs/service-account.yaml.",
        )
    if status == 409:
        return ConflictError(f"The cluster refuses a change: {message}.", "Run the job again.")
    if "failed to create typed patch object" in message:  # a 500, and yet the manifest is at fault
        return MaintenanceError(f"The cluster cannot read the manifest: {message}.", "Correct the template.")
    if status == 429 or status >= 500:
        return TryAgainError(f"The cluster cannot answer now (HTTP {status}): {message}.", "Run the job again.")
    return MaintenanceError(f"The cluster refuses (HTTP {status}): {message}.")

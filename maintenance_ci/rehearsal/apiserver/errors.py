"""What the API server answers when it refuses: an ``ApiError`` carries the whole ``Status`` object.

The wording of every message was recorded on a real OpenShift 4.21.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maintenance_ci.rehearsal.apiserver.catalogue import Resource


@dataclass(frozen=True)
class Cause:
    """One reason why an object is invalid, as it stands in ``Status.details.causes``."""

    reason: str
    message: str
    field: str


class ApiError(Exception):
    """A refusal of the API server.

    ``metadata`` is that of the ``Status``: of a list that cannot go on it has a token, and is empty otherwise.
    """

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.metadata: dict[str, Any] = {}
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    @property
    def status(self) -> dict[str, Any]:
        """The ``Status`` object that a client gets."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        return body | {"code": self.code}


def _details(name: str, group: str, kind: str, **more: Any) -> dict[str, Any]:
    return {key: value for key, value in {"name": name, "group": group, "kind": kind, **more}.items() if value}


def unauthorized() -> ApiError:
    """401: no token, or one that nobody issued."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(message: str, resource: Resource | None = None, name: str = "") -> ApiError:
    """403: the token has no right to do this; ``message`` comes whole from the rule check."""
    details = _details(name, resource.group, resource.plural) if resource else {}
    return ApiError(403, "Forbidden", message, details)


def not_found(resource: Resource, name: str) -> ApiError:
    """404: there is no such object."""
    return ApiError(
        404, "NotFound", f'{resource.qualified} "{name}" not found', _details(name, resource.group, resource.plural)
    )


def unknown_path() -> ApiError:
    """404: the server serves nothing under this path."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def method_not_allowed() -> ApiError:
    """405: the resource has no such verb."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})


def already_exists(resource: Resource, name: str) -> ApiError:
    """409: create of an object that is there."""
    return ApiError(
        409,
        "AlreadyExists",
        f'{resource.qualified} "{name}" already exists',
        _details(name, resource.group, resource.plural),
    )


def conflict(resource: Resource, name: str) -> ApiError:
    """409: the write was based on an older resourceVersion."""
    message = (
        f'Operation cannot be fulfilled on {resource.qualified} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    return ApiError(409, "Conflict", message, _details(name, resource.group, resource.plural))


def precondition_failed(resource: Resource, name: str, what: str, wanted: str, actual: str) -> ApiError:
    """409: a delete's precondition (``what`` is "UID" or "ResourceVersion") does not hold."""
    message = (
        f'Operation cannot be fulfilled on {resource.qualified_kind} "{name}": the {what} in the precondition '
        f"({wanted}) does not match the {what} in record ({actual}). "
        "The object might have been deleted and then recreated"
    )
    if what != "UID":
        message = message.replace("deleted and then recreated", "modified")
    return ApiError(409, "Conflict", message, _details(name, resource.group, resource.kind))


def apply_conflict(message: str, causes: Sequence[Cause]) -> ApiError:
    """409: server-side apply of fields that other managers own."""
    return ApiError(409, "Conflict", message, {"causes": [vars(cause) for cause in causes]})


def gone(message: str) -> ApiError:
    """410: the resourceVersion to watch from is too old."""
    return ApiError(410, "Expired", message)


def expired_list(inconsistent: str) -> ApiError:
    """410: the version of a list that goes on is forgotten. With the token ``inconsistent`` it goes on all the same.

    The wording is that of k8s.io/apiserver (pkg/storage/etcd3/errors.go); it was not recorded.
    """
    error = ApiError(
        410,
        "Expired",
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
        "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
        "modified, or deleted between the time the first chunk was returned and now may show up in the list.",
    )
    error.metadata = {"continue": inconsistent}
    return error


def bad_request(message: str) -> ApiError:
    """400: the request cannot be understood."""
    return ApiError(400, "BadRequest", message)


def unsupported_media_type(message: str) -> ApiError:
    """415: the body comes in a form that the server does not read."""
    return ApiError(415, "UnsupportedMediaType", message, {})


def invalid(resource: Resource, name: str, causes: Sequence[Cause]) -> ApiError:
    """422: the object breaks its kind's rules."""
    lines = [f"{cause.field}: {cause.message}" for cause in causes]
    summary = lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"
    details = _details(name, resource.group, resource.kind, causes=[vars(cause) for cause in causes])
    return ApiError(422, "Invalid", f'{resource.qualified_kind} "{name}" is invalid: {summary}', details)


def invalid_value(field: str, value: str, detail: str) -> Cause:
    """A cause: this value is not allowed here."""
    return Cause("FieldValueInvalid", f'Invalid value: "{value}": {detail}', field)


def invalid_number(field: str, value: int, detail: str) -> Cause:
    """A cause: this number is not allowed here (numbers stand without quotes)."""
    return Cause("FieldValueInvalid", f"Invalid value: {value}: {detail}", field)


def unsupported_value(field: str, value: str, supported: Sequence[str]) -> Cause:
    """A cause: only these values are allowed here."""
    listed = ", ".join(f'"{one}"' for one in supported)
    return Cause("FieldValueNotSupported", f'Unsupported value: "{value}": supported values: {listed}', field)


def required_value(field: str, detail: str = "") -> Cause:
    """A cause: a value must be given."""
    return Cause("FieldValueRequired", f"Required value: {detail}" if detail else "Required value", field)


def forbidden_value(field: str, detail: str) -> Cause:
    """A cause: this user, or this state, may not set the field."""
    return Cause("FieldValueForbidden", f"Forbidden: {detail}", field)


def invalid_resource(resource: Resource, name: str, causes: Sequence[Cause]) -> ApiError:
    """422, as the storage words it: by the name of the resource, not of the kind."""
    details = _details(name, resource.group, resource.plural, causes=[vars(cause) for cause in causes])
    summary = ", ".join(f"{cause.field}: {cause.message}" for cause in causes)
    return ApiError(422, "Invalid", f'{resource.qualified} "{name}" is invalid: {summary}', details)

"""Label and field selectors, as list, watch and deletecollection take them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.apiserver import errors
from maintenance_ci.settings import selector

if TYPE_CHECKING:
    from collections.abc import Callable

Object = dict[str, Any]

_FIELDS: dict[str, tuple[str, ...]] = {
    "routes": ("spec.host", "spec.path", "spec.to.name"),
    "secrets": ("type",),
    "pods": ("spec.nodeName", "spec.restartPolicy", "status.phase", "status.podIP"),
    "builds": ("status", "podName"),
    "events": ("involvedObject.kind", "involvedObject.name", "involvedObject.uid", "reason", "type"),
    "namespaces": ("status.phase",),
    "replicasets": ("status.replicas",),
}
_EVERY = ("metadata.name", "metadata.namespace")


def label_matcher(text: str) -> Callable[[Object], bool]:
    """A function that tells whether an object's labels fit the selector; raises ``ApiError`` 400."""
    if not text.strip():
        return lambda _obj: True
    try:
        wanted = selector.parse(text)
    except ValueError as error:
        raise errors.bad_request(f"unable to parse requirement: {error}") from None
    return lambda obj: selector.matches(wanted, obj["metadata"].get("labels") or {})


def field_matcher(plural: str, text: str) -> Callable[[Object], bool]:
    """As ``label_matcher`` for the fields that the kind can be selected by."""
    wanted: list[tuple[str, bool, str]] = []
    for part in filter(None, text.split(",")):
        match = re.fullmatch(r"\s*([^=!]+?)\s*(==|=|!=)\s*(.*?)\s*", part)
        if match is None:
            raise errors.bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
        path, operator, value = match.groups()
        if path not in (*_EVERY, *_FIELDS.get(plural, ())):
            raise errors.bad_request(
                f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'
            )
        wanted.append((path, operator != "!=", value))
    return lambda obj: all((_field(plural, obj, path) == value) is equal for path, equal, value in wanted)


def _field(plural: str, obj: Object, path: str) -> str:
    if plural == "builds":
        path = {"status": "status.phase", "podName": "metadata.annotations"}.get(path, path)
    value: Any = obj
    for name in path.split("."):
        value = (value or {}).get(name)
    if plural == "builds" and path == "metadata.annotations":
        value = (value or {}).get("openshift.io/build.pod-name")
    return "" if value is None else str(value)

"""Label and field selectors, as list, watch and deletecollection take them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.apiserver import errors

if TYPE_CHECKING:
    from collections.abc import Callable

Object = dict[str, Any]

_KEY = r"[A-Za-z0-9][-A-Za-z0-9_./]*"
_VALUE = r"[-A-Za-z0-9_.]*"
_IN = re.compile(rf"({_KEY})\s+(in|notin)\s+\(([^()]*)\)")
_EQUAL = re.compile(rf"({_KEY})\s*(==|=|!=)\s*({_VALUE})")
_EXISTS = re.compile(rf"(!?)\s*({_KEY})")

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
    requirements = [_requirement(part.strip()) for part in _split(text)]
    return lambda obj: all(fits(obj["metadata"].get("labels") or {}) for fits in requirements)


def _split(text: str) -> list[str]:
    return [part for part in re.split(r",(?![^()]*\))", text) if part.strip()]


def _requirement(text: str) -> Callable[[dict[str, str]], bool]:
    if match := _IN.fullmatch(text):
        key, operator, listed = match.groups()
        values = {value.strip() for value in listed.split(",")}
        if operator == "in":
            return lambda labels: key in labels and labels[key] in values
        return lambda labels: labels.get(key) not in values
    if match := _EQUAL.fullmatch(text):
        key, operator, value = match.groups()
        if operator == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if match := _EXISTS.fullmatch(text):
        absent, key = match.groups()
        return lambda labels: (key in labels) is not bool(absent)
    raise errors.bad_request(f'unable to parse requirement: found "{text}", expected a label selector requirement')


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

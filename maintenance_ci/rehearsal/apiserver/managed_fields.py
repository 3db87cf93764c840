"""Who set which field: ``metadata.managedFields``, as server-side apply keeps it.

A set of fields is a set of paths; a path is a tuple of the elements that FieldsV1 writes: ``f:spec``,
``k:{"name":"page"}`` (an item of a keyed list), ``v:"x"`` (an item of a set). Everything here is pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from maintenance_ci.rehearsal.apiserver import schema
from maintenance_ci.rehearsal.apiserver.catalogue import RESOURCES
from maintenance_ci.rehearsal.apiserver.schema import Shape

Path = tuple[str, ...]
Fields = frozenset[Path]

# The server sets these; nobody owns them.
_SYSTEM = frozenset(
    ("f:metadata", f"f:{name}")
    for name in (
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
    )
)
# The real server keeps no Update entries for ImageStreams (recorded), only those of apply.
_APPLY_ONLY = frozenset({"imagestreams"})


@dataclass(frozen=True)
class Entry:
    """One manager's fields."""

    manager: str
    operation: str  # "Apply" | "Update"
    api_version: str
    time: str
    fields: Fields
    subresource: str = ""

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What an entry is found by."""
        return self.manager, self.operation, self.api_version, self.subresource


@dataclass(frozen=True)
class Difference:
    """How one object became another, as paths."""

    added: Fields
    modified: Fields
    removed: Fields


def load(obj: dict[str, Any]) -> list[Entry]:
    """The entries of an object."""
    return [
        Entry(
            one["manager"],
            one["operation"],
            one["apiVersion"],
            one["time"],
            parse_fields(one["fieldsV1"]),
            one.get("subresource", ""),
        )
        for one in obj["metadata"].get("managedFields", [])
    ]


def dump(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """The entries as ``metadata.managedFields``, in the order that the server writes them."""
    ordered = sorted(entries, key=lambda e: (e.operation, e.time, e.manager, e.api_version, e.subresource))
    return [
        {
            "manager": entry.manager,
            "operation": entry.operation,
            "apiVersion": entry.api_version,
            "time": entry.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": format_fields(entry.fields),
        }
        | ({"subresource": entry.subresource} if entry.subresource else {})
        for entry in ordered
        if entry.fields
    ]


def format_fields(fields: Iterable[Path]) -> dict[str, Any]:
    """Paths as a FieldsV1 tree; ``.`` marks a member that has members inside."""
    tree: dict[str, Any] = {}
    members = sorted(fields)
    for path in members:
        node = tree
        for element in path:
            node = node.setdefault(element, {})
    for path in members:
        node = tree
        for element in path:
            node = node[element]
        if node:
            node["."] = {}
    return _sorted_tree(tree)


def _sorted_tree(tree: dict[str, Any]) -> dict[str, Any]:
    return {key: _sorted_tree(tree[key]) for key in sorted(tree)}


def parse_fields(tree: dict[str, Any]) -> Fields:
    """The paths of a FieldsV1 tree."""
    return frozenset(_members(tree, ()))


def _members(tree: dict[str, Any], path: Path) -> Iterator[Path]:
    for element, inside in tree.items():
        if element == ".":
            yield path
        elif inside:
            yield from _members(inside, (*path, element))
        else:
            yield (*path, element)


def item_element(shape: Shape, item: dict[str, Any]) -> str:
    """The path element of an item of a keyed list."""
    keys = dict(sorted(zip(shape.keys, schema.item_key(shape, item), strict=True)))
    return f"k:{json.dumps(keys, separators=(',', ':'))}"


def _children(value: Any, shape: Shape) -> list[tuple[str, Any, Shape]] | None:
    """What is inside of a value that is merged, or None for one that is replaced whole."""
    if isinstance(value, dict) and not shape.atomic:
        return [(f"f:{name}", inside, shape.inside(name)) for name, inside in value.items()]
    if isinstance(value, list) and shape.keys:
        return [(item_element(shape, item), item, shape.item) for item in value]
    if isinstance(value, list) and shape.is_set:
        return [(f"v:{json.dumps(item)}", None, schema.ANY) for item in value]
    return None


def applied_fields(plural: str, obj: dict[str, Any]) -> Fields:
    """What an applied configuration claims: its leaves, and the items of keyed lists themselves."""
    return frozenset(path for path in _claimed(obj, schema.of(plural), ()) if _is_owned(path))


def _claimed(value: Any, shape: Shape, path: Path) -> Iterator[Path]:
    children = _children(value, shape)
    if not children or (path and path[-1].startswith("k:")):
        yield path
    for element, inside, rule in children or ():
        yield from _claimed(inside, rule, (*path, element))


def _all_paths(value: Any, shape: Shape, path: Path) -> Iterator[Path]:
    yield path
    for element, inside, rule in _children(value, shape) or ():
        yield from _all_paths(inside, rule, (*path, element))


def compare(plural: str, old: dict[str, Any], new: dict[str, Any]) -> Difference:
    """The paths that differ between two objects of a kind."""
    found: dict[str, set[Path]] = {"added": set(), "modified": set(), "removed": set()}
    _compare(old, new, schema.of(plural), (), found)
    owned = {name: frozenset(filter(_is_owned, paths)) for name, paths in found.items()}
    return Difference(**owned)


def _compare(old: Any, new: Any, shape: Shape, path: Path, found: dict[str, set[Path]]) -> None:
    before, after = _children(old, shape), _children(new, shape)
    if before is None or after is None:
        if old != new and after:
            found["added"].update(_all_paths(new, shape, path))
        elif old != new:
            found["modified"].add(path)
        return
    known = {element: inside for element, inside, _ in before}
    for element, inside, rule in after:
        if element in known:
            _compare(known.pop(element), inside, rule, (*path, element), found)
        else:
            found["added"].update(_all_paths(inside, rule, (*path, element)))
    for element, inside, rule in before:
        if element in known:
            found["removed"].update(_all_paths(inside, rule, (*path, element)))


def _is_owned(path: Path) -> bool:
    return path not in ((), ("f:apiVersion",), ("f:kind",), ("f:metadata",)) and path[:2] not in _SYSTEM


def after_update(
    plural: str, live: dict[str, Any] | None, new: dict[str, Any], *, manager: str, subresource: str, time: str
) -> list[Entry]:
    """The entries after a plain write: the writer owns what it changed, nobody owns what it removed."""
    entries = load(live) if live else []
    if plural in _APPLY_ONLY:
        return entries
    difference = compare(plural, live or schema.empty(plural), new)
    taken = difference.added | difference.modified
    if not taken and not difference.removed:
        return entries
    mine = Entry(manager, "Update", RESOURCES[plural].group_version, time, frozenset(), subresource)
    before = next((entry.fields for entry in entries if entry.identity == mine.identity), frozenset())
    others = [
        replace(entry, fields=entry.fields - taken - difference.removed)
        for entry in entries
        if entry.identity != mine.identity
    ]
    if not taken:
        time = next((entry.time for entry in entries if entry.identity == mine.identity), time)
    return [*others, replace(mine, fields=(before | taken) - difference.removed, time=time)]

"""Server-side apply: merge what a manager wants into what is there, and keep account of who owns which field. Pure."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.apiserver import errors, managed_fields, schema
from maintenance_ci.rehearsal.apiserver.catalogue import RESOURCES
from maintenance_ci.rehearsal.apiserver.managed_fields import Entry, Fields, Path

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.apiserver.schema import Shape

Object = dict[str, Any]

CONTENT_TYPE = "application/apply-patch+yaml"
_ABSENT = object()


def merge(
    plural: str, live: Object | None, wanted: Object, *, manager: str, force: bool, time: str, subresource: str = ""
) -> tuple[Object, list[Entry]]:
    """The object and its managed fields after ``manager`` applied ``wanted``.

    Fields that the manager applied before and leaves out now go away, unless somebody else owns them too. Fields that
    somebody else owns and that would change are a conflict: ``ApiError`` 409, unless forced.
    """
    shape = schema.of(plural)
    base = live or {"metadata": {}}
    entries = managed_fields.load(base)
    claimed = managed_fields.applied_fields(plural, wanted)
    mine = Entry(manager, "Apply", RESOURCES[plural].group_version, time, claimed, subresource)
    before = next((entry for entry in entries if entry.identity == mine.identity), None)
    others = [entry for entry in entries if entry.identity != mine.identity]

    merged = _merge(copy.deepcopy(base), wanted, shape)
    if before:
        held = claimed.union(*(entry.fields for entry in others))
        merged = _pruned(merged, before.fields - claimed, held, shape)
    difference = managed_fields.compare(plural, base, merged)
    changed = difference.added | difference.modified
    contested = [(entry, path) for entry in others for path in sorted(entry.fields & changed)]
    if contested and not force:
        raise _conflict(contested)
    others = [replace(entry, fields=entry.fields - changed - difference.removed) for entry in others]
    if before and before.fields == claimed and not changed and not difference.removed:
        mine = before
    return merged, [*others, mine]


def _merge(live: Any, wanted: Any, shape: Shape) -> Any:
    if isinstance(live, dict) and isinstance(wanted, dict) and not shape.atomic:
        for name, value in wanted.items():
            live[name] = _merge(live[name], value, shape.inside(name)) if name in live else copy.deepcopy(value)
        return live
    if isinstance(live, list) and isinstance(wanted, list) and shape.keys:
        return _merge_items(live, wanted, shape)
    if isinstance(live, list) and isinstance(wanted, list) and shape.is_set:
        return live + [item for item in wanted if item not in live]
    return copy.deepcopy(wanted)


def _merge_items(live: list[Object], wanted: list[Object], shape: Shape) -> list[Object]:
    known = {schema.item_key(shape, item): index for index, item in enumerate(live)}
    for item in wanted:
        index = known.get(schema.item_key(shape, item))
        if index is None:
            live.append(copy.deepcopy(item))
        else:
            live[index] = _merge(live[index], item, shape.item)
    return live


def _pruned(value: Any, gone: Fields, held: Fields, shape: Shape) -> Any:
    """``value`` without the fields of ``gone`` that nobody holds, nor anything inside of them."""
    # Short paths first: an item of a keyed list goes as a whole, before the fields that it is told apart by.
    for path in sorted(gone, key=len):
        if not _is_key(path) and not any(one[: len(path)] == path for one in held):
            value = _without(value, path, shape)
    return value


def _is_key(path: Path) -> bool:
    return len(path) > 1 and path[-2].startswith("k:") and path[-1][2:] in json.loads(path[-2][2:])


def _without(value: Any, path: Path, shape: Shape) -> Any:
    if value is _ABSENT or not path:
        return _ABSENT
    element, rest = path[0], path[1:]
    if isinstance(value, dict) and element.startswith("f:"):
        name = element[2:]
        inside = _without(value.get(name, _ABSENT), rest, shape.inside(name))
        remaining = {key: one for key, one in value.items() if key != name}
        # A map that loses its last field goes with it: the real objects leave empty maps out.
        if inside is not _ABSENT and (inside or not rest):
            remaining = {key: inside if key == name else one for key, one in value.items()}
        return remaining
    if isinstance(value, list) and element.startswith("k:"):
        kept = [(item, managed_fields.item_element(shape, item) == element) for item in value]
        changed = [_without(item, rest, shape.item) if mine else item for item, mine in kept]
        return [item for item in changed if item is not _ABSENT]
    if isinstance(value, list) and element.startswith("v:"):
        return [item for item in value if item != json.loads(element[2:])]
    return value


def _conflict(contested: list[tuple[Entry, Path]]) -> errors.ApiError:
    causes = [
        errors.Cause("FieldManagerConflict", f"conflict with {_described(entry)}", _field(path))
        for entry, path in contested
    ]
    if len(causes) == 1:
        return errors.apply_conflict(f"Apply failed with 1 conflict: {causes[0].message}: {causes[0].field}", causes)
    lines = []
    for described in sorted({_described(entry) for entry, _ in contested}):
        lines.append(f"conflicts with {described}:")
        lines += [f"- {_field(path)}" for entry, path in contested if _described(entry) == described]
    return errors.apply_conflict(f"Apply failed with {len(causes)} conflicts: " + "\n".join(lines), causes)


def _described(entry: Entry) -> str:
    text = json.dumps(entry.manager)
    if entry.subresource:
        text += f" with subresource {json.dumps(entry.subresource)}"
    if entry.operation == "Update":
        text += f" using {entry.api_version}"
    return text


def _field(path: Path) -> str:
    """``.spec.template.spec.containers[name="page"].image``."""
    text = ""
    for element in path:
        kind, _, rest = element.partition(":")
        if kind == "f":
            text += f".{rest}"
        elif kind == "k":
            keys = ",".join(f"{key}={json.dumps(value)}" for key, value in json.loads(rest).items())
            text += f"[{keys}]"
        else:
            text += f"[={rest}]"
    return text

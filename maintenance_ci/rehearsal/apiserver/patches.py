"""The patches that are no apply: JSON patch, merge patch and strategic merge patch. All pure."""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch
import jsonpointer

from maintenance_ci.rehearsal.apiserver import errors, schema
from maintenance_ci.rehearsal.apiserver.schema import Shape

Object = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"

_LIST_PATCH, _ORDER, _DELETE_ITEMS = "$patch", "$setElementOrder/", "$deleteFromPrimitiveList/"


def apply_patch(content_type: str, plural: str, obj: Object, patch: Any) -> Object:
    """The object after the patch; raises ``ApiError`` 415 (a form that is not known), 400 or 422 (it does not fit)."""
    if content_type == JSON_PATCH:
        return json_patch(obj, patch)
    if content_type not in (MERGE_PATCH, STRATEGIC_MERGE_PATCH):
        accepted = ", ".join((JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, "application/apply-patch+yaml"))
        raise errors.unsupported_media_type(
            f"the body of the request was in an unknown format - accepted media types include: {accepted}"
        )
    if not isinstance(patch, dict):
        raise errors.bad_request("the patch is no JSON object")
    merged = merge_patch(obj, patch) if content_type == MERGE_PATCH else strategic_merge(obj, patch, schema.of(plural))
    result: Object = merged
    return result


def json_patch(obj: Object, patch: Any) -> Object:
    """RFC 6902."""
    try:
        result: Object = jsonpatch.apply_patch(obj, patch)
    except (jsonpatch.InvalidJsonPatch, TypeError) as error:
        raise errors.bad_request(f"invalid JSON patch: {error}") from error
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
        message = "the server rejected our request due to an error in our request"
        raise errors.ApiError(422, "Invalid", message, {}) from error
    return result


def merge_patch(value: Any, patch: Any) -> Any:
    """RFC 7396: null takes away, maps are merged, everything else is replaced."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(value) if isinstance(value, dict) else {}
    for name, change in patch.items():
        if change is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), change)
    return merged


def strategic_merge(value: Any, patch: Any, shape: Shape) -> Any:
    """As merge patch, but keyed lists are merged item by item, with the directives that kubectl and Helm 3 write."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    if patch.get(_LIST_PATCH) == "replace":
        return {name: copy.deepcopy(inside) for name, inside in patch.items() if name != _LIST_PATCH}
    merged = dict(value) if isinstance(value, dict) else {}
    kept = patch.get("$retainKeys")
    if kept is not None:
        merged = {name: inside for name, inside in merged.items() if name in kept}
    for name, change in patch.items():
        if name.startswith("$"):
            continue
        if change is None:
            merged.pop(name, None)
        elif isinstance(change, list):
            merged[name] = _merge_list(merged.get(name) or [], change, shape.inside(name))
        else:
            merged[name] = strategic_merge(merged.get(name), change, shape.inside(name))
    _apply_list_directives(merged, patch, shape)
    return merged


def _merge_list(items: list[Any], patch: list[Any], shape: Shape) -> list[Any]:
    key = shape.patch_key
    if {_LIST_PATCH: "replace"} in patch:
        return [copy.deepcopy(item) for item in patch if item != {_LIST_PATCH: "replace"}]
    if shape.is_set:
        return items + [item for item in patch if item not in items]
    if not key:
        return copy.deepcopy(patch)
    merged = list(items)
    for change in patch:
        at = next((index for index, item in enumerate(merged) if item.get(key) == change.get(key)), None)
        if change.get(_LIST_PATCH) == "delete":
            merged = [item for item in merged if item.get(key) != change.get(key)]
        elif at is None:
            merged.append(strategic_merge({}, change, shape.item))
        else:
            merged[at] = strategic_merge(merged[at], change, shape.item)
    return merged


def _apply_list_directives(merged: Object, patch: Object, shape: Shape) -> None:
    for directive, listed in patch.items():
        if directive.startswith(_DELETE_ITEMS):
            name = directive.removeprefix(_DELETE_ITEMS)
            merged[name] = [item for item in merged.get(name, []) if item not in listed]
        elif directive.startswith(_ORDER):
            name = directive.removeprefix(_ORDER)
            key = shape.inside(name).patch_key
            order = [item.get(key) if key and isinstance(item, dict) else item for item in listed]
            merged[name] = _ordered(merged.get(name, []), key, order)


def _ordered(items: list[Any], key: str, order: list[Any]) -> list[Any]:
    """The items in the order of the patch; those that it does not name stay where they are, behind the one before."""

    def rank(item: Any) -> int | None:
        value = item.get(key) if key and isinstance(item, dict) else item
        return order.index(value) if value in order else None

    ranked: list[tuple[int, int, Any]] = []
    last = -1
    for index, item in enumerate(items):
        place = rank(item)
        last = last if place is None else place
        ranked.append((last, index, item))
    return [item for _, _, item in sorted(ranked, key=lambda entry: entry[:2])]

from __future__ import annotations

from typing import Any

import pytest

from maintenance_ci.rehearsal.apiserver import patches
from maintenance_ci.rehearsal.apiserver.errors import ApiError


@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [  # from the examples in the appendix of RFC 7396
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch(before: Any, patch: Any, after: Any) -> None:
    assert patches.merge_patch(before, patch) == after


def test_json_patch() -> None:
    patch = [
        {"op": "test", "path": "/spec/to", "value": "a"},
        {"op": "replace", "path": "/spec/to", "value": "b"},
        {"op": "add", "path": "/spec/list/-", "value": 2},
    ]
    before = {"spec": {"to": "a", "list": [1]}}
    assert patches.json_patch(before, patch) == {"spec": {"to": "b", "list": [1, 2]}}
    assert before == {"spec": {"to": "a", "list": [1]}}


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ([{"op": "test", "path": "/a", "value": 2}], 422),
        ([{"op": "remove", "path": "/nowhere"}], 422),
        ([{"op": "nonsense", "path": "/a"}], 400),
        ([{"path": "/a"}], 400),
    ],
)
def test_a_json_patch_that_does_not_fit(patch: Any, code: int) -> None:
    with pytest.raises(ApiError) as refused:
        patches.json_patch({"a": 1}, patch)
    assert refused.value.code == code


def test_an_unknown_form_of_patch_is_415() -> None:
    with pytest.raises(ApiError) as refused:
        patches.apply_patch("application/json", "routes", {}, {})
    assert refused.value.code == 415


def deployment(*containers: Any, **spec: Any) -> dict[str, Any]:
    return {"spec": {**spec, "template": {"spec": {"containers": list(containers)}}}}


def strategic(before: dict[str, Any], patch: dict[str, Any], plural: str = "deployments") -> dict[str, Any]:
    return patches.apply_patch(patches.STRATEGIC_MERGE_PATCH, plural, before, patch)


def test_strategic_merge_finds_containers_by_name() -> None:
    before = deployment({"name": "a", "image": "a:1", "tty": True}, {"name": "b", "image": "b:1"})
    after = strategic(before, deployment({"name": "b", "image": "b:2"}, {"name": "c", "image": "c:1"}))
    assert after == deployment(
        {"name": "a", "image": "a:1", "tty": True}, {"name": "b", "image": "b:2"}, {"name": "c", "image": "c:1"}
    )


def test_strategic_merge_deletes_reorders_and_replaces_items() -> None:
    before = deployment({"name": "a"}, {"name": "b"}, {"name": "c"})
    directives = {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]}
    patch = {
        "spec": {"template": {"spec": {**directives, "containers": [{"name": "b", "$patch": "delete"}]}}},
    }
    assert strategic(before, patch) == deployment({"name": "c"}, {"name": "a"})
    replaced = deployment({"$patch": "replace"}, {"name": "z"})
    assert strategic(before, replaced) == deployment({"name": "z"})


def test_strategic_merge_keeps_only_the_keys_that_are_to_be_retained() -> None:
    before = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic(before, patch) == {"spec": {"strategy": {"type": "Recreate"}}}
    whole = {"spec": {"strategy": {"$patch": "replace", "type": "Recreate"}}}
    assert strategic(before, whole) == {"spec": {"strategy": {"type": "Recreate"}}}


def test_strategic_merge_of_scalars_in_lists() -> None:
    before = {"metadata": {"finalizers": ["a", "b"]}}
    assert strategic(before, {"metadata": {"finalizers": ["c", "a"]}}) == {"metadata": {"finalizers": ["a", "b", "c"]}}
    gone = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}
    assert strategic(before, gone) == {"metadata": {"finalizers": ["b"]}}


def test_strategic_merge_without_keys_replaces_lists_and_null_deletes() -> None:
    before = {"spec": {"host": "a", "alternateBackends": [{"name": "x"}]}}
    after = strategic(before, {"spec": {"host": None, "alternateBackends": [{"name": "y"}]}}, "routes")
    assert after == {"spec": {"alternateBackends": [{"name": "y"}]}}

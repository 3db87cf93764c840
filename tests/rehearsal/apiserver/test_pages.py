"""Lists in pages: ``limit`` and ``continue``."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

import pytest

from maintenance_ci.rehearsal.apiserver.errors import ApiError
from maintenance_ci.rehearsal.apiserver.pages import Token, take_page
from maintenance_ci.rehearsal.apiserver.store import Store
from tests.rehearsal.apiserver.conftest import Api
from tests.rehearsal.apiserver.plain_https import send

PATH = "/api/v1/namespaces/shop/configmaps"
Object = dict[str, Any]


def config_map(name: str, namespace: str = "shop", **labels: str) -> Object:
    return {"metadata": {"name": name, "namespace": namespace, "labels": labels}}


def names(answer: Object) -> list[str]:
    return [one["metadata"]["name"] for one in answer["items"]]


def fill(api: Api, *created: str, **labels: str) -> None:
    for name in created:
        api.call(api.server.store.create, "configmaps", config_map(name, **labels), manager="test")


def page(api: Api, query: str, token: str = "") -> Object:
    status, answer = send(api, "GET", f"{PATH}?{query}{f'&continue={token}' if token else ''}")
    assert status == 200, answer
    found: Object = answer
    return found


def test_a_list_comes_in_pages_and_says_how_many_are_left(api: Api) -> None:
    fill(api, *"edcba")
    first = page(api, "limit=2")
    second = page(api, "limit=2", first["metadata"]["continue"])
    last = page(api, "limit=2", second["metadata"]["continue"])
    assert [names(one) for one in (first, second, last)] == [["a", "b"], ["c", "d"], ["e"]]
    assert [one["metadata"].get("remainingItemCount") for one in (first, second, last)] == [3, 1, None]
    assert "continue" not in last["metadata"]


@pytest.mark.parametrize("query", ["", "limit=0", "limit=5", "limit=2&resourceVersion=0"])
def test_what_fits_is_one_page(api: Api, query: str) -> None:
    fill(api, *"abcde")
    answer = page(api, query)
    assert names(answer) == list("abcde")
    assert answer["metadata"].keys() == {"resourceVersion"}


def test_all_pages_are_of_the_moment_of_the_first(api: Api) -> None:
    fill(api, *"abcdef")
    first = page(api, "limit=2")
    store = api.server.store
    api.call(store.delete, "configmaps", "shop", "c")
    api.call(store.update, "configmaps", {**config_map("d"), "data": {"new": "yes"}}, manager="test")
    fill(api, "c", "cc")  # another one of that name, and one that is new
    second = page(api, "limit=3", first["metadata"]["continue"])
    third = page(api, "limit=3", second["metadata"]["continue"])
    assert names(second) + names(third) == list("cdef")
    assert [one.get("data") for one in second["items"]] == [None, None, None]
    versions = {one["metadata"]["resourceVersion"] for one in (first, second, third)}
    assert len(versions) == 1
    assert names(page(api, "")) == ["a", "b", "c", "cc", "d", "e", "f"]  # the twin: what is there now


def test_a_page_with_a_selector_does_not_say_how_many_are_left(api: Api) -> None:
    fill(api, "a", "c", "e", kind="odd")
    fill(api, "b", "d", "f", kind="even")
    first = page(api, "limit=2&labelSelector=kind=odd")
    assert names(first) == ["a", "c"]
    assert first["metadata"].keys() == {"resourceVersion", "continue"}
    second = page(api, "limit=2&labelSelector=kind=odd", first["metadata"]["continue"])
    assert (names(second), second["metadata"].keys()) == (["e"], {"resourceVersion"})


def test_after_the_last_that_fits_there_may_be_an_empty_page() -> None:
    """As from etcd: what comes after a full page is not looked at for it."""
    objects = [config_map(name) for name in "abc"]
    fitting = take_page(objects, lambda obj: obj["metadata"]["name"] != "c", limit=2)
    assert (fitting.end, fitting.left) == ("shop/b", 1)
    assert take_page(objects, lambda obj: obj["metadata"]["name"] != "c", start="shop/b\0", limit=2).objects == []


def test_a_list_that_is_forgotten_can_be_begun_anew_or_ended_as_it_is_now(api: Api) -> None:
    fill(api, *"abcd")
    token = page(api, "limit=1")["metadata"]["continue"]
    fill(api, "bb")
    api.call(api.server.store.forget)
    status, refusal = send(api, "GET", f"{PATH}?limit=2&continue={token}")
    assert (status, refusal["code"], refusal["reason"]) == (410, 410, "Expired")
    assert refusal["message"].startswith("The provided continue parameter is too old to display a consistent list")
    rest = page(api, "limit=2", refusal["metadata"]["continue"])
    assert names(rest) == ["b", "bb"]
    assert names(page(api, "limit=9", rest["metadata"]["continue"])) == ["c", "d"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=2&continue=nonsense", "invalid continue token"),
        ("limit=2&continue=e30", "invalid continue token"),  # an empty object
        ("limit=-1", "invalid limit"),
        ("resourceVersion=2&continue={token}", "specifying resource version is not allowed when using continue"),
    ],
)
def test_what_cannot_be_understood_is_400(api: Api, query: str, message: str) -> None:
    fill(api, *"abc")
    status, refusal = send(api, "GET", f"{PATH}?{query.format(token=page(api, 'limit=1')['metadata']['continue'])}")
    assert (status, refusal["reason"]) == (400, "BadRequest")
    assert message in refusal["message"]


def test_a_token_is_opaque_and_comes_back_as_it_was() -> None:
    token = Token(17, "shop/a\0")
    assert Token.decode(token.encode()) == token
    assert token.encode().isascii()
    assert "=" not in token.encode()


def test_lists_of_all_namespaces_are_in_the_order_of_their_keys() -> None:
    """``a-b/x`` comes before ``a/x``: ``-`` is before ``/``."""
    store = Store()
    for namespace in ("a", "a-b", "a.b", "b"):
        store.create("configmaps", config_map("x", namespace), manager="test")
    listed = [one["metadata"]["namespace"] for one in store.list("configmaps")]
    assert listed == ["a-b", "a.b", "a", "b"]
    assert [one["metadata"]["namespace"] for one in store.list_at(3, "configmaps")] == ["a-b", "a"]


def test_the_past_is_forgotten_in_the_end() -> None:
    store = Store(history=2)
    for name in "abcd":
        store.create("configmaps", config_map(name), manager="test")
    assert len(store.list_at(store.resource_version - 1, "configmaps")) == 3
    with pytest.raises(ApiError, match="too old resource version"):
        store.list_at(2, "configmaps")


def test_kubectl_reads_page_by_page(api: Api) -> None:
    fill(api, *(f"object-{number:02}" for number in range(7)))
    api.server.requests.clear()
    whole, chunks = (
        [
            one["metadata"]["name"]
            for one in json.loads(api.kubectl("get", "configmaps", "-o", "json", *size).stdout)["items"]
        ]
        for size in ((), ("--chunk-size=3",))
    )
    assert chunks == whole == [f"object-{number:02}" for number in range(7)]
    queries = [parse_qs(one.path.partition("?")[2]) for one in api.server.requests if PATH in one.path]
    assert [query["limit"] for query in queries] == [["500"], ["3"], ["3"], ["3"]]
    assert ["continue" in query for query in queries] == [False, False, True, True]

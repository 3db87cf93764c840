from __future__ import annotations

import asyncio
import copy
from contextlib import aclosing

import pytest

from maintenance_ci.rehearsal.apiserver.errors import ApiError
from maintenance_ci.rehearsal.apiserver.store import Event, Object, Store


def config_map(name: str = "x", namespace: str = "shop", **data: str) -> Object:
    return {"metadata": {"name": name, "namespace": namespace}, "data": data}


def route(name: str = "app") -> Object:
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": {"to": {"name": "a"}, "host": "a.example.test"}}


def test_what_the_server_sets_on_create() -> None:
    given = route() | {"status": {"ingress": []}}
    before = copy.deepcopy(given)
    made = Store().create("routes", given, manager="test")
    assert given == before
    assert made["metadata"].keys() >= {"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"}
    assert made["status"] == {}


def test_names_can_be_generated() -> None:
    made = Store().create("configmaps", {"metadata": {"generateName": "x-", "namespace": "shop"}}, manager="test")
    assert made["metadata"]["name"].startswith("x-")
    assert len(made["metadata"]["name"]) == 7
    with pytest.raises(ApiError, match="name or generateName is required"):
        Store().create("configmaps", {"metadata": {"namespace": "shop"}}, manager="test")


def test_a_second_create_is_409() -> None:
    store = Store()
    store.create("routes", route(), manager="test")
    with pytest.raises(ApiError, match=r'routes.route.openshift.io "app" already exists') as refused:
        store.create("routes", route(), manager="test")
    assert refused.value.code == 409


def test_lists_are_sorted_and_of_one_namespace() -> None:
    store = Store()
    for name, namespace in (("b", "shop"), ("a", "shop"), ("c", "other")):
        store.create("configmaps", config_map(name, namespace), manager="test")
    assert [obj["metadata"]["name"] for obj in store.list("configmaps", "shop")] == ["a", "b"]
    assert [obj["metadata"]["name"] for obj in store.list("configmaps")] == ["c", "a", "b"]


def test_updates_bump_the_generation_with_the_specification_only() -> None:
    store = Store()
    made = store.create("routes", route(), manager="test")
    labelled = copy.deepcopy(made)
    labelled["metadata"]["labels"] = {"a": "b"}
    labelled = store.update("routes", labelled, manager="test")
    assert labelled["metadata"]["generation"] == 1
    moved = copy.deepcopy(labelled)
    moved["spec"]["to"]["name"] = "b"
    assert store.update("routes", moved, manager="test")["metadata"]["generation"] == 2
    lease = store.create("leases", {"metadata": {"name": "l", "namespace": "shop"}, "spec": {}}, manager="test")
    assert "generation" not in lease["metadata"]


def test_a_stale_update_is_409_and_an_idle_one_is_nothing() -> None:
    store = Store()
    made = store.create("configmaps", config_map(a="1"), manager="test")
    changed = store.update("configmaps", {**made, "data": {"a": "2"}}, manager="test")
    with pytest.raises(ApiError, match="the object has been modified; please apply your changes") as refused:
        store.update("configmaps", made, manager="test")
    assert refused.value.code == 409
    assert store.update("configmaps", copy.deepcopy(changed), manager="other") is changed
    unconditional = {**config_map(a="3")}
    assert store.update("configmaps", unconditional, manager="test")["data"] == {"a": "3"}


def test_the_status_is_written_apart() -> None:
    store = Store()
    made = store.create("routes", route(), manager="test")
    admitted = {"ingress": [{"host": "a.example.test"}]}
    both = copy.deepcopy(made) | {"status": admitted}
    both["spec"]["to"]["name"] = "b"
    written = store.update("routes", both, manager="openshift-router", subresource="status")
    assert (written["status"], written["spec"]) == (admitted, made["spec"])
    assert written["metadata"]["generation"] == 1
    plain = copy.deepcopy(written)
    plain["status"], plain["spec"]["to"]["name"] = {}, "c"
    written = store.update("routes", plain, manager="test")
    assert (written["status"], written["spec"]["to"]["name"]) == (admitted, "c")


def test_a_dry_run_stores_nothing() -> None:
    store = Store()
    dry = store.create("routes", route(), manager="test", dry_run=True)
    assert dry["spec"]["wildcardPolicy"] == "None"
    assert "resourceVersion" not in dry["metadata"]
    assert store.find("routes", "shop", "app") is None
    made = store.create("routes", route(), manager="test")
    store.update("routes", {**made, "spec": {"to": {"name": "z"}}}, manager="test", dry_run=True)
    store.delete("routes", "shop", "app", dry_run=True)
    assert store.get("routes", "shop", "app") is made


def test_a_namespace_takes_along_what_it_holds() -> None:
    store = Store()
    store.create("namespaces", {"metadata": {"name": "shop"}}, manager="test")
    store.create("configmaps", config_map(), manager="test")
    store.create("configmaps", config_map(namespace="other"), manager="test")
    store.delete("namespaces", "", "shop")
    assert [obj["metadata"]["namespace"] for obj in store.list("configmaps")] == ["other"]
    with pytest.raises(ApiError) as refused:
        store.get("namespaces", "", "shop")
    assert refused.value.code == 404


async def take(store: Store, count: int, *plurals: str, since: int | None = None) -> list[Event]:
    events: list[Event] = []
    async with aclosing(store.follow(plurals, since)) as stream:
        async for event in stream:
            events.append(event)
            if len(events) == count:
                break
    return events


def seen(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.type, event.object["metadata"]["name"]) for event in events]


def test_a_watch_begins_with_what_is_there_and_goes_on_with_changes() -> None:
    async def scenario() -> list[Event]:
        store = Store()
        store.create("configmaps", config_map("old"), manager="test")
        watching = asyncio.create_task(take(store, 4, "configmaps", "routes"))
        await asyncio.sleep(0)
        store.create("routes", route(), manager="test")
        store.create("secrets", {"metadata": {"name": "unseen", "namespace": "shop"}}, manager="test")
        store.update("configmaps", config_map("old", a="b"), manager="test")
        store.delete("configmaps", "shop", "old")
        return await watching

    events = asyncio.run(scenario())
    assert seen(events) == [("ADDED", "old"), ("ADDED", "app"), ("MODIFIED", "old"), ("DELETED", "old")]
    versions = [int(event.object["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(set(versions))


def test_a_watch_from_a_version_sees_what_came_after_it() -> None:
    async def scenario() -> list[Event]:
        store = Store()
        first = store.create("configmaps", config_map("a"), manager="test")
        store.create("configmaps", config_map("b"), manager="test")
        store.delete("configmaps", "shop", "a")
        return await take(store, 2, "configmaps", since=int(first["metadata"]["resourceVersion"]))

    assert seen(asyncio.run(scenario())) == [("ADDED", "b"), ("DELETED", "a")]


def test_a_watch_from_too_long_ago_is_410() -> None:
    async def scenario() -> None:
        store = Store(history=3)
        store.create("configmaps", config_map(), manager="test")
        for number in range(5):
            store.update("configmaps", config_map(a=str(number)), manager="test")
        await take(store, 1, "configmaps", since=2)

    with pytest.raises(ApiError, match="too old resource version: 2") as refused:
        asyncio.run(scenario())
    assert (refused.value.code, refused.value.reason) == (410, "Expired")

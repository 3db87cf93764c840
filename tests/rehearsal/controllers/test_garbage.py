from __future__ import annotations

import asyncio

from maintenance_ci.rehearsal.apiserver.store import Object, Store
from maintenance_ci.rehearsal.controllers.garbage import GarbageCollector
from tests.tools.small_cluster import NAMESPACE, until


def create(store: Store, name: str, *owners: Object) -> Object:
    references = [
        {"kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]} for owner in owners
    ]
    metadata = {"name": name, "namespace": NAMESPACE, "ownerReferences": references}
    return store.create("configmaps", {"metadata": metadata}, manager="test")


def test_what_nobody_owns_goes_down_the_whole_chain() -> None:
    async def main() -> None:
        store = Store()
        owner, other = create(store, "owner"), create(store, "other")
        child = create(store, "child", owner)
        create(store, "grandchild", child)
        create(store, "shared", owner, other)
        task = asyncio.create_task(GarbageCollector(store).run())
        await asyncio.sleep(0.02)
        assert len(store.list("configmaps")) == 5
        store.delete("configmaps", NAMESPACE, "owner")
        names = {"other", "shared"}
        await until(lambda: {one["metadata"]["name"] for one in store.list("configmaps")} == names)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())


def test_owner_made_anew_is_another_one() -> None:
    store = Store()
    create(store, "child", create(store, "owner"))
    store.delete("configmaps", NAMESPACE, "owner")
    create(store, "owner")
    GarbageCollector(store).reconcile()
    assert [one["metadata"]["name"] for one in store.list("configmaps")] == ["owner"]


def test_who_comes_after_its_owner_has_gone_goes_too() -> None:
    async def main() -> None:
        store = Store()
        owner = create(store, "owner")
        task = asyncio.create_task(GarbageCollector(store).run())
        await asyncio.sleep(0.02)
        store.delete("configmaps", NAMESPACE, "owner")
        await asyncio.sleep(0.02)
        create(store, "late", owner)
        create(store, "free")
        await until(lambda: [one["metadata"]["name"] for one in store.list("configmaps")] == ["free"])
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())

from __future__ import annotations

import asyncio

import pytest

from maintenance_ci.rehearsal.apiserver.store import Object, Store
from maintenance_ci.rehearsal.controllers.level import AtRest, by_owner, keep_level
from tests.tools.small_cluster import until


def config_map(number: int) -> dict[str, object]:
    return {"metadata": {"name": f"a{number}", "namespace": "shop"}}


def test_changes_that_come_together_cause_one_call() -> None:
    async def main() -> None:
        store = Store()
        seen: list[int] = []
        task = asyncio.create_task(
            keep_level(store, ("configmaps",), lambda: seen.append(len(store.list("configmaps"))))
        )
        await asyncio.sleep(0.01)
        for number in range(3):
            store.create("configmaps", config_map(number), manager="test")
        await asyncio.sleep(0.01)
        store.create("secrets", config_map(0), manager="test")
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        assert seen == [0, 3]

    asyncio.run(main())


def test_called_again_when_it_asked_for_it() -> None:
    async def main() -> None:
        calls: list[float] = []

        def reconcile() -> float | None:
            calls.append(asyncio.get_running_loop().time())
            return 0.05 if len(calls) < 3 else None

        task = asyncio.create_task(keep_level(Store(), ("configmaps",), reconcile))
        await until(lambda: len(calls) == 3)
        await asyncio.sleep(0.1)  # nobody asks any more
        task.cancel()
        await asyncio.wait([task])
        assert len(calls) == 3
        assert calls[1] - calls[0] >= 0.05

    asyncio.run(main())


def test_cancelled_in_the_moment_of_a_change_it_ends() -> None:
    async def main() -> None:
        for turns in range(6):
            store = Store()
            task = asyncio.create_task(keep_level(store, ("configmaps",), lambda: None))
            await asyncio.sleep(0.01)
            store.create("configmaps", config_map(0), manager="test")
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=60)
            assert done == {task}

    asyncio.run(main())


def test_mistake_of_a_controller_ends_it_aloud() -> None:
    def reconcile() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(keep_level(Store(), ("configmaps",), reconcile))


def test_what_needed_nothing_needs_nothing_until_it_or_what_it_owns_changes() -> None:
    at_rest = AtRest()
    owner, owned = {"metadata": {"uid": "a"}}, [{"metadata": {"uid": "b"}}]
    assert not at_rest.needs_nothing(owner, owned)
    at_rest.note(owner, owned)
    assert at_rest.needs_nothing(owner, list(owned))
    assert not at_rest.needs_nothing(owner, [])
    assert not at_rest.needs_nothing(owner, [*owned, owner])
    assert not at_rest.needs_nothing(owner, [dict(owned[0])])  # another one, in whatever way
    assert not at_rest.needs_nothing(dict(owner), owned)
    at_rest.forget_others([])
    assert not at_rest.needs_nothing(owner, owned)


def test_who_has_a_controller_is_found_by_it() -> None:
    def owned(name: str, **reference: object) -> Object:
        return {"metadata": {"name": name, "ownerReferences": [{"uid": "x", **reference}]}}

    objects = [owned("a", controller=True), owned("b"), owned("c", controller=True), {"metadata": {"name": "d"}}]
    assert by_owner(objects) == {"x": [objects[0], objects[2]]}

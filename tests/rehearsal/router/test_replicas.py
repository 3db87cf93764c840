"""Several replicas, their reload clocks, and what becomes of old connections at a reload."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from maintenance_ci.rehearsal.apiserver.store import Store
from maintenance_ci.rehearsal.cluster import Options
from maintenance_ci.rehearsal.router.other_tenant import OtherTenant
from maintenance_ci.rehearsal.router.router import Router
from tests.rehearsal.router.small_router import PAGE, Cluster, Connection, client, run
from tests.tools.busy_machine import require_at_most
from tests.tools.clusters import running

if TYPE_CHECKING:
    from pathlib import Path

Ask = Callable[..., Coroutine[None, None, tuple[int, str]]]


@pytest.mark.parametrize(("seconds", "allowed"), [(0.2, True), (120, True), (0.19, False), (121, False), (-1, False)])
def test_the_reload_interval_has_bounds(tmp_path: Path, seconds: float, allowed: bool) -> None:
    for make in (lambda: Options(reload_interval=seconds), lambda: a_router(tmp_path, reload_interval=seconds)):
        if allowed:
            make()
        else:
            with pytest.raises(ValueError, match=r"a reload interval is 0\.2 to 120 s, not"):
                make()


def test_no_interval_and_no_replicas_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not nan"):
        a_router(tmp_path, reload_interval=math.nan)
    with pytest.raises(ValueError, match="at least one replica, not 0"):
        a_router(tmp_path, replicas=0)


def a_router(folder: Path, reload_interval: float = 5.0, replicas: int = 1) -> Router:
    certificate = folder / "router.pem"
    return Router(
        Store(), directory=folder, certificate=certificate, reload_interval=reload_interval, replicas=replicas
    )


@dataclass(frozen=True)
class Switched:
    """Who answered users on new connections around a switch of two replicas, or of one.

    Attributes:
        ahead: before the first replica began to reload.
        between: after the first one had reloaded, and before the last one began to.
        after: after the last one had reloaded.
        apart: seconds between the ends of the two reloads.
    """

    ahead: set[tuple[int, str]]
    between: set[tuple[int, str]]
    after: set[tuple[int, str]]
    apart: float


async def switched(cluster: Cluster, router: Router, ask: Ask, service: str) -> Switched:
    """Let the Route lead to ``service``, and ask all the while, until each replica has followed."""
    loop = asyncio.get_running_loop()
    await router.next_reload()
    before = [len(reloads) for reloads in router.reloads_by_replica]
    cluster.update_route("shop", to={"kind": "Service", "name": service})
    seen = []
    while loop.time() < max(router.reloads) + 0.3 or any(
        len(reloads) <= count for reloads, count in zip(router.reloads_by_replica, before, strict=True)
    ):
        asked, answer = loop.time(), await ask()
        seen.append((asked, loop.time(), answer))
        await asyncio.sleep(0.01)
    moments = zip(router.reload_starts, router.reloads_by_replica, before, strict=True)
    reloads = sorted((ends[count], starts[count]) for starts, ends, count in moments)
    (first, _), (last, last_began) = reloads[0], reloads[-1]
    # A reload counts from its end; the new process answers before that, how long is the machine's affair.
    return Switched(
        {answer for _, answered, answer in seen if answered < min(began for _, began in reloads)},
        {answer for asked, answered, answer in seen if asked > first and answered < last_began},
        {answer for asked, _, answer in seen if asked > last},
        last - first,
    )


@pytest.mark.parametrize("replicas", [2, 1])
def test_replicas_follow_a_switch_at_moments_of_their_own(tmp_path: Path, replicas: int) -> None:
    """Between the first replica's reload and the last one's, users on new connections meet both sides."""

    async def story(cluster: Cluster) -> None:
        cluster.add_route("shop", "shop")
        interval = 1.2
        async with cluster.routed(interval, replicas=replicas) as router, client(cluster, router) as ask:
            tenant = asyncio.create_task(OtherTenant(cluster.store, period=0.1).run())
            shop, page = (200, "application"), (200, PAGE)
            for service, old, new in [("page", shop, page), ("shop", page, shop)] * 5:
                saw = await switched(cluster, router, ask, service)
                assert saw.ahead == {old}
                assert saw.after == {new}
                if replicas == 1 or saw.between == {old, new}:
                    break  # on a busy machine too few may have asked in between: then the next switch shows it
            tenant.cancel()
            assert saw.between == ({shop, page} if replicas > 1 else set())
            assert saw.apart > interval * 0.25 or replicas == 1

    run(tmp_path, story)


def test_a_quiet_routers_replicas_follow_together(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        cluster.add_route("shop", "shop")
        async with cluster.routed(1.0, replicas=2) as router, client(cluster, router) as ask:
            await asyncio.sleep(1.0)
            changed = asyncio.get_running_loop().time()
            cluster.update_route("shop", to={"kind": "Service", "name": "page"})
            await router.next_reload()
            late = max(starts[-1] for starts in router.reload_starts) - changed
            require_at_most(late, 0.5, "the later of two reloads begins")  # not an interval after the other
            assert [len(reloads) for reloads in router.reloads_by_replica] == [1, 1]
            assert {await ask() for _ in range(12)} == {(200, PAGE)}

    run(tmp_path, story)


def test_a_busy_routers_replicas_are_waited_for_once_each(tmp_path: Path) -> None:
    """They are never both up to date: a change of the other tenant's is always on its way to one of them."""

    async def story(cluster: Cluster) -> None:
        cluster.add_route("shop", "shop")
        async with cluster.routed(0.5, replicas=2) as router, client(cluster, router) as ask:
            tenant = asyncio.create_task(OtherTenant(cluster.store, period=0.1).run())
            for service, answer in (("page", PAGE), ("shop", "application")):
                await router.next_reload()
                before = [len(starts) for starts in router.reload_starts]
                cluster.update_route("shop", to={"kind": "Service", "name": service})
                async with asyncio.timeout(30):
                    await router.followed()
                # Before anybody asks: that takes longer than to the next reload on a machine with other work.
                since = [len(starts) - count for starts, count in zip(router.reload_starts, before, strict=True)]
                assert {await ask() for _ in range(12)} == {(200, answer)}
                assert sorted(since) in ([1, 1], [1, 2])
            tenant.cancel()

    run(tmp_path, story)


@pytest.mark.parametrize("deferred", [False, True], ids=["Immediate", "Deferred"])
def test_what_a_reload_does_to_an_idle_connection(tmp_path: Path, deferred: bool) -> None:
    """Closed at once, or kept for one more answer, which is still the old configuration's."""

    async def story(cluster: Cluster) -> None:
        cluster.add_route("shop", "shop")
        async with (
            cluster.routed(idle_close_on_response=deferred) as router,
            client(cluster, router) as ask,
            Connection.opened(cluster, router) as idle,
        ):
            for _ in range(2):
                head = await idle.ask()
                assert "x-served-by: application" in head
                assert "connection: close" not in head
            cluster.update_route("shop", to={"kind": "Service", "name": "page"})
            await router.next_reload()
            assert await ask() == (200, PAGE)
            if deferred:
                assert not await idle.closed(within=0.3)
                head = await idle.ask()
                assert "x-served-by: application" in head
                assert "connection: close" in head
            assert await idle.closed(within=1.0)

    run(tmp_path, story)


@pytest.mark.parametrize("deferred", [False, True], ids=["Immediate", "Deferred"])
def test_a_deferred_connection_still_asks_what_is_gone_by_now(tmp_path: Path, deferred: bool) -> None:
    """Whoever removes a page an interval after the switch still fails users whose connection was idle since before."""

    async def story(cluster: Cluster) -> None:
        cluster.add_route("shop", "leaving")
        async with (
            cluster.routed(idle_close_on_response=deferred) as router,
            client(cluster, router) as ask,
        ):
            async with cluster.backend("leaving", "127.0.61.3", {"X-Maintenance-Page": PAGE}):
                await router.next_reload()
                idle = await cluster.exits.enter_async_context(Connection.opened(cluster, router))
                assert f"x-maintenance-page: {PAGE}" in await idle.ask()
                cluster.update_route("shop", to={"kind": "Service", "name": "shop"})
                await router.next_reload()
            assert await ask() == (200, "application")
            if deferred:
                assert "503 service unavailable" in await idle.ask()
            assert await idle.closed(within=1.0)

    run(tmp_path, story)


@pytest.mark.slow
@pytest.mark.parametrize("deferred", [False, True], ids=["Immediate", "Deferred"])
def test_the_jobs_on_a_busy_router_with_several_replicas_lose_no_request(deferred: bool) -> None:
    options = Options(reload_interval=1.0, replicas=3, idle_close_on_response=deferred)
    variables: dict[str, str | None] = {"ROUTER_RELOAD_INTERVAL": "1"}
    with running(options) as cluster:
        assert cluster.run("build-and-deploy").code == 0
        with cluster.users() as answers:
            assert cluster.run("deploy-route", variables).code == 0
            with cluster.users() as during:
                cluster.do(asyncio.sleep(0.5))
            assert cluster.run("delete", variables).code == 0
            with cluster.users() as after:
                cluster.do(asyncio.sleep(0.5))
        assert {answer.status for answer in answers} == {200}
        assert {answer.served_by for answer in during} == {PAGE}
        assert {answer.served_by for answer in after} == {"application"}
        assert all(len(reloads) >= 2 for reloads in cluster.inside.router.reloads_by_replica)

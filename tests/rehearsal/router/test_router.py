"""The router, with a real HAProxy and two small backends."""

from __future__ import annotations

import asyncio
import os
import signal
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from maintenance_ci.rehearsal.router.haproxy import HAProxyError
from maintenance_ci.rehearsal.router.other_tenant import OtherTenant
from maintenance_ci.rehearsal.users import Users
from maintenance_ci.rehearsal.verdict import Phase, judge
from tests.rehearsal.router.small_router import ADMITTED, HOST, NAMESPACE, PAGE, Cluster, client, next_second, run
from tests.tools.busy_machine import require_at_most
from tests.tools.small_cluster import until

if TYPE_CHECKING:
    from pathlib import Path

SHOP_IS_OLDER = {
    "type": "Admitted",
    "status": "False",
    "reason": "HostAlreadyClaimed",
    "message": f"route shop already exposes {HOST} and is older",
}


def test_the_status_is_written_as_recorded(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        cluster.add_route("shop", "shop")
        async with cluster.routed():
            route = cluster.store.get("routes", NAMESPACE, "shop")
            (entry,) = route["status"]["ingress"]
            assert list(entry) == ["host", "routerName", "conditions", "wildcardPolicy", "routerCanonicalHostname"]
            assert (entry["routerName"], entry["routerCanonicalHostname"]) == ("default", "router.apps.example.test")
            assert route["metadata"]["generation"] == 1
            assert [
                one["subresource"] for one in route["metadata"]["managedFields"] if one["manager"] == "openshift-router"
            ] == ["status"]
            await asyncio.sleep(0.1)
            assert cluster.store.get("routes", NAMESPACE, "shop") == route  # nothing changed, nothing written

    run(tmp_path, story)


def test_the_swap_and_the_restore(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        cluster.add_route("shop", "shop")
        async with cluster.routed():
            await next_second()
            cluster.add_route("shop-maintenance", "page")
            await asyncio.sleep(0.05)
            assert cluster.admitted("shop-maintenance") == SHOP_IS_OLDER
            cluster.delete_route("shop")
            await asyncio.sleep(0.05)
            assert cluster.admitted("shop-maintenance") == ADMITTED
            await next_second()
            cluster.add_route("shop", "shop")
            await asyncio.sleep(0.05)
            assert cluster.admitted("shop")["message"] == f"route shop-maintenance already exposes {HOST} and is older"
            cluster.delete_route("shop-maintenance")
            await asyncio.sleep(0.05)
            assert cluster.admitted("shop") == ADMITTED

    run(tmp_path, story)


def test_who_serves_what(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        tls = {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"}
        cluster.add_route("shop", "shop", tls=tls)
        cluster.add_route("shop-checkout", "page", path="/checkout", tls=tls)
        cluster.add_route(
            "open", "shop", host="open.apps.example.test", tls=tls | {"insecureEdgeTerminationPolicy": "Allow"}
        )
        cluster.add_route("closed", "shop", host="closed.apps.example.test")
        cluster.add_route("empty", "none", host="empty.apps.example.test")
        async with cluster.routed() as router, client(cluster, router) as ask:
            shop, page, nobody = (200, "application"), (200, PAGE), (503, "router")
            assert await ask("/") == shop
            assert await ask("/x", host=HOST.upper()) == shop
            assert await ask("/checkout") == page
            assert await ask("/checkout/pay?x=/") == page
            assert await ask("/checkouts") == shop
            assert await ask("/x?y=/checkout") == shop
            assert await ask("/a%20b?c=d", tls=False) == (302, f"https://{HOST}:{router.https_port}/a%20b?c=d")
            assert await ask("/", tls=False, host="open.apps.example.test") == shop
            assert await ask("/", tls=False, host="closed.apps.example.test") == nobody
            assert await ask("/", host="closed.apps.example.test") == shop
            assert await ask("/", host="empty.apps.example.test") == nobody
            assert await ask("/", host="unknown.apps.example.test") == nobody

    run(tmp_path, story)


async def answered(users: Users, number: int, *, since: float = 0.0) -> None:
    """Wait until so many of the requests that were sent from then on have an answer."""
    while sum(answer.time >= since for answer in users.answers) < number:  # noqa: ASYNC110 - a stream, no event
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(("busy", "replicas"), [(False, 1), pytest.param(True, 1, marks=pytest.mark.slow), (True, 3)])
def test_a_route_switched_under_a_stream_loses_no_request(tmp_path: Path, busy: bool, replicas: int) -> None:
    """Five switches, and reloads all the time, without one failed request, and the right side before and after."""

    async def story(cluster: Cluster) -> None:
        cluster.add_route("shop", "shop")
        async with cluster.routed(0.2 * replicas, replicas=replicas) as router:
            other = asyncio.create_task(OtherTenant(cluster.store, period=0.07).run()) if busy else None
            users = Users(HOST, router.https_port, cluster.client_tls(), paths=("/", "/x"))
            await users.start()
            await answered(users, 30)
            phases = [Phase("shop", 0.0, users.elapsed, "application")]
            for service in ("page", "shop") * 2 + ("page",):
                cluster.update_route("shop", to={"kind": "Service", "name": service})
                await router.next_reload()
            await asyncio.sleep(0.2)  # answers of the old processes that were on their way
            begun = users.elapsed
            await answered(users, 40, since=begun)
            phases.append(Phase("page", begun, users.elapsed, PAGE))
            if other is not None:
                other.cancel()
            verdict = judge(await users.stop(), phases, minimum_rate=1, minimum_seconds=0.2)
            assert verdict.faults == ()
            assert len(router.reloads) >= 5 * replicas

    run(tmp_path, story)


def test_a_backend_that_is_gone_is_seen_by_the_users(tmp_path: Path) -> None:
    """The twin of the test above: with the endpoints removed, the verdict fails."""

    async def story(cluster: Cluster) -> None:
        cluster.add_route("shop", "shop")
        async with cluster.routed(interval=0.2) as router:
            users = Users(HOST, router.https_port, cluster.client_tls())
            await users.start()
            await asyncio.sleep(0.2)
            cluster.store.delete("endpointslices", NAMESPACE, "shop-x1")
            await router.next_reload()
            await asyncio.sleep(0.2)
            phases = [Phase("shop", 0.0, users.elapsed, "application")]
            verdict = judge(await users.stop(), phases, minimum_seconds=0.2)
            assert any("got a 503 from router" in fault for fault in verdict.faults)

    run(tmp_path, story)


def test_reloads_are_coalesced_but_the_first_is_at_once(tmp_path: Path) -> None:
    """A quiet router follows at once; a busy one waits out its interval, though the status is there already."""

    async def story(cluster: Cluster) -> None:
        interval = 1.0  # large against what a reload takes on a machine that is busy
        async with cluster.routed(interval) as router, client(cluster, router) as ask:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(interval)
            cluster.add_route("shop", "shop")
            begun = loop.time()
            await router.next_reload()
            (starts,) = router.reload_starts
            assert starts[-1] - begun < interval / 2

            for number in range(5):
                cluster.add_route(f"more-{number}", "shop", host=f"more-{number}.apps.example.test")
                await asyncio.sleep(0.01)
            assert cluster.admitted("more-4") == ADMITTED
            answer = await ask("/", host="more-4.apps.example.test")
            if loop.time() - starts[-1] >= interval:
                pytest.skip("machine too busy: to ask once took longer than the reload interval")
            assert answer == (503, "router")
            await router.next_reload()
            assert len(router.reloads) == 2
            assert await ask("/", host="more-4.apps.example.test") == (200, "application")

            tenant = asyncio.create_task(OtherTenant(cluster.store, period=0.02).run())
            await until(lambda: len(router.reloads) >= 5)
            tenant.cancel()
            (starts,), (ends,) = router.reload_starts, router.reloads_by_replica
            gaps = [later - earlier for earlier, later in pairwise(starts)]
            took = [end - start for start, end in zip(starts, ends, strict=False)]
            assert len(gaps) >= 3
            assert all(gap > interval * 0.99 for gap in gaps)
            # The next one begins when the interval is over; where a reload takes longer than that, when it has ended.
            require_at_most(
                max(gap - max(interval, reload) for gap, reload in zip(gaps, took, strict=False)),
                interval * 0.6,
                "a reload is late by seconds",
            )

    run(tmp_path, story)


def test_entries_of_other_routers_stay(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        cluster.add_route("shop", "shop")
        async with cluster.routed(name="default"):
            pass
        async with cluster.routed(name="shard", canonical_hostname="shard.apps.example.test"):
            ingress = cluster.store.get("routes", NAMESPACE, "shop")["status"]["ingress"]
            assert [entry["routerName"] for entry in ingress] == ["default", "shard"]

    run(tmp_path, story)


def test_a_broken_configuration_is_raised(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        with pytest.raises(HAProxyError, match=r"refused its configuration(.|\n)*router\.pem"):
            async with cluster.routed() as router:
                running = asyncio.create_task(router.run())
                cluster.certificate.unlink()
                cluster.add_route("shop", "shop")
                with pytest.raises(HAProxyError):
                    await router.next_reload()
                with pytest.raises(HAProxyError):
                    await running
        with pytest.raises(HAProxyError, match=r"did not start(.|\n)*router\.pem"):
            async with cluster.routed():
                pass

    run(tmp_path, story)


def test_an_haproxy_that_ends_is_raised(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        with pytest.raises(HAProxyError, match="ended with status"):
            async with cluster.routed() as router:
                process = router._replicas[0]._haproxy._process
                assert process is not None
                os.kill(process.pid, signal.SIGKILL)
                await router.run()

    run(tmp_path, story)


def test_nothing_listens_after_stop(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        async with cluster.routed() as router:
            ports = router.http_port, router.https_port
        for port in ports:
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)

    run(tmp_path, story)

"""The router, with a real HAProxy and two small backends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import trustme
from aiohttp import web

from maintenance_ci.rehearsal.apiserver.store import Store
from maintenance_ci.rehearsal.router.router import HAProxyError, OtherTenant, Router
from maintenance_ci.rehearsal.users import Users
from maintenance_ci.rehearsal.verdict import Phase, judge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

HOST = "shop.apps.example.test"
NAMESPACE = "shop"
Object = dict[str, Any]


@dataclass
class Cluster:
    """A store with two Services, and their backends."""

    store: Store
    folder: Path
    ca: trustme.CA

    @property
    def certificate(self) -> Path:
        return self.folder / "router.pem"

    def client_tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        return context

    def add_route(self, name: str, service: str, namespace: str = NAMESPACE, **spec: Any) -> Object:
        spec = {"host": HOST, "tls": {"termination": "edge"}, "to": {"kind": "Service", "name": service}, **spec}
        manifest = {"metadata": {"name": name, "namespace": namespace}, "spec": spec}
        return self.store.create("routes", manifest, manager="test")

    def delete_route(self, name: str) -> None:
        self.store.delete("routes", NAMESPACE, name)

    def admitted(self, name: str) -> Object:
        """Return the condition ``Admitted`` of a Route, without its time."""
        (entry,) = self.store.get("routes", NAMESPACE, name)["status"]["ingress"]
        (condition,) = entry["conditions"]
        return {key: value for key, value in condition.items() if key != "lastTransitionTime"}

    @contextlib.asynccontextmanager
    async def routed(self, interval: float = 0.2, **settings: Any) -> AsyncIterator[Router]:
        router = Router(
            self.store,
            # Longer than a Unix socket's path may be.
            directory=self.folder / ("long" * 25),
            certificate=self.certificate,
            reload_interval=interval,
            **settings,
        )
        await router.start()
        try:
            yield router
        finally:
            await router.stop()

    @contextlib.asynccontextmanager
    async def backend(self, service: str, address: str, headers: dict[str, str]) -> AsyncIterator[None]:
        """Serve ``service`` from ``address``, and put it into an EndpointSlice."""

        async def answer(request: web.Request) -> web.Response:
            return web.Response(text=request.path, headers={**headers, "X-Seen-Host": request.host})

        application = web.Application()
        application.router.add_get("/{path:.*}", answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, address, 0).start()
        self.store.create(
            "endpointslices",
            {
                "metadata": {
                    "name": f"{service}-x1",
                    "namespace": NAMESPACE,
                    "labels": {"kubernetes.io/service-name": service},
                },
                "addressType": "IPv4",
                "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
                "ports": [{"name": "http", "port": runner.addresses[0][1], "protocol": "TCP"}],
            },
            manager="test",
        )
        try:
            yield
        finally:
            await runner.cleanup()


PAGE = "maintenance-page:v1"


def run(folder: Path, story: Callable[[Cluster], Coroutine[None, None, None]]) -> None:
    """Tell the story on a cluster with the Services ``shop`` and ``page``."""

    async def main() -> None:
        ca = trustme.CA()
        cluster = Cluster(Store(), folder, ca)
        ca.issue_cert("*.apps.example.test").private_key_and_cert_chain_pem.write_to_path(str(cluster.certificate))
        shop, page = {"X-Served-By": "application"}, {"X-Maintenance-Page": PAGE}
        async with cluster.backend("shop", "127.0.61.1", shop), cluster.backend("page", "127.0.61.2", page):
            await story(cluster)
            await asyncio.sleep(0.05)

    asyncio.run(main())


@contextlib.asynccontextmanager
async def client(
    cluster: Cluster, router: Router
) -> AsyncIterator[Callable[..., Coroutine[None, None, tuple[int, str]]]]:
    """Give a function that asks a URL, on a new connection, for status and who answered (or where it redirects to)."""
    connector = aiohttp.TCPConnector(ssl=cluster.client_tls(), resolver=Resolver(), force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def ask(path: str = "/", *, tls: bool = True, host: str = HOST) -> tuple[int, str]:
            base = f"https://{host}:{router.https_port}" if tls else f"http://{host}:{router.http_port}"
            async with session.get(base + path, allow_redirects=False) as response:
                headers = response.headers
                who = (headers.get(name, "") for name in ("Location", "X-Maintenance-Page", "X-Served-By"))
                return response.status, next(filter(None, who), "nobody")

        yield ask


class Resolver(aiohttp.abc.AbstractResolver):
    async def resolve(self, host: str, port: int = 0, family: Any = None) -> list[aiohttp.abc.ResolveResult]:
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        pass


SHOP_IS_OLDER = {
    "type": "Admitted",
    "status": "False",
    "reason": "HostAlreadyClaimed",
    "message": f"route shop already exposes {HOST} and is older",
}
ADMITTED = {"type": "Admitted", "status": "True"}


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


async def next_second() -> None:
    """Wait until what is created next is younger by its creationTimestamp, which has no fractions."""
    await asyncio.sleep(1 - time.time() % 1 + 0.01)


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


@pytest.mark.parametrize("busy", [False, True])
def test_a_route_switched_under_a_stream_loses_no_request(tmp_path: Path, busy: bool) -> None:
    """Twenty reloads and ten switches, without one failed request, and the right side before and after."""

    async def story(cluster: Cluster) -> None:
        route = cluster.add_route("shop", "shop")
        async with cluster.routed(interval=0.05) as router:
            other = asyncio.create_task(OtherTenant(cluster.store, period=0.03).run()) if busy else None
            users = Users(HOST, router.https_port, cluster.client_tls(), paths=("/", "/x"), rate=150)
            await users.start()
            await asyncio.sleep(0.3)
            phases = [Phase("shop", 0.0, users.elapsed, "application")]
            for service in ("page", "shop") * 2 + ("page",):
                route = cluster.store.get("routes", NAMESPACE, "shop")
                spec = {**route["spec"], "to": {**route["spec"]["to"], "name": service}}
                cluster.store.update("routes", {**route, "spec": spec}, manager="test")
                await asyncio.sleep(0.12)
            begun = users.elapsed
            await asyncio.sleep(0.3)
            phases.append(Phase("page", begun, users.elapsed, PAGE))
            if other is not None:
                other.cancel()
            verdict = judge(await users.stop(), phases, minimum_rate=50, minimum_seconds=0.2)
            assert verdict.faults == ()
            assert len(router.reloads) >= (12 if busy else 5)

    run(tmp_path, story)


def test_a_backend_that_is_gone_is_seen_by_the_users(tmp_path: Path) -> None:
    """The twin of the test above: with the endpoints removed, the verdict fails."""

    async def story(cluster: Cluster) -> None:
        cluster.add_route("shop", "shop")
        async with cluster.routed(interval=0.05) as router:
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
            assert await router.next_reload() - begun < interval / 2

            for number in range(5):
                cluster.add_route(f"more-{number}", "shop", host=f"more-{number}.apps.example.test")
                await asyncio.sleep(0.01)
            assert cluster.admitted("more-4") == ADMITTED
            assert await ask("/", host="more-4.apps.example.test") == (503, "router")
            await router.next_reload()
            assert len(router.reloads) == 2
            assert await ask("/", host="more-4.apps.example.test") == (200, "application")

            tenant = asyncio.create_task(OtherTenant(cluster.store, period=0.02).run())
            await asyncio.sleep(interval * 3.5)
            tenant.cancel()
            gaps = [later - earlier for earlier, later in pairwise(router.reloads)]
            assert 3 <= len(gaps) <= 4
            assert all(interval * 0.9 < gap < interval * 1.6 for gap in gaps)

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
                process = router._haproxy._process
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

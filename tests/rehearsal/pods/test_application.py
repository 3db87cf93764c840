from __future__ import annotations

import asyncio

import aiohttp
import pytest

from maintenance_ci.rehearsal.pods.application import ApplicationContainer
from tests.tools.small_cluster import fetch, pod_subnet


def test_every_path_is_answered_and_says_by_whom() -> None:
    async def main() -> None:
        address = f"{pod_subnet()}.1"
        container = ApplicationContainer(address)
        await container.start()
        async with aiohttp.ClientSession() as session:
            for method, path in (("GET", "/"), ("POST", "/orders?id=1"), ("GET", "/healthz")):
                async with session.request(method, f"http://{address}:8080{path}") as response:
                    assert response.status == 200
                    assert response.headers["X-Served-By"] == "application"
                    assert (await response.json())["path"] == path.partition("?")[0]
        await container.stop(1)
        assert await container.wait() == 0
        assert "POST /orders?id=1" in container.log()
        with pytest.raises(aiohttp.ClientConnectorError):
            await fetch(address)

    asyncio.run(main())


def test_address_that_is_taken_ends_it() -> None:
    async def main() -> None:
        address = f"{pod_subnet()}.1"
        first, second = ApplicationContainer(address), ApplicationContainer(address)
        await first.start()
        await second.start()
        assert await second.wait() == 1
        assert "cannot listen" in second.log()
        await first.stop(1)

    asyncio.run(main())

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import aiohttp
import pytest

from maintenance_ci.page.rendering import render_page
from maintenance_ci.rehearsal.pods.nginx_container import NginxContainer
from tests.tools.small_cluster import fetch, pod_subnet

PAGE_FOLDER = Path(__file__).parents[3] / "docker"


async def serving(container: NginxContainer, address: str) -> None:
    await container.start()
    async with asyncio.timeout(3):
        while True:
            try:
                await fetch(address)
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.01)
            else:
                return


def test_base_image_serves_what_was_copied_into_it(tmp_path: Path) -> None:
    async def main() -> None:
        files = tmp_path / "files/usr/share/nginx/html"
        files.mkdir(parents=True)
        (files / "style.css").write_text("body {}")
        address = f"{pod_subnet()}.1"
        container = NginxContainer(tmp_path / "files", tmp_path / "run", address)
        await serving(container, address)
        async with aiohttp.ClientSession() as session, session.get(f"http://{address}:8080/style.css") as response:
            assert response.content_type == "text/css"
        await container.stop(3)
        assert await container.wait() == 0
        assert '"GET /style.css HTTP/1.1" 200' in container.log()
        with pytest.raises(aiohttp.ClientConnectorError):
            await fetch(address)

    asyncio.run(main())


def test_page_of_this_project_is_served(tmp_path: Path) -> None:
    async def main() -> None:
        etc, html = tmp_path / "files/etc/nginx", tmp_path / "files/usr/share/nginx/html"
        (etc / "conf.d").mkdir(parents=True)
        html.mkdir(parents=True)
        shutil.copy(PAGE_FOLDER / "nginx.conf", etc / "nginx.conf")
        shutil.copy(PAGE_FOLDER / "default.conf", etc / "conf.d")
        made = render_page(PAGE_FOLDER, name="maintenance-page", tag="v1", signature="")
        (etc / "conf.d/page.conf").write_text(made["page.conf"])
        (etc / "page").mkdir()
        (etc / "page/html.conf").write_text(made["page-html.conf"])
        (html / "index.html").write_text(made["index.html"])
        address = f"{pod_subnet()}.1"
        container = NginxContainer(tmp_path / "files", tmp_path / "run", address)
        await serving(container, address)
        assert "this service is unavailable" in await fetch(address, "/some/where?a=b")
        await container.stop(3)

    asyncio.run(main())


def test_requests_in_flight_are_answered_to_their_end(tmp_path: Path) -> None:
    async def main() -> None:
        files = tmp_path / "files/usr/share/nginx/html"
        files.mkdir(parents=True)
        (files / "large").write_bytes(b"x" * 20_000_000)
        address = f"{pod_subnet()}.1"
        container = NginxContainer(tmp_path / "files", tmp_path / "run", address)
        await serving(container, address)
        async with aiohttp.ClientSession() as session, session.get(f"http://{address}:8080/large") as response:
            first = await response.content.readany()
            stopping = asyncio.create_task(container.stop(60))
            await asyncio.sleep(0.1)
            with pytest.raises(aiohttp.ClientConnectorError):
                await fetch(address)
            assert len(first) + len(await response.read()) == 20_000_000
        await stopping
        assert await container.wait() == 0

    asyncio.run(main())


def test_download_that_never_ends_is_cut_after_the_grace(tmp_path: Path) -> None:
    async def main() -> None:
        files = tmp_path / "files/usr/share/nginx/html"
        files.mkdir(parents=True)
        (files / "large").write_bytes(b"x" * 20_000_000)
        address = f"{pod_subnet()}.1"
        container = NginxContainer(tmp_path / "files", tmp_path / "run", address)
        await serving(container, address)
        async with aiohttp.ClientSession() as session, session.get(f"http://{address}:8080/large") as response:
            await response.content.readany()
            async with asyncio.timeout(60):
                await container.stop(0.1)
        await container.stop(0.1)  # once more does no harm

    asyncio.run(main())


def test_container_cannot_be_read_by_its_path_on_the_machine(tmp_path: Path) -> None:
    """What nginx prints names the paths of the container."""

    async def main() -> None:
        files = tmp_path / "files/etc/nginx/conf.d"
        files.mkdir(parents=True)
        (files / "default.conf").write_text("server {\n  listen 8080;\n\n  root /srv")
        container = NginxContainer(tmp_path / "files", tmp_path / "run", f"{pod_subnet()}.1")
        await container.start()
        assert await container.wait() == 1
        assert "in /etc/nginx/conf.d/default.conf:4" in container.log()
        assert str(tmp_path) not in container.log()

    asyncio.run(main())

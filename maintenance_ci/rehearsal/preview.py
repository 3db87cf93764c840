"""The page on this machine, as a Route's users are going to see it: ``maintenance-ci page``.

The page's image is built and run as the rehearsal's cluster does it; in front of it a second nginx takes the router's
place, and adds the headers that the Route adds to each request.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from maintenance_ci.errors import MaintenanceError, VariableError
from maintenance_ci.names import PAGE
from maintenance_ci.page.context import pack_build_context
from maintenance_ci.page.nginx_text import DOLLAR, escaped
from maintenance_ci.page.rendering import render_page
from maintenance_ci.plan.page_texts import actions, request_headers
from maintenance_ci.rehearsal.builds.image_build import BuildError, Options, build, unpack
from maintenance_ci.rehearsal.builds.images import ImageStore
from maintenance_ci.rehearsal.pods.nginx_container import NginxContainer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from maintenance_ci.log.log import JobLog
    from maintenance_ci.settings.variables import PreviewSettings

LOOPBACK = "127.0.0.1"
# Seconds for nginx, and for the browser.
START_TIMEOUT, PICTURE_TIMEOUT = 10.0, 60.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SIZE = "1280,900"
FRONT = """\
geo ${dollar} {{ default "$"; }}
server {{
    listen {port};
    location / {{
        proxy_pass http://{page}:8080;
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header Connection "";
{headers}
    }}
}}
"""


def preview(
    settings: PreviewSettings,
    folder: Path,
    log: JobLog,
    *,
    port: int,
    language: str | None = None,
    screenshot: Path | None = None,
) -> None:
    """Serve the page until Ctrl-C, or until a picture of it is taken.

    Args:
        settings: what the Route says.
        folder: of the page.
        log: gets the address.
        port: of the loopback.
        language: the one that a browser asks for; None for what it asks for itself.
        screenshot: the picture's file; None for none.

    Raises:
        MaintenanceError: the page cannot be built or served; there is no Chromium.
        VariableError: nobody may listen on the port.
    """
    headers = request_headers(settings)
    made = render_page(folder, name=PAGE, tag="preview", signature=settings.maintenance_signature)
    upload = pack_build_context(folder, made)
    browser, file = (_browser(), screenshot.absolute()) if screenshot else ("", None)

    async def run() -> None:
        async with served(upload, headers, port=port, language=language) as url:
            if file:
                await _picture(browser, url, file)
                log.end(f"{file} shows the page.")
                return
            log.end(f"The page is at {url} until Ctrl-C.", *(f"{name}: {value}" for name, value in headers.items()))
            await asyncio.Event().wait()

    with contextlib.suppress(*(() if file else (KeyboardInterrupt,))):
        asyncio.run(run())


@contextlib.asynccontextmanager
async def served(
    upload: bytes, headers: Mapping[str, str], *, port: int, language: str | None = None
) -> AsyncIterator[str]:
    """Serve the page of an upload, and yield its address; what a Route deletes from requests is deleted here, too."""
    _require_free(port)
    page = f"127.{random.randint(64, 126)}.{random.randint(1, 254)}.{os.getpid() % 254 + 1}"  # noqa: S311
    with tempfile.TemporaryDirectory(prefix="maintenance-page-") as name:
        place = Path(name)
        unpack(upload, place / "upload")
        try:
            image = build(place / "upload", Options(), ImageStore(place / "images"), lambda _line: None)
        except BuildError as error:
            raise MaintenanceError(f"The page's image cannot be built: {error}.", "Correct its Dockerfile.") from error
        conf = place / "front-files/etc/nginx/conf.d/default.conf"
        conf.parent.mkdir(parents=True)
        conf.write_text(_front(headers, page, port, language), encoding="utf-8")
        containers = [
            NginxContainer(image.files, place / "page", page),
            NginxContainer(place / "front-files", place / "front", LOOPBACK),
        ]
        try:
            for container, address in zip(containers, ((page, 8080), (LOOPBACK, port)), strict=True):
                await container.start()
                await _listening(container, *address)
            yield f"http://{LOOPBACK}:{port}/"
        finally:
            for container in containers:
                await container.stop(grace=1)


def _front(headers: Mapping[str, str], page: str, port: int, language: str | None) -> str:
    """Return the configuration of the nginx in front."""
    wanted = {one["name"]: headers.get(one["name"], "") for one in actions(headers)}
    if language:
        wanted["Accept-Language"] = language
    lines = "\n".join(f'        proxy_set_header {name} "{escaped(value)}";' for name, value in wanted.items())
    return FRONT.format(dollar=DOLLAR, port=port, page=page, headers=lines)


async def _listening(container: NginxContainer, address: str, port: int) -> None:
    """Wait until nginx listens.

    Raises:
        MaintenanceError: it ends instead, or does not listen in time.
    """
    ended = asyncio.ensure_future(container.wait())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_TIMEOUT):
            while not ended.done():
                try:
                    _, writer = await asyncio.open_connection(address, port)
                except ConnectionRefusedError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    ended.cancel()
                    return
    ended.cancel()
    said = " ".join(container.log().split()) or "it says nothing"
    raise MaintenanceError(f"The page's nginx does not run: {said}", "Correct the files of the page's folder.")


def _require_free(port: int) -> None:
    try:
        socket.create_server((LOOPBACK, port)).close()
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else "there is no such port"
        raise VariableError([f"--port: nobody can listen on {LOOPBACK}:{port}: {why}; give another one"]) from None


def _browser() -> str:
    if browser := next(filter(None, map(shutil.which, BROWSERS)), None):
        return browser
    raise MaintenanceError(
        "There is no Chromium on PATH for a screenshot.",
        "Install one (Debian: apt-get install chromium), or leave --screenshot out, and open the address yourself.",
    )


async def _picture(browser: str, url: str, file: Path) -> None:
    """Let a browser without a window take a picture of the page."""
    with tempfile.TemporaryDirectory(prefix="maintenance-page-") as profile:
        process = await asyncio.create_subprocess_exec(
            *(browser, "--headless", "--hide-scrollbars", f"--window-size={SIZE}", f"--user-data-dir={profile}"),
            *(["--no-sandbox"] if os.geteuid() == 0 else []),  # Chromium refuses to run as root with its sandbox
            *(f"--screenshot={file}", url),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(PICTURE_TIMEOUT):
                output, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            output = b"it took too long"
    if process.returncode:
        lines = output.decode(errors="replace").split("\n")
        raise MaintenanceError(f"Chromium took no picture: {' '.join(lines[-3:]).strip()}.")

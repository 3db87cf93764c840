"""The container of a page: the real nginx with the image's configuration and files, in a folder of its own."""

from __future__ import annotations

import asyncio
import itertools
import mimetypes
import os
import pwd
import shutil
import signal
from types import MappingProxyType
from typing import TYPE_CHECKING

from maintenance_ci.rehearsal import processes
from maintenance_ci.rehearsal.pods.nginx_config import Rewriter
from maintenance_ci.rehearsal.tools import nginx_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# What a build upon nginx-unprivileged finds in its base; the wheel of nginx brings the program alone.
BASE_FILES = {
    "/etc/nginx/nginx.conf": """\
worker_processes auto;
error_log /var/log/nginx/error.log notice;
pid /tmp/nginx.pid;

events {
    worker_connections 1024;
}

http {
    proxy_temp_path /tmp/proxy_temp_path;
    client_body_temp_path /tmp/client_temp;
    fastcgi_temp_path /tmp/fastcgi_temp;
    uwsgi_temp_path /tmp/uwsgi_temp;
    scgi_temp_path /tmp/scgi_temp;

    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    log_format main '$remote_addr - $remote_user [$time_local] "$request" '
                    '$status $body_bytes_sent "$http_referer" '
                    '"$http_user_agent" "$http_x_forwarded_for"';
    access_log /var/log/nginx/access.log main;
    sendfile on;
    keepalive_timeout 65;

    include /etc/nginx/conf.d/*.conf;
}
""",
    "/etc/nginx/conf.d/default.conf": """\
server {
    listen 8080;
    location / {
        root /usr/share/nginx/html;
        index index.html index.htm;
    }
    error_page 500 502 503 504 /50x.html;
    location = /50x.html {
        root /usr/share/nginx/html;
    }
}
""",
    "/usr/share/nginx/html/index.html": "<!doctype html><title>nginx</title><h1>It works</h1>\n",
    "/usr/share/nginx/html/50x.html": "<!doctype html><title>Error</title><h1>An error occurred</h1>\n",
}
BASE_DIRECTORIES = frozenset(
    ("/", "/etc/nginx", "/etc/nginx/conf.d", "/usr/share/nginx", "/usr/share/nginx/html", "/tmp", "/var/log/nginx")  # noqa: S108
)
WRITABLE = ("dev", "run", "tmp", "var/cache/nginx", "var/log/nginx", "var/run")
FAST_STOP = 3.0  # seconds that nginx gets to end once it was told to drop its connections


class NginxContainer:
    """One run of nginx in ``folder``, on one address.

    Args:
        files: the image's tree; it is copied, never changed.
        folder: of this run.
        address: of the Pod.
        mounted: the texts of files that the Pod's volumes hold, by their paths in the container.
        command: of the container, instead of the image's: of it, ``-c`` counts.
    """

    def __init__(
        self,
        files: Path,
        folder: Path,
        address: str,
        mounted: Mapping[str, str] = MappingProxyType({}),
        command: Sequence[str] = (),
    ) -> None:
        self._root = folder / "root"
        self._output = folder / "output.log"
        self._process: asyncio.subprocess.Process | None = None
        named = dict(itertools.pairwise(command)).get("-c", "/etc/nginx/nginx.conf")
        self._configuration = self._root / named.lstrip("/")
        _lay_out(files, self._root, mounted)
        _configure(self._root, Rewriter(self._root, address, self._output))

    async def start(self) -> None:
        """Start nginx, with the configuration as the image has it."""
        user = f" user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""
        self._process = await processes.start(
            [
                *(nginx_path(), "-p", f"{self._root / 'etc/nginx'}/", "-c", self._configuration),
                *("-e", "stderr", "-g", f"daemon off;{user}"),
            ],
            cwd=self._root,
            log=self._output,
            death_signal=signal.SIGTERM,  # its workers would outlive a master that is killed
        )

    async def wait(self) -> int:
        """Wait for its end; returns the exit code."""
        assert self._process is not None, "start comes first"
        return await self._process.wait()

    async def stop(self, grace: float) -> None:
        """Let nginx finish what it answers (SIGQUIT, the stop signal of its image), ``grace`` seconds at the most.

        It listens no more from the first moment on. Only its master can end the workers, so it is asked twice before it
        is killed.
        """
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGQUIT)
        try:
            async with asyncio.timeout(grace):
                await self._process.wait()
        except TimeoutError:
            await processes.stop(self._process, grace=FAST_STOP)

    def log(self) -> str:
        """What it printed so far, with paths as they are in the container."""
        if not self._output.exists():
            return ""
        return self._output.read_text(errors="replace").replace(str(self._root), "")


def _lay_out(files: Path, root: Path, mounted: Mapping[str, str]) -> None:
    """Make the container's file system: the base, the image's files over it, and what is mounted."""
    if root.exists():  # an earlier run of the same container
        shutil.rmtree(root)
    for path, text in {**BASE_FILES, "/etc/nginx/mime.types": _mime_types()}.items():
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    shutil.copytree(files, root, dirs_exist_ok=True)
    for path, text in mounted.items():
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for folder in WRITABLE:
        (root / folder).mkdir(parents=True, exist_ok=True)


def _configure(root: Path, rewriter: Rewriter) -> None:
    """Rewrite whatever nginx may read as configuration."""
    for file in {*root.rglob("*.conf"), *(root / "etc/nginx").rglob("*")}:
        if file.is_file() and (text := _text(file)) is not None:
            file.write_text(rewriter.rewrite(text))


def _text(file: Path) -> str | None:
    try:
        return file.read_text()
    except UnicodeDecodeError:  # no configuration, then
        return None


def _mime_types() -> str:
    """The file types that Python knows (not the machine's own list: a page is the same everywhere), in nginx's form."""
    known = mimetypes.MimeTypes().types_map[True]
    lines = (f"    {kind} {suffix.lstrip('.')};" for suffix, kind in sorted(known.items()))
    return "types {\n" + "\n".join(lines) + "\n}\n"

"""A real HAProxy as a child process: started, reloaded without refusing a connection, watched."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

from maintenance_ci.rehearsal import processes, tools
from maintenance_ci.rehearsal.router.haproxy_config import CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class HAProxyError(Exception):
    """HAProxy refused its configuration, or ended; the message holds what it said."""


class HAProxy:
    """A real HAProxy in master-worker mode: a reload hands the listening sockets on, no connection is refused."""

    # Names are relative to the directory: the path of a Unix socket may have 107 bytes only.
    SOCKET = "master.sock"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._log = directory / "haproxy.log"
        self._files: dict[str, str] = {}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, files: dict[str, str]) -> None:
        """Start it with these files, and return when it serves."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._write(files)
        argv: list[str | Path] = [tools.haproxy_path(), "-W", "-S", f"unix@{self.SOCKET},mode,600", "-f", CONFIG]
        self._process = await processes.start(argv, cwd=self.directory, log=self._log)
        while not await self._works():
            if self._process.returncode is not None:
                raise HAProxyError(f"HAProxy did not start:\n{self._log.read_text()}")
            await asyncio.sleep(0.01)

    async def reload(self, files: dict[str, str]) -> None:
        """Put these files in place, and return when a new worker has taken over."""
        self._write(files)
        try:
            answer = await self._command("reload", patience=30)
        except (OSError, TimeoutError) as error:
            raise HAProxyError(f"HAProxy's master does not answer; its log:\n{self._log.read_text()}") from error
        if not answer.startswith("Success=1"):
            raise HAProxyError(f"HAProxy refused its configuration:\n{answer}")

    async def watch_over(self) -> None:
        """Wait for its end, which is an error."""
        assert self._process is not None
        status = await self._process.wait()
        raise HAProxyError(f"HAProxy ended with status {status}; its log:\n{self._log.read_text()}")

    async def stop(self) -> None:
        """End master and workers at once."""
        if self._process is not None:
            await processes.stop(self._process)

    def _write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            if self._files.get(name) == text:
                continue
            path = self.directory / name
            path.parent.mkdir(exist_ok=True)
            path.touch(mode=0o600)  # Routes' private keys are among them
            path.write_text(text)
        for name in self._files.keys() - files.keys():
            (self.directory / name).unlink()
        self._files = dict(files)

    async def _works(self) -> bool:
        """Say whether the master listens and has a worker."""
        try:
            return " worker " in await self._command("show proc", patience=0.2)
        except (OSError, TimeoutError):
            return False

    async def _command(self, command: str, *, patience: float) -> str:
        """Send a command to the master's command line; ``patience`` is in seconds."""
        with _opened(self.directory) as fd:
            reader, writer = await asyncio.open_unix_connection(f"/proc/self/fd/{fd}/{self.SOCKET}")
        try:
            async with asyncio.timeout(patience):
                writer.write(f"{command}\n".encode())
                writer.write_eof()
                return (await reader.read()).decode()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@contextlib.contextmanager
def _opened(directory: Path) -> Iterator[int]:
    fd = os.open(directory, os.O_PATH)
    try:
        yield fd
    finally:
        os.close(fd)

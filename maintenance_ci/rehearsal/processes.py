"""Child processes of the rehearsal: started, watched, and never left behind.

A child asks the kernel to be killed when its parent dies (Linux ``PR_SET_PDEATHSIG``), so that not even a SIGKILL of
the rehearsal leaves an HAProxy or an nginx running.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h

# The whole environment of HAProxy, nginx and the Pods: nothing of the caller's (nginx, for one, takes a variable NGINX
# for sockets to inherit).
ENVIRONMENT = {"PATH": os.defpath, "LANG": "C.UTF-8"}

# Loaded before any fork: importing between fork and exec may deadlock.
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with(parent: int, death_signal: int) -> None:
    _libc.prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:  # the parent died before prctl took hold
        os._exit(1)


async def start(
    argv: Sequence[str | Path], *, cwd: Path, log: Path, death_signal: int = signal.SIGKILL
) -> asyncio.subprocess.Process:
    """Start ``argv`` in ``cwd``; what it prints is appended to ``log``.

    When this process dies it gets ``death_signal``: another than SIGKILL where it must end children of its own first.
    """
    parent = os.getpid()
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *map(str, argv),
            cwd=cwd,
            env=ENVIRONMENT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            process_group=0,  # a Ctrl-C in the terminal is ours to answer
            preexec_fn=lambda: _die_with(parent, death_signal),
        )


async def stop(process: asyncio.subprocess.Process, *, sig: int = signal.SIGTERM, grace: float = 3.0) -> None:
    """Send ``sig``, wait ``grace`` seconds, then kill; returns when the process is gone."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(sig)
    try:
        async with asyncio.timeout(grace):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


@contextlib.contextmanager
def removed_even_when_killed(folder: Path) -> Iterator[None]:
    """Have ``folder`` removed should this process be killed: a shell waits at the other end of a pipe for that.

    It lets go of the folder when the body ends by itself.
    """
    watch = 'read -r ended && exit 0; sleep 1; rm -rf "$1"'  # a second for the children to end, which die likewise
    with subprocess.Popen(  # noqa: S603 - a fixed argv
        ["/bin/sh", "-c", watch, "sh", str(folder)],
        stdin=subprocess.PIPE,
        text=True,
        process_group=0,
        env=ENVIRONMENT,
    ) as shell:
        try:
            yield
        finally:
            shell.communicate("ended\n")

"""Running a command on the loop, and what it took."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LAUNCH = Path(__file__).with_name("launch.py")


@dataclass(frozen=True)
class Took:
    """What a command took, with all that it started and waited for.

    Attributes:
        elapsed: seconds.
        processor: seconds of processor time.
        memory: bytes; the peak of the biggest process.
    """

    elapsed: float
    processor: float
    memory: int


class CommandFailedError(Exception):
    """A command that must succeed did not; the message has what it printed."""


async def run(argv: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> Took:
    """Run ``argv`` to its end; cancelled, it is ended with all that it started.

    Raises:
        CommandFailedError: its exit code is not 0.
    """
    with tempfile.NamedTemporaryFile() as report:
        launch = [sys.executable, "-I", "-S", str(LAUNCH), report.name, *argv]
        child = await asyncio.create_subprocess_exec(
            *launch,
            cwd=folder,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            process_group=0,
        )
        try:
            printed, _ = await child.communicate()
        finally:
            if child.returncode is None:
                os.killpg(child.pid, signal.SIGTERM)
                await child.wait()
        if child.returncode:
            text = printed.decode(errors="replace")
            raise CommandFailedError(f"{' '.join(argv)} ended with exit code {child.returncode}:\n{text}")
        return Took(**json.load(report))

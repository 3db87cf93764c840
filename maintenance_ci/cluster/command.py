"""Running commands: the only user of subprocess."""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from maintenance_ci.errors import CommandError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence

# Seconds for a command to end when it is asked to.
GRACE = 10.0
# Seconds between two looks at whether a command has ended whose output is silent.
IDLE = 0.2
# Bytes: what is read at once, and the longest line.
CHUNK = 64 * 1024
# How much of a failed command's output its error repeats.
LAST_LINES = 5
# A Python of its own that asks the kernel for the signal argv[2] when its parent argv[1] dies, and becomes argv[3:].
# (1 is PR_SET_PDEATHSIG of linux/prctl.h; exec keeps it. The parent may have died before prctl took hold.)
BOUND = """\
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, int(sys.argv[2]))
if os.getppid() != int(sys.argv[1]):
    sys.exit("the job is gone")
try:
    os.execv(sys.argv[3], sys.argv[3:])
except OSError as error:
    sys.exit(f"{sys.argv[3]} cannot be run: {error.strerror}")
"""


def on_path(name: str, environment: Mapping[str, str]) -> str | None:
    """Return the path of the command ``name``, or None where PATH has none."""
    return shutil.which(name, path=environment.get("PATH"))


def run(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    say: Callable[[str], None],
    timeout: float,
    stop: threading.Event | None = None,
) -> None:
    """Run ``argv``, handing every line that it prints to ``say`` as it comes.

    Nothing secret may stand in ``argv``: it is shown, and other users of the machine can read it.

    Args:
        argv: the command, as a list: no shell reads it.
        environment: the child's whole environment.
        say: gets the command line, then each line of its output.
        timeout: seconds after which the command is ended, with all that it started.
        stop: ends the command earlier, once another thread sets it.

    Raises:
        CommandError: it is not there, ended with another code than 0, or did not end in time.
    """
    say(f"$ {shlex.join(argv)}")
    _run(argv, environment, timeout, lambda line: say(line.rstrip()), stop=stop)


def output(argv: Sequence[str], *, environment: Mapping[str, str], timeout: float) -> str:
    """Run ``argv`` as `run` does, but without a word, and return what it prints to its standard output."""
    printed: list[str] = []
    _run(argv, environment, timeout, lambda _: None, take_output=printed.append)
    return "".join(f"{line}\n" for line in printed)


def _run(
    argv: Sequence[str],
    environment: Mapping[str, str],
    timeout: float,
    show: Callable[[str], None],
    *,
    take_output: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Run a command, and show its lines, whose last ones its error repeats; ``take_output`` gets standard output alone.

    However this ends, nothing of the command runs any more: what outlives its job goes on changing the cluster.
    """
    last: deque[str] = deque(maxlen=LAST_LINES)

    def take(line: str) -> None:
        show(line)
        last.append(line.strip())

    child = _start(argv, environment, stderr=subprocess.PIPE if take_output else subprocess.STDOUT)
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as streams:
        for stream, taker in ((child.stdout, take_output or take), (child.stderr, take)):
            if stream:
                selector.register(streams.enter_context(stream), selectors.EVENT_READ, (Lines(), taker))
        try:
            _listen(child, selector, timeout, stop=stop)
            late = child.poll() is None and not (stop and stop.is_set())
        finally:
            _end(child, selector)
    if late or child.returncode:
        why = f"did not end within {timeout:.0f} s" if late else f"failed (exit code {child.returncode})"
        lines = " / ".join(filter(None, last))
        raise CommandError(f"{' '.join(argv[:2])} {why}: {lines or 'it printed nothing'}.", output=lines)


def _listen(
    child: subprocess.Popen[bytes],
    selector: selectors.BaseSelector,
    timeout: float,
    *,
    stop: threading.Event | None = None,
    to_its_end: bool = False,
) -> None:
    """Read what a command prints until it has ended, ``timeout`` seconds are over, or ``stop`` is set.

    The end of the command counts, not that of its output, which its children may hold open; ``to_its_end`` waits for
    both, and so for the children too.
    """
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and not (stop and stop.is_set()):
        ended = child.poll() is not None
        if ended and not to_its_end:  # what it printed last is there already
            deadline = min(deadline, time.monotonic() + IDLE)
        ready = selector.select(0 if ended and not to_its_end else IDLE) if selector.get_map() else []
        for key, _ in ready:
            lines, take = key.data
            chunk = os.read(key.fd, CHUNK)
            for line in lines.take(chunk):
                take(line)
            if not chunk:
                selector.unregister(key.fileobj)
        if ended and not (ready or (to_its_end and selector.get_map())):
            return
        if not selector.get_map():
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(IDLE)


class Lines:
    """Lines made of chunks of bytes; one that is longer than `CHUNK` comes in parts."""

    def __init__(self) -> None:
        self._rest = b""

    def take(self, chunk: bytes) -> list[str]:
        """Return the lines that have ended; an empty chunk is the end of the last one."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if self._rest and (not chunk or len(self._rest) > CHUNK):
            lines.append(self._rest)
            self._rest = b""
        return [line.decode(errors="replace").removesuffix("\r") for line in lines]


def _end(child: subprocess.Popen[bytes], selector: selectors.BaseSelector) -> None:
    """End what still runs of a command and of what it started: its process group.

    First by SIGTERM, so that Helm can note in its release that it failed, while its output is still read; then by
    SIGKILL.
    """
    try:
        if child.poll() is None:
            _signal_group(child, signal.SIGTERM)
            _listen(child, selector, GRACE, to_its_end=True)
    finally:
        _signal_group(child, signal.SIGKILL)
        child.wait()


def _signal_group(child: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(OSError):  # nobody is left; some systems refuse (EPERM) where only ended ones are
        os.killpg(child.pid, number)


def _start(argv: Sequence[str], environment: Mapping[str, str], *, stderr: int) -> subprocess.Popen[bytes]:
    program = on_path(argv[0], environment)
    if program is None:
        raise CommandError(f"{argv[0]} cannot be run: there is none on PATH.", "Install it where the job runs.")
    try:
        return subprocess.Popen(  # noqa: S603 - an argv list, no shell
            [*_bound_to_us(), program, *argv[1:]],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            process_group=0,  # a command may be a script, whose own commands must end with it
        )
    except OSError as error:
        raise CommandError(f"{argv[0]} cannot be run: {error.strerror}.", "Install it where the job runs.") from error


def _bound_to_us() -> list[str]:
    """Return what a command's argv begins with, so that the kernel kills it when this process dies (on Linux alone).

    Without it the Helm of a job that was killed goes on changing the cluster, while the next job does, too.
    A Python of its own, some 15 ms, and no ``preexec_fn``: that runs between fork and exec, where a lock that another
    thread held (the Lease's, a timer's) is never let go. The kernel kills the command alone: where that is a script,
    its own commands outlive a SIGKILL of the job, until they find nobody who reads what they print.
    """
    if sys.platform != "linux":
        return []
    return [sys.executable, "-I", "-S", "-c", BOUND, str(os.getpid()), str(int(signal.SIGKILL))]

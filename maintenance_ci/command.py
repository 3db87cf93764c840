"""Running commands: the only user of subprocess."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING

from maintenance_ci.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

# Seconds for a command to end when it is asked to.
GRACE = 10.0
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
        timeout: seconds after which the command is ended.
        stop: ends the command earlier, once another thread sets it; it is set when this returns.

    Raises:
        CommandError: it is not there, ended with another code than 0, or did not end in time.
    """
    say(f"$ {shlex.join(argv)}")
    last: deque[str] = deque(maxlen=LAST_LINES)
    stop, late = stop or threading.Event(), threading.Event()
    with _start(argv, environment, stderr=subprocess.STDOUT) as child:

        def end_in_time() -> None:
            if not stop.wait(timeout):
                late.set()
            _end(child)

        threading.Thread(target=end_in_time, daemon=True).start()
        try:
            for line in child.stdout or ():
                say(line.rstrip())
                last.append(line.strip())
            code = child.wait()
        finally:  # also on SIGTERM: a command that outlives its job would go on changing the cluster
            stop.set()
            _end(child)
    if code != 0:
        raise _failure(argv, None if late.is_set() else code, timeout, last)


def output(argv: Sequence[str], *, environment: Mapping[str, str], timeout: float) -> str:
    """Run ``argv`` without a word, and return what it prints to its standard output.

    Args:
        argv: the command, as a list: no shell reads it.
        environment: the child's whole environment.
        timeout: seconds after which the command is ended.

    Raises:
        CommandError: it is not there, ended with another code than 0, or did not end in time.
    """
    with _start(argv, environment, stderr=subprocess.PIPE) as child:
        try:
            printed, complaint = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise _failure(argv, None, timeout, ()) from None
        finally:
            _end(child)
    if child.returncode != 0:
        lines = [line.strip() for line in complaint.splitlines()]
        raise _failure(argv, child.returncode, timeout, lines[-LAST_LINES:])
    return printed


def _failure(argv: Sequence[str], code: int | None, timeout: float, last: Iterable[str]) -> CommandError:
    """Say how a command failed; its ``code`` is None when it was late."""
    why = f"did not end within {timeout:.0f} s" if code is None else f"failed (exit code {code})"
    said = " / ".join(filter(None, last)) or "it printed nothing"
    return CommandError(f"{' '.join(argv[:2])} {why}: {said}.")


def _end(child: subprocess.Popen[str]) -> None:
    """End a command that runs still: politely, so that Helm can note in its release that it failed, then for good."""
    child.terminate()
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)
    finally:
        child.kill()


def _start(argv: Sequence[str], environment: Mapping[str, str], *, stderr: int) -> subprocess.Popen[str]:
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
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise CommandError(f"{argv[0]} cannot be run: {error.strerror}.", "Install it where the job runs.") from error


def _bound_to_us() -> list[str]:
    """Return what a command is started through to be killed, by the kernel, when this process is (Linux alone can).

    Without it the Helm of a job that was killed goes on changing the cluster, while the next job does, too.
    A Python of its own, some 15 ms, and no ``preexec_fn``: that runs between fork and exec, where a lock that another
    thread held (the Lease's, a timer's) is never let go.
    """
    if sys.platform != "linux":
        return []
    return [sys.executable, "-I", "-S", "-c", BOUND, str(os.getpid()), str(int(signal.SIGKILL))]

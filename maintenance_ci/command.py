"""Running commands: the only user of subprocess."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import threading
from collections import deque
from typing import TYPE_CHECKING

from maintenance_ci.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Seconds for a command to end when it is asked to.
GRACE = 10.0
# How much of a failed command's output its error repeats.
LAST_LINES = 5


def on_path(name: str, environment: Mapping[str, str]) -> str | None:
    """Return the path of the command ``name``, or None where PATH has none."""
    return shutil.which(name, path=environment.get("PATH"))


def run(argv: Sequence[str], *, environment: Mapping[str, str], say: Callable[[str], None], timeout: float) -> None:
    """Run ``argv``, handing every line that it prints to ``say`` as it comes.

    Nothing secret may stand in ``argv``: it is shown, and other users of the machine can read it.

    Args:
        argv: the command, as a list: no shell reads it.
        environment: the child's whole environment.
        say: gets the command line, then each line of its output.
        timeout: seconds after which the command is ended.

    Raises:
        CommandError: it is not there, ended with another code than 0, or did not end in time.
    """
    say(f"$ {shlex.join(argv)}")
    last: deque[str] = deque(maxlen=LAST_LINES)
    late = threading.Event()
    with _start(argv, environment) as child:

        def give_up() -> None:
            late.set()
            child.terminate()

        timer = threading.Timer(timeout, give_up)
        timer.start()
        try:
            for line in child.stdout or ():
                say(line.rstrip())
                last.append(line.strip())
            code = child.wait()
        finally:  # also on SIGTERM: a command that outlives its job would go on changing the cluster
            timer.cancel()
            _end(child)
    if code != 0:
        why = f"did not end within {timeout:.0f} s" if late.is_set() else f"failed (exit code {code})"
        said = " / ".join(filter(None, last)) or "it printed nothing"
        raise CommandError(f"{' '.join(argv[:2])} {why}: {said}.")


def _end(child: subprocess.Popen[str]) -> None:
    """End a command that runs still: politely, so that Helm can note in its release that it failed, then for good."""
    child.terminate()
    try:
        child.wait(GRACE)
    except subprocess.TimeoutExpired:
        child.kill()


def _start(argv: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(  # noqa: S603 - an argv list, no shell
            argv,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise CommandError(f"{argv[0]} cannot be run: {error.strerror}.", "Install it where the job runs.") from error

"""Runs the program by which a kubeconfig logs in, for each client: it ends in time, and no log shows what it writes.

The kubeconfig that all clients get names this file, as a script of a Python without packages, in the program's place.
The program may write anything to its standard error, a token too, and each client would hand that on to the job's log.
Only a terminal gets it: somebody may be asked there to log in. Of the credential that it prints a null is left out: to
Helm and oc that is an absent field, and to the Python client a token, or a time.

    login_program.py SECONDS COMMAND ARGUMENT...
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

# Seconds between two looks at whether the client is there still.
EVERY = 0.1


def main(seconds: float, argv: list[str]) -> str | int:
    """Run ``argv`` for ``seconds`` at the most; return 0, or why there is no login, without the program's own words."""
    client, deadline, terminal = os.getppid(), time.monotonic() + seconds, sys.stderr.isatty()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("the login was cancelled"))
    # In a group of its own, to be ended with all that it starts; but a terminal lets only its own group read.
    errors, group = (None, None) if terminal else (subprocess.DEVNULL, 0)
    try:
        program = subprocess.Popen(  # noqa: S603 - an argv list, no shell
            argv, bufsize=0, stdout=subprocess.PIPE, stderr=errors, process_group=group
        )
    except OSError as error:
        return f"{argv[0]} cannot be run: {error.strerror}"
    assert program.stdout
    # Read while it runs, since a pipe holds 64 KiB; and never waited for: what it started may hold the pipe open.
    os.set_blocking(program.stdout.fileno(), False)
    printed = b""
    try:
        while program.poll() is None and os.getppid() == client:
            printed += program.stdout.read() or b""
            if time.monotonic() > deadline:
                return f"{argv[0]} did not end within {seconds:g} s, and was stopped"
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.wait(EVERY)
    finally:
        with contextlib.suppress(OSError):  # nobody is left
            if terminal:
                program.kill()
            else:
                os.killpg(program.pid, signal.SIGKILL)
    if program.returncode:
        return f"{argv[0]} ended with exit code {program.returncode}: run it by itself to see why"
    printed += program.stdout.read() or b""
    sys.stdout.buffer.write(without_nulls(printed))
    return 0


def without_nulls(credential: bytes) -> bytes:
    """Return what a program prints, as it is, or without the nulls of its status where it is a credential."""
    try:
        read = json.loads(credential)
        read["status"] = {field: value for field, value in read["status"].items() if value is not None}
    except (ValueError, LookupError, TypeError, AttributeError):  # each client says what is wrong with it
        return credential
    return json.dumps(read).encode()


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))

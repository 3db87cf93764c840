"""Signals that the tests' own start left ignored, and what the tests start must not inherit."""

from __future__ import annotations

import signal

# `nohup` ignores the first; a shell without job control ignores the others in what it starts with `&`.
IGNORED_AT_START = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)


def heeded_by_children() -> None:
    """Let what this process starts from now on heed the signals that this process ignores.

    An ignored signal is inherited, a handler is not: the kernel resets it when a program is started (execve(2)). A
    handler that does nothing keeps this process deaf, as it was started, and makes its children heed.
    """
    for number in IGNORED_AT_START:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: None)

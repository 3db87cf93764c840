"""How a job is cancelled (SIGTERM by GitLab, SIGHUP where a terminal goes away), and where that has to wait."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

CANCELLING = (signal.SIGTERM, signal.SIGHUP)
SIGNALS = (*CANCELLING, signal.SIGINT)


@contextlib.contextmanager
def interrupted_when_cancelled() -> Iterator[None]:
    """End the body as on Ctrl-C when the job is cancelled, so that it is undone, and what is private removed; once.

    What is said afterwards, of how it ended, is not interrupted any more. A SIGHUP that is ignored (nohup) stays so.
    """
    heeded = [number for number in CANCELLING if signal.getsignal(number) != signal.SIG_IGN]
    for number in heeded:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        _ignore(heeded)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    _ignore(CANCELLING)
    raise KeyboardInterrupt


def _ignore(numbers: Iterable[signal.Signals]) -> None:
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def signals_restored(numbers: Iterable[signal.Signals] = CANCELLING) -> Iterator[None]:
    """Let the signals do after the body what they did before it."""
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Let the body come to its end: a rollback that is cut short leaves users between two sides.

    Signals reach the main thread alone; in another one there is nothing to be done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with signals_restored(SIGNALS):
        _ignore(SIGNALS)
        yield

"""Does pieces of work at the same time, each in a thread of its own."""

from __future__ import annotations

import threading
import time
from concurrent.futures import wait
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from maintenance_ci.waiting import in_background

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

Result = TypeVar("Result")

# Of each piece of work in its thread, whether the job is stopped.
_own = threading.local()
# Seconds that a job which is stopped waits for requests under way: an answer that comes is better known.
STOPPED_PATIENCE = 3.0
# Seconds that one wait takes at the most: a signal that comes when it has just begun is heeded only when it ends.
HEED = 0.2


def require_not_stopped() -> None:
    """Let a piece of work change nothing any more once its job is stopped: what it did is being undone by then.

    Raises:
        KeyboardInterrupt: the job is stopped.
    """
    stopped: threading.Event | None = getattr(_own, "stopped", None)
    if stopped and stopped.is_set():
        raise KeyboardInterrupt


def concurrently(works: Sequence[Callable[[], Result]], *, at_once: int) -> list[Future[Result]]:
    """Do each piece of work, ``at_once`` at a time, and return what each of them returned or raised, in their order.

    The threads end with the process: what hangs does not hold a job that is stopped, and what tries again asks
    `require_not_stopped` before each change.

    Raises:
        KeyboardInterrupt: the job is stopped; work under way had `STOPPED_PATIENCE` seconds to come to its end.
    """
    slots, stopped = threading.Semaphore(at_once), threading.Event()
    futures: list[Future[Result]] = []

    def do(work: Callable[[], Result]) -> Result:
        _own.stopped = stopped
        try:
            require_not_stopped()
            return work()
        finally:
            _own.stopped = None  # the thread may do something else next
            slots.release()

    try:
        for work in works:
            while not slots.acquire(timeout=HEED):
                pass
            futures.append(in_background(partial(do, work)))
        while wait(futures, timeout=HEED).not_done:
            pass
    except BaseException:
        stopped.set()
        _wait_until_free(slots, at_once)
        raise
    return futures


def _wait_until_free(slots: threading.Semaphore, number: int) -> None:
    """Take all slots, whose work then has ended, also where it was only just begun; `STOPPED_PATIENCE` at the most."""
    deadline = time.monotonic() + STOPPED_PATIENCE
    for _ in range(number):
        slots.acquire(timeout=max(0.0, deadline - time.monotonic()))

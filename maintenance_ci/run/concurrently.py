"""Does pieces of work at the same time, each in a thread of its own."""

from __future__ import annotations

import threading
from concurrent.futures import wait
from functools import partial
from typing import TYPE_CHECKING

from maintenance_ci.waiting import in_background

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Seconds that a job which is stopped waits for requests under way: an answer that comes is better known.
STOPPED_PATIENCE = 3.0


def concurrently(works: Sequence[Callable[[], object]], *, at_once: int) -> list[BaseException | None]:
    """Do each piece of work, ``at_once`` at a time, and return what each of them raised.

    The threads end with the process: what hangs does not hold a job that is stopped.

    Raises:
        KeyboardInterrupt: the job is stopped; work under way had `STOPPED_PATIENCE` seconds to come to its end.
    """
    slots, stopped = threading.Semaphore(at_once), threading.Event()

    def do(work: Callable[[], object]) -> None:
        with slots:
            if stopped.is_set():
                raise KeyboardInterrupt
            work()

    futures = [in_background(partial(do, work)) for work in works]
    try:
        return [future.exception() for future in futures]
    except KeyboardInterrupt:
        stopped.set()
        wait(futures, timeout=STOPPED_PATIENCE)
        raise

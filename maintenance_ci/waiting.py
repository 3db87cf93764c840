"""Waiting for the cluster: one loop, one clock, a sign of life."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, TypeVar

from maintenance_ci.errors import TryAgainError

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

# A job log that is silent for 15 s looks dead: what is waited for is logged this often, in seconds.
SIGN_OF_LIFE = 12.0


def wait_for(
    look: Callable[[], Result | None], *, timeout: float, say: Callable[[str], None], subject: str, every: float = 0.5
) -> Result | None:
    """Call ``look`` every ``every`` seconds until it returns something, and return that; None after ``timeout`` s.

    A server that is away for a moment is not the end of the wait: users may be between two sides.
    """
    began = time.monotonic()
    spoken = began
    while True:
        try:
            result = look()
        except TryAgainError as error:
            say(f"{error.what} Asking again.")
            result = None
        now = time.monotonic()
        if result is not None or now - began >= timeout:
            return result
        if now - spoken >= SIGN_OF_LIFE:
            say(f"still waiting for {subject} ({now - began:.0f} s of {timeout:.0f} s)")
            spoken = now
        time.sleep(min(every, max(0.0, began + timeout - now)))


def in_background(work: Callable[[], Result]) -> Future[Result]:
    """Do ``work`` in a thread of its own, which ends with the job at the latest."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised where its result is asked for
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def with_deadline(seconds: float, work: Callable[[], Result]) -> Result:
    """Return what ``work`` returns, or raise what it raises; not later than after ``seconds``.

    It works in a thread of its own, which is left behind when the time is over: for what has no end of its own, such as
    an answer whose headers drip.

    Raises:
        TimeoutError: the time is over.
    """
    future = in_background(work)
    if not wait([future], seconds).done:
        raise TimeoutError(f"no end within {seconds:g} s")
    return future.result()


class Standing:
    """Tells whether something has been true without a break for ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: float | None = None

    def holds(self, value: bool) -> bool:
        """Note that it is true now, or is not, and tell whether it has been true for long enough."""
        now = time.monotonic()
        if not value:
            self._since = None
        elif self._since is None:
            self._since = now
        return self._since is not None and now - self._since >= self._seconds


def sleep_aloud(seconds: float, *, say: Callable[[str], None], subject: str) -> None:
    """Wait ``seconds``, with a sign of life."""
    wait_for(lambda: None, timeout=seconds, say=say, subject=subject, every=1.0)

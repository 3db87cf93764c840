"""Waiting for the cluster: one loop, one clock, a sign of life."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar, cast

from maintenance_ci.errors import TryAgainError

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")

# A job log that is silent for long looks dead: what is waited for is said this often, in seconds. (`report.SILENCE` is
# for what waits in silence.)
SIGN_OF_LIFE = 12.0


def wait_for(
    look: Callable[[], Found | None], *, timeout: float, say: Callable[[str], None], subject: str, every: float = 0.5
) -> Found | None:
    """Call ``look`` every ``every`` seconds until it returns something, and return that; None after ``timeout`` s.

    A server that is away for a moment is not the end of the wait: users may be between two sides.
    """
    began = time.monotonic()
    spoken = began
    while True:
        try:
            found = look()
        except TryAgainError as error:
            say(f"{error.what} Asking again.")
            found = None
        now = time.monotonic()
        if found is not None or now - began >= timeout:
            return found
        if now - spoken >= SIGN_OF_LIFE:
            say(f"still waiting for {subject} ({now - began:.0f} s of {timeout:.0f} s)")
            spoken = now
        time.sleep(min(every, max(0.0, began + timeout - now)))


def with_deadline(seconds: float, work: Callable[[], Found]) -> Found:
    """Return what ``work`` returns, or raise what it raises; not later than after ``seconds``.

    It works in a thread of its own, which is left behind when the time is over: for what has no end of its own, such as
    an answer whose headers drip.

    Raises:
        TimeoutError: the time is over.
    """
    ended: list[tuple[Found | None, BaseException | None]] = []

    def run() -> None:
        try:
            ended.append((work(), None))
        except BaseException as error:  # noqa: BLE001 - raised below, where it is waited for
            ended.append((None, error))

    worker = threading.Thread(target=run, daemon=True)
    worker.start()
    worker.join(seconds)
    if not ended:
        raise TimeoutError(f"no end within {seconds:g} s")
    [(found, error)] = ended
    if error is not None:
        raise error
    return cast("Found", found)


def sleep_aloud(seconds: float, *, say: Callable[[str], None], subject: str) -> None:
    """Wait ``seconds``, with a sign of life."""
    wait_for(lambda: None, timeout=seconds, say=say, subject=subject, every=1.0)

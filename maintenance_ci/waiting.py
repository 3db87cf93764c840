"""Waiting for the cluster: one loop, one clock, a sign of life."""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from maintenance_ci.errors import NotNowError, TryAgainError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Result = TypeVar("Result")

# A job log that is silent for 15 s looks dead: what is waited for is logged this often, in seconds.
SIGN_OF_LIFE = 12.0


class SignOfLife:
    """Says what is waited for, now and then; the wait begins when it is made.

    Args:
        say: what the job's log is told.
        subject: what is waited for, as it goes on after "still waiting for".
        timeout: seconds that the wait may take.

    Attributes:
        began: when that was, in seconds of `time.monotonic`.
    """

    def __init__(self, say: Callable[[str], None], subject: str, timeout: float) -> None:
        self._say, self._subject, self._timeout = say, subject, timeout
        self.began = self._spoken = time.monotonic()

    @property
    def waited(self) -> float:
        """The seconds since the wait began."""
        return time.monotonic() - self.began

    def spoke(self) -> None:
        """Note that something else was said just now."""
        self._spoken = time.monotonic()

    def give(self, details: str = "", *, ahead: float = 0.0) -> None:
        """Say it, where nothing was said for long; ``ahead`` seconds early, where the next chance may come late."""
        now = time.monotonic()
        if now - self._spoken >= SIGN_OF_LIFE - ahead:
            seconds = f"{now - self.began:.0f} s of {self._timeout:.0f} s"
            self._say(f"still waiting for {self._subject} ({seconds}){f': {details}' if details else ''}")
            self._spoken = now


def wait_for(
    look: Callable[[], Result | None], *, timeout: float, say: Callable[[str], None], subject: str, every: float = 0.5
) -> Result | None:
    """Call ``look`` every ``every`` seconds until it returns something, and return that; None after ``timeout`` s.

    A server that is away for a moment is not the end of the wait: users may be between two sides.
    """
    sign = SignOfLife(say, subject, timeout)
    while True:
        result = None
        try:
            result = look()
        except TryAgainError as error:
            say(f"{error.what} Asking again.")
        waited = sign.waited
        if result is not None or waited >= timeout:
            return result
        sign.give()
        time.sleep(min(every, timeout - waited))


def retried(attempt: Callable[[], Result], pauses: Iterable[float], *, within: float = math.inf) -> Result:
    """Return what ``attempt`` returns; where a server is away it is made again, after each of ``pauses`` seconds.

    None begins later than ``within`` seconds from now. What was not even sent is not tried again: it may not be sent.
    """
    last_begin = time.monotonic() + within
    for pause in pauses:
        try:
            return attempt()
        except NotNowError:
            raise
        except TryAgainError:
            if time.monotonic() + pause > last_begin:
                raise
            time.sleep(pause)
    return attempt()


def in_background(work: Callable[[], Result]) -> Future[Result]:
    """Do ``work`` in a thread, which ends with the job at the latest; one that has nothing left to do is used again."""
    future: Future[Result] = Future()
    try:
        due = _idle.pop()
    except IndexError:
        due = SimpleQueue()
        threading.Thread(target=_work_off, args=(due,), daemon=True).start()
    due.put((work, future))
    return future


# Of each thread that waits for work, where it gets it. A job asks its servers thousands of things, each in a thread.
_idle: list[SimpleQueue[tuple[Callable[[], Any], Future[Any]]]] = []


def _work_off(due: SimpleQueue[tuple[Callable[[], Any], Future[Any]]]) -> None:
    while True:
        _do(*due.get(), due)


def _do(work: Callable[[], Any], future: Future[Any], due: SimpleQueue[Any]) -> None:
    """Do a piece of work; its thread is free for the next one before anybody learns of this one's end."""
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - raised where its result is asked for
        _idle.append(due)
        future.set_exception(error)
    else:
        _idle.append(due)
        future.set_result(result)


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

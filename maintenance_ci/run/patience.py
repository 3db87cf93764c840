"""How long the changes of a job are tried again: of many Routes each does not wait anew for a cluster that is away."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from maintenance_ci.errors import ConflictError, ForbiddenError, MaintenanceError, NotNowError, TryAgainError
from maintenance_ci.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds in which what was just seen to be impossible, for as long as anybody waits, is not tried again.
FRESH = 2.0


class SharedPatience:
    """Since when the cluster has let no change of a kind be made, whichever Route it was for; threads may share it.

    Where some Routes have waited their time for one kind of change, the others of the same job try theirs once, or not
    at all: that of hundreds of Routes, some at a time, would else take as many times that long.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By kind: since when it fails, and when it did so last.
        self._failing: dict[object, tuple[float, float]] = {}

    def retry(
        self,
        change: Callable[[], object],
        subject: str,
        *,
        kind: object,
        timeout: float,
        say: Callable[[str], None],
        even_if_forbidden: bool = False,
    ) -> None:
        """Call ``change`` until it succeeds, for ``timeout`` seconds at the most; raises as `Changes.insist`."""
        failures: list[MaintenanceError] = []

        def attempt() -> bool | None:
            if self._is_exhausted(kind, timeout):
                return False
            try:
                change()
            except ConflictError as error:
                self._succeeded(kind)
                say(f"{error.what} Looking again.")
                return None
            except (ForbiddenError, TryAgainError) as error:
                if isinstance(error, ForbiddenError) and not even_if_forbidden:
                    raise
                failures.append(error)
                if self._failed(kind, timeout):
                    return False
                if isinstance(error, TryAgainError):
                    raise
                say(f"{error.what} Trying again.")
                return None
            self._succeeded(kind)
            return True

        if not wait_for(attempt, timeout=timeout, say=say, subject=subject, every=1.0):
            refused = [error for error in failures if isinstance(error, ForbiddenError)]
            if refused:
                raise refused[-1]
            was_sent = any(not isinstance(error, NotNowError) for error in failures)
            error = TryAgainError if was_sent else NotNowError
            raise error(f"Waited {timeout:.0f} s in vain for {subject}.", run_again=True)

    def _succeeded(self, kind: object) -> None:
        """Note that the cluster has made such a change, or has an opinion on it."""
        with self._lock:
            self._failing.pop(kind, None)

    def _failed(self, kind: object, timeout: float) -> bool:
        """Note that it could not be made, and tell whether that is so for ``timeout`` seconds, without a long break."""
        now = time.monotonic()
        with self._lock:
            since, last = self._failing.get(kind, (now, now))
            if now - last > timeout:
                since = now
            self._failing[kind] = since, now
        return now - since >= timeout

    def _is_exhausted(self, kind: object, timeout: float) -> bool:
        """Tell whether it was seen a moment ago that this has failed for ``timeout`` seconds."""
        with self._lock:
            since, last = self._failing.get(kind, (0.0, 0.0))
        return last - since >= timeout and time.monotonic() - last < FRESH

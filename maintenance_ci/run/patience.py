"""How long the changes of a job are tried again: of many Routes each does not wait anew for a cluster that is away."""

from __future__ import annotations

import threading
import time

# Seconds in which what was just seen to be impossible, for as long as anybody waits, is not tried again.
FRESH = 2.0


class SharedPatience:
    """Since when the cluster has let no change of a kind be made, whichever Route it was for; threads may share it.

    Where some Routes have waited their time for one kind of change, the others of the same job try theirs once: that of
    hundreds of Routes, some at a time, would else take as many times that long.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By kind: since when it fails, and when it did so last.
        self._failing: dict[object, tuple[float, float]] = {}

    def succeeded(self, kind: object) -> None:
        """Note that the cluster has made such a change, or has an opinion on it."""
        with self._lock:
            self._failing.pop(kind, None)

    def failed(self, kind: object, timeout: float) -> bool:
        """Note that it could not be made, and tell whether that is so for ``timeout`` seconds, without a long break."""
        now = time.monotonic()
        with self._lock:
            since, last = self._failing.get(kind, (now, now))
            if now - last > timeout:
                since = now
            self._failing[kind] = since, now
        return now - since >= timeout

    def is_exhausted(self, kind: object, timeout: float) -> bool:
        """Tell whether it was seen a moment ago that this has failed for ``timeout`` seconds."""
        with self._lock:
            since, last = self._failing.get(kind, (0.0, 0.0))
        return last - since >= timeout and time.monotonic() - last < FRESH

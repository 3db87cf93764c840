"""What a job says in its log: phases with their durations, what users see now, how it ended."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, TextIO

from maintenance_ci.errors import EXIT_PERSON, MaintenanceError, VariableError

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTHING_CHANGED = "Nothing was changed."


class JobLog:
    """The log of one job.

    Attributes:
        state: one sentence that says what is changed and what users see now; a failure's message contains it.
        switched: whether users may have been switched already, so that a failure needs a person.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.state = NOTHING_CHANGED
        self.switched = False

    def say(self, text: str) -> None:
        """Write ``text``, each line indented under its phase."""
        for line in text.splitlines():
            self._write(f"   {line}")

    @contextlib.contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Head what follows with ``title``; say how long it took when it is done."""
        self._write(f"── {title}")
        began = time.monotonic()
        yield
        self._write(f"   done in {time.monotonic() - began:.1f} s")

    def now(self, state: str, *, switched: bool) -> None:
        """Note what was just changed; ``state`` becomes the "what is untouched" of a later failure."""
        self.state = state
        self.switched = switched

    def end(self, *lines: str) -> None:
        """Close a job that succeeded: what users see now, and what a person can do next."""
        self._write("")
        for line in lines:
            self._write(line)

    def fail(self, error: MaintenanceError) -> int:
        """Close a job that failed, and return its exit code."""
        if isinstance(error, VariableError):
            return self._fail_variables(error)
        self._write(" ".join(filter(None, ("ERROR:", error.what, self.state, error.advice))))
        return EXIT_PERSON if self.switched else error.exit_code

    def _fail_variables(self, error: VariableError) -> int:
        if len(error.faults) == 1:
            self._write(f"ERROR: {error.faults[0]}. {NOTHING_CHANGED}")
        else:
            self._write(f"ERROR: {len(error.faults)} variables are wrong. {NOTHING_CHANGED}")
            for fault in error.faults:
                self._write(f"   {fault}")
        return error.exit_code

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()

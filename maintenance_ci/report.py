"""What a job says in its log: phases with their durations, what users see now, how it ended."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, TextIO

from maintenance_ci.errors import EXIT_FAILED, EXIT_PERSON, MaintenanceError, RefusedError, TryAgainError, VariableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NOTHING_CHANGED = "Nothing was changed."
MASK = "[hidden]"
KEY_BEGINS, KEY_ENDS = "PRIVATE KEY-----", "-----END"


class JobLog:
    """The log of one job.

    Attributes:
        state: one sentence that says what is changed and what users see now; a failure's message contains it.
        switched: whether users may have been switched already, so that a failure needs a person.
        by_hand: the commands by which that person puts things right, should the job fail now.
        hidden: what must not be read in a log: tokens. It is masked in all that is written.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.state = NOTHING_CHANGED
        self.switched = False
        self.by_hand: list[str] = []
        self.hidden: list[str] = []
        self._in_key = False

    def say(self, text: str) -> None:
        """Write ``text``, each line indented under its phase."""
        for line in text.splitlines():
            self._write(f"   {line}")

    def warn(self, text: str) -> None:
        """Write what must not be overlooked."""
        self._write(f"   WARNING: {text}")

    @contextlib.contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Head what follows with ``title``; say how long it took when it is done."""
        self._write(f"── {title}")
        began = time.monotonic()
        yield
        self._write(f"   done in {time.monotonic() - began:.1f} s")

    def now(self, state: str, *, switched: bool, by_hand: Sequence[str] | None = None) -> None:
        """Note what was just changed; ``state`` becomes the "what is untouched" of a later failure.

        Where ``by_hand`` is not given the commands stay as they are.
        """
        self.state = state
        self.switched = switched
        self.by_hand = self.by_hand if by_hand is None else list(by_hand)

    @contextlib.contextmanager
    def changing(self, state: str, *, switched: bool) -> Iterator[None]:
        """Note the change that the body makes: when it is made, and when nobody knows whether it was.

        A request that the server refused made none; one whose answer was lost may have.
        """
        try:
            yield
        except MaintenanceError as error:
            if isinstance(error, TryAgainError):
                self.now(state, switched=switched)
            raise
        except BaseException:
            self.now(state, switched=switched)
            raise
        self.now(state, switched=switched)

    def end(self, *lines: str, blank: bool = True) -> None:
        """Close a job that succeeded: what users see now, and what a person can do next; after a blank line."""
        if blank:
            self._write("")
        for line in lines:
            self._write(line)

    def fail(self, error: MaintenanceError) -> int:
        """Close a job that failed, and return its exit code."""
        if isinstance(error, VariableError):
            return self._fail_variables(error)
        if isinstance(error, RefusedError):
            return self._fail_refused(error)
        self._write_by_hand()
        # After a switch the state says what to run; "run the job again" would say the opposite.
        advice = "" if self.switched and error.advice.startswith("Run ") else error.advice
        self._write(" ".join(" ".join(filter(None, ("ERROR:", error.what, self.state, advice))).split()))
        return EXIT_PERSON if self.switched else error.exit_code

    def crash(self, traceback: str) -> int:
        """Close a job that met a fault of its own, shown by its traceback; return its exit code."""
        for line in traceback.splitlines():
            self._write(line)
        self._write_by_hand()
        self._write(f"ERROR: This is a fault of maintenance-ci itself. {self.state} Please report the lines above.")
        return EXIT_PERSON if self.switched else EXIT_FAILED

    def _write_by_hand(self) -> None:
        if self.by_hand:
            self._write("To end the maintenance by hand, where the job cannot be run again:")
            for command in self.by_hand:
                self._write(f"   {command}")

    def _fail_variables(self, error: VariableError) -> int:
        if len(error.faults) == 1:
            self._write(f"ERROR: {error.faults[0]}. {NOTHING_CHANGED}")
        else:
            self._write(f"ERROR: {len(error.faults)} variables are wrong. {NOTHING_CHANGED}")
            for fault in error.faults:
                self._write(f"   {fault}")
        return error.exit_code

    def _fail_refused(self, error: RefusedError) -> int:
        self._write(f"ERROR: {len(error.errors)} things stand in the way. {self.state}")
        for refusal in error.errors:
            self._write("   " + " ".join(f"{refusal.what} {refusal.advice}".split()))
        return EXIT_PERSON if self.switched else error.exit_code

    def _write(self, line: str) -> None:
        # A server's or a build's words may hold what steers a terminal, or GitLab's log sections.
        plain = "".join(letter for letter in self._masked(line) if letter.isprintable() or letter == "\t")
        self._stream.write(f"{plain}\n")
        self._stream.flush()

    def _masked(self, line: str) -> str:
        """Return the line without tokens, and without what lies between the two ends of a private key."""
        for secret in self.hidden:
            line = line.replace(secret, MASK)
        began, self._in_key = self._in_key, (self._in_key or KEY_BEGINS in line) and KEY_ENDS not in line
        return f"   {MASK}" if began or (KEY_BEGINS in line) else line

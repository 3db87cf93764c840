"""A job's log: its phases with their durations, what users see now, how it ended. It keeps the record for the reports.

In GitLab each phase is a section that can be folded, and what must not be overlooked has a colour.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from maintenance_ci.errors import (
    EXIT_FAILED,
    EXIT_PERSON,
    MaintenanceError,
    RefusedError,
    SeveralFailedError,
    TryAgainError,
    UnsafeError,
    VariableError,
)
from maintenance_ci.log import sections as gitlab_log
from maintenance_ci.log.outcome import NOTHING_CHANGED, Outcome, combined
from maintenance_ci.log.redaction import Redaction
from maintenance_ci.log.report_files import (
    DOTENV,
    JUNIT,
    PICTURE,
    REPORT,
    Check,
    Phase,
    Record,
    report_files,
    rewritten,
)
from maintenance_ci.log.route_log import RouteLog
from maintenance_ci.waiting import SIGN_OF_LIFE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# Seconds of silence until the log itself gives a sign of life. Who knows what is waited for speaks first.
SILENCE = SIGN_OF_LIFE + 2
# Writing reports while Routes are rolled back takes one part in so many of the time: of 300 Routes it is a megabyte.
REPORTS_REST = 20.0
FRAME = "=" * 100
BY_HAND = "To end the maintenance by hand, where the job cannot be run again:"
UNKNOWN = "What is in maintenance now, if anything: maintenance-ci status"
# A job whose failure leaves users at the page, in a pipeline that stays green (allow_failure).
FRAME_FAILURE_OF = "delete"


class JobLog:
    """The log of one job.

    Args:
        stream: where it goes.
        job: the command, for the record; the failure of one, ``delete``, is framed in GitLab.
        gitlab: the reader is GitLab's: sections, and colours.
        silence: seconds after which `alive` says something.

    Attributes:
        outcome: what users see now; a failure's message contains it. Where the job is about several Routes, each of
            `routes` has its own, and `standing` is that of all of them.
        redaction: takes secrets out of all that is written, in the reports too.
        record: what the reports are made of.
        routes: the logs of the Routes that the job is about.
        folder: where a rollback leaves reports when it begins; None for nowhere.
    """

    def __init__(self, stream: TextIO, *, job: str = "", gitlab: bool = False, silence: float = SILENCE) -> None:
        self._stream, self._gitlab, self._silence = stream, gitlab, silence
        self.outcome = Outcome()
        self.redaction = Redaction()
        self.record = Record(job)
        self.routes: list[RouteLog] = []
        self.folder: Path | None = None
        self._began = self._spoken = time.monotonic()
        self._report_due = 0.0
        self._open: list[Phase] = []
        self._said: dict[str, float] = {}
        self._sections, self._closes = itertools.count(1), True
        # The Lease is renewed, and a sign of life given, by threads of their own.
        self._writing, self._reporting = threading.Lock(), threading.Lock()

    def say(self, text: str) -> None:
        """Write ``text``, each line indented under its phase."""
        for line in text.splitlines():
            self._write(f"   {line}")

    def warn(self, text: str) -> None:
        """Write what must not be overlooked."""
        line = " ".join(text.split())
        self.record.warnings.append(line)
        self._write(f"   WARNING: {line}", gitlab_log.YELLOW)

    def say_once(self, text: str) -> None:
        """Write ``text``, unless this method has written it in the last `SIGN_OF_LIFE` seconds."""
        now = time.monotonic()
        with self._writing:
            again = now - self._said.get(text, -SIGN_OF_LIFE) >= SIGN_OF_LIFE
            if again:
                self._said[text] = now
        if again:
            self.say(text)

    def of_routes(self, names: Sequence[str]) -> list[RouteLog]:
        """Return a log for each of the Routes, or paths, that the job is about."""
        self.routes = [RouteLog(self, name, alone=len(names) == 1) for name in names]
        self.record.routes = [one.row for one in self.routes]
        return self.routes

    def of_job(self, job: str) -> JobLog:
        """Return the log of a job within this one: it writes to this one, and has its own outcome and record.

        Its closing lines, which say what a person can do next, go into its record only.
        """
        inner = JobLog(_Lines(self), job=job, gitlab=self._gitlab)
        inner.redaction, inner._sections, inner._closes = self.redaction, self._sections, False
        return inner

    @property
    def standing(self) -> Outcome:
        """The outcome of all Routes that the job is about."""
        if len(self.routes) < 2:
            return self.outcome
        return combined({one.name: one.outcome for one in self.routes})

    @contextlib.contextmanager
    def phase(self, title: str, *, collapsed: bool = False) -> Iterator[None]:
        """Head what follows with ``title``; say how long it took when it is done, or has failed.

        With ``collapsed`` GitLab hides the lines under the heading, until somebody clicks it.
        """
        self.redaction.forget_key()  # one that was cut off before its end hides no more than its own phase
        with self._section(f"── {title}", collapsed=collapsed):
            phase = Phase(title, self.seconds(time.monotonic()))
            self._open.append(phase)
            try:
                with self.recorded(phase):
                    yield
            finally:
                self._open.pop()
                ended, colour = ("done in", "") if phase.outcome == "done" else ("failed after", gitlab_log.RED)
                self._write(f"   {ended} {phase.seconds:.1f} s", colour)

    @contextlib.contextmanager
    def recorded(self, phase: Phase) -> Iterator[None]:
        """Record how long the body takes, and whether it fails; say nothing."""
        self.record.phases.append(phase)
        try:
            yield
            phase.outcome = "done"
        finally:
            phase.seconds = round(self.seconds(time.monotonic()) - phase.began, 2)

    @contextlib.contextmanager
    def check(self, name: str) -> Iterator[list[str]]:
        """Record whether the body finds that ``name`` holds, and the warnings that it adds to the list."""
        check, warnings = Check(name, "failed", "The job was stopped."), list[str]()
        self.record.checks.append(check)
        try:
            yield warnings
        except MaintenanceError as error:
            known = not isinstance(error, (TryAgainError, VariableError))
            check.outcome, check.words = "refused" if known else "failed", " ".join(_messages(error))
            raise
        except Exception as error:
            check.words = type(error).__name__
            raise
        check.outcome, check.words = "warned" if warnings else "passed", "; ".join(warnings)

    def seconds(self, moment: float) -> float:
        """Return the seconds from the beginning of the job to a moment of `time.monotonic`."""
        return round(moment - self._began, 2)

    @contextlib.contextmanager
    def alive(self) -> Iterator[None]:
        """Give signs of life while the body runs, whenever nothing else was written for a while."""
        ended = threading.Event()
        watcher = threading.Thread(target=self._break_silence, args=(ended,), name="sign-of-life", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()

    def end(self, *lines: str, blank: bool = True) -> None:
        """Close a job that succeeded, after a blank line: what users see now, and what a person can do next."""
        self.record.result = " ".join(lines)
        if not self._closes:
            return
        if blank:
            self._write("")
        for line in lines:
            self._write(line)

    def fail(self, error: MaintenanceError) -> int:
        """Close a job that failed, and return its exit code."""
        if isinstance(error, VariableError):
            one = len(error.faults) == 1
            what = f"{error.faults[0]}." if one else f"{len(error.faults)} variables are wrong."
            self._fail(f"{what} {NOTHING_CHANGED}", [] if one else error.faults)
            return error.exit_code
        if any(isinstance(one, UnsafeError) for one in _errors(error)):
            for outcome in (self.outcome, *(one.outcome for one in self.routes)):
                outcome.manual_steps = []
        outcome = self.standing
        if isinstance(error, SeveralFailedError):
            self._fail(f"{error.what} {outcome}", _messages(error))
        elif isinstance(error, RefusedError):
            self._fail(f"{len(error.errors)} things stand in the way. {outcome}", _messages(error))
        else:
            # Where the outcome says what to run, "run the job again" would say it twice, or the opposite.
            known = outcome.needs_person or outcome.next_step
            advice = error.advice if known else error.next_step
            # By itself: a key in it, cut off before its end, must not hide what follows.
            self._fail(f"{self.redaction.text(error.what)} {outcome} {advice}")
        return EXIT_PERSON if outcome.needs_person else error.exit_code

    def crash(self, traceback: str) -> int:
        """Close a job that met a fault of its own, shown by its traceback; return its exit code."""
        lines, outcome = traceback.splitlines(), self.standing
        for line in lines:
            self._write(line)
        self._fail(f"This is a fault of maintenance-ci itself. {outcome} Please report the lines above.")
        self.record.error = f"A fault of maintenance-ci itself: {' '.join(lines[-1:])}"
        return EXIT_PERSON if outcome.needs_person else EXIT_FAILED

    def report_rollback(self, why: str) -> None:
        """Say why a rollback begins, and leave reports of it now: some runners end a job before it has come back."""
        self.warn(why)
        if not self.folder:
            return
        with self._reporting:  # each of several Routes may be rolled back
            began = time.monotonic()
            if began >= self._report_due:
                outcome = self.standing
                self.record.error = f"{why} The rollback has begun; its end is not reported."
                self.record.result = str(outcome)
                self.leave_reports(self.folder, EXIT_PERSON if outcome.needs_person else EXIT_FAILED)
                now = time.monotonic()
                self._report_due = now + REPORTS_REST * (now - began)

    def leave_reports(self, folder: Path, exit_code: int) -> None:
        """Write the reports into ``folder``, without what is secret. A failure to write is logged."""
        self._record_routes()
        self.record.ended, self.record.exit_code = datetime.now(UTC), exit_code
        record: Record = rewritten(self.record, self.redaction.text)
        for name, text in report_files(record).items():
            self._write_report(folder / name, text)

    def leave_file(self, name: str, text: str) -> None:
        """Write a file beside the reports, where there are any. A failure to write is logged."""
        if self.folder:
            self._write_report(self.folder / name, text)
            self.say(f"{name} has it, too")

    def _write_report(self, path: Path, text: str) -> None:
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            self.warn(f"The report {path.name} could not be written: {error.strerror}.")
            with contextlib.suppress(OSError):  # half a report is worse than none
                path.unlink(missing_ok=True)

    def _record_routes(self) -> None:
        """Record what users of each Route see; the only Route and the job share what is known of them."""
        for one in self.routes:
            one.row.result = str(one.outcome)
        if len(self.routes) == 1:
            record, [only] = self.record, self.record.routes
            only.result = record.result
            record.route, record.subpath = only.route, only.subpath
            record.strategy, record.url = only.strategy, only.url

    def forget_reports(self, folder: Path) -> None:
        """Remove what another job left in ``folder``: should this job be killed, it must not pass for its report."""
        for name in (REPORT, JUNIT, DOTENV, PICTURE):
            with contextlib.suppress(OSError):  # `leave_reports` logs it
                (folder / name).unlink(missing_ok=True)

    def _fail(self, what: str, more: Sequence[str] = ()) -> None:
        """Write the error, after the commands for a person, which GitLab's reader sees in a frame."""
        outcome = self.standing
        self.record.error, self.record.result = " ".join([what, *more]), str(outcome)
        self.redaction.forget_key()  # one that was cut off before its end must not hide how the job ended
        steps = outcome.manual_steps
        framed = self._gitlab and (steps or self.record.job == FRAME_FAILURE_OF)
        lines = [BY_HAND, *(f"   {command}" for command in steps)] if steps else []
        if framed:
            lines = lines or [UNKNOWN]
            lines = [FRAME, f"THE JOB {self.record.job} HAS FAILED. {outcome}", *lines, FRAME]
        for line in [*lines, f"ERROR: {' '.join(what.split())}", *(f"   {' '.join(one.split())}" for one in more)]:
            self._write(line, gitlab_log.RED)

    @contextlib.contextmanager
    def _section(self, heading: str, *, collapsed: bool) -> Iterator[None]:
        if not self._gitlab:
            self._write(heading)
            yield
            return
        # GitLab knows sections by their names, also those of two commands in one job.
        name = f"maintenance-{os.getpid()}-{next(self._sections)}"
        coloured = f"{gitlab_log.HEADING}{self.redaction.line(heading)}{gitlab_log.RESET}"
        self._write_raw(gitlab_log.section_start(name, coloured, now=time.time(), collapsed=collapsed))
        try:
            yield
        finally:
            self._write_raw(gitlab_log.section_end(name, now=time.time()))

    def clear_screen(self) -> None:
        """Empty the terminal that the log is written to; where it is none, nothing is done."""
        if self._stream.isatty():
            self._write_raw(gitlab_log.CLEAR)

    def _break_silence(self, ended: threading.Event) -> None:
        while not ended.wait(max(0.0, self._spoken + self._silence - time.monotonic())):
            if time.monotonic() - self._spoken >= self._silence:
                phase = self._open[-1] if self._open else Phase("the job", 0.0)
                self.say(f"still at work after {self.seconds(time.monotonic()) - phase.began:.0f} s: {phase.title}")

    def _write(self, line: str, colour: str = "") -> None:
        plain = self.redaction.line(line)
        self._write_raw(f"{colour}{plain}{gitlab_log.RESET}" if colour and self._gitlab else plain)

    def _write_raw(self, line: str) -> None:
        with self._writing:
            try:
                self._stream.write(f"{line}\n")
                self._stream.flush()
            except (OSError, ValueError):
                self._go_on_unread()
            self._spoken = time.monotonic()

    def _go_on_unread(self) -> None:
        """Write to nowhere from now on: a reader that is gone, or a full disk, must not end a switch half-way."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, self._stream.fileno())  # also for what the stream still holds, at the very end
        except (OSError, ValueError):
            self._stream = io.StringIO()
        finally:
            os.close(nowhere)


class _Lines(io.StringIO):
    """Hands on the lines of a job within another one to the outer one's log."""

    def __init__(self, log: JobLog) -> None:
        super().__init__()
        self._log = log

    def write(self, text: str) -> int:
        """Write a line, as it is."""
        self._log._write_raw(text.removesuffix("\n"))
        return len(text)


def _messages(error: MaintenanceError) -> list[str]:
    """Return what is wrong and what to do, a line for each refusal, or for each Route that failed."""
    return [" ".join(f"{one.what} {one.next_step}".split()) for one in _errors(error)]


def _errors(error: MaintenanceError) -> list[MaintenanceError]:
    return error.errors if isinstance(error, (RefusedError, SeveralFailedError)) else [error]

"""What can go wrong, as one tree, with the exit code of each.

    MaintenanceError                 1   failed; users are not affected
    ├── VariableError                2   a pipeline variable is wrong; nothing was touched
    ├── CommandError                 1   helm or oc failed
    ├── ConflictError                1   somebody else changed the object between our read and our write
    ├── ForbiddenError               1   the token lacks a right
    ├── MissingError                 1   the cluster has no such object
    ├── ExpiredError                 1   the cluster has forgotten the state that a list was to go on from
    ├── HostLostError                1   another Route holds the host that ours waits for
    ├── UnsafeError                  1   what is asked for would harm users, or somebody else's maintenance
    ├── RefusedError                 1   several things stand in the way; each is an error of its own
    ├── SeveralFailedError     1 or 75   some of several Routes failed; 75 where each of them may succeed later
    └── TryAgainError               75   a server is away or busy; the same job may succeed later
        ├── NotReachedError         75   the request did not get to the server
        └── NotNowError             75   nothing was sent: whether we may is not known now

Once users have been switched, the job's failure is exit code 3 whatever the error: a person must look
(`maintenance_ci.log.outcome.Outcome.needs_person`). 75 is EX_TEMPFAIL of sysexits.h, which GitLab's
``retry:exit_codes`` names.
"""

from __future__ import annotations

EXIT_FAILED = 1
EXIT_VARIABLES = 2
EXIT_PERSON = 3
EXIT_TRY_AGAIN = 75


class MaintenanceError(Exception):
    """A failure that a person can act on.

    Args:
        what: what happened, as a sentence.
        advice: what to do next, as a sentence; the job adds what is untouched between the two.
        run_again: the same job, run again, may succeed. A job that knows a better next step says that one instead.
    """

    exit_code: int = EXIT_FAILED

    def __init__(self, what: str, advice: str = "", *, run_again: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice
        self.run_again = run_again

    def add(self, *, what: str = "", advice: str = "") -> None:
        """Add a sentence to what happened, and advice where there is none."""
        self.what = f"{self.what} {what}".strip()
        self.advice = self.advice or advice

    @property
    def next_step(self) -> str:
        """What to do next, running the job again included."""
        return f"{'Run the job again. ' if self.run_again else ''}{self.advice}".strip()


class VariableError(MaintenanceError):
    """Pipeline variables are wrong: all of them at once, by name, without their values."""

    exit_code = EXIT_VARIABLES

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class CommandError(MaintenanceError):
    """A command (helm, oc) ended with another exit code than 0, or not in time; ``output`` has its last lines."""

    def __init__(self, what: str, advice: str = "", *, output: str = "") -> None:
        super().__init__(what, advice)
        self.output = output


class ConflictError(MaintenanceError):
    """The object changed between our read and our write."""


class ForbiddenError(MaintenanceError):
    """The cluster or GitLab refuses what we ask with this token."""


class MissingError(MaintenanceError):
    """The cluster has no such object."""


class ExpiredError(MaintenanceError):
    """The cluster has forgotten the state of its objects that a list was to go on from."""


class HostLostError(MaintenanceError):
    """A Route of ours waits for its host, which another Route holds: nothing that a job does brings it back."""


class UnsafeError(MaintenanceError):
    """What is asked for would harm users, or somebody else's maintenance; no message tells how to do it by hand."""


class RefusedError(MaintenanceError):
    """Several things stand in the way of a change: all of them at once, each with its own advice."""

    def __init__(self, errors: list[MaintenanceError]) -> None:
        super().__init__(" ".join(error.what for error in errors))
        self.errors = errors


class SeveralFailedError(MaintenanceError):
    """Some of a job's Routes failed, each on its own; each of ``errors`` names those that it is about."""

    def __init__(self, what: str, errors: list[MaintenanceError]) -> None:
        super().__init__(what)
        self.errors = errors
        later = all(isinstance(error, TryAgainError) for error in errors)
        self.exit_code = EXIT_TRY_AGAIN if later else EXIT_FAILED


class TryAgainError(MaintenanceError):
    """A server cannot be reached, or is too busy, now."""

    exit_code = EXIT_TRY_AGAIN


class NotReachedError(TryAgainError):
    """The last request did not get to its server; an earlier one, with the same change, may have."""


class NotNowError(TryAgainError):
    """A change was not even sent: whether it may be made is not known now."""

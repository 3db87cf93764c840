"""What is waited for, looked at now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.errors import ForbiddenError, TryAgainError
from maintenance_ci.waiting import SignOfLife

if TYPE_CHECKING:
    from maintenance_ci.log.route_log import RouteLog
    from maintenance_ci.run.probe import Outcome


class Watch:
    """Something that is waited for; its time begins when it is made.

    Args:
        subject: what it is, as it goes on after "still waiting for".
        log: the Route's part of the job's log.
        timeout: seconds that it may take.

    Attributes:
        every: seconds between two looks.
        ends_itself: `look` says when the time is over.
        details: of a sign of life, which is given ``ahead`` seconds early, where the next look may take long.
        even_if_forbidden: go on also while the token is refused, as `Changes.insist` does.
        waited: seconds at the begin of the last look: an answer that is late is old.
        outcome: what users were seen to meet, in the end; None where that is no question.
    """

    every = 0.5
    ends_itself = even_if_forbidden = False
    details, ahead = "", 0.0

    def __init__(self, subject: str, log: RouteLog, *, timeout: float) -> None:
        self.log, self.timeout, self.waited = log, timeout, 0.0
        self.outcome: Outcome | None = None
        self.sign = SignOfLife(log.give_sign, subject, timeout)

    def has_come(self) -> bool:
        """Look once. A server that is away for a moment is not the end of the wait: users may be between two sides.

        Raises:
            MaintenanceError: it will not come, or the time is over.
        """
        self.waited = self.sign.waited
        try:
            if self.look():
                return True
        except (TryAgainError, ForbiddenError) as error:
            if isinstance(error, ForbiddenError) and not self.even_if_forbidden:
                raise
            self.log.say_trouble(f"{error.what} Asking again.")
        if self.sign.waited >= self.timeout and not self.ends_itself:
            self.give_up()
        self.sign.give(self.details, ahead=self.ahead)
        return False

    def look(self) -> bool:
        """Tell whether it has come; raises a `MaintenanceError` where it will not."""
        raise NotImplementedError

    def give_up(self) -> None:
        """Raise the `MaintenanceError` that says what did not come in time."""
        raise NotImplementedError

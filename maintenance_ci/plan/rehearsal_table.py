"""Were the users of a rehearsal well served? Pure: from the answers to a table, and what was wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maintenance_ci.plan.overview import table
from maintenance_ci.plan.steps import Side

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

COLUMNS = ("PHASE", "SECONDS", "REQUESTS", "ANSWERED BY", "STATUS", "FAILED")


@dataclass(frozen=True)
class Request:
    """What one user saw.

    Attributes:
        at: when it was asked, in seconds since the rehearsal began.
        path: that was asked for.
        side: who answered.
        answer: the status, or why there is no answer.
        status: of the answer; None where there is none.
    """

    at: float
    path: str
    side: Side
    answer: str
    status: int | None


@dataclass(frozen=True)
class Stretch:
    """A part of the rehearsal, in seconds since its begin, and who may answer in it, by path."""

    name: str
    began: float
    ended: float
    allowed: Mapping[str, frozenset[Side]]

    def holds(self, request: Request) -> bool:
        """Tell whether a request was made in it."""
        return self.began <= request.at < self.ended

    def fault(self, request: Request) -> str:
        """Say what is wrong with an answer; nothing where it is right."""
        if request.status is None:
            return f"had no answer ({request.answer})"
        if request.side is Side.ROUTER or (request.status >= 500 and request.side is not Side.PAGE):
            return f"got a {request.status} from {request.side.value}"
        if request.side not in self.allowed[request.path]:
            return f"were answered by {request.side.value} ({request.answer})"
        return ""


def faults(stretches: Iterable[Stretch], requests: Sequence[Request]) -> list[str]:
    """Return what was wrong with the answers: a line for each kind of fault in each stretch."""
    lines = []
    for stretch in stretches:
        held = [one for one in requests if stretch.holds(one)]
        wrong = Counter((what, one.path) for one in held if (what := stretch.fault(one)))
        for (what, path), number in wrong.items():
            lines.append(f"{stretch.name}: {number} of the requests for {path} {what}")
        if not held:
            lines.append(f"{stretch.name}: no request was made: this machine may be too busy to tell")
    return lines


def request_table(stretches: Iterable[Stretch], requests: Sequence[Request]) -> list[str]:
    """Return the table of all answers."""
    rows = []
    for stretch in stretches:
        held = [one for one in requests if stretch.holds(one)]
        sides, statuses = Counter(one.side.value for one in held), Counter(one.answer for one in held)
        rows.append(
            (
                stretch.name,
                f"{stretch.ended - stretch.began:.1f}",
                str(len(held)),
                ", ".join(f"{side} {number}" for side, number in sides.most_common()),
                ", ".join(f"{answer}: {number}" for answer, number in statuses.most_common()),
                str(sum(bool(stretch.fault(one)) for one in held)),
            )
        )
    return table(COLUMNS, rows)

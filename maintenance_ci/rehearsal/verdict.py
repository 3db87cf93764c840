"""Did every user get the right answer? Pure: from the recorded answers to a table and a list of faults."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from maintenance_ci.rehearsal.users import Answer

SWITCHING = "(switching)"
# Requests a second, and seconds with so many, that a phase must have: enough to see what goes wrong for a moment.
MINIMUM_RATE, MINIMUM_SECONDS = 50.0, 10.0


@dataclass(frozen=True)
class Phase:
    """A stretch of the stream (seconds since its start) in which one side, or one side for each path, must answer.

    ``also`` may answer as well: after a job that failed half-way either side may.
    """

    name: str
    start: float
    end: float
    expected: str | Callable[[str], str]
    also: str | Callable[[str], str] | None = None

    def expects(self, path: str) -> tuple[str, ...]:
        """Say who may answer on this path."""
        sides = (self.expected,) if self.also is None else (self.expected, self.also)
        return tuple(side if isinstance(side, str) else side(path) for side in sides)


@dataclass(frozen=True)
class Row:
    """What happened in one phase, or between two."""

    phase: str
    seconds: float
    requests: int
    by: dict[str, int]
    statuses: dict[str, int]
    failed: int
    retried: int

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Verdict:
    """The table; what was wrong: nothing, when it is passed; and what is to be said besides."""

    rows: tuple[Row, ...]
    faults: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing was wrong."""
        return not self.faults


@dataclass(frozen=True)
class _Stretch:
    """A phase with its answers, or what lies between two, where whoever is allowed before or after may answer."""

    name: str
    start: float
    end: float
    sides: tuple[Phase, ...]
    answers: list[Answer]

    def allows(self, answer: Answer) -> bool:
        return any(answer.served_by in side.expects(answer.path) for side in self.sides)


def under(subpath: str, inside: str, outside: str) -> Callable[[str], str]:
    """Expect ``inside`` at and below ``subpath`` (by whole segments, as the router matches), else ``outside``."""
    bare = subpath.rstrip("/")

    def expected(path: str) -> str:
        path = path.partition("?")[0]
        return inside if path == bare or path.startswith(f"{bare}/") else outside

    return expected


def judge(
    answers: Iterable[Answer],
    phases: Sequence[Phase],
    *,
    minimum_rate: float = MINIMUM_RATE,
    minimum_seconds: float = MINIMUM_SECONDS,
) -> Verdict:
    """Judge the whole stream.

    At any time a 5xx, or a request without an answer, is a fault. In a phase the expected side must answer every
    request that begins and ends in it; between phases, while a switch is under way, the sides of both may. A phase must
    have ``minimum_seconds`` in each of which at least ``minimum_rate`` requests are sent. A second with fewer, on a
    machine that does something else, proves less: it is remarked, and does not count.
    """
    if not phases:
        return Verdict((), ("there is no phase to judge",))
    stretches = _cut(answers, sorted(phases, key=lambda phase: phase.start))
    remarks: list[str] = []
    faults = [f"the phases {a.name} and {b.name} overlap" for a, b in pairwise(phases) if b.start < a.end]
    for stretch in stretches:
        faults += _broken(stretch)
        faults += _wrong_side(stretch)
        if stretch.name != SWITCHING:
            watched = watched_seconds(stretch.answers, stretch.start, stretch.end, minimum_rate)
            faults += _too_little(stretch, watched, minimum_rate, minimum_seconds)
            remarks += _poor_seconds(stretch, watched, minimum_rate)
    return Verdict(tuple(_row(stretch) for stretch in stretches), tuple(faults), tuple(remarks))


def watched_seconds(answers: Iterable[Answer], start: float, end: float, minimum_rate: float = MINIMUM_RATE) -> int:
    """Return how many full seconds between ``start`` and ``end`` have so many requests at the least."""
    in_second = Counter(int(answer.time - start) for answer in answers if start <= answer.time < end)
    return sum(in_second[second] >= minimum_rate for second in range(int(end - start)))


def format_table(verdict: Verdict) -> str:
    """Return the table and the faults as plain text; the table is aligned, under 100 columns."""
    head = ("phase", "seconds", "requests", "per s", "answered by", "status", "failed")
    body = [line for row in verdict.rows for line in _lines(row)]
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    requests, retried = sum(row.requests for row in verdict.rows), sum(row.retried for row in verdict.rows)
    outcome = "passed" if verdict.passed else "FAILED"
    return "\n".join(
        [
            _aligned(head, widths),
            "-" * (sum(widths) + 2 * len(widths) - 2),
            *(_aligned(line, widths) for line in body),
            "",
            *verdict.remarks,
            f"{outcome}: {requests} requests, {retried} of them sent twice (idle connection closed)",
            *(f"  {fault}" for fault in verdict.faults),
        ]
    )


def _cut(answers: Iterable[Answer], phases: Sequence[Phase]) -> list[_Stretch]:
    """Give every answer to a phase, or to the stretch between two phases; the first and the last may lie outside."""
    parts: defaultdict[tuple[int, bool], list[Answer]] = defaultdict(list)
    starts = [phase.start for phase in phases]
    for answer in sorted(answers, key=lambda answer: answer.time):
        index = bisect_right(starts, answer.time) - 1
        whole = index >= 0 and answer.time + answer.latency <= phases[index].end
        parts[index, not whole].append(answer)
    stretches = []
    for index in range(-1, len(phases)):
        if index >= 0:
            phase = phases[index]
            stretches.append(_Stretch(phase.name, phase.start, phase.end, (phase,), parts[index, False]))
        between = _between(phases, index, parts[index, True])
        if between.answers or between.end > between.start > 0:
            stretches.append(between)
    return stretches


def _between(phases: Sequence[Phase], index: int, answers: list[Answer]) -> _Stretch:
    """Return the stretch after the phase of that index (-1: before the first one)."""
    start = phases[index].end if index >= 0 else 0.0
    last = max((answer.time for answer in answers), default=start)
    end = phases[index + 1].start if index + 1 < len(phases) else last
    return _Stretch(SWITCHING, start, max(start, end), tuple(phases[max(index, 0) : index + 2]), answers)


def _row(stretch: _Stretch) -> Row:
    answers = stretch.answers
    return Row(
        phase=stretch.name,
        seconds=stretch.end - stretch.start,
        requests=len(answers),
        by=dict(Counter(answer.served_by for answer in answers).most_common()),
        statuses=dict(Counter(str(answer.status or "none") for answer in answers).most_common()),
        failed=sum(answer.status is None for answer in answers),
        retried=sum(answer.retried for answer in answers),
    )


def _broken(stretch: _Stretch) -> list[str]:
    kinds = defaultdict(list)
    for answer in stretch.answers:
        if answer.status is None:
            kinds["had no answer"].append(answer)
        elif answer.status >= 500:
            kinds[f"got a {answer.status} from {answer.served_by}"].append(answer)
    return [_fault(stretch, answers, what) for what, answers in kinds.items()]


def _wrong_side(stretch: _Stretch) -> list[str]:
    kinds = defaultdict(list)
    for answer in stretch.answers:
        if answer.status is not None and answer.status < 500 and not stretch.allows(answer):
            expected = " or ".join(dict.fromkeys(who for side in stretch.sides for who in side.expects(answer.path)))
            kinds[f"were answered by {answer.served_by}, not by {expected}"].append(answer)
    return [_fault(stretch, answers, what) for what, answers in kinds.items()]


def _too_little(stretch: _Stretch, watched: int, minimum_rate: float, minimum_seconds: float) -> list[str]:
    seconds, needed = stretch.end - stretch.start, int(minimum_seconds)
    if seconds < minimum_seconds:
        return [f"{stretch.name}: lasted {seconds:.1f} s, less than {minimum_seconds:g} s"]
    if watched < needed or len(stretch.answers) < minimum_rate * minimum_seconds:
        found = f"{watched} of {int(seconds)} seconds have {minimum_rate:g} requests or more, and {needed} are needed"
        return [f"{stretch.name}: {found}: this machine may be too busy to tell"]
    return []


def _poor_seconds(stretch: _Stretch, watched: int, minimum_rate: float) -> list[str]:
    seconds = int(stretch.end - stretch.start)
    poor = seconds - watched
    return [f"{stretch.name}: {poor} of {seconds} seconds have less than {minimum_rate:g} requests"] if poor else []


def _fault(stretch: _Stretch, answers: list[Answer], what: str) -> str:
    first = answers[0]
    error = f": {first.error}" if first.error else ""
    return f"{stretch.name}: {len(answers)} requests {what} (the first at {first.time:.2f} s, {first.path}{error})"


def _lines(row: Row) -> list[tuple[str, ...]]:
    """Return the row's lines of the table: one for each who answered, or each status."""
    by = [f"{_clip(who, 22)} {count}" for who, count in row.by.items()]
    statuses = [f"{status}: {count}" for status, count in row.statuses.items()]
    first = (_clip(row.phase, 20), f"{row.seconds:.1f}", str(row.requests), f"{row.rate:.0f}")
    return [
        (*(first if number == 0 else ("",) * 4), *more, str(row.failed) if number == 0 else "")
        for number, more in enumerate(zip_longest(by, statuses, fillvalue="") if by else [("", "")])
    ]


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Numbers to the right, words to the left."""
    aligned = [
        cell.rjust(width) if column in (1, 2, 3, 6) else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(aligned).rstrip()


def _clip(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"

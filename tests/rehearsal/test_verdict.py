"""The verdict: what passes, and each way to fail."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from maintenance_ci.rehearsal.users import Answer
from maintenance_ci.rehearsal.verdict import Phase, Verdict, format_table, judge, under

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = "maintenance-page:v1"
PHASES = [
    Phase("application", 0, 10, "application"),
    Phase("maintenance", 12, 22, PAGE),
    Phase("application again", 24, 34, "application"),
]


def answer(time: float, served_by: str = "application", status: int | None = 200, path: str = "/") -> Answer:
    return Answer(time, path, False, status, served_by, None if status else "refused", 0.001)


def stream(seconds: float = 34.0, rate: int = 100, at: Callable[[float], str] | None = None) -> list[Answer]:
    """Give a good stream: the page answers from second 11 to second 23."""
    at = at or (lambda time: PAGE if 11 <= time < 23 else "application")
    return [answer(n / rate, at(n / rate)) for n in range(int(seconds * rate))]


def changed(time: float, **changes: object) -> list[Answer]:
    """Give a good stream with the one answer nearest to ``time`` changed."""
    answers = stream()
    answers[int(time * 100)] = replace(answers[int(time * 100)], **changes)  # type: ignore[arg-type]
    return answers


def faults(answers: list[Answer], phases: list[Phase] = PHASES) -> tuple[str, ...]:
    return judge(answers, phases).faults


def test_a_good_stream_passes() -> None:
    verdict = judge(stream(), PHASES)
    assert verdict.faults == ()
    assert verdict.passed
    assert [(row.phase, row.requests) for row in verdict.rows] == [
        ("application", 1000),
        ("(switching)", 200),
        ("maintenance", 1000),
        ("(switching)", 200),
        ("application again", 1000),
    ]
    assert verdict.rows[1].by == {"application": 100, PAGE: 100}


@pytest.mark.parametrize("time", [5.0, 11.0, 15.0, 23.5])
def test_a_5xx_is_a_fault_at_any_time(time: float) -> None:
    (fault,) = faults(changed(time, status=503, served_by="router"))
    assert f"1 requests got a 503 from router (the first at {time:.2f} s, /)" in fault


@pytest.mark.parametrize("time", [5.0, 11.0, 15.0, 33.99])
def test_a_request_without_an_answer_is_a_fault_at_any_time(time: float) -> None:
    (fault,) = faults(changed(time, status=None, served_by="nobody", error="reset"))
    assert f"1 requests had no answer (the first at {time:.2f} s, /: reset)" in fault


def test_the_wrong_side_is_a_fault_in_a_phase() -> None:
    assert faults(changed(15, served_by="application")) == (
        f"maintenance: 1 requests were answered by application, not by {PAGE} (the first at 15.00 s, /)",
    )


def test_both_sides_may_answer_in_between_but_nobody_else() -> None:
    assert faults(changed(11.5, served_by="application")) == ()
    assert faults(changed(11.5, served_by="unknown")) == (
        f"(switching): 1 requests were answered by unknown, not by application or {PAGE} (the first at 11.50 s, /)",
    )


def test_a_request_that_ends_after_its_phase_belongs_to_the_switch() -> None:
    assert faults(changed(9.99, served_by=PAGE, latency=0.5)) == ()
    assert faults(changed(9.5, served_by=PAGE, latency=0.4)) != ()


def test_after_a_job_that_failed_either_side_may_answer_but_nobody_else() -> None:
    after = [PHASES[0], Phase("after deploy-route", 12, 23, "application", also=lambda path: PAGE)]
    assert faults(stream(23), after) == ()
    assert len(faults(stream(23), [after[0], replace(after[1], also=None)])) == 2
    for status, served_by, says in ((200, "unknown", f"not by application or {PAGE}"), (503, "router", "got a 503")):
        (fault,) = faults(changed(15, status=status, served_by=served_by)[:2300], after)
        assert fault.startswith("after deploy-route: 1 requests")
        assert says in fault


def test_no_answer_is_left_out() -> None:
    answers = [*stream(), answer(34.5), answer(35.0, "router", 503)]
    verdict = judge(answers, PHASES)
    assert sum(row.requests for row in verdict.rows) == len(answers)
    assert len(verdict.faults) == 1
    early = [Phase("late", 5, 34, "application")]
    verdict = judge([answer(0.0, "router", 503), *stream(at=lambda _: "application")], early)
    assert [row.phase for row in verdict.rows] == ["(switching)", "late"]
    assert len(verdict.faults) == 1


def test_a_short_phase_is_a_fault() -> None:
    assert faults(stream(9.0), [Phase("application", 0, 9, "application")]) == (
        "application: lasted 9.0 s, less than 10 s",
    )


def test_too_few_requests_are_a_fault() -> None:
    needed = "and 10 are needed: this machine may be too busy to tell"
    assert faults(stream(10, rate=40), PHASES[:1]) == (
        f"application: 0 of 10 seconds have 50 requests or more, {needed}",
    )


def with_a_gap(seconds: int) -> list[Answer]:
    """Give a good stream with a second in which fewer users asked."""
    return [one for one in stream(seconds, at=lambda _: "application") if not 3.2 <= one.time < 3.8]


def test_a_second_with_too_few_requests_does_not_count() -> None:
    needed = "and 10 are needed: this machine may be too busy to tell"
    assert faults(with_a_gap(10), PHASES[:1]) == (f"application: 9 of 10 seconds have 50 requests or more, {needed}",)


def test_a_phase_that_was_watched_for_longer_passes_and_the_second_is_remarked() -> None:
    verdict = judge(with_a_gap(11), [Phase("application", 0, 11, "application")])
    assert verdict.passed
    assert verdict.remarks == ("application: 1 of 11 seconds have less than 50 requests",)
    assert f"{verdict.remarks[0]}\npassed: 1040 requests" in format_table(verdict)
    assert judge(stream(), PHASES).remarks == ()


def test_no_phase_and_overlapping_phases_are_faults() -> None:
    assert not judge(stream(), []).passed
    assert any("overlap" in fault for fault in faults(stream(), [PHASES[0], Phase("too early", 9, 20, "application")]))


def test_a_phase_without_answers_fails() -> None:
    assert not judge([], PHASES).passed


@pytest.mark.parametrize(
    ("path", "side"),
    [
        ("/checkout", PAGE),
        ("/checkout/", PAGE),
        ("/checkout/pay", PAGE),
        ("/checkout?x=1", PAGE),
        ("/checkouts", "application"),
        ("/", "application"),
        ("/x/checkout", "application"),
    ],
)
@pytest.mark.parametrize("subpath", ["/checkout", "/checkout/"])
def test_under_a_subpath(subpath: str, path: str, side: str) -> None:
    expected = under(subpath, PAGE, "application")
    assert expected(path) == side
    phase = Phase("part", 0, 10, expected)
    other = PAGE if side == "application" else "application"
    for who in (side, other):
        answers = [answer(n / 100, who, path=path) for n in range(1000)]
        assert judge(answers, [phase]).passed == (who == side)


def test_the_table_is_aligned_and_narrow() -> None:
    answers = changed(15, served_by="an-unusually-long-name-of-a-page:v1.2.3-and-a-tag")
    answers[100] = replace(answers[100], retried=True)
    verdict = judge(answers, [PHASES[0], replace(PHASES[1], name="maintenance, with a name without end"), PHASES[2]])
    text = format_table(verdict)
    table = text.partition("\n\n")[0].splitlines()
    assert max(map(len, table)) < 100
    assert table[0].split() == ["phase", "seconds", "requests", "per", "s", "answered", "by", "status", "failed"]
    assert table[2].split() == ["application", "10.0", "1000", "100", "application", "1000", "200:", "1000", "0"]
    assert "FAILED: 3400 requests, 1 of them sent twice" in text
    assert "an-unusually-long-name-of-a-page" in text


def test_an_empty_verdict_has_a_table_too() -> None:
    assert "passed: 0 requests" in format_table(Verdict((), ()))

"""When a wait for users is over: the decision, and the wait itself."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time

import pytest

from maintenance_ci.plan.steps import Side
from maintenance_ci.run.probe import (
    FEWEST_SEEN,
    FEWEST_UNSEEN,
    Answer,
    Outcome,
    Probe,
    judge,
    summarize,
)
from tests.tools.misbehaving_server import HOST, OK, THE_PAGE, head, probe_of, serving, silence, threads_end
from tests.tools.watching import watched

PAGE, APPLICATION, ROUTER, UNSEEN = Side.PAGE, Side.APPLICATION, Side.ROUTER, Side.UNSEEN


# When a wait is over


def row(*sides: Side, every: float = 1.0) -> list[Answer]:
    return [Answer(number * every, side, "200") for number, side in enumerate(sides)]


def judged(answers: list[Answer], now: float | None = None, window: float = 5.0, timeout: float = 60.0) -> object:
    at = answers[-1].at if now is None else now
    return judge(answers, PAGE, began=0.0, now=at, window=window, timeout=timeout)


def test_seen_is_a_row_longer_than_the_window() -> None:
    assert judged(row(*[PAGE] * 6)) is None  # 5 s: as long as the window
    assert judged(row(*[PAGE] * 7)) is Outcome.SEEN
    assert judged(row(APPLICATION, *[PAGE] * 7)) is Outcome.SEEN


def test_seen_takes_a_few_answers_however_long_they_took() -> None:
    assert judged(row(*[PAGE] * (FEWEST_SEEN - 1), every=3)) is None
    assert judged(row(*[PAGE] * FEWEST_SEEN, every=3)) is Outcome.SEEN


@pytest.mark.parametrize("other", [APPLICATION, ROUTER])
def test_another_side_begins_the_row_anew(other: Side) -> None:
    assert judged(row(*[PAGE] * 5, other, *[PAGE] * 6)) is None
    assert judged(row(*[PAGE] * 5, other, *[PAGE] * 7)) is Outcome.SEEN
    assert judged(row(*[PAGE] * 7, other)) is None


def test_what_is_unseen_neither_counts_nor_begins_anew() -> None:
    assert judged(row(*[PAGE] * 3, UNSEEN, *[PAGE] * 3)) is Outcome.SEEN
    assert judged(row(PAGE, *[UNSEEN] * 2, PAGE, *[UNSEEN] * 2, PAGE)) is None


def test_unseen_is_a_window_without_any_answer_of_a_side() -> None:
    assert judged(row(*[UNSEEN] * 5)) is None
    assert judged(row(*[UNSEEN] * 6)) is Outcome.UNSEEN
    assert judged(row(APPLICATION, *[UNSEEN] * 4)) is None
    assert judged(row(APPLICATION, *[UNSEEN] * 5)) is Outcome.UNSEEN


def test_one_slow_probe_makes_no_runner_blind() -> None:
    assert judged(row(UNSEEN), now=9.0) is None
    assert judged(row(*[UNSEEN] * 2), now=90.0) is None


def test_not_yet_is_the_timeout_with_another_side() -> None:
    assert judged(row(APPLICATION), now=59.0) is None
    assert judged(row(APPLICATION), now=60.0) is Outcome.NOT_YET
    assert judged(row(ROUTER), now=60.0) is Outcome.NOT_YET


def test_what_has_begun_at_the_timeout_has_one_more_window() -> None:
    for last in (PAGE, UNSEEN):
        answers = [Answer(58.0, APPLICATION, "200"), Answer(59.0, last, "200")]
        assert judged(answers, now=64.0) is None
        assert judged(answers, now=65.0) is Outcome.NOT_YET


def test_a_summary_counts_by_side_and_words() -> None:
    answers = [*row(PAGE, PAGE), Answer(9, UNSEEN, "connection refused")]
    assert summarize(answers) == "2 x the maintenance page (200), 1 x neither side (connection refused)"
    assert summarize([]) == ""


# The wait itself


def wait(probe: Probe, wanted: Side, window: float = 0.5, timeout: float = 5.0) -> tuple[Outcome, list[str]]:
    return watched(probe, wanted, window=window, timeout=timeout)


def test_a_wait_until_the_page_is_seen() -> None:
    with serving(OK, OK, head(503, Pragma="no-cache") + b"Application is not available", OK, THE_PAGE) as (port, _):
        probe = probe_of(port)
        outcome, said = wait(probe, PAGE)
    assert outcome is Outcome.SEEN
    assert len([answer for answer in probe.answers if answer.side is PAGE]) >= FEWEST_SEEN
    assert probe.answers[-1].at - probe.answers[4].at > 0.5
    assert said[:3] == [
        f"http://{HOST}/ is answered by the application (200)",
        f"http://{HOST}/ is answered by the router itself (503)",
        f"http://{HOST}/ is answered by the maintenance page (200)",
    ]
    assert "x the maintenance page (200), 3 x the application (200), 1 x the router itself (503)" in said[3]
    assert len(said) == 4


def test_a_wait_for_a_side_that_does_not_come() -> None:
    with serving(OK) as (port, _):
        outcome, said = wait(probe_of(port), PAGE, timeout=0.7)
    assert outcome is Outcome.NOT_YET
    assert f"http://{HOST}/ is not answered by the maintenance page alone after 1 s: " in said[-1]
    assert "x the application (200)" in said[-1]


def test_a_wait_that_sees_nothing_has_lasted_the_window() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    began, probe = time.monotonic(), probe_of(port)
    outcome, said = wait(probe, PAGE, window=1.0)
    assert outcome is Outcome.UNSEEN
    assert time.monotonic() - began >= 1.0
    # And not a probe longer than that; three there are in any case.
    assert len(probe.answers) == FEWEST_UNSEEN or probe.answers[-2].at - probe.answers[0].at < 1.0
    assert said[-1].startswith(f"the runner cannot see http://{HOST}/ (connection refused): waited ")


def test_a_login_that_guards_the_application_alone_is_not_taken_for_the_page() -> None:
    """What is asked for is back, but cannot be told: the answers of the page end, and a window passes."""
    with serving(THE_PAGE, THE_PAGE, head(302, Location="https://login.example.test/")) as (port, _):
        outcome, said = wait(probe_of(port), APPLICATION)
    assert outcome is Outcome.UNSEEN
    assert "(redirect to login.example.test): waited" in said[-1]


def test_an_application_that_fails_itself_is_the_application_and_that_is_said() -> None:
    with serving(head(500)) as (port, _):
        outcome, said = wait(probe_of(port), APPLICATION)
        assert outcome is Outcome.SEEN
        assert said[-1] == f"WARNING: the application itself answers 500 on http://{HOST}/: look at it."
    with serving(OK) as (port, _):
        assert not any("WARNING" in line for line in wait(probe_of(port), APPLICATION)[1])


def test_a_later_wait_judges_its_own_answers_alone() -> None:
    with serving(*[THE_PAGE] * 9, OK) as (port, _):
        probe = probe_of(port)
        for _ in range(9):
            probe.ask()
        assert wait(probe, PAGE, timeout=0.5)[0] is Outcome.NOT_YET
        assert wait(probe, APPLICATION)[0] is Outcome.SEEN


def test_a_long_wait_gives_a_sign_of_life() -> None:
    with serving(OK) as (port, _):
        _, said = wait(probe_of(port, timeout=14.5), PAGE, timeout=1.5)
    assert any("still waiting for the maintenance page (" in line for line in said)
    with serving(OK) as (port, _):
        _, said = wait(probe_of(port), PAGE, timeout=1.0)
    assert not any("still waiting" in line for line in said)


def test_an_interrupt_passes_through_at_once() -> None:
    with serving(silence) as (port, _):
        before, began = threading.active_count(), time.monotonic()
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            wait(probe_of(port, timeout=100), PAGE)
        assert time.monotonic() - began < 50
        timer.join()
        assert threads_end(before)


def test_a_router_with_nothing_behind_it_for_a_whole_window_is_the_end_of_the_wait() -> None:
    def outcome(*sides: Side) -> Outcome | None:
        answers = [Answer(at=number * 0.5, side=side, description="") for number, side in enumerate(sides)]
        now = len(sides) * 0.5
        return judge(answers, Side.APPLICATION, began=0.0, now=now, window=2.0, timeout=60.0)

    assert outcome(Side.PAGE, *[Side.ROUTER] * 6) is Outcome.NOT_YET
    assert outcome(*[Side.ROUTER] * 5, Side.PAGE) is None
    assert outcome(*[Side.PAGE] * 8) is None  # it may only be late

from __future__ import annotations

import threading
import weakref
from types import SimpleNamespace

import pytest

from maintenance_ci import waiting
from maintenance_ci.waiting import Standing, in_background, with_deadline


def test_what_ends_in_time_is_returned_or_raised() -> None:
    nothing: dict[str, int] = {}
    assert with_deadline(5, lambda: 7) == 7
    assert with_deadline(5, lambda: None) is None
    with pytest.raises(KeyError, match="why"):
        with_deadline(5, lambda: nothing["why"])


def test_what_does_not_end_is_left_behind() -> None:
    ends = threading.Event()
    with pytest.raises(TimeoutError, match=r"no end within 0\.1 s"):
        with_deadline(0.1, lambda: ends.wait(60))
    ends.set()


def test_what_is_done_in_the_background_is_returned_or_raised_where_it_is_asked_for() -> None:
    nothing: dict[str, int] = {}
    assert in_background(lambda: threading.current_thread()).result(5) is not threading.current_thread()
    with pytest.raises(KeyError, match="why"):
        in_background(lambda: nothing["why"]).result(5)


def test_a_thread_that_has_ended_its_work_does_the_next_and_one_that_hangs_is_left_alone() -> None:
    ends, seen = threading.Event(), set()
    with pytest.raises(TimeoutError):
        with_deadline(0.1, lambda: (seen.add(threading.get_ident()), ends.wait(60)))
    hanging = set(seen)
    threads = {with_deadline(5, threading.get_ident) for _ in range(100)}
    assert len(threads) == 1
    assert not threads & hanging
    ends.set()


def test_a_result_is_held_by_nobody_but_who_asked_for_it() -> None:
    class Large:
        """Stands for an answer of many megabytes."""

    large = with_deadline(5, Large)
    held = weakref.ref(large)
    del large
    assert held() is None


def test_what_is_true_without_a_break_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 4.9, 5.0, 6.0, 7.0, 11.9, 12.0])
    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    standing = Standing(5)
    values = [True, True, True, False, True, True, True]
    assert [standing.holds(value) for value in values] == [False, False, True, False, False, False, True]

from __future__ import annotations

import threading

import pytest

from maintenance_ci.waiting import within


def test_what_ends_in_time_is_returned_or_raised() -> None:
    nothing: dict[str, int] = {}
    assert within(5, lambda: 7) == 7
    assert within(5, lambda: None) is None
    with pytest.raises(KeyError, match="why"):
        within(5, lambda: nothing["why"])


def test_what_does_not_end_is_left_behind() -> None:
    ends = threading.Event()
    with pytest.raises(TimeoutError, match=r"no end within 0\.1 s"):
        within(0.1, lambda: ends.wait(60))
    ends.set()

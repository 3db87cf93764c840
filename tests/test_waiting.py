from __future__ import annotations

import threading

import pytest

from maintenance_ci.waiting import with_deadline


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

"""Who served whom, and when: from the users' answers and the router's reloads."""

from __future__ import annotations

import pytest

from benchmarks.stage import HostAnswers, evenly
from benchmarks.switch_time import moves, next_end
from maintenance_ci.rehearsal.users import APPLICATION, Answer


def answers(began: float, *sides: str) -> HostAnswers:
    seen = [Answer(float(second), "/", False, 200, side, None, 0.0) for second, side in enumerate(sides)]
    return HostAnswers(began, seen)


PAGE = "maintenance-page:v1"
MOVED = answers(100, APPLICATION, APPLICATION, PAGE, APPLICATION, PAGE, PAGE)
LATER = answers(101, APPLICATION, APPLICATION, APPLICATION, APPLICATION, PAGE)


def test_users_move_from_the_first_request_to_the_last() -> None:
    assert list(moves([MOVED, LATER], to_page=True)) == [(102, 103), (105, 104)]
    assert list(moves([answers(0, PAGE, APPLICATION)], to_page=False)) == [(1, 0)]


def test_users_who_never_move_are_a_fault_of_the_measurement() -> None:
    with pytest.raises(ValueError, match="is not in list"):
        list(moves([answers(0, APPLICATION, APPLICATION)], to_page=True))


def test_the_floor_is_the_end_of_the_first_reload_that_begins_after_the_change() -> None:
    starts, ends = [1.0, 3.0, 5.0], [1.5, 3.5]
    assert next_end(starts, ends, 0.5) == 1.5
    assert next_end(starts, ends, 1.2) == 3.5
    with pytest.raises(StopIteration):
        next_end(starts, ends, 4.0)


def test_hosts_are_the_first_the_last_and_some_in_between() -> None:
    names = [str(number) for number in range(100)]
    assert evenly(names, 4) == ["0", "33", "66", "99"]
    assert evenly(names[:3], 4) == ["0", "1", "2"]

"""One loop for all waits: it sleeps where nothing is due."""

from __future__ import annotations

import time
from typing import Any

import pytest

from maintenance_ci.run import wait
from maintenance_ci.run.targets import Target
from maintenance_ci.run.wait import Waiting, wait_for_all

LOOKS, EVERY = 5, 0.1


class Few(Waiting[Target]):
    """Ends with its fifth look; between two of them nothing is to be done."""

    def __init__(self) -> None:
        self.due, self.looks = 0.0, 0

    def look(self) -> bool:
        self.looks += 1
        self.due = time.monotonic() + EVERY
        return self.looks == LOOKS


def test_several_waits_take_no_round_of_the_loop_while_none_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[object] = []
    real = wait.wait_for_futures

    def counted(futures: Any, **how: Any) -> Any:
        rounds.append(futures)
        return real(futures, **how)

    monkeypatch.setattr(wait, "wait_for_futures", counted)
    waits = [Few(), Few(), Few()]
    assert set(wait_for_all(waits)) == set(waits)
    assert [one.looks for one in waits] == [LOOKS] * 3
    # At most one round to begin a look, one for its end, and one of rest, of each.
    assert len(rounds) <= 3 * 3 * LOOKS

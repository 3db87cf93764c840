"""Users of a rehearsal: some requests a second on its addresses, each on a connection of its own, all answers kept."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import wait
from typing import TYPE_CHECKING, Self

from maintenance_ci.waiting import in_background

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from maintenance_ci.run.probe import Answer, Probe

# Requests a second, and how many of them are asked at this rate: those of one minute. Then there is one a second.
RATE, MOST, AFTERWARDS = 20.0, 1200, 1.0


class Crowd:
    """Asks for the addresses of ``probes`` in turn while its body runs; a server that hangs is asked all the same."""

    def __init__(self, probes: Sequence[Probe]) -> None:
        self._probes = probes
        self._ended = threading.Event()
        self._asked: list[Future[Answer]] = []
        self._ticker = threading.Thread(target=self._ask_all, name="crowd", daemon=True)

    def __enter__(self) -> Self:
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._ticker.join()
        wait(self._asked, max(probe.timeout for probe in self._probes))

    @property
    def answers(self) -> list[tuple[str, Answer]]:
        """All answers so far, each with the address that was asked for, in the order of the requests."""
        pairs = [(probe.url, answer) for probe in self._probes for answer in list(probe.answers)]
        return sorted(pairs, key=lambda pair: pair[1].at)

    def _ask_all(self) -> None:
        for number, probe in enumerate(itertools.cycle(self._probes)):
            self._asked.append(in_background(probe.ask))
            if self._ended.wait(1 / (RATE if number < MOST else AFTERWARDS)):
                return

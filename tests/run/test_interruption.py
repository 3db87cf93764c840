from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from maintenance_ci.run.interruption import SIGNALS, interrupted_when_cancelled, signals_restored, undisturbed

CANCELLED = pytest.mark.parametrize("cancelled", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@CANCELLED
def test_the_first_signal_interrupts_and_the_next_is_ignored(cancelled: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), interrupted_when_cancelled():
        os.kill(os.getpid(), cancelled)
    for number in (signal.SIGTERM, signal.SIGHUP):
        os.kill(os.getpid(), number)


@CANCELLED
def test_a_way_back_is_not_cut_short(cancelled: signal.Signals) -> None:
    done = False
    with pytest.raises(KeyboardInterrupt), interrupted_when_cancelled():
        with undisturbed():
            os.kill(os.getpid(), cancelled)
            os.kill(os.getpid(), signal.SIGINT)
            done = True
        assert done
        os.kill(os.getpid(), cancelled)


def test_what_nohup_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with signals_restored(), interrupted_when_cancelled():
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_afterwards_the_signals_do_what_they_did() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with signals_restored(), interrupted_when_cancelled():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before

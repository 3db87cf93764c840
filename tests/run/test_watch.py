"""What a wait bears, and what it says meanwhile."""

from __future__ import annotations

import io
import sys
from typing import TextIO

import pytest

from maintenance_ci.errors import ForbiddenError
from maintenance_ci.log.log import JobLog
from maintenance_ci.run.users import ReloadedWatch
from maintenance_ci.run.watch import Watch
from tests.tools.observations import settings


class Asked(Watch):
    """Is refused once, then it has come."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__("the Route", JobLog(stream).of_routes(["shop"])[0], timeout=60)
        self.looks = 0

    def look(self) -> bool:
        self.looks += 1
        if self.looks == 1:
            raise ForbiddenError("The token is refused.")
        return True


def test_a_rollback_waits_also_while_an_api_server_that_is_rolled_out_refuses_everybody() -> None:
    said = io.StringIO()
    watch = Asked(said)
    watch.even_if_forbidden = True
    assert not watch.has_come()
    assert watch.has_come()
    assert said.getvalue().split("\n") == ["   The token is refused. Asking again.", ""]


def test_a_step_forward_does_not() -> None:
    with pytest.raises(ForbiddenError):
        Asked(io.StringIO()).has_come()


def test_a_long_wait_for_the_routers_says_how_long_it_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = ReloadedWatch(settings(ROUTER_RELOAD_INTERVAL="120"), JobLog(sys.stdout).of_routes(["shop"])[0])
    monkeypatch.setattr("maintenance_ci.waiting.SIGN_OF_LIFE", 0.0)
    assert not watch.has_come()
    assert "still waiting for the routers to reload (0 s of 122 s)" in capsys.readouterr().out

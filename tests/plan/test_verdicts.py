from __future__ import annotations

from typing import Any

import pytest

from maintenance_ci.errors import MaintenanceError, TryAgainError
from maintenance_ci.plan.verdicts import admitting_routers, drain_time, refusals, serving_routers
from maintenance_ci.waiting import wait_for


def route(**verdicts: str) -> dict[str, Any]:
    """A Route with what each router says of it: ``True``, or a reason."""
    return {
        "metadata": {"name": "shop", "namespace": "web"},
        "status": {
            "ingress": [
                {
                    "routerName": router,
                    "conditions": [
                        {"type": "Admitted", "status": "True"}
                        if verdict == "True"
                        else {"type": "Admitted", "status": "False", "reason": verdict, "message": "why"}
                    ],
                }
                for router, verdict in verdicts.items()
            ]
        },
    }


def test_who_serves_and_who_refuses() -> None:
    found = route(default="True", public="HostAlreadyClaimed")
    assert admitting_routers(found) == {"default"}
    assert refusals(found) == {"public": "HostAlreadyClaimed: why"}
    for nothing in (None, {}, {"status": None}, {"status": {"ingress": [{"routerName": "x"}]}}):
        assert admitting_routers(nothing) == frozenset()
        assert refusals(nothing) == {}


def test_a_route_that_nobody_serves() -> None:
    assert serving_routers(route(default="True", public="RouteNotAdmitted")) == {"default"}
    with pytest.raises(MaintenanceError, match="default says RouteNotAdmitted: why") as caught:
        serving_routers(route(default="RouteNotAdmitted"))
    assert caught.value.advice.endswith("oc describe route shop -n web")


def test_the_drain_outlasts_the_reload_interval() -> None:
    assert drain_time(5) == 7


def test_a_wait_goes_on_while_a_server_is_away() -> None:
    answers: list[Any] = [TryAgainError("away."), None, TryAgainError("away."), "there"]
    said: list[str] = []

    def look() -> str | None:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        found: str | None = answer
        return found

    assert wait_for(look, timeout=5, say=said.append, subject="it", every=0.01) == "there"
    assert said == ["away. Asking again."] * 2


def test_a_wait_ends() -> None:
    assert wait_for(lambda: None, timeout=0.05, say=print, subject="it", every=0.01) is None
    with pytest.raises(MaintenanceError, match="no right"):
        wait_for(lambda: _refuse(), timeout=5, say=print, subject="it")


def _refuse() -> None:
    raise MaintenanceError("no right")

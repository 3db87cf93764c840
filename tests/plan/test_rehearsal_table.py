"""How the users of a rehearsal were served: the table, the faults, and the picture."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from maintenance_ci.plan.rehearsal_picture import FAULT_COLOUR, picture
from maintenance_ci.plan.rehearsal_table import Request, Stretch, faults, request_table
from maintenance_ci.plan.steps import Side

APPLICATION, PAGE = frozenset({Side.APPLICATION}), frozenset({Side.PAGE})
STRETCHES = [
    Stretch("application", 0.0, 2.0, {"/": APPLICATION}),
    Stretch("to the page", 2.0, 4.0, {"/": APPLICATION | PAGE}),
    Stretch("maintenance", 4.0, 6.0, {"/": PAGE}),
]
GOOD = [
    Request(0.5, "/", Side.APPLICATION, "200", 200),
    Request(1.5, "/", Side.APPLICATION, "200", 200),
    Request(2.5, "/", Side.APPLICATION, "200", 200),
    Request(3.5, "/", Side.PAGE, "200", 200),
    Request(4.5, "/", Side.PAGE, "503", 503),
]
WRONG = {
    "application: 1 of the requests for / were answered by the maintenance page (200)": Request(
        1.0, "/", Side.PAGE, "200", 200
    ),
    "to the page: 1 of the requests for / got a 503 from the router itself": Request(3.0, "/", Side.ROUTER, "503", 503),
    "to the page: 1 of the requests for / got a 500 from the application": Request(
        3.0, "/", Side.APPLICATION, "500", 500
    ),
    "to the page: 1 of the requests for / were answered by neither side (200, of another application)": Request(
        3.0, "/", Side.UNSEEN, "200, of another application", 200
    ),
    "maintenance: 1 of the requests for / had no answer (connection refused)": Request(
        5.0, "/", Side.UNSEEN, "connection refused", None
    ),
    "maintenance: 1 of the requests for / were answered by the application (200)": Request(
        5.0, "/", Side.APPLICATION, "200", 200
    ),
}


def test_well_served_users() -> None:
    """The page may answer 503, where its team wants that."""
    assert faults(STRETCHES, GOOD) == []
    assert request_table(STRETCHES, GOOD) == [
        "PHASE        SECONDS  REQUESTS  ANSWERED BY                                STATUS  FAILED",
        "application  2.0      2         the application 2                          200: 2  0",
        "to the page  2.0      2         the application 1, the maintenance page 1  200: 2  0",
        "maintenance  2.0      1         the maintenance page 1                     503: 1  0",
    ]


@pytest.mark.parametrize("fault", WRONG)
def test_each_fault_is_told(fault: str) -> None:
    assert faults(STRETCHES, [*GOOD, WRONG[fault]]) == [fault]
    assert [line[-1] for line in request_table(STRETCHES, [*GOOD, WRONG[fault]])[1:]].count("1") == 1


def test_a_time_without_requests_proves_nothing() -> None:
    (fault,) = faults(STRETCHES, GOOD[:-1])
    assert fault.startswith("maintenance: no request was made")


def test_the_picture_shows_faults() -> None:
    def fills(requests: list[Request]) -> list[str]:
        root = ElementTree.fromstring(picture(STRETCHES, requests))
        return [one.get("fill", "") for one in root.iter("{http://www.w3.org/2000/svg}rect")]

    assert FAULT_COLOUR not in fills(GOOD)
    assert fills([*GOOD, *WRONG.values()]).count(FAULT_COLOUR) >= 3
    named = replace(STRETCHES[0], name="<swap> & repoint")
    assert "&lt;swap&gt; &amp; repoint (2.0 s)" in picture([named], GOOD)

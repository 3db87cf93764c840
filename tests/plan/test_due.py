"""When a maintenance was announced to end, and what is left as it is before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from maintenance_ci.names import END_ANNOTATION, notes, page_route_name
from maintenance_ci.plan.due import NOTHING_TO_END, announced_end, is_overdue, span, why_not_ended
from maintenance_ci.plan.observed import Observed
from maintenance_ci.plan.page_route import our_labels
from maintenance_ci.plan.routes import Routes
from maintenance_ci.settings.force import Force

NOW = datetime(2026, 11, 29, 9, 0, tzinfo=UTC)


def observed(end: str, subpath: str | None = None) -> Observed:
    route = {
        "metadata": {
            "name": page_route_name("shop", subpath),
            "labels": our_labels("shop"),
            "annotations": notes("shop", "subpath" if subpath else "swap", end=end),
        },
        "spec": {"host": "shop.example.test", "to": {"kind": "Service", "name": "maintenance-page"}},
    }
    return Observed("web", "shop", subpath, Routes([route]))


@pytest.mark.parametrize("subpath", [None, "/cart"])
@pytest.mark.parametrize(
    ("end", "ahead"),
    [
        ("2026-11-29T10:00:00+01:00", False),  # now
        ("2026-11-29T10:00:01+01:00", True),
        ("2026-11-29T09:59:59+01:00", False),
        ("2026-11-29T09:00:00Z", False),
        ("2026-11-30T00:00:00+14:00", True),
        # Somebody else has written it, by hand: what nobody can read is no end.
        ("2026-11-29T23:00:00", False),
        ("tomorrow", False),
        ("", False),
    ],
)
def test_an_end_that_lies_ahead_is_waited_for(end: str, ahead: bool, subpath: str | None) -> None:
    it = observed(end, subpath)
    why = why_not_ended(it, force=(), now=NOW)
    assert bool(why) is ahead
    assert why_not_ended(it, force={Force.EARLY}, now=NOW) is None
    assert bool(why_not_ended(it, force=set(Force) - {Force.EARLY}, now=NOW)) is ahead
    assert is_overdue(announced_end(it.annotated_route), NOW) is (
        end.startswith("2026") and end[10:] != "T23:00:00" and not ahead
    )


def test_what_is_not_in_maintenance_has_no_end() -> None:
    route = {"metadata": {"name": "shop", "annotations": {END_ANNOTATION: "2026-11-29T10:00:01Z"}}, "spec": {}}
    assert why_not_ended(Observed("web", "shop", None, Routes([route])), force=set(Force), now=NOW) == NOTHING_TO_END
    assert why_not_ended(Observed("web", "shop", "/cart", Routes([route])), force=(), now=NOW) == NOTHING_TO_END
    # A Route that is not there at all is for the check of its trace.
    assert why_not_ended(Observed("web", "shop", None, Routes()), force=(), now=NOW) is None


@pytest.mark.parametrize(
    "noted", ["", "soon", "2026-11-29T10:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:00-10:00"]
)
def test_an_end_that_nobody_can_read_is_none(noted: str) -> None:
    assert announced_end({"metadata": {"annotations": {END_ANNOTATION: noted}}}) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "less than a minute"), (59, "less than a minute"), (60, "1 min"), (3600, "1 h"), (93784, "1 d 2 h 3 min")],
)
def test_a_span_is_rounded_down(seconds: float, words: str) -> None:
    assert span(timedelta(seconds=seconds)) == words

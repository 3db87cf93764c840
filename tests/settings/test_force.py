"""What FORCE names, and what it does not."""

from __future__ import annotations

import pytest

from maintenance_ci.settings.force import Force
from maintenance_ci.settings.variables import RouteSettings, read_settings
from tests.settings.faults import faults
from tests.tools.job_variables import GOOD


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("", set()),
        ("false", set()),
        ("No", set()),
        ("owner", {Force.OWNER}),
        ("Owner, host", {Force.OWNER, Force.HOST}),
        ("endpoints pipeline,trace", {Force.ENDPOINTS, Force.PIPELINE, Force.TRACE}),
        ("true", set(Force)),
        ("1", set(Force)),
    ],
)
def test_which_refusals_are_overridden(given: str, meant: set[Force]) -> None:
    assert read_settings(RouteSettings, GOOD | {"FORCE": given}).force == meant


@pytest.mark.parametrize(
    "bad", ["maybe", "on", "2", "tru\u0435", "owner;host", "yes please", "true,owner", ",", "None"]
)
def test_no_refusal_is_overridden_by_mistake(bad: str) -> None:
    """The fourth ends in a Cyrillic letter."""
    assert faults(RouteSettings, GOOD | {"FORCE": bad}) == [
        "FORCE: must be what to go on against (early, endpoints, host, owner, pipeline, trace), true for all, or false"
    ]

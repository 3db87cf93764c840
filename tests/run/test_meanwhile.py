"""Somebody else deletes, or re-creates, the original while a job is at work."""

from __future__ import annotations

import pytest

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.names import page_route_name
from maintenance_ci.plan.steps import Side
from tests.run.routes_in_a_model import FIRST, Site, site

PAGE_ROUTE = page_route_name(FIRST, None)


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(1, monkeypatch)


def test_an_original_that_somebody_deleted_is_back_before_the_page_s_route_goes(on: Site) -> None:
    """The job had not come to deleting it."""

    def delete_original(verb: str, plural: str, name: str) -> None:
        if (verb, name) == ("delete", FIRST):
            raise MaintenanceError("The deletion is refused.")
        if (verb, name) == ("apply", PAGE_ROUTE):
            on.model.before_change = lambda *_: None
            original = on.model.get("routes", FIRST)
            assert original
            on.model.delete("routes", original)
            raise MaintenanceError("The answer is an error.")

    on.model.before_change = delete_original
    [run] = runs = on.runs(1)
    on.execute(runs)
    assert isinstance(run.error, MaintenanceError)
    assert run.error.what == "The answer is an error."
    assert on.is_rolled_back(FIRST)


@pytest.mark.parametrize("recreated", [True, False], ids=["re-created by somebody", "twin: by the job"])
def test_the_page_is_shown_again_only_where_the_original_is_the_job_s_own(on: Site, *, recreated: bool) -> None:
    on.execute(on.runs(1))

    def recreate(verb: str, plural: str, name: str) -> None:
        if (verb, name) == ("delete", PAGE_ROUTE) and recreated:
            on.model.before_change = lambda *_: None
            ours = on.model.get("routes", FIRST)
            assert ours
            on.model.delete("routes", ours)
            on.model.create("routes", site(FIRST))

    def never_meet_the_application(side: Side) -> bool:
        if side is Side.APPLICATION:
            raise MaintenanceError("Users do not meet the application.")
        return True

    on.model.before_change, on.hindrances = recreate, {FIRST: never_meet_the_application}
    [run] = runs = on.runs(1, job="delete")
    on.execute(runs)
    assert isinstance(run.error, MaintenanceError)
    assert run.error.what == "Users do not meet the application."
    assert on.shows_page(FIRST) is not recreated
    assert (on.model.get("routes", PAGE_ROUTE) is None) is recreated

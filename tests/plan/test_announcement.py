"""What a Route in maintenance says: whose it is, when it ends, what users read; and who may change which of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from maintenance_ci.errors import VariableError
from maintenance_ci.names import PIPELINE_ANNOTATION, PIPELINE_URL_ANNOTATION, notes, page_route_name
from maintenance_ci.plan.announcement import announced_notes, announcement
from maintenance_ci.plan.observed import Observed
from maintenance_ci.plan.page_route import our_labels
from maintenance_ci.plan.page_texts import headers_of, with_headers
from maintenance_ci.plan.plans import plan_begin
from maintenance_ci.plan.repoint import merge_patch, pointed_back, repointed, without_notes
from maintenance_ci.plan.routes import Routes
from maintenance_ci.plan.steps import Verb
from tests.tools.observations import CART, original, page_route, settings

if TYPE_CHECKING:
    from maintenance_ci.plan.steps import Change

END, LATER = "2026-11-30T06:00:00+01:00", "2026-11-30T09:00:00+01:00"
END_HEADER = f"{END} Mon, 30 Nov 2026 05:00:00 GMT"
TITLE, MESSAGE, URL = "MAINTENANCE_TITLE", "MAINTENANCE_MESSAGE", "https://gitlab.example.test/p/"


def pipeline(number: int, **variables: str) -> dict[str, str]:
    return {"CI_PIPELINE_ID": str(number), "CI_PIPELINE_URL": f"{URL}{number}", **variables}


def observed(route: dict[str, Any] | None = None, subpath: str | None = None) -> Observed:
    """A Route in maintenance, by swap or for a path; None: not yet."""
    there = [route] if route else []
    return Observed("web", "shop", subpath, Routes([*there, *([original()] if subpath or not route else [])]))


def in_maintenance(number: int, subpath: str | None = None, **variables: str) -> dict[str, Any]:
    """The Route that shows the page, as the pipeline of that number has made it."""
    given = settings(**pipeline(number, **variables))
    plain = page_route(subpath)
    plain["metadata"]["annotations"].pop(PIPELINE_ANNOTATION)
    return announcement(given, observed(subpath=subpath)).on(plain)


def again(route: dict[str, Any], number: int, **variables: str) -> Change:
    """What another pipeline does with it."""
    return plan_begin(settings(**pipeline(number, **variables)), observed(route)).steps[0].change


def announced_by(route: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """The notes, by what stands behind the slash, and the headers."""
    return {name.partition("/")[2]: value for name, value in announced_notes(route).items()}, headers_of(route)


def test_the_first_pipeline_says_all() -> None:
    said, headers = announced_by(in_maintenance(1, MAINTENANCE_TITLE="Back soon", MAINTENANCE_END=END))
    assert said == {"pipeline": "1", "pipeline-url": f"{URL}1", "end": END}
    assert headers["X-Maintenance-Texts"] == "Back soon|||"
    assert headers["X-Maintenance-End"] == END_HEADER


def test_new_texts_are_one_patch_and_the_pipeline_stays_the_one_that_began() -> None:
    route = in_maintenance(1, MAINTENANCE_TITLE="Back soon", MAINTENANCE_END=END)
    change = again(route, 2, MAINTENANCE_END=LATER)
    assert change.verb is Verb.INFORM
    said, headers = announced_by(change.route)
    assert said == {"pipeline": "1", "pipeline-url": f"{URL}1", "end": LATER, "texts-pipeline": "2"}
    assert headers["X-Maintenance-Texts"] == "Back soon|||"
    assert headers["X-Maintenance-End"].startswith(LATER)
    patch = merge_patch(route, change.route)
    assert patch.keys() == {"metadata", "spec"}
    assert patch["metadata"].keys() == {"annotations"}
    assert patch["spec"].keys() == {"httpHeaders"}


def test_run_again_it_changes_nothing_more() -> None:
    route = again(in_maintenance(1), 2, MAINTENANCE_TITLE="Back soon").route
    assert again(route, 2, MAINTENANCE_TITLE="Back soon").verb is Verb.LEAVE
    # Nor does the job of the first pipeline, whose variables are older.
    assert again(route, 1, MAINTENANCE_TITLE="old").verb is Verb.LEAVE


def test_a_pipeline_that_changes_nothing_that_users_read_wants_it_for_itself() -> None:
    given = {TITLE: "Back soon", "MAINTENANCE_END": END}
    for number, variables in ((3, {}), (2, given)):
        change = again(in_maintenance(1, **given), number, **variables)
        assert change.verb is Verb.ANNOTATE
        said, headers = announced_by(change.route)
        assert said == {"pipeline": str(number), "pipeline-url": f"{URL}{number}", "end": END}
        assert headers == headers_of(in_maintenance(1, **given))
    assert again(in_maintenance(2, **given), 1).verb is Verb.LEAVE
    assert again(in_maintenance(2, **given), 2).verb is Verb.LEAVE


def test_what_a_pipeline_does_not_give_stays() -> None:
    first = {TITLE: "Back soon", MESSAGE: "one\ntwo", f"{TITLE}_FR": "À bientôt", "MAINTENANCE_STATUS": "503"}
    route = in_maintenance(1, **first, MAINTENANCE_CRAWLERS="200", MAINTENANCE_END=END)
    texts = headers_of(again(route, 2, MAINTENANCE_STATUS="200").route)
    assert "X-Maintenance-Status" not in texts
    assert {**texts, "X-Maintenance-Status": "503"} == headers_of(route)
    # One text is given: then all of them are.
    texts = headers_of(again(route, 2, **{MESSAGE: "new"}).route)
    assert texts["X-Maintenance-Texts"] == "|new||"
    assert "X-Maintenance-Texts-Fr" not in texts
    assert (texts["X-Maintenance-Status"], texts["X-Maintenance-Crawlers"]) == ("503", "200")
    assert texts["X-Maintenance-End"] == END_HEADER


def test_in_a_terminal_new_texts_are_taken_and_nothing_else_is_noted() -> None:
    route = in_maintenance(5, MAINTENANCE_TITLE="Back soon")
    given = settings(CI_PIPELINE_ID="", MAINTENANCE_TITLE="Later")
    change = plan_begin(given, observed(route)).steps[0].change
    assert change.verb is Verb.INFORM
    assert announced_by(change.route)[0] == announced_by(route)[0]
    assert headers_of(change.route)["X-Maintenance-Texts"] == "Later|||"
    assert plan_begin(settings(CI_PIPELINE_ID=""), observed(route)).steps[0].change.verb is Verb.LEAVE


def test_a_path_announces_what_a_whole_route_does() -> None:
    route = in_maintenance(1, CART, MAINTENANCE_TITLE="Back soon", MAINTENANCE_END=END)
    given = settings(**pipeline(2, SUBPATH=CART, MAINTENANCE_END=LATER))
    announced = announcement(given, observed(route, CART))
    assert announced.new_texts
    said, headers = announced_by(announced.on(route))
    assert said == {"pipeline": "1", "pipeline-url": f"{URL}1", "end": LATER, "texts-pipeline": "2"}
    assert headers["X-Maintenance-Texts"] == "Back soon|||"


def test_a_maintenance_that_was_cut_short_before_its_switch_is_the_next_pipeline_s() -> None:
    route = in_maintenance(1, MAINTENANCE_TITLE="Back soon")
    route["status"] = {}
    cut_short = Observed("web", "shop", None, Routes([original(), route]))
    announced = announcement(settings(**pipeline(2, MAINTENANCE_TITLE="Later")), cut_short)
    assert announced.notes[PIPELINE_ANNOTATION] == "2"
    assert announced.headers["X-Maintenance-Texts"] == "Later|||"


def test_a_maintenance_of_an_older_version_has_its_end_kept_and_is_told_only_what_is_new() -> None:
    plain = page_route()
    plain["metadata"]["annotations"] |= {"maintenance-ci/end": END}
    assert again(plain, 41).verb is Verb.LEAVE
    change = again(plain, 50)
    assert (change.verb, headers_of(change.route)["X-Maintenance-End"]) == (Verb.ANNOTATE, END_HEADER)


def test_the_url_of_an_older_pipeline_does_not_stay() -> None:
    change = plan_begin(settings(CI_PIPELINE_ID="7"), observed(in_maintenance(1))).steps[0].change
    assert change.route["metadata"]["annotations"][PIPELINE_ANNOTATION] == "7"
    assert PIPELINE_URL_ANNOTATION not in change.route["metadata"]["annotations"]


def test_what_stays_and_what_is_new_are_counted_together() -> None:
    route = in_maintenance(1, **{TITLE: "x" * 500, MESSAGE: "x" * 500})
    long = {f"{name}_{code}": "x" * 500 for name in (TITLE, MESSAGE) for code in ("FR",)}
    with pytest.raises(VariableError, match="3500 at the most"):
        again(route, 2, **{TITLE: "x" * 500, MESSAGE: "x" * 500}, **long)
    crowded = with_headers(route, headers_of(route) | {"X-Maintenance-Texts-Fr": "x" * 400})
    with pytest.raises(VariableError, match="3500 at the most"):
        again(crowded, 2, MAINTENANCE_END=LATER)


@pytest.mark.parametrize("theirs", [None, {"response": [{"name": "X-A", "action": {"type": "Delete"}}]}])
def test_a_repointed_route_gets_its_own_headers_back(theirs: dict[str, Any] | None) -> None:
    route = original(**({"httpHeaders": {"actions": theirs}} if theirs else {}))
    given = settings(MAINTENANCE_TITLE="Back soon")
    sent = announcement(given, observed()).on(repointed(route, notes("shop", "repoint", "1")))
    assert headers_of(sent)["X-Maintenance-Texts"] == "Back soon|||"
    assert sent["spec"]["httpHeaders"]["actions"].keys() == {"request"}
    assert pointed_back(sent, route)["spec"] == route["spec"]
    assert "httpHeaders" not in without_notes(sent)["spec"]


def test_the_maintenance_route_may_have_actions_of_its_own() -> None:
    frame = {"name": "X-Frame-Options", "action": {"type": "Delete"}}
    route = page_route()
    route["spec"]["httpHeaders"] = {"actions": {"response": [frame]}}
    told_so = announcement(settings(MAINTENANCE_TITLE="Back soon"), observed()).on(route)
    assert told_so["spec"]["httpHeaders"]["actions"]["response"] == [frame]
    assert without_notes(told_so)["spec"]["httpHeaders"] == {"actions": {"response": [frame]}}
    assert our_labels("shop") == told_so["metadata"]["labels"]
    assert told_so["metadata"]["name"] == page_route_name("shop", None)

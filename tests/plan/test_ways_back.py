"""What is undone, told, and typed by a person, where somebody else has changed a Route meanwhile."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.log.log import JobLog
from maintenance_ci.plan.describe import commands_to_end, lines_of, no_longer_for_testers
from maintenance_ci.plan.observed import Observed, Phase, Reading, Remark
from maintenance_ci.plan.plans import plan_begin, plan_end
from maintenance_ci.plan.rights import needed_rights
from maintenance_ci.plan.routes import Routes
from maintenance_ci.plan.snapshot import manifest_of
from maintenance_ci.plan.steps import Verb
from maintenance_ci.plan.strategies import REPOINT, SUBPATH, SWAP
from maintenance_ci.plan.tester_route import route_for_testers
from maintenance_ci.run.check import check_all
from maintenance_ci.run.targets import Planned
from tests.tools.observations import observed_in, original, page_route, settings, status

CERTIFICATE = {"termination": "edge", "certificate": "c", "key": "k"}


def without_certificate() -> Observed:
    """Somebody re-created the original, which waits, without the certificate that its maintenance Route has."""
    bare = {**original(), "status": status(admitted=False)}
    shown = page_route(of=original(tls=CERTIFICATE))
    observed = observed_in(Phase.RETURNING, SWAP)
    return replace(observed, routes=Routes([bare, shown]), saved_original=manifest_of(original(tls=CERTIFICATE)))


def test_a_rollback_puts_the_original_back_before_the_page_s_route_goes_even_where_it_was_not_deleted_yet() -> None:
    """Somebody else may have deleted it, while the page's Route was made."""
    plan = plan_begin(settings(), observed_in(Phase.LIVE, SWAP))
    assert [step.change.verb for step in plan.steps[:2]] == [Verb.KEEP, Verb.PLACE]
    back = plan.to_undo(plan.steps[:2], waited=True, gave_up=False)
    assert [step.change.verb for step in back] == [Verb.PLACE, Verb.REMOVE, Verb.FORGET]
    assert [step.change.shows_page for step in back] == [False, True, False]
    only_snapshot = plan.to_undo(plan.steps[:1], waited=False, gave_up=False)
    assert [step.change.verb for step in only_snapshot] == [Verb.FORGET]


def test_a_certificate_that_was_put_back_is_told_as_a_change() -> None:
    steps = plan_end(settings(), without_certificate()).steps
    [certify] = [step for step in steps if step.change.verb is Verb.CERTIFY]
    assert "got its certificate back" in certify.users
    assert not certify.moves_users


def test_a_person_puts_the_lost_certificate_back_before_the_page_s_route_goes() -> None:
    observed = without_certificate()
    commands = commands_to_end(plan_end(settings(), observed), observed, snapshot=True)
    assert "| oc replace -n web -f - &&" in commands[0]
    assert commands[1].startswith("oc delete route shop-maintenance-page ")
    bare = observed_in(Phase.RETURNING, SWAP)  # its certificate is its own
    assert not any("oc replace" in line for line in commands_to_end(plan_end(settings(), bare), bare, snapshot=True))


def test_a_page_that_cannot_be_made_of_the_route_does_not_change_which_route_is_meant() -> None:
    """A passthrough Route without a certificate: refused, and the plan still says what is right."""
    refused: Reading[dict[str, object]] = Reading(error=MaintenanceError("passthrough"))
    observed = replace(observed_in(Phase.LIVE, REPOINT), wanted_page_route=refused)
    plan = plan_begin(settings(ROUTE_STRATEGY=REPOINT), observed)
    assert any("send Route shop to the page" in line for line in lines_of(plan, observed, reload_interval=5))
    named = {right.name for right in needed_rights(plan, observed) if right.resource == "routes"}
    assert named == {"", "shop"}


@pytest.mark.parametrize("refused", [MaintenanceError("It does not render."), None])
def test_what_there_is_to_say_of_a_template_is_said_whether_it_is_refused_or_not(
    refused: MaintenanceError | None,
) -> None:
    observed = observed_in(Phase.SHOWN, SWAP)
    remark = Remark("the template has the form of apiVersion v1")
    observed = replace(observed, restored=replace(observed.restored, error=refused, remarks=(remark,)))
    stream = io.StringIO()
    [log] = JobLog(stream).of_routes(["shop"])
    errors = [error for _, error in check_all([Planned(settings(), observed, log, plan_end(settings(), observed))])]
    assert remark.text in stream.getvalue()
    assert (refused in errors) is bool(refused)


@pytest.mark.parametrize("phase", [Phase.PREPARED, Phase.RETURNING])
def test_the_way_to_the_application_is_the_original_s_where_that_is_there_also_without_a_snapshot(phase: Phase) -> None:
    observed = replace(observed_in(phase, SWAP), snapshot=Reading(), saved_original=None)
    assert observed.application_route == observed.original is not None


def test_the_way_to_the_application_is_the_snapshot_s_while_the_original_is_away() -> None:
    for strategy in (SWAP, REPOINT):
        observed = observed_in(Phase.SHOWN, strategy)
        assert observed.application_route == observed.saved_original is not None
        assert replace(observed, saved_original=None).application_route is None


@pytest.mark.parametrize("has_snapshot", [True, False])
def test_a_route_that_somebody_sent_elsewhere_is_no_original_to_save(has_snapshot: bool) -> None:
    """It lacks what its maintenance took away: the snapshot has it, and stays as it is."""
    headers = {"actions": {"request": [{"name": "X-A", "action": {"type": "Delete"}}]}}
    observed = observed_in(Phase.DIVERTED, REPOINT, live=original(httpHeaders=headers))
    if not has_snapshot:
        observed = replace(observed, snapshot=Reading(), saved_original=None)
    plan = plan_begin(settings(ROUTE_STRATEGY=REPOINT), observed)
    keep, *others = [step.change for step in plan.steps]
    assert (keep.verb, keep.keeps_existing) == (Verb.KEEP, has_snapshot)
    assert ("httpHeaders" in keep.route["spec"]) is has_snapshot
    [back] = [change.inverse() for change in others if change.verb is Verb.REWRITE]
    assert ("httpHeaders" in back.route["spec"]) is has_snapshot


@pytest.mark.parametrize("strategy", [SWAP, REPOINT, SUBPATH])
def test_a_person_lets_testers_in_no_more_with_the_last_maintenance_of_the_route(strategy: str) -> None:
    observed = observed_in(Phase.SHOWN, strategy)
    preview = route_for_testers(original(), ["192.0.2.7"], None)
    let_in = replace(observed, routes=Routes([*observed.routes.values(), preview]))
    subpath = {"SUBPATH": "/cart"} if strategy == SUBPATH else {}
    plan = plan_end(settings(**subpath), let_in)
    command = "oc delete route shop-preview -n web --ignore-not-found"
    assert commands_to_end(plan, let_in, snapshot=True)[-1] == command
    assert command not in commands_to_end(plan, observed, snapshot=True)
    assert no_longer_for_testers([let_in]) == ["shop-preview"]
    # Testers of another path need it still, until that one has ended, too.
    other = page_route("/help")
    beside = replace(let_in, routes=Routes([*let_in.routes.values(), other]))
    assert command not in commands_to_end(plan, beside, snapshot=True)
    assert no_longer_for_testers([beside, replace(beside, subpath="/help")]) == ["shop-preview"]

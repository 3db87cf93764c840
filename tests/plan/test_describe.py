"""What each change is called: in the log, in the lines of ``plan``, and in the commands for a person."""

from __future__ import annotations

from dataclasses import replace

import pytest

from maintenance_ci.plan.describe import DESCRIPTIONS, commands_to_end, line_of_page, lines_of, title_of_all
from maintenance_ci.plan.observed import Phase
from maintenance_ci.plan.routes import Routes
from maintenance_ci.plan.steps import Change, Verb
from maintenance_ci.plan.strategies import SWAP
from tests.tools.observations import CART, observed_in, page_route
from tests.tools.plan_states import JOBS, STATES, plan_of


def described_wrongly(change: Change) -> str:
    """What is wrong with the name of a change; empty: nothing."""
    if (change.verb, change.shows_page) not in DESCRIPTIONS:
        return "it has no description"
    title = title_of_all([change])
    if not title[:1].isupper() or title.endswith("."):
        return f"{title!r} is no heading"
    return "" if "{" not in title else f"{title!r} has a place that nothing fills"


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("job", JOBS)
def test_each_change_of_each_plan_has_a_name_and_a_line(job: str, state: str) -> None:
    plan = plan_of(job, state)
    assert [fault for step in plan.steps if (fault := described_wrongly(step.change))] == []
    assert [fault for step in plan.steps if (fault := described_wrongly(step.inverse().change))] == []
    lines = lines_of(plan, STATES[state], reload_interval=5.0)
    changes = [step for step in plan.steps if step.change.changes_cluster]
    waits = [step for step in plan.steps if step.moves_users]
    assert len(lines) == len(changes) + len(waits)
    assert all(line and "{" not in line for line in [*lines, *commands_to_end(plan, STATES[state], snapshot=False)])


def test_the_page_stays_for_routes_that_do_not_end_with_the_others() -> None:
    shown, beside = observed_in(Phase.SHOWN, SWAP), page_route(CART)
    both = replace(shown, routes=Routes([*shown.routes.values(), beside]))
    assert line_of_page([shown]) == "remove the page"
    assert line_of_page([both]) == f"keep the page: {beside['metadata']['name']} shows it"
    assert line_of_page([both, replace(both, subpath=CART)]) == "remove the page"


def test_no_verb_is_without_a_description() -> None:
    assert {verb for verb, _ in DESCRIPTIONS} == set(Verb)


def test_a_change_without_a_description_is_noticed() -> None:
    assert described_wrongly(Change(Verb.KEEP, {"metadata": {"name": "shop"}}, shows_page=True))
    assert not described_wrongly(Change(Verb.KEEP, {"metadata": {"name": "shop"}}))

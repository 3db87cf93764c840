"""What each change is called: in the log, in the lines of ``plan``, and in the commands for a person."""

from __future__ import annotations

import pytest

from maintenance_ci.plan.describe import DESCRIPTIONS, commands_to_end, lines_of, title_of_all
from maintenance_ci.plan.steps import Change, Verb
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
    ends = 1 if job == "delete" else 0  # the page is removed, or stays
    assert len(lines) == len(changes) + len(waits) + ends
    assert all(line and "{" not in line for line in [*lines, *commands_to_end(plan, STATES[state], snapshot=False)])


def test_no_verb_is_without_a_description() -> None:
    assert {verb for verb, _ in DESCRIPTIONS} == set(Verb)


def test_a_change_without_a_description_is_noticed() -> None:
    assert described_wrongly(Change(Verb.KEEP, {"metadata": {"name": "shop"}}, shows_page=True))
    assert not described_wrongly(Change(Verb.KEEP, {"metadata": {"name": "shop"}}))

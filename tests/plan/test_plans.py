"""What each job does in each state of a maintenance: all of it, to be read."""

from __future__ import annotations

import pytest

from maintenance_ci.plan.observed import Phase
from maintenance_ci.plan.plans import plan_begin, plan_end
from maintenance_ci.plan.steps import Admitted, Condition, Judged, Met, Plan, Step, Verb
from maintenance_ci.plan.strategies import STRATEGIES
from tests.tools.observations import observed_in, original
from tests.tools.plan_states import DELETE, DEPLOY, JOBS, STATES, plan_of, settings_for

# A step is "verb Route: what is waited for (back: what is waited for once it is undone)". "page" is the maintenance
# Route of the whole Route, "path" that of a path; "met by" says who is to answer users.
SWAP = """
    begin by swap
    keep snapshot
    place page: page judged (back: shop admitted, met by application)
    remove shop: page admitted, met by page (back: shop judged)
"""
# Somebody re-created the original: users met the page before, whatever happens now.
SWAP_AGAIN = """
    begin by swap, not undone
    keep snapshot, unless there is one
    place page: page judged (back: shop admitted, routers reloaded)
    remove shop: page admitted, met by page (back: shop judged)
"""
REPOINT = """
    begin by repoint
    keep snapshot
    rewrite shop: met by page (back: shop admitted, met by application)
"""
SWAP_BACK = """
    end by swap
    place shop: shop judged (back: page admitted, met by page)
    remove page: shop admitted, met by application (back: page judged)
    forget snapshot
"""
# The original was gone, or waited: there is nothing to go back to.
RESTORE = """
    end by {}, not undone
    place shop: shop judged, shop admitted, met by application
    forget snapshot
"""
FORGET = """
    end by {}, not undone
    leave shop: shop admitted, met by application
    forget snapshot
"""
NOTHING_TO_END = """
    end by {}
    leave shop: routers reloaded
"""
TABLE: dict[str, list[tuple[list[str], str]]] = {
    DEPLOY: [
        (["swap LIVE", "swap LEFTOVER", "swap PREPARED", "swap STRANDED"], SWAP),
        (["swap RETURNING", "swap RETURNING without its certificate"], SWAP_AGAIN),
        # Of an original that a job of ours has put back a newer snapshot is taken: it is what its template has now.
        (["swap RETURNING by our restore"], SWAP_AGAIN.replace(", unless there is one", "")),
        (
            ["swap SHOWN", "swap SHOWN without a snapshot"],
            """
    confirm by swap
    annotate page: page admitted, met by page
""",
        ),
        (["repoint LIVE", "repoint LEFTOVER", "repoint STRANDED"], REPOINT),
        (["repoint DIVERTED"], REPOINT.replace("keep snapshot", "keep snapshot, unless there is one")),
        (
            ["repoint SHOWN", "repoint SHOWN on half a swap", "repoint SHOWN without a snapshot"],
            """
    confirm by repoint
    annotate shop: met by page
""",
        ),
        (
            ["subpath LIVE"],
            """
    begin by subpath
    place path: path admitted, met by page (back: met by application)
""",
        ),
        (
            ["subpath SHOWN"],
            """
    begin by subpath, not undone
    place path: path admitted, met by page (back: met by application)
""",
        ),
        (
            ["subpath LIVE under a swap", "subpath LIVE under a repoint"],
            """
    begin by subpath
    place path: path admitted, met by page (back: routers reloaded)
""",
        ),
        (
            ["subpath SHOWN under a swap", "subpath SHOWN under a repoint"],
            """
    begin by subpath, not undone
    place path: path admitted, met by page (back: routers reloaded)
""",
        ),
        (["swap GONE", "swap UNKNOWN"], "begin by swap"),  # without a Route the job ends before
        (["repoint GONE", "repoint UNKNOWN"], "begin by repoint"),
        (["subpath UNKNOWN", "subpath SHOWN without the original"], "begin by subpath"),
    ],
    DELETE: [
        (["swap SHOWN", "swap RETURNING by our restore"], SWAP_BACK),
        (
            ["swap SHOWN without a snapshot"],
            """
    end by swap
    place shop: shop judged (back: page admitted, met by page)
    remove page: shop admitted, met by application (back: page judged)
""",
        ),
        (
            ["swap PREPARED", "swap RETURNING"],
            """
    end by swap, not undone
    leave shop: shop judged
    remove page: shop admitted, met by application
    forget snapshot
""",
        ),
        (
            ["swap RETURNING without its certificate"],
            """
    end by swap, not undone
    certify shop
    leave shop: shop judged
    remove page: shop admitted, met by application
    forget snapshot
""",
        ),
        (
            ["repoint SHOWN", "repoint DIVERTED"],
            """
    end by repoint
    rewrite shop: shop admitted, met by application (back: met by page)
    forget snapshot
""",
        ),
        (
            ["repoint SHOWN without a snapshot"],
            """
    end by repoint
    rewrite shop: shop admitted, met by application (back: met by page)
""",
        ),
        (
            ["repoint SHOWN on half a swap"],
            """
    end by repoint
    rewrite shop: shop admitted, met by application (back: met by page)
    remove page
    forget snapshot
""",
        ),
        (["swap STRANDED", "swap GONE"], RESTORE.format("swap")),
        (["repoint STRANDED", "repoint GONE"], RESTORE.format("repoint")),
        (["swap UNKNOWN"], RESTORE.format("swap").replace("forget snapshot", "")),
        (["repoint UNKNOWN"], RESTORE.format("repoint").replace("forget snapshot", "")),
        (["swap LEFTOVER"], FORGET.format("swap")),
        (["repoint LEFTOVER"], FORGET.format("repoint")),
        (["swap LIVE"], NOTHING_TO_END.format("swap, not undone")),
        (["repoint LIVE"], NOTHING_TO_END.format("repoint, not undone")),
        (
            ["subpath LIVE", "subpath UNKNOWN", "subpath LIVE under a swap", "subpath LIVE under a repoint"],
            NOTHING_TO_END.format("subpath"),
        ),
        (
            ["subpath SHOWN"],
            """
    end by subpath
    remove path: met by application (back: path admitted, met by page)
""",
        ),
        (
            ["subpath SHOWN under a swap", "subpath SHOWN under a repoint", "subpath SHOWN without the original"],
            """
    end by subpath
    remove path: routers reloaded (back: path admitted, met by page)
""",
        ),
    ],
}
SHORT = {"shop": "shop", "shop-maintenance-page": "page", "shop-maintenance-page-edf54f1e": "path"}


def written(plan: Plan) -> list[str]:
    """A plan as the table has it."""
    undone = "" if plan.undoable else ", not undone"
    return [f"{plan.direction.value} by {plan.strategy}{undone}", *map(_step, plan.steps)]


def _step(step: Step) -> str:
    change = step.change
    of = "snapshot" if change.verb in (Verb.KEEP, Verb.FORGET) else SHORT[change.name]
    existing = ", unless there is one" if change.keeps_existing else ""
    until = ", ".join(map(_condition, step.until))
    undone = ", ".join(map(_condition, step.undone))
    line = f"{change.verb.value} {of}{existing}"
    return line + (f": {until}" if until else "") + (f" (back: {undone})" if undone else "")


def _condition(condition: Condition) -> str:
    match condition:
        case Judged(name):
            return f"{SHORT[name]} judged"
        case Admitted(name):
            return f"{SHORT[name]} admitted"
        case Met():
            return f"met by {condition.side.value.split()[-1]}"
    return "routers reloaded"


ROWS = [(job, state, steps) for job in JOBS for states, steps in TABLE[job] for state in states]


@pytest.mark.parametrize(("job", "state", "steps"), ROWS, ids=[f"{job}, {state}" for job, state, _ in ROWS])
def test_each_state_has_its_steps(job: str, state: str, steps: str) -> None:
    assert written(plan_of(job, state)) == [line.strip() for line in steps.strip().splitlines()]


def test_the_table_has_all_states() -> None:
    assert sorted((job, state) for job, state, _ in ROWS) == sorted((job, state) for job in JOBS for state in STATES)


@pytest.mark.parametrize("job", JOBS)
def test_the_path_s_plans_ask_for_the_path(job: str) -> None:
    """The page of a path is met there alone."""
    for state, observed in STATES.items():
        conditions = [one for step in plan_of(job, state).steps for one in (*step.until, *step.undone)]
        met = {one.subpath for one in conditions if isinstance(one, Met)}
        assert met <= {observed.subpath}, state


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_begin_waits_for_each_router_that_serves_the_original(strategy: str) -> None:
    live = original()
    live["status"]["ingress"].append({**live["status"]["ingress"][0], "routerName": "internal"})
    plan = plan_begin(settings_for(strategy), observed_in(Phase.LIVE, strategy, live=live))
    conditions = [one for step in plan.steps for one in (*step.until, *step.undone)]
    asked = {one.routers for one in conditions if isinstance(one, (Judged, Admitted))}
    assert asked == {frozenset({"default", "internal"})}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_end_waits_for_each_router_that_serves_what_shows_the_page(strategy: str) -> None:
    observed = observed_in(Phase.SHOWN, strategy)
    assert observed.annotated_route
    ingress = observed.annotated_route["status"]["ingress"]
    ingress.append({**ingress[0], "routerName": "internal"})
    plan = plan_end(settings_for(strategy), observed)
    conditions = [one for step in plan.steps for one in (*step.until, *step.undone)]
    asked = {one.routers for one in conditions if isinstance(one, (Judged, Admitted))}
    assert asked == {frozenset({"default", "internal"})}

"""The names of Routes, paths and maintenances: the rules take what the jobs take, and what GitLab can name."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import example as also
from hypothesis import given
from hypothesis import strategies as st

from maintenance_ci.errors import VariableError
from maintenance_ci.settings.types import (
    MAX_ROUTE_AND_SUBPATH_IN_GITLAB,
    MAX_ROUTE_BESIDE_SUBPATH_IN_GITLAB,
    MAX_SUBPATH_IN_GITLAB,
)
from maintenance_ci.settings.variables import RoutesSettings, read_settings
from tests.tools.gitlab_evaluation import Pipeline, pipeline_of
from tests.tools.gitlab_jobs import GOOD, OURS, SELECTED, changing, jobs_of, named
from tests.tools.gitlab_pipeline import CHANGES
from tests.tools.job_variables import GOOD as JOB_VARIABLES

ORDER = ("must be sorted, each once", "and in maintenance with it: leave")


def refusal(variables: Mapping[str, str]) -> str:
    """What the jobs of a pipeline say against these; empty where they take them."""
    plain = {name: value for name, value in JOB_VARIABLES.items() if name not in GOOD}
    try:
        read_settings(RoutesSettings, plain | variables | {"GITLAB_CI": "true"})
    except VariableError as error:
        return "; ".join(error.faults)
    return ""


def agreed(variables: Mapping[str, str]) -> bool:
    """Whether the rules and the jobs take the same. The order of several names the jobs alone can see."""
    refused = refusal(variables)
    started = bool(jobs_of(OURS, "web", variables))
    return started is not bool(refused) or (started and any(part in refused for part in ORDER))


@given(st.text("ab0.-A/ \n\u017f\u212a", max_size=8))
@also("a..b-")
@also("-a")
@also("a.")
@also("a\n")
@also("a b")
@also("b a")
@also("a  b")
@pytest.mark.parametrize("name", ["PROJECT", "ROUTE_NAME"])
def test_the_rules_take_the_names_that_the_jobs_take(name: str, value: str) -> None:
    assert agreed(GOOD | {name: value})


@given(st.text("ab/._- \n", max_size=8))
@also("/shop/")
@also("shop")
@also("//x")
@also("/..")
@also("/.")
@also("/...")
@also("/.well-known")
@also("/a /b")
@also("/b /a")
@also("/a /a/b")
@also("/a /..")
def test_the_rules_take_the_paths_that_the_jobs_take(value: str) -> None:
    """Of those that an environment can be named by; one of blanks the jobs take for none."""
    assert agreed(GOOD | {"SUBPATH": value}) is (not value or bool(value.strip()))


@given(st.text("aZ0/._- \n$", max_size=8))
@also("")
@also(" ")
@also("a/b c")
@also("-plan")
@also("a\n")
def test_the_rules_take_the_maintenance_s_name_that_the_jobs_take(value: str) -> None:
    for variables in (GOOD, SELECTED):
        assert agreed(variables | {"MAINTENANCE": value})


@pytest.mark.parametrize("names", [None, "", " ", "shop", "pay shop"])
@pytest.mark.parametrize("selector", [None, "", " ", "a=b"])
@pytest.mark.parametrize("maintenance", [None, "", " ", "legacy"])
def test_the_rules_and_the_jobs_take_one_of_names_and_selector(
    names: str | None, selector: str | None, maintenance: str | None
) -> None:
    given = named({"PROJECT": "web", "ROUTE_NAME": names, "ROUTE_SELECTOR": selector, "MAINTENANCE": maintenance})
    assert agreed(given)
    by_name, by_selector = bool((names or "").strip()), bool((selector or "").strip())
    right = by_name is not by_selector and (by_name or maintenance == "legacy")
    assert bool(jobs_of(OURS, "web", given)) is right


@pytest.mark.parametrize(
    ("project", "route", "subpath", "fits"),
    [
        (63, MAX_ROUTE_BESIDE_SUBPATH_IN_GITLAB, MAX_SUBPATH_IN_GITLAB, True),
        (63, MAX_ROUTE_BESIDE_SUBPATH_IN_GITLAB, MAX_SUBPATH_IN_GITLAB + 1, False),
        (63, MAX_ROUTE_BESIDE_SUBPATH_IN_GITLAB + 1, 2, False),
        (63, MAX_ROUTE_BESIDE_SUBPATH_IN_GITLAB + 1, 0, True),
        (63, MAX_ROUTE_AND_SUBPATH_IN_GITLAB, 0, True),
        (63, MAX_ROUTE_AND_SUBPATH_IN_GITLAB + 1, 0, False),
        (3, 227, 0, False),
        (3, 4, 255, False),
    ],
)
def test_what_is_too_long_for_gitlab_gets_a_job_that_says_so(
    project: int, route: int, subpath: int, fits: bool
) -> None:
    variables = {
        "PROJECT": "p" * project,
        "ROUTE_NAME": "r" * route,
        "SUBPATH": "/" + "s" * (subpath - 1) if subpath else "",
    }
    for plan in ("false", "true"):
        pipeline = pipeline_of(OURS, "web", variables | {"PLAN_ONLY": plan})
        assert pipeline is not None
        assert set(pipeline.jobs) == ({"plan"} if plan == "true" or not fits else set(CHANGES))
    given = JOB_VARIABLES | variables
    if fits:
        assert read_settings(RoutesSettings, given | {"GITLAB_CI": "true"}).route_names == (variables["ROUTE_NAME"],)
    else:
        with pytest.raises(VariableError, match="ROUTE_NAME and SUBPATH: are too long for the name of an environment"):
            read_settings(RoutesSettings, given | {"GITLAB_CI": "true"})
    assert read_settings(RoutesSettings, given).route_names == (
        variables["ROUTE_NAME"],
    )  # a terminal has no such limit
    # With a name of its own nothing is too long.
    pipeline = pipeline_of(OURS, "web", variables | {"MAINTENANCE": "x" * 176})
    assert pipeline is not None
    assert set(pipeline.jobs) == set(CHANGES)
    assert (
        read_settings(RoutesSettings, given | {"MAINTENANCE": "x" * 176, "GITLAB_CI": "true"}).maintenance == "x" * 176
    )


@pytest.mark.parametrize("names", [GOOD, SELECTED])
def test_a_maintenance_s_name_that_is_too_long_gets_a_job_that_says_so(names: dict[str, str]) -> None:
    for length, jobs in ((176, set(CHANGES)), (177, {"plan"})):
        variables = names | {"PROJECT": "p" * 63, "MAINTENANCE": "x" * length}
        pipeline = pipeline_of(OURS, "web", variables)
        assert pipeline is not None
        assert set(pipeline.jobs) == jobs
        assert ("MAINTENANCE: must be a name" in refusal(variables)) is (length > 176)


def test_the_longest_names_are_gitlab_s_255_characters() -> None:
    """So that one more would be too many: no pipeline at all, and nothing that says why."""
    longest = {"PROJECT": "p" * 63, "ROUTE_NAME": "r" * 63, "SUBPATH": "/" + "s" * 112}
    for variables in (longest, longest | {"MAINTENANCE": "x" * 176}):
        pipeline = pipeline_of(OURS, "web", variables)
        assert pipeline is not None
        assert len(pipeline.name) == 255
    old = {**OURS["workflow"], "name": "Maintenance of $PROJECT/$ROUTE_NAME$SUBPATH"}
    with pytest.raises(AssertionError, match="a pipeline's name is too long"):
        pipeline_of({**OURS, "workflow": old}, "web", longest | {"SUBPATH": "/" + "s" * 113})


def test_the_pipeline_is_called_by_what_it_is_for() -> None:
    assert pipeline_of(OURS, "web", GOOD | {"SUBPATH": "/pay"}) == Pipeline(
        "Maintenance of web/shop/pay", changing("maintenance/web/shop/pay")
    )
    several = pipeline_of(OURS, "web", {"PROJECT": "web", "ROUTE_NAME": "pay shop"})
    assert several == Pipeline("Maintenance of web/pay shop", changing("maintenance/web/pay shop"))
    assert pipeline_of(OURS, "web", SELECTED) == Pipeline(
        "Maintenance of web/legacy", changing("maintenance/web/legacy")
    )
    too_long = pipeline_of(OURS, "web", GOOD | {"SUBPATH": "/" + "x" * 200})
    assert too_long is not None
    assert too_long.name == "Maintenance of Routes in web"

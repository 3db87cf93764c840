"""Which jobs there are: sources x variables, as GitLab evaluates the rules of the component and of the examples."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from hypothesis import example as also
from hypothesis import given
from hypothesis import strategies as st

from maintenance_ci.errors import VariableError
from maintenance_ci.settings.types import (
    MAX_ROUTE_AND_SUBPATH_IN_GITLAB,
    MAX_ROUTE_BESIDE_SUBPATH_IN_GITLAB,
    MAX_SUBPATH_IN_GITLAB,
)
from maintenance_ci.settings.variables import RouteSettings, plan_only, read_settings
from tests.rehearsal.gitlab_ci.documented import every_example, example
from tests.tools.gitlab_evaluation import Job, Pipeline, comes_before, pipeline_of
from tests.tools.gitlab_expressions import parse, tokens
from tests.tools.gitlab_pipeline import CHANGES, COMPONENT, JOBS, PIPELINE, Configuration, our_pipeline, whole_pipeline
from tests.tools.job_variables import GOOD as JOB_VARIABLES

OURS = our_pipeline()
OF_THE_EXAMPLES = {
    name: whole_pipeline(example(name)[path])
    for name, path in [
        ("component", ".gitlab-ci.yml"),
        ("include", ".gitlab-ci.yml"),
        ("together", ".gitlab-ci.yml"),
        ("matrix", "maintenance.yml"),
        ("inputs", ".gitlab-ci.yml"),
    ]
}
TOGETHER = OF_THE_EXAMPLES["together"]

ASKED = ["web", "api", "trigger", "schedule", "parent_pipeline"]
NOT_ASKED = ["push", "merge_request_event", "pipeline", "external_pull_request_event", "chat", "webide", "external", ""]
GOOD = {"PROJECT": "web", "ROUTE_NAME": "shop"}

# Each with None for "undefined".
HOSTILE: dict[str, list[str | None]] = {
    "PROJECT": [
        None, "", " ", "-web", "web-", "we.b", "Web", "ä", "web\n", "\nweb", "a\nb", "$ROUTE_NAME", "${X}", "a" * 64,
    ],
    "ROUTE_NAME": [
        None, "", " ", "-plan", "a..b-", "a..b", "-a", "a-", "a.", ".a", "a.-b", "a-.b", "Shop", "shop pay", "shop,pay",
        "shop\n", "shop\ngo", "shop/pay", "ä", "$PROJECT", "$$", "${X}",
    ],
    "SUBPATH": [
        "shop", "/", "//", "//x", "/x//y", "/shop/", "/..", "/.", "/../x", "/x/..", "/x/./y", "/x/../y", "/a b", " ",
        " /shop", "/shop ", "/shop\n", "/a+b", "/ä", "/$X", "/${X}", "$SUBPATH", "/a?b", "/a#b", "/%2e", "\\", "x/y",
    ],
}  # fmt: skip
NOES = [None, "", "false", "False", "FALSE", "0", "no", "No", "NO", " false ", "false\n", " ", "\t"]
YESES = ["true", "TRUE", "True", "true ", " true", "1", "yes", "y", "on", "oui", "ja", "maybe", "2", "00", "n", "off",
         "null", "nope", "fals", "no no", "false\nx", "x\nfalse", "-", "\u3000", "$X", "no$X"]  # fmt: skip


def named(variables: Mapping[str, str | None]) -> dict[str, str]:
    """Leave out what is undefined."""
    return {name: value for name, value in variables.items() if value is not None}


def change(when: str, environment: str = "maintenance/web/shop", group: str = "maintenance/web") -> Job:
    return Job(when, environment, group)


def changing(environment: str = "maintenance/web/shop", group: str = "maintenance/web") -> dict[str, Job]:
    """The jobs that change something."""
    begin = {name: change("on_success", environment, group) for name in ("build-and-deploy", "deploy-route")}
    return {**begin, "delete": change("manual", environment, group)}


def jobs_of(configuration: Configuration, source: str, variables: Mapping[str, str | None]) -> dict[str, Job]:
    pipeline = pipeline_of(configuration, source, named(variables))
    return {name: job for name, job in (pipeline.jobs if pipeline else {}).items() if name in JOBS}


PLAN = {"plan": Job("on_success", "maintenance/web/-plan")}


def rule_faults(configuration: Configuration) -> list[str]:
    """All that is wrong with the jobs that there are: for each source, what is undefined, empty, hostile, and good."""
    faults = []

    def expect(source: str, variables: Mapping[str, str | None], expected: Mapping[str, Job]) -> None:
        try:
            observed = jobs_of(configuration, source, variables)
        except AssertionError as error:
            faults.append(f"{source} {variables}: {error}")
            return
        if observed != expected:
            faults.append(f"{source} {variables}: {observed}")

    for source in ASKED:
        expect(source, GOOD, changing())
        expect(
            source,
            GOOD | {"SUBPATH": "/a.b/..c/.well-known/d_e-1"},
            changing("maintenance/web/shop/a.b/..c/.well-known/d_e-1"),
        )
        expect(source, GOOD | {"ROUTE_NAME": "a-1.b--c.0"}, changing("maintenance/web/a-1.b--c.0"))
        for no in NOES:
            expect(source, GOOD | {"PLAN_ONLY": no}, changing())
        for yes in YESES:
            expect(source, GOOD | {"PLAN_ONLY": yes}, PLAN)
        for name, values in HOSTILE.items():
            for value, plan, subpath in itertools.product(values, [None, "true"], [None, "", "/shop"]):
                expect(source, GOOD | {"SUBPATH": subpath, "PLAN_ONLY": plan} | {name: value}, {})
    for source, plan in itertools.product(NOT_ASKED, [None, "", "true", "false"]):
        expect(source, GOOD | {"PLAN_ONLY": plan}, {})
    return faults


# As they were until a GitLab evaluated them.
OLD_SUBPATH = {"if": r"$SUBPATH =~ /[^A-Za-z0-9._\/-]|\/$/", "when": "never"}
OLD_ASKED = "$CI_PIPELINE_SOURCE =~ /^(web|api|trigger|schedule|parent_pipeline)$/"
OLD_PLAN, OLD_CHANGE = (
    [OLD_SUBPATH, {"if": f'$PROJECT && $ROUTE_NAME && $PLAN_ONLY {compared} "true" && {OLD_ASKED}'}]
    for compared in ("==", "!=")
)
OLD_RULES = {name: OLD_PLAN if name == "plan" else OLD_CHANGE for name in JOBS}


def with_rules(configuration: Configuration, workflow: list[Any], jobs: Mapping[str, list[Any]]) -> Configuration:
    changed = {name: {**configuration[name], "rules": rules} for name, rules in jobs.items()}
    return {**configuration, **changed, "workflow": {**configuration["workflow"], "rules": workflow}}


@pytest.mark.parametrize("alone", [True, False], ids=["by its own workflow", "by its rules alone"])
def test_which_jobs_there_are(alone: bool) -> None:
    """A project with a workflow of its own has the jobs' own rules alone."""
    configuration = OURS if alone else with_rules(OURS, [{"when": "always"}], {})
    assert rule_faults(configuration) == []


@pytest.mark.parametrize("name", ["component", "include", "together", "inputs"])
def test_which_jobs_the_documented_examples_have(name: str) -> None:
    """There the namespace is written down; a form that sends an empty one all the same starts nothing."""
    assert [fault for fault in rule_faults(OF_THE_EXAMPLES[name]) if "'PROJECT': None" not in fault] == []
    assert jobs_of(OF_THE_EXAMPLES[name], "web", {"ROUTE_NAME": "shop"}) == changing()


@pytest.mark.parametrize("alone", [True, False])
def test_the_old_rules_fail_it(alone: bool) -> None:
    workflow = [OLD_SUBPATH, {"if": f"$PROJECT && $ROUTE_NAME && {OLD_ASKED}"}] if alone else [{"when": "always"}]
    faults = rule_faults(with_rules(OURS, workflow, OLD_RULES))
    for part in (
        "schedule {'PROJECT': 'web', 'ROUTE_NAME': '', 'SUBPATH': '/shop', 'PLAN_ONLY': None}: {",
        "web {'PROJECT': '', 'ROUTE_NAME': 'shop', 'SUBPATH': None, 'PLAN_ONLY': None}: no environment",
        "web {'PROJECT': 'web', 'ROUTE_NAME': 'shop', 'SUBPATH': 'shop', 'PLAN_ONLY': None}: {",
        "web {'PROJECT': 'web', 'ROUTE_NAME': 'shop', 'SUBPATH': '//x', 'PLAN_ONLY': None}: {",
        "api {'PROJECT': 'web', 'ROUTE_NAME': 'a..b-', 'SUBPATH': None, 'PLAN_ONLY': None}: {",
        *(
            f"web {{'PROJECT': 'web', 'ROUTE_NAME': 'shop', 'PLAN_ONLY': '{yes}'}}: {{"
            for yes in ("1", "yes", "true ", "TRUE")
        ),
    ):
        assert any(fault.startswith(part) for fault in faults), part


def conditions(value: Any) -> list[str]:
    """All that `if:` says, at any depth."""
    if isinstance(value, list):
        return [text for item in value for text in conditions(item)]
    if not isinstance(value, dict):
        return []
    own = [value["if"]] if isinstance(value.get("if"), str) else []
    return own + [text for item in value.values() for text in conditions(item)]


def bare_variables(text: str) -> list[str]:
    """The variables that stand alone beside `&&` or `||`, where an empty one counts as true."""
    words = [None, *tokens(text), None]
    compared = {word for word in words if word and word.kind == "operator" and word.text not in {"&&", "||"}}
    return [
        word.text
        for before, word, after in zip(words, words[1:], words[2:], strict=False)
        if word and word.kind == "variable" and before not in compared and after not in compared
    ]


def test_no_condition_asks_for_a_variable_alone() -> None:
    files = [COMPONENT.read_text(), PIPELINE.read_text(), *every_example()]
    texts = [text for file in files for document in yaml.safe_load_all(file) for text in conditions(document)]
    assert len(texts) >= 15
    for text in texts:
        parse(text)
        assert bare_variables(text) == []
    for old in (OLD_CHANGE[1]["if"], "$ROUTE_NAME && $CI_PIPELINE_SOURCE =~ /^(web|api)$/"):
        assert "ROUTE_NAME" in bare_variables(old)


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (r"!~ /^\s*(false|0|no)?\s*$/i", r"!~ /^(true|1|yes)$/i"),
        (r"=~ /^\s*(false|0|no)?\s*$/i", '!= "true"'),
        (r"|^[^\/]|", "|"),
        (r"|\/\/|", "|"),
        (r"|\/$|", "|"),
        (r"\/[.][.]?(\/|$)/", r"\/[.][.](\/|$)/"),
        ("|trigger|", "|trigger|pipeline|"),
        ("|parent_pipeline)", ")"),
        ("([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/", "([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/"),
        ("[a-z0-9]([-a-z0-9]{0,61}", "[a-z0-9]([-a-z0-9]*"),
    ],
)  # fmt: skip
def test_each_part_of_the_rules_is_needed(spoil: str, part: str) -> None:
    text = yaml.safe_dump(with_rules(OURS, [{"when": "always"}], {}), width=10_000)
    assert spoil in text
    assert rule_faults(yaml.safe_load(text.replace(spoil, part))) != []


def accepted(name: str, value: str) -> bool:
    """Whether the jobs take it."""
    variables = JOB_VARIABLES | {"PROJECT": "web", "ROUTE_NAME": "shop", "GITLAB_CI": "true", name: value}
    try:
        read_settings(RouteSettings, variables)
    except VariableError:
        return False
    return True


@given(st.text("ab0.-A/ \n\u017f\u212a", max_size=8))
@also("a..b-")
@also("-a")
@also("a.")
@also("a\n")
@pytest.mark.parametrize("name", ["PROJECT", "ROUTE_NAME"])
def test_the_rules_take_the_names_that_the_jobs_take(name: str, value: str) -> None:
    assert bool(jobs_of(OURS, "web", GOOD | {name: value})) == accepted(name, value)


@given(st.text("ab/._- \n", max_size=8))
@also("/shop/")
@also("shop")
@also("//x")
@also("/..")
@also("/.")
@also("/...")
@also("/.well-known")
def test_the_rules_take_the_paths_that_the_jobs_take(value: str) -> None:
    """Of those that an environment can be named by; one of blanks the jobs take for none."""
    assert bool(jobs_of(OURS, "web", GOOD | {"SUBPATH": value})) == (
        accepted("SUBPATH", value) and (not value or bool(value.strip()))
    )


@given(st.one_of(st.text(max_size=6), st.text("falseFALSENOno0 \t\n\r\f\v\u017f\u3000", max_size=6)))
def test_the_rules_and_the_jobs_take_the_same_for_a_no(value: str) -> None:
    assert (jobs_of(OURS, "web", GOOD | {"PLAN_ONLY": value}) == PLAN) == plan_only({"PLAN_ONLY": value})


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
        assert read_settings(RouteSettings, given | {"GITLAB_CI": "true"}).route_name == variables["ROUTE_NAME"]
    else:
        with pytest.raises(VariableError, match="ROUTE_NAME and SUBPATH: are too long for the name of an environment"):
            read_settings(RouteSettings, given | {"GITLAB_CI": "true"})
    assert read_settings(RouteSettings, given).route_name == variables["ROUTE_NAME"]  # a terminal has no such limit


def test_the_longest_names_are_gitlab_s_255_characters() -> None:
    """So that one more would be too many: no pipeline at all, and nothing that says why."""
    longest = {"PROJECT": "p" * 63, "ROUTE_NAME": "r" * 63, "SUBPATH": "/" + "s" * 112}
    pipeline = pipeline_of(OURS, "web", longest)
    assert pipeline is not None
    assert len(pipeline.name) == 255
    old = {**OURS["workflow"], "name": "Maintenance of $PROJECT/$ROUTE_NAME$SUBPATH"}
    with pytest.raises(AssertionError, match="a pipeline's name is too long"):
        pipeline_of({**OURS, "workflow": old}, "web", longest | {"SUBPATH": "/" + "s" * 113})


def test_the_pipeline_is_called_by_what_it_is_for() -> None:
    assert pipeline_of(OURS, "web", GOOD | {"SUBPATH": "/pay"}) == Pipeline(
        "Maintenance of web/shop/pay", changing("maintenance/web/shop/pay")
    )
    too_long = pipeline_of(OURS, "web", GOOD | {"SUBPATH": "/" + "x" * 200})
    assert too_long is not None
    assert too_long.name == "Maintenance of a Route in web"


def test_each_cluster_has_environments_and_resource_groups_of_its_own() -> None:
    child = OF_THE_EXAMPLES["matrix"]
    given = GOOD | {"CLUSTER": "east"}
    assert jobs_of(child, "parent_pipeline", given) == changing("maintenance/east/web/shop", "maintenance/east/web")
    assert jobs_of(child, "parent_pipeline", given | {"PLAN_ONLY": "1"}) == {
        "plan": Job("on_success", "maintenance/east/web/-plan")
    }


def test_the_parent_of_several_clusters_starts_what_its_children_start() -> None:
    parent = yaml.safe_load(example("matrix")[".gitlab-ci.yml"])
    child = OF_THE_EXAMPLES["matrix"]
    for name in ("ROUTE_NAME", "SUBPATH"):
        for value in [*HOSTILE[name], "shop" if name == "ROUTE_NAME" else "/shop"]:
            variables = named(GOOD | {name: value})
            starts = pipeline_of(parent, "web", variables) is not None
            assert starts == bool(jobs_of(child, "parent_pipeline", variables | {"CLUSTER": "east"})), value
    assert pipeline_of(parent, "parent_pipeline", GOOD) is None
    assert all(pipeline_of(parent, source, GOOD) is None for source in NOT_ASKED)


@pytest.mark.parametrize("source", ["schedule", "web", "api", "push", "merge_request_event"])
def test_a_project_s_own_pipelines_get_none_of_our_jobs(source: str) -> None:
    """A nightly schedule knows nothing of a Route, and its pipeline stays what it was."""
    assert jobs_of(TOGETHER, source, {}) == {}
    nightly = {**TOGETHER, "nightly": {"stage": "test", "rules": [{"if": '$CI_PIPELINE_SOURCE == "schedule"'}]}}
    pipeline = pipeline_of(nightly, source, {})
    own = {"push": {"unit-tests"}, "schedule": {"nightly"}}.get(source)
    assert (set(pipeline.jobs) if pipeline else None) == own
    assert pipeline is None or pipeline.name == ""  # so GitLab calls it by its commit


@pytest.mark.parametrize("stages", list(itertools.permutations(CHANGES)))
def test_no_order_of_stages_deploys_the_route_before_the_page(stages: tuple[str, ...]) -> None:
    """GitLab refuses a pipeline in which a job needs one of a later stage. Without `needs` it would run it first."""
    in_order = stages.index("build-and-deploy") < stages.index("deploy-route")
    together = {**TOGETHER, "stages": ["build", *stages, "test"]}
    for configuration in ({**OURS, "stages": list(stages)}, together):
        without = {name: value for name, value in configuration["deploy-route"].items() if name != "needs"}
        old = {**configuration, "deploy-route": without}
        assert jobs_of(old, "web", GOOD).keys() == set(CHANGES)
        assert ("build-and-deploy" in comes_before(old, "deploy-route")) is in_order
        if in_order:
            assert jobs_of(configuration, "web", GOOD).keys() == set(CHANGES)
            assert comes_before(configuration, "deploy-route") == {"build-and-deploy"}
        else:
            with pytest.raises(AssertionError, match="is not defined in current or prior stages"):
                jobs_of(configuration, "web", GOOD)
        for name in ("plan", "build-and-deploy", "delete"):
            assert comes_before(configuration, name) == set()


def test_a_project_with_other_jobs_must_list_its_stages() -> None:
    unlisted = {**TOGETHER, "stages": OURS["stages"]}
    with pytest.raises(AssertionError, match="unit-tests: chosen stage test does not exist"):
        pipeline_of(unlisted, "push", {})


def test_equal_stages_deploy_the_route_after_the_page() -> None:
    inputs = dict.fromkeys(["build-stage", "deploy-stage", "delete-stage"], "maintenance")
    assert comes_before(our_pipeline(**inputs), "deploy-route") == {"build-and-deploy"}

"""Which jobs there are: sources x variables, as GitLab evaluates the rules of the component and of the examples."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from hypothesis import example as example_of
from hypothesis import given
from hypothesis import strategies as st

from maintenance_ci.errors import VariableError
from maintenance_ci.names import ACTIONS
from maintenance_ci.settings.variables import RoutesSettings, plan_only, read_settings
from tests.rehearsal.gitlab_ci.documented import every_example, example
from tests.tools.gitlab_evaluation import Job, comes_before, pipeline_of
from tests.tools.gitlab_expressions import parse, tokens
from tests.tools.gitlab_jobs import GOOD, OURS, PLAN, REHEARSE, SELECTED, changing, ending, jobs_of, named
from tests.tools.gitlab_pipeline import CHANGES, COMPONENT, JOBS, PIPELINE, Configuration, our_pipeline, whole_pipeline
from tests.tools.job_variables import GOOD as VARIABLES

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

# Each with None for "undefined".
HOSTILE: dict[str, list[str | None]] = {
    "PROJECT": [
        None, "", " ", "-web", "web-", "we.b", "Web", "ä", "web\n", "\nweb", "a\nb", "$ROUTE_NAME", "${X}", "a" * 64,
    ],
    "ROUTE_NAME": [
        None, "", " ", "-plan", "a..b-", "a..b", "-a", "a-", "a.", ".a", "a.-b", "a-.b", "Shop", "shop,pay",
        "pay  shop", " shop", "shop ", "pay\tshop", "pay\nshop", "pay Shop", "pay -shop", "pay. shop", "pay, shop",
        "pay $X", "shop\n", "shop\ngo", "shop/pay", "ä", "$PROJECT", "$$", "${X}",
    ],
    "SUBPATH": [
        "shop", "/", "//", "//x", "/x//y", "/shop/", "/..", "/.", "/../x", "/x/..", "/x/./y", "/x/../y", "/a b", " ",
        " /shop", "/shop ", "/shop\n", "/a+b", "/ä", "/$X", "/${X}", "$SUBPATH", "/a?b", "/a#b", "/%2e", "\\", "x/y",
        "/a  /b", "/a /", "/a / /b", "/a //b", "/a/ /b", "/a /..", "/.. /a", "/a /./b", "/a b /c", "/a /b ", " /a /b",
        "/a\t/b", "/a\n/b", "/a, /b", "/a /$X",
    ],
    "ROUTE_SELECTOR": ["a=b", "shop", "$X", "ä", "\u3000", "!"],
    "ACTION": [
        "Begin", "BEGIN", "begin ", " begin", "END", "end ", " end", "ende", "stop", "delete", "plan ", "Plan",
        "begin end", "begin|end", "beginend", "end\n", "\nend", "x\nend", "true", "false", "1", "$ACTION",
        "${X}", "\u3000", "-",
    ],
    "MAINTENANCE": [
        "-plan", "-", ".", "_x", "ä", "a,b", "a  b", " a", "a ", "/a", "a/", "a//b", "a /b", "a\n", "\na", "a\nb",
        "a\tb", "$ROUTE_NAME$SUBPATH", "$OKD_TOKEN", "${X}", "\u3000",
    ],
}  # fmt: skip
# Beside a selector that is good.
HOSTILE_TO_A_SELECTOR: dict[str, list[str | None]] = {
    **{name: HOSTILE[name] for name in ("PROJECT", "SUBPATH", "ACTION")},
    "ROUTE_NAME": ["shop", "pay shop", "ä", "$X", "-", "\u3000"],
    "ROUTE_SELECTOR": [None, "", " ", "\t\n"],
    "MAINTENANCE": [None, "", " ", "\t\n", *HOSTILE["MAINTENANCE"]],
}
NOES = [None, "", "false", "False", "FALSE", "0", "no", "No", "NO", " false ", "false\n", " ", "\t"]
YESES = ["true", "TRUE", "True", "true ", " true", "1", "yes", "y", "on", "oui", "ja", "maybe", "2", "00", "n", "off",
         "null", "nope", "fals", "no no", "false\nx", "x\nfalse", "-", "\u3000", "$X", "no$X"]  # fmt: skip


BEGINS = ["", " ", "\t\n", "begin"]

# Several Routes, or paths, or a maintenance with a name of its own: the variables, and what the environment ends in.
SEVERAL: list[tuple[dict[str, str | None], str]] = [
    ({"ROUTE_NAME": "office pay shop"}, "office pay shop"),
    ({"ROUTE_NAME": "pay shop.v2", "SUBPATH": "/cart"}, "pay shop.v2/cart"),
    ({"ROUTE_NAME": "shop", "SUBPATH": "/en/application /fr/demande"}, "shop/en/application /fr/demande"),
    ({"ROUTE_NAME": "pay shop", "SUBPATH": "/cart /pay"}, "pay shop/cart /pay"),
    # That they are sorted, each once, no rule can see: the jobs do, before they change anything.
    ({"ROUTE_NAME": "shop pay"}, "shop pay"),
    ({"ROUTE_NAME": "shop", "MAINTENANCE": "legacy"}, "legacy"),
    ({"ROUTE_NAME": "pay shop", "SUBPATH": "/cart", "MAINTENANCE": "Release 2026.12/web_1"}, "Release 2026.12/web_1"),
    ({"ROUTE_NAME": "a " * 500 + "a", "SUBPATH": "/b " * 500 + "/b", "MAINTENANCE": "x" * 176}, "x" * 176),
    ({"ROUTE_SELECTOR": "tier in (web, api),!internal", "MAINTENANCE": "legacy"}, "legacy"),
    ({"ROUTE_SELECTOR": "a=b", "SUBPATH": "/cart /pay", "MAINTENANCE": "legacy"}, "legacy"),
    # Whether it is a selector the jobs see.
    ({"ROUTE_SELECTOR": "a b", "MAINTENANCE": "legacy"}, "legacy"),
]


def expected_of_good() -> Iterator[tuple[Mapping[str, str | None], Mapping[str, Job]]]:
    """What names Routes well, in each way, and the jobs that there are."""
    yield GOOD, changing()
    path = "/a.b/..c/.well-known/d_e-1"
    yield GOOD | {"SUBPATH": path}, changing(f"maintenance/web/shop{path}")
    yield GOOD | {"ROUTE_NAME": "a-1.b--c.0"}, changing("maintenance/web/a-1.b--c.0")
    for blank in (None, "", " ", "\t\n"):
        yield GOOD | {"ROUTE_SELECTOR": blank, "MAINTENANCE": blank}, changing()
        yield SELECTED | {"ROUTE_NAME": blank}, changing("maintenance/web/legacy")
    for variables, environment in SEVERAL:
        yield {"PROJECT": "web", **variables}, changing(f"maintenance/web/{environment}")
        yield {"PROJECT": "web", **variables, "PLAN_ONLY": "1"}, PLAN
        yield {"PROJECT": "web", **variables, "ACTION": "plan"}, PLAN
        yield {"PROJECT": "web", **variables, "ACTION": "end"}, ending(f"maintenance/web/{environment}")
        yield {"PROJECT": "web", **variables, "ACTION": "rehearse"}, REHEARSE
    for no in NOES:
        yield GOOD | {"PLAN_ONLY": no}, changing()
        for begin in BEGINS:
            yield GOOD | {"ACTION": begin, "PLAN_ONLY": no}, changing()
        yield GOOD | {"ACTION": "end", "PLAN_ONLY": no}, ending()
        yield GOOD | {"ACTION": "plan", "PLAN_ONLY": no}, PLAN
    # A rehearsal has a Route of its own, whatever is named. With PLAN_ONLY it says itself that it may not.
    for plan, name in itertools.product([*NOES, *YESES], [None, *HOSTILE["ROUTE_NAME"]]):
        yield {"PROJECT": "web", "ROUTE_NAME": name, "ACTION": "rehearse", "PLAN_ONLY": plan}, REHEARSE
    for selector, maintenance in itertools.product([None, "", "a=b", "ä"], [None, "", "legacy"]):
        given = {"ROUTE_SELECTOR": selector, "MAINTENANCE": maintenance}
        yield GOOD | given | {"ACTION": "rehearse"}, REHEARSE
    for yes in YESES:
        yield GOOD | {"PLAN_ONLY": yes}, PLAN
        for action in (*BEGINS, "end", "plan"):
            yield GOOD | {"ACTION": action, "PLAN_ONLY": yes}, PLAN


def hostile() -> Iterator[Mapping[str, str | None]]:
    """What starts no job, also where only a plan is asked for."""
    for name, values in HOSTILE.items():
        for value, plan, subpath in itertools.product(values, [None, "true"], [None, "", "/shop"]):
            yield GOOD | {"SUBPATH": subpath, "PLAN_ONLY": plan} | {name: value}
        for value, action in itertools.product(values, ["end", "plan"]):
            yield GOOD | {"ACTION": action} | {name: value}
        for value in values if name in ("PROJECT", "SUBPATH", "MAINTENANCE") else ():
            yield GOOD | {"ACTION": "rehearse"} | {name: value}
    for name, values in HOSTILE_TO_A_SELECTOR.items():
        for value, plan in itertools.product(values, [None, "true"]):
            yield SELECTED | {"PLAN_ONLY": plan} | {name: value}


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
        for variables, jobs in expected_of_good():
            expect(source, variables, jobs)
        for variables in hostile():
            expect(source, variables, {})
    for source, plan, action in itertools.product(NOT_ASKED, [None, "", "true", "false"], [None, *ACTIONS]):
        expect(source, GOOD | {"PLAN_ONLY": plan, "ACTION": action}, {})
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
    old = with_rules(OURS, workflow, OLD_RULES)
    for name in CHANGES:
        old[name]["environment"] = {"name": "maintenance/$PROJECT/$ROUTE_NAME$SUBPATH"}
    faults = rule_faults(old)
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (r"!~ /^\s*(false|0|no)?\s*$/i", r"!~ /^(true|1|yes)$/i"),
        (r"!~ /^\s*(false|0|no)?\s*$/i", '== "true"'),
        (r"|^[^\/]|", "|"),
        (r"| [^\/]|", "|"),
        (r"| $|", "|"),
        (r"|\/\/|", "|"),
        (r"|\/( |$)|", r"|\/ |"),
        (r"|\/( |$)|", r"|\/$|"),
        (r"\/[.][.]?(\/| |$)/", r"\/[.][.](\/| |$)/"),
        (r"\/[.][.]?(\/| |$)/", r"\/[.][.]?(\/|$)/"),
        ("|trigger|", "|trigger|pipeline|"),
        ("|parent_pipeline)", ")"),
        ("([. ][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/", "([. ][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/"),
        ("([. ][a-z0-9]", "([. ]*[a-z0-9]"),
        ("([. ][a-z0-9]", "([.][a-z0-9]"),
        (r"($ROUTE_SELECTOR !~ /\S/ && $ROUTE_NAME", "($ROUTE_NAME"),
        (r"($ROUTE_SELECTOR !~ /\S/ && $ROUTE_NAME", "($ROUTE_SELECTOR !~ /^./ && $ROUTE_NAME"),
        (r"($ROUTE_NAME =~ /\S/ || $MAINTENANCE !~ /\S/)", r"$MAINTENANCE !~ /\S/"),
        (r"($ROUTE_NAME =~ /\S/ || $MAINTENANCE !~ /\S/)", r"$ROUTE_NAME =~ /\S/"),
        (r"($ROUTE_NAME =~ /\S/ || $MAINTENANCE", "($ROUTE_NAME =~ /^./ || $MAINTENANCE"),
        (r"$MAINTENANCE =~ /\S/ && $MAINTENANCE", "$MAINTENANCE"),
        ("$MAINTENANCE !~ /^[A-Za-z0-9][A-Za-z0-9._-]*", "$MAINTENANCE !~ /^[A-Za-z0-9._-]*"),
        (r"([ \/][A-Za-z0-9._-]+)*$/", r"([ \/]*[A-Za-z0-9._-]+)*$/"),
        (r"([ \/][A-Za-z0-9._-]+)*$/", r"([ \/][A-Za-z0-9._-]+)*/"),
        ("MAINTENANCE_OF: $MAINTENANCE", "MAINTENANCE_OF: $ROUTE_NAME$SUBPATH"),
        (r"$ACTION !~ /^(\s*|begin|end|plan|rehearse)$/", r"$ACTION !~ /^\s*(begin|end|plan|rehearse)?\s*$/"),
        (r"$ACTION !~ /^(\s*|begin|end|plan|rehearse)$/", r"$ACTION !~ /^(|begin|end|plan|rehearse)$/"),
        (r"$ACTION !~ /^(\s*|begin|end|plan|rehearse)$/", r"$ACTION !~ /(begin|end|plan|rehearse|^\s*$)/"),
        ('$ACTION == "plan" || ', ""),
        ('$ACTION != "rehearse" && (', "("),
        ('if: $ACTION == "rehearse"\n    when: never', "if: $ACTION == 'x'\n    when: never"),
        ("$PROJECT/-rehearsal", "$PROJECT/$MAINTENANCE_OF"),
        ("allow_failure: false", "allow_failure: true"),
        ("when: on_success", "when: manual"),
        ('$ACTION == "end" && $MAINTENANCE', '$ACTION == "x" && $MAINTENANCE'),
        ("[a-z0-9]([-a-z0-9]{0,61}", "[a-z0-9]([-a-z0-9]*"),
    ],
)  # fmt: skip
def test_each_part_of_the_rules_is_needed(spoil: str, part: str) -> None:
    text = yaml.safe_dump(with_rules(OURS, [{"when": "always"}], {}), width=10_000)
    assert spoil in text
    assert rule_faults(yaml.safe_load(text.replace(spoil, part))) != []


@given(st.one_of(st.text(max_size=6), st.text("falseFALSENOno0 \t\n\r\f\v\u017f\u3000", max_size=6)))
def test_the_rules_and_the_jobs_take_the_same_for_a_no(value: str) -> None:
    assert (jobs_of(OURS, "web", GOOD | {"PLAN_ONLY": value}) == PLAN) == plan_only({"PLAN_ONLY": value})


@given(st.one_of(st.text(max_size=6), st.sampled_from(ACTIONS), st.text("endplabgi \n", max_size=5)))
@example_of("\x1f")  # what only Python calls blank
@example_of("\u3000")
@example_of("\v")
def test_the_rules_and_the_jobs_take_the_same_actions(value: str) -> None:
    started = bool(jobs_of(OURS, "web", GOOD | {"ACTION": value}))
    try:
        read_settings(RoutesSettings, VARIABLES | {"ACTION": value}, only_looks=True)
        taken = True
    except VariableError:
        taken = False
    assert started is taken


def test_each_cluster_has_environments_and_resource_groups_of_its_own() -> None:
    child = OF_THE_EXAMPLES["matrix"]
    given = GOOD | {"CLUSTER": "east"}
    assert jobs_of(child, "parent_pipeline", given) == changing("maintenance/east/web/shop", "maintenance/east/web")
    assert jobs_of(child, "parent_pipeline", given | {"PLAN_ONLY": "1"}) == {
        "plan": Job("on_success", "maintenance/east/web/-plan")
    }


def test_the_parent_of_several_clusters_starts_what_its_children_start() -> None:
    """It asks only whether somebody names a Route. Of wrong names no child comes, and its job fails."""
    parent = yaml.safe_load(example("matrix")[".gitlab-ci.yml"])
    child = OF_THE_EXAMPLES["matrix"]
    for variables, jobs in expected_of_good():
        given = named(variables)
        assert pipeline_of(parent, "web", given) is not None
        started = jobs_of(child, "parent_pipeline", given | {"CLUSTER": "east"})
        assert {name: job.environment for name, job in started.items()} == {
            name: str(job.environment).replace("/web/", "/east/web/", 1) for name, job in jobs.items()
        }
    for variables in hostile():
        assert jobs_of(child, "parent_pipeline", variables | {"CLUSTER": "east"}) == {}
    for names, selector in itertools.product([None, "", " ", "\n"], repeat=2):
        nobody = named({"PROJECT": "web", "ROUTE_NAME": names, "ROUTE_SELECTOR": selector, "MAINTENANCE": "legacy"})
        assert pipeline_of(parent, "web", nobody) is None
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

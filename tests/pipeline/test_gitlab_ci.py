"""The pipeline: what can be known of it without a GitLab."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from maintenance_ci.cli import _parser
from maintenance_ci.errors import EXIT_TRY_AGAIN
from maintenance_ci.jobs.build_and_deploy import IMPORT_TIMEOUT
from maintenance_ci.log.report_files import DOTENV, JUNIT, PICTURE, REPORT
from maintenance_ci.names import ACTIONS, ROUTE_STRATEGIES
from maintenance_ci.page.helm import TIMEOUT as HELM_TIMEOUT
from maintenance_ci.settings.variables import BuildAndDeploySettings, RoutesSettings, variables_read
from tests.rehearsal.gitlab_ci.documented import example
from tests.tools.gitlab_evaluation import ENVIRONMENT_NAME, pipeline_of
from tests.tools.gitlab_pipeline import (
    CHANGES,
    COMPONENT,
    JOBS,
    PIPELINE,
    ROOT,
    Configuration,
    component,
    our_pipeline,
    schema_faults,
    whole_pipeline,
)


@pytest.fixture
def pipeline() -> Configuration:
    return our_pipeline()


@pytest.mark.parametrize(
    ("part", "right", "wrong"),
    [
        ("ours", "local: templates", "locale: templates"),
        ("header", "type: array", "type: list"),
        ("jobs", "when: manual", "when: somehow"),
    ],
)
def test_gitlab_takes_it(tmp_path: Path, part: str, right: str, wrong: str) -> None:
    header, jobs = COMPONENT.read_text().split("\n---\n")
    text = {"ours": PIPELINE.read_text(), "header": header, "jobs": jobs}[part]
    file = tmp_path / "part.yml"
    file.write_text(text)
    assert schema_faults(file) == ""
    file.write_text(text.replace(right, wrong))
    assert schema_faults(file) != ""


def test_each_job_calls_its_command(pipeline: Configuration) -> None:
    assert pipeline["stages"] == CHANGES
    for name in JOBS:
        assert pipeline[name]["stage"] == (name if name in CHANGES else "build-and-deploy")
        # In a pipeline the page is made before the switch; a plan alone comes before both.
        called = [name, *{"plan": ["--page-later"], "rehearse": ["--cluster"]}.get(name, [])]
        assert pipeline[name]["script"] == [" ".join(["maintenance-ci", *called])]
        assert _parser().parse_args(called).run is not None
    assert set(pipeline) == {"stages", "workflow", "variables", *JOBS}


def begins(rules: list[dict[str, object]]) -> list[dict[str, object]]:
    """The rules but for what they say of a pipeline that only ends a maintenance."""
    return [rule for rule in rules if not str(rule.get("if", "")).startswith('$ACTION == "end"')]


def stop_faults(jobs: Configuration) -> list[str]:
    """What keeps the Stop button from ending a maintenance, or lets something else end it."""
    start = jobs["deploy-route"]
    stop = jobs.get(start["environment"].get("on_stop"))
    if stop is None:
        return ["on_stop names no job"]
    checks = {
        "it does not stop": stop["environment"].get("action") == "stop",
        "another environment": stop["environment"]["name"] == start["environment"]["name"],
        "another resource group": stop["resource_group"] == start["resource_group"],
        # GitLab compares no rules: the button needs the job in each pipeline that has `deploy-route`.
        "other rules": begins(stop["rules"]) == begins(start["rules"]),
        "it does not wait for a click": stop.get("when") == "manual",
        "it blocks the pipeline": stop.get("allow_failure") is True,
        "it waits for other jobs": stop.get("needs") == [],
        "it does not ask": bool(stop.get("manual_confirmation")),
        "it ends by itself": "auto_stop_in" not in json.dumps(jobs),
        "it needs the dotenv": "url" not in stop["environment"],
    }
    return [fault for fault, well in checks.items() if not well]


def test_the_stop_button_ends_the_maintenance(pipeline: Configuration) -> None:
    assert stop_faults(pipeline) == []
    assert [name for name in JOBS if pipeline[name].get("when") == "manual"] == ["delete"]


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda jobs: jobs["deploy-route"]["environment"].update(on_stop="Delete"), "on_stop names no job"),
        (lambda jobs: jobs["delete"]["environment"].update(action="start"), "it does not stop"),
        (lambda jobs: jobs["delete"]["environment"].update(name="maintenance"), "another environment"),
        (lambda jobs: jobs["delete"].update(resource_group="x"), "another resource group"),
        (lambda jobs: jobs["delete"].update(rules=[{"if": "$PROJECT"}]), "other rules"),
        (lambda jobs: jobs["delete"].update(allow_failure=False), "it blocks the pipeline"),
        (lambda jobs: jobs["delete"].pop("needs"), "it waits for other jobs"),
        (lambda jobs: jobs["deploy-route"]["environment"].update(auto_stop_in="1 day"), "it ends by itself"),
    ],
)
def test_what_would_break_the_stop_button(
    pipeline: Configuration, spoil: Callable[[Configuration], None], fault: str
) -> None:
    spoil(pipeline)
    assert stop_faults(pipeline) == [fault]


def test_the_environment_opens_with_the_application_s_address(pipeline: Configuration) -> None:
    opened = [name for name in JOBS if pipeline[name]["environment"].get("action", "start") == "start"]
    assert opened == ["deploy-route"]
    assert pipeline["deploy-route"]["environment"]["url"] == "$MAINTENANCE_URL"


@pytest.mark.parametrize("prefix", ["maintenance", "maintenance/$CLUSTER"])
def test_a_variable_of_one_namespace_reaches_all_its_jobs(prefix: str) -> None:
    pipeline = our_pipeline(**{"environment-prefix": prefix})
    names = {name: pipeline[name]["environment"]["name"] for name in JOBS}
    own = f"{prefix}/$PROJECT/$MAINTENANCE_OF"
    alone = {"plan": f"{prefix}/$PROJECT/-plan", "rehearse": f"{prefix}/$PROJECT/-rehearsal"}
    assert names == dict.fromkeys(CHANGES, own) | alone
    assert all(ENVIRONMENT_NAME.fullmatch(name) for name in names.values())
    # Whatever begins so is reached by the scope PREFIX/PROJECT/* (GitLab's HasEnvironmentScope: * is SQL's LIKE %).
    assert all(name.startswith(f"{prefix}/$PROJECT/") for name in names.values())
    for variable in ("ROUTE_NAME", "MAINTENANCE"):  # so it is no maintenance's environment
        with pytest.raises(ValueError, match=variable):
            RoutesSettings.model_validate({"PROJECT": "web", variable: "-plan"})
        with pytest.raises(ValueError, match=variable):
            RoutesSettings.model_validate({"PROJECT": "web", variable: "-rehearsal"})


@pytest.mark.parametrize("prefix", ["", " ", "/", "/x", "x/", "x//y", "x\n", "ä", "x,y", "%X%"])
def test_a_prefix_that_begins_no_environment_s_name_is_refused_with_the_pipeline(prefix: str) -> None:
    """Else each of its jobs fails, by a name that GitLab cannot make."""
    with pytest.raises(AssertionError, match="environment-prefix input: provided value does not match"):
        our_pipeline(**{"environment-prefix": prefix})


@pytest.mark.parametrize("prefix", ["$CLUSTER", "${CLUSTER}/x", "p" * 247])
def test_no_job_starts_by_a_prefix_that_is_empty_or_too_long_once_it_is_expanded(prefix: str) -> None:
    """An input's pattern cannot see that; GitLab fails the jobs, since it cannot create the environment."""
    pipeline = our_pipeline(**{"environment-prefix": prefix})
    with pytest.raises(AssertionError, match="no environment can be called"):
        pipeline_of(pipeline, "web", {"PROJECT": "web", "ROUTE_NAME": "shop"})


def test_what_a_project_s_file_adds_is_merged_with_the_component() -> None:
    """As GitLab merges: mappings key by key, at all depths; a list or a text takes the place of ours."""
    own = """
    stages: [test, build-and-deploy, deploy-route, delete]
    variables: {PROJECT: pay, OKD_URL: https://api.example.test}
    default: {after_script: [cleanup], tags: [docker]}
    .maintenance: {tags: [cluster], artifacts: {expire_in: never}}
    delete: {environment: {deployment_tier: production}, needs: [unit-tests]}
    unit-tests: {stage: test, script: [make test]}
    """
    pipeline = whole_pipeline(example("component")[".gitlab-ci.yml"] + textwrap.dedent(own))
    assert pipeline["stages"][0] == "test"
    assert pipeline["variables"]["PROJECT"] == "pay"
    assert pipeline["variables"]["ROUTE_NAME"]["value"] == ""
    for name in JOBS:
        assert pipeline[name]["tags"] == ["cluster"]
        assert pipeline[name]["artifacts"]["expire_in"] == "never"
        assert pipeline[name]["artifacts"]["when"] == "always"
        assert pipeline[name]["environment"]["name"].startswith("maintenance/$PROJECT/")
    assert pipeline["delete"]["environment"]["action"] == "stop"
    tiers = [pipeline[name]["environment"]["deployment_tier"] for name in ("deploy-route", "delete")]
    assert tiers == ["other", "production"]
    assert pipeline["delete"]["needs"] == ["unit-tests"]
    begun = pipeline_of(pipeline, "web", {"ROUTE_NAME": "shop"})
    assert begun is not None
    assert begun.jobs["deploy-route"].environment == "maintenance/pay/shop"


@pytest.mark.parametrize("keyword", ["after_script", "cache", "services", "hooks", "id_tokens", "interruptible"])
def test_what_a_project_sets_for_its_own_jobs_is_not_for_these(pipeline: Configuration, keyword: str) -> None:
    """Nothing of `default:` is; `variables` are, since they may say where the cluster is."""
    for name in JOBS:
        assert pipeline[name]["inherit"] == {"default": False}
        assert keyword not in pipeline[name] or pipeline[name][keyword] is False


def test_the_form_offers_what_the_jobs_read(pipeline: Configuration) -> None:
    read = variables_read(BuildAndDeploySettings, RoutesSettings)
    form = {name: entry for name, entry in pipeline["variables"].items() if isinstance(entry, dict)}
    assert list(form)[:6] == ["ACTION", "PROJECT", "ROUTE_NAME", "SUBPATH", "ROUTE_SELECTOR", "MAINTENANCE"]
    for name, entry in form.items():
        assert name in read | {"PLAN_ONLY"}
        assert entry["description"].endswith(".")
        assert isinstance(entry["value"], str)
        assert entry["value"] in entry.get("options", [entry["value"]])
    given = {"PROJECT": "shop", "ROUTE_NAME": "shop", "SUBPATH": "/x"}
    filled_in = {name: entry["value"] for name, entry in form.items() if entry["value"]} | given
    access = {"OKD_URL": "https://api.example.test", "OKD_TOKEN": "x"}
    for model in (BuildAndDeploySettings, RoutesSettings):
        defaults = model.model_validate(given | access | {"IMAGE_TAG": "v1"})
        assert model.model_validate(filled_in | access) == defaults


FORM = [
    "action",
    "project",
    "route-name",
    "subpath",
    "route-selector",
    "maintenance",
    "title",
    "message",
    "end",
    "image-tag",
]
FORM += ["build-maintenance-page", "strategy", "accept-route-differences", "force", "plan-only"]


def test_each_variable_of_the_form_has_an_input() -> None:
    inputs, jobs = component()
    form = {name: entry for name, entry in jobs["variables"].items() if isinstance(entry, dict)}
    assert [entry["value"] for entry in form.values()] == [f"$[[ inputs.{name} ]]" for name in FORM]
    for name, entry in zip(FORM, form.values(), strict=True):
        options = inputs[name].get("options")
        assert entry.get("options") == options or name == "force"


@pytest.mark.parametrize("force", ["false", "endpoints, host, pipeline, trace", "true"])
def test_an_input_forces_what_the_form_does_not_offer(force: str) -> None:
    assert "options" not in component()[0]["force"]
    entry = our_pipeline(force=force)["variables"]["FORCE"]
    assert entry["value"] == force
    assert entry["options"] == [force, "owner"]
    fields = {"PROJECT": "web", "ROUTE_NAME": "shop", "OKD_URL": "https://api.example.test", "OKD_TOKEN": "x"}
    words = RoutesSettings.model_validate(fields | {"FORCE": entry["value"]}).force
    assert set(force.replace(",", "").split()) in ({"false"}, {"true"}, {word.value for word in words})


def test_the_options_are_all_that_there_are(pipeline: Configuration) -> None:
    assert set(pipeline["variables"]["ROUTE_STRATEGY"]["options"]) == set(ROUTE_STRATEGIES)
    assert pipeline["variables"]["ACTION"]["options"] == list(ACTIONS)


def test_our_own_pipeline_is_the_component(pipeline: Configuration) -> None:
    ours = yaml.safe_load(PIPELINE.read_text())
    assert set(ours) == {"include", "variables"}
    include, release = ours["include"]
    assert ROOT / include["local"] == COMPONENT
    assert set(include["inputs"]) <= set(component()[0])
    assert "rules" in release  # tests/pipeline/test_release.py
    for name in JOBS:
        assert "requirements-jobs.lock" in str(pipeline[name]["before_script"])
        assert pipeline[name]["image"] == "$MAINTENANCE_CI_IMAGE"


@pytest.mark.parametrize(
    ("name", "action", "minutes", "reports"),
    [
        ("plan", "access", 20, {"junit": JUNIT}),
        ("rehearse", "access", 45, {"junit": JUNIT}),
        ("build-and-deploy", "prepare", 45, {"junit": JUNIT}),
        ("deploy-route", None, 20, {"junit": JUNIT, "dotenv": DOTENV}),
        ("delete", "stop", 20, {"junit": JUNIT}),
    ],
)
def test_what_gitlab_does_with_each_job(
    pipeline: Configuration, name: str, action: str | None, minutes: int, reports: dict[str, str]
) -> None:
    job = pipeline[name]
    assert job["environment"].get("action") == action
    # GitLab adds what is said of a duration. The last minutes are for what the job puts back, and for its reports.
    assert job["timeout"] == f"{minutes} minutes 300 seconds"
    assert job["variables"] == {"GIT_STRATEGY": "fetch", "RUNNER_SCRIPT_TIMEOUT": f"{minutes}m"}
    kept = {
        "when": "always",
        "expire_in": "1 year",
        "paths": [REPORT, JUNIT, *([PICTURE] if name == "rehearse" else [])],
    }
    assert job["artifacts"] == {**kept, "reports": reports}
    # Those that GitLab 18.3 knows and that another try may mend (GitLab's Entry::Retry): scheduler_failure is tried
    # again anyway, stuck_or_timeout_failure comes up to an hour late.
    reasons = ["runner_system_failure", "api_failure", "data_integrity_failure"]
    assert job["retry"] == {"max": 2, "when": reasons, "exit_codes": [EXIT_TRY_AGAIN]}
    # GitLab would guess it from the name: "int" in it means testing, "web-prod" production.
    assert job["environment"]["deployment_tier"] == "other"
    assert job["interruptible"] is False
    assert job["dependencies"] == []
    assert job.get("resource_group") == (None if name == "plan" else "maintenance/$PROJECT")


def test_a_pipeline_has_a_name_and_is_not_cancelled_by_a_push(pipeline: Configuration) -> None:
    assert pipeline["workflow"]["auto_cancel"] == {"on_new_commit": "none"}
    pipeline_of_a_route = pipeline_of(pipeline, "web", {"PROJECT": "web", "ROUTE_NAME": "shop", "SUBPATH": "/pay"})
    assert pipeline_of_a_route is not None
    assert pipeline_of_a_route.name == "Maintenance of web/shop/pay"


def test_a_job_s_minutes_are_more_than_all_its_waits() -> None:
    minutes = {name: spec["default"] for name, spec in component()[0].items() if name.endswith("-minutes")}
    fields = BuildAndDeploySettings.model_fields | RoutesSettings.model_fields
    waits = {name: field.default for name, field in fields.items()}
    build = waits["lease_timeout"] + waits["build_timeout"] + waits["rollout_timeout"] + IMPORT_TIMEOUT
    assert minutes["build-minutes"] * 60 > build + 3 * HELM_TIMEOUT
    # A switch and its way back: for each the routers to admit, the users to see it, and a step that is tried again.
    route = waits["lease_timeout"] + 2 * 3 * waits["admission_timeout"]
    assert minutes["route-minutes"] * 60 > route

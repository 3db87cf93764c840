"""The pipeline, the service account and the example templates: what can be known of them without a GitLab."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from maintenance_ci.cli import _parser
from maintenance_ci.errors import EXIT_TRY_AGAIN
from maintenance_ci.route_template import expected_route, fill_parameters, parse_template
from maintenance_ci.settings import BuildAndDeploySettings, RouteSettings
from tests.readme import table
from tests.rehearsal.gitlab_ci.documented import example

ROOT = Path(__file__).parent.parent
PIPELINE = ROOT / ".gitlab-ci.yml"
COMPONENT = ROOT / "templates/maintenance/template.yml"
CHANGES = ["build-and-deploy", "deploy-route", "delete"]
JOBS = ["plan", *CHANGES]
# GitLab's own (Gitlab::Regex.environment_name_regex): what an environment, and a resource group, may be called.
ENVIRONMENT_NAME = re.compile(r"[\w${}. -]([\w/${}. -]*[\w${}. -])?", re.ASCII)
PLACEHOLDER = re.compile(r"\$\[\[ inputs\.([\w-]+) \]\]")

Configuration = dict[str, Any]


def component() -> tuple[Configuration, Configuration]:
    """The component's inputs, and its jobs with the inputs' places in them."""
    header, jobs = yaml.safe_load_all(COMPONENT.read_text())
    return dict(header["spec"]["inputs"]), dict(jobs)


def filled(value: Any, inputs: Configuration) -> Any:
    """Put the inputs into their places, as GitLab does: one that stands alone keeps its type."""
    if isinstance(value, dict):
        return {filled(key, inputs): filled(item, inputs) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, inputs) for item in value]
    if not isinstance(value, str):
        return value
    alone = PLACEHOLDER.fullmatch(value)
    return inputs[alone[1]] if alone else PLACEHOLDER.sub(lambda found: str(inputs[found[1]]), value)


@pytest.fixture
def pipeline() -> Configuration:
    """Our own pipeline, with its include put into it."""
    ours = yaml.safe_load(PIPELINE.read_text())
    (include,) = ours.pop("include")
    inputs, jobs = component()
    defaults = {name: spec.get("default") for name, spec in inputs.items()}
    merged = extended(filled(jobs, defaults | include["inputs"]))
    return merged | {"variables": merged["variables"] | ours["variables"]}


def extended(jobs: Configuration) -> Configuration:
    """Put what each job extends into it: of what both have, its own is taken; mappings are merged."""

    def whole(name: str) -> Configuration:
        job = jobs[name]
        base = whole(job["extends"]) if "extends" in job else {}
        merged = {key: {**base[key], **job[key]} for key in base.keys() & job.keys() if isinstance(job[key], dict)}
        return {key: value for key, value in {**base, **job, **merged}.items() if key != "extends"}

    bases = {name for name in jobs if name.startswith(".")}
    return {name: whole(name) if name in JOBS else value for name, value in jobs.items() if name not in bases}


def schema_faults(file: Path) -> str:
    argv = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.gitlab-ci"]
    done = subprocess.run([*argv, "--data-transform", "gitlab-ci", file], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode else ""


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
        assert pipeline[name]["stage"] == ("build-and-deploy" if name == "plan" else name)
        assert pipeline[name]["script"] == [f"maintenance-ci {name}"]
        assert _parser().parse_args([name]).run is not None
    assert set(pipeline) == {"stages", "workflow", "variables", *JOBS}


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
        "other rules": stop["rules"] == start["rules"],
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
    assert pipeline["deploy-route"]["artifacts"]["reports"]["dotenv"] == "maintenance.env"
    names = {name: pipeline[name]["environment"]["name"] for name in JOBS}
    assert set(names.values()) == {"maintenance/plan", "maintenance/$PROJECT/$ROUTE_NAME$SUBPATH"}


def test_it_never_starts_on_a_push_or_without_a_route(pipeline: Configuration) -> None:
    refused, start = pipeline["workflow"]["rules"]
    assert refused["when"] == "never"
    sources = "web|api|trigger|schedule|parent_pipeline"
    assert start == {"if": f"$PROJECT && $ROUTE_NAME && $CI_PIPELINE_SOURCE =~ /^({sources})$/"}
    for name in JOBS:
        (rule,) = pipeline[name]["rules"]
        equals = "==" if name == "plan" else "!="
        assert rule == {"if": start["if"].replace("NAME &&", f'NAME && $PLAN_ONLY {equals} "true" &&')}


@pytest.mark.parametrize("subpath", ["", "/shop", "/a.b/c_d-e", "/shop/", "/a+b", "/a b", "/x$y", "/{x}"])
def test_no_pipeline_has_an_environment_that_gitlab_would_refuse(pipeline: Configuration, subpath: str) -> None:
    (pattern,) = re.findall(r"\$SUBPATH =~ /(.*)/$", pipeline["workflow"]["rules"][0]["if"])
    starts = not re.search(pattern.replace(r"\/", "/"), subpath)
    assert starts is (subpath in {"", "/shop", "/a.b/c_d-e"})
    if starts:
        assert ENVIRONMENT_NAME.fullmatch(f"maintenance/web/shop{subpath}")


def test_the_form_offers_what_the_jobs_read(pipeline: Configuration) -> None:
    fields = BuildAndDeploySettings.model_fields | RouteSettings.model_fields
    form = {name: entry for name, entry in pipeline["variables"].items() if isinstance(entry, dict)}
    assert list(form)[:3] == ["PROJECT", "ROUTE_NAME", "SUBPATH"]
    for name, entry in form.items():
        assert name.lower() in fields or name == "PLAN_ONLY"
        assert entry["description"].endswith(".")
        assert isinstance(entry["value"], str)
        assert entry["value"] in entry.get("options", [entry["value"]])
    given = {"PROJECT": "shop", "ROUTE_NAME": "shop", "SUBPATH": "/x"}
    filled_in = {name: entry["value"] for name, entry in form.items() if entry["value"]} | given
    access = {"OKD_URL": "https://api.example.test", "OKD_TOKEN": "x"}
    for model in (BuildAndDeploySettings, RouteSettings):
        defaults = model.model_validate(given | access | {"IMAGE_TAG": "v1"})
        assert model.model_validate(filled_in | access) == defaults


def test_the_options_are_all_that_there_are(pipeline: Configuration) -> None:
    inputs, _ = component()
    strategies = pipeline["variables"]["ROUTE_STRATEGY"]["options"]
    assert inputs["strategy"]["options"] == strategies
    assert set(RouteSettings.model_json_schema()["properties"]["ROUTE_STRATEGY"]["enum"]) == set(strategies)


def variables_of(text: str) -> set[str]:
    """The variables that a file refers to, less those that GitLab and the shell give."""
    used = set(re.findall(r"\$\{?([A-Za-z_]\w*)", text))
    return {name for name in used if not name.startswith("CI_") and name not in {"PATH", "PWD"}}


def test_every_variable_is_declared_and_documented(pipeline: Configuration) -> None:
    declared = set(pipeline["variables"]).union(*(pipeline[name].get("variables", {}) for name in JOBS))
    written_by_a_job, of_the_runner = {"MAINTENANCE_URL"}, {"GIT_STRATEGY"}
    used = variables_of(COMPONENT.read_text() + PIPELINE.read_text())
    assert used - declared == written_by_a_job
    assert declared - table() == of_the_runner
    read = {name.upper() for model in (BuildAndDeploySettings, RouteSettings) for name in model.model_fields}
    assert declared - read - of_the_runner == used - read - written_by_a_job == {"MAINTENANCE_CI_IMAGE", "PLAN_ONLY"}


def test_every_input_is_used_and_documented() -> None:
    inputs, jobs = component()
    assert set(PLACEHOLDER.findall(yaml.safe_dump(jobs, width=1000))) == set(inputs)
    rows = re.findall(r"^\| (`[^|]*) \| ([^|]*?) ?\| [^|]* \|$", section("### 2. Six lines"), re.MULTILINE)
    documented = {name: default for names, default in rows for name in re.findall(r"`([\w-]+)`", names)}
    assert set(documented) == set(inputs)
    for name, spec in inputs.items():
        assert spec["description"].endswith(".")
        default = documented[name].strip("`").replace("empty", "")
        stage = name.removesuffix("-stage")
        expected = "the jobs' names" if stage != name else str(spec.get("default", ""))
        assert default == expected


def section(title: str) -> str:
    return (ROOT / "docs/pipeline.md").read_text().split(title)[1].split("\n##")[0]


def test_our_own_pipeline_is_the_component(pipeline: Configuration) -> None:
    ours = yaml.safe_load(PIPELINE.read_text())
    assert set(ours) == {"include", "variables"}
    (include,) = ours["include"]
    assert ROOT / include["local"] == COMPONENT
    assert set(include["inputs"]) <= set(component()[0])
    for name in JOBS:
        assert "requirements-jobs.lock" in str(pipeline[name]["before_script"])
        assert pipeline[name]["image"] == "$MAINTENANCE_CI_IMAGE"


def test_a_job_is_tried_again_when_it_says_so(pipeline: Configuration) -> None:
    for name in JOBS:
        assert pipeline[name]["retry"] == {"max": 2, "when": ["runner_system_failure"], "exit_codes": [EXIT_TRY_AGAIN]}
        assert pipeline[name]["interruptible"] is False
        assert "timeout" in pipeline[name]
    groups = {name: pipeline[name].get("resource_group") for name in JOBS}
    assert groups == {"plan": None} | dict.fromkeys(CHANGES, "maintenance/$PROJECT")


@pytest.mark.parametrize("name", ["component", "include", "matrix", "inputs"])
def test_the_documented_examples_are_right(name: str, tmp_path: Path) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    inputs, _ = component()
    includes = 0
    for path, text in example(name).items():
        *_, body = text.split("---\n")
        (tmp_path / path).write_text(body)
        assert schema_faults(tmp_path / path) == ""
        for include in yaml.safe_load(body).get("include", []):
            includes += 1
            assert set(include["inputs"]) <= set(inputs)
            assert {name for name, spec in inputs.items() if "default" not in spec} <= set(include["inputs"])
            assert include.get("ref", include.get("component", "").rpartition("@")[2]) == version
            assert include["inputs"]["image"].endswith(f":{version}")
    assert includes == 1


def test_the_readme_s_six_lines() -> None:
    (text,) = example("component", "README.md").values()
    assert text == example("component")[".gitlab-ci.yml"]
    assert text.count("\n") <= 6


def service_account() -> dict[str, dict[str, Any]]:
    text = (ROOT / "docs/service-account.yaml").read_text().replace("PROJECT", "shop")
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def test_the_service_account_is_bound_to_its_role() -> None:
    objects = service_account()
    name = objects["ServiceAccount"]["metadata"]["name"]
    assert objects["RoleBinding"]["subjects"] == [{"kind": "ServiceAccount", "name": name, "namespace": "shop"}]
    assert objects["RoleBinding"]["roleRef"]["name"] == objects["Role"]["metadata"]["name"]
    assert objects["Secret"]["metadata"]["annotations"] == {"kubernetes.io/service-account.name": name}


def test_the_role_asks_for_nothing_wholesale() -> None:
    rules = service_account()["Role"]["rules"]
    granted = [(group, resource) for rule in rules for group in rule["apiGroups"] for resource in rule["resources"]]
    assert len(granted) == len(set(granted))
    assert not any("*" in value for rule in rules for values in rule.values() for value in values)
    risky = {"pods/exec", "rolebindings", "roles", "serviceaccounts/token", "configmaps", "namespaces"}
    assert not risky & {resource for _, resource in granted}


EXAMPLES = ROOT / "route-templates/example"


@pytest.mark.parametrize("path", ["shop.yaml", "portal.yaml", "intranet.yaml.j2"])
def test_each_example_yields_its_route(path: str) -> None:
    name = path.partition(".")[0]
    variables = {"route_name": name, "namespace": "web"}
    manifest = parse_template((EXAMPLES / path).read_text(), path=path, values=variables)
    objects = [manifest] if manifest["kind"] == "Route" else process(fill_parameters(manifest, {}, path=path))
    route = expected_route(objects, name=name, namespace="web", path=path)
    assert route["spec"]["host"] == f"{name}.example.test"
    assert route["spec"]["to"]["name"] == name


def process(template: dict[str, Any]) -> list[dict[str, Any]]:
    """What the cluster makes of a Template whose parameters all have values."""
    text = json.dumps(template["objects"])
    for parameter in template["parameters"]:
        text = text.replace(f"${{{parameter['name']}}}", parameter["value"])
    assert "${" not in text
    return list(json.loads(text))

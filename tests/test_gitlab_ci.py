"""The pipeline, the service account and the example templates: what can be known of them without a GitLab."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from maintenance_ci.cli import _parser
from maintenance_ci.errors import EXIT_TRY_AGAIN
from maintenance_ci.route_template import expected_route, fill_parameters, parse_template
from maintenance_ci.settings import BuildAndDeploySettings, RouteSettings

ROOT = Path(__file__).parent.parent
PIPELINE = ROOT / ".gitlab-ci.yml"
JOBS = ["build-and-deploy", "deploy-route", "delete"]


@pytest.fixture(scope="module")
def pipeline() -> dict[str, Any]:
    return dict(yaml.safe_load(PIPELINE.read_text()))


def schema_faults(file: Path) -> str:
    argv = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.gitlab-ci"]
    done = subprocess.run([*argv, "--data-transform", "gitlab-ci", file], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode else ""


def test_gitlab_takes_it(tmp_path: Path) -> None:
    assert schema_faults(PIPELINE) == ""
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(PIPELINE.read_text().replace("when: manual", "when: somehow"))
    assert "somehow" in schema_faults(wrong)


def test_each_job_calls_its_command_in_the_stage_of_its_name(pipeline: dict[str, Any]) -> None:
    assert pipeline["stages"] == JOBS
    for name in JOBS:
        assert pipeline[name]["stage"] == name
        assert pipeline[name]["script"] == [f"maintenance-ci {name}"]
        assert _parser().parse_args([name]).run is not None
        assert pipeline[name]["resource_group"] == "maintenance/$PROJECT"
        assert "timeout" in pipeline[name]
    assert set(pipeline) - set(JOBS) == {"stages", "workflow", "variables", "default"}


def test_only_delete_waits_for_a_click_and_never_blocks(pipeline: dict[str, Any]) -> None:
    manual = {name: job for name in JOBS if (job := pipeline[name]).get("when") == "manual"}
    assert list(manual) == ["delete"]
    assert manual["delete"]["allow_failure"] is True
    assert manual["delete"]["needs"] == []
    assert manual["delete"]["manual_confirmation"]


def test_it_never_starts_on_a_push_or_without_a_route(pipeline: dict[str, Any]) -> None:
    assert pipeline["workflow"]["rules"] == [
        {"if": "$ROUTE_NAME && $CI_PIPELINE_SOURCE =~ /^(web|api|trigger|schedule)$/"}
    ]


def test_the_form_offers_what_the_jobs_read(pipeline: dict[str, Any]) -> None:
    fields = set(BuildAndDeploySettings.model_fields) | set(RouteSettings.model_fields)
    form = {name: entry for name, entry in pipeline["variables"].items() if isinstance(entry, dict)}
    assert list(form) == ["PROJECT", "ROUTE_NAME", "SUBPATH", "IMAGE_TAG", "BUILD_MAINTENANCE_PAGE"]
    for name, entry in form.items():
        assert name.lower() in fields
        assert entry["description"]
        assert isinstance(entry["value"], str)
        assert entry["value"] in entry.get("options", [entry["value"]])
    filled = {"PROJECT": "shop", "OKD_URL": "https://api.example.test", "OKD_TOKEN": "x"}
    defaults = {name: entry["value"] for name, entry in form.items() if entry["value"]}
    assert BuildAndDeploySettings.model_validate(defaults | filled).build_maintenance_page is False


def test_a_job_is_tried_again_when_it_says_so(pipeline: dict[str, Any]) -> None:
    assert pipeline["default"]["retry"]["exit_codes"] == [EXIT_TRY_AGAIN]
    assert pipeline["default"]["interruptible"] is False


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

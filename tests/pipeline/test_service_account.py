"""The service account and the example templates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from maintenance_ci.plan.rights import Right, missing
from maintenance_ci.templates.rendering import read_rendered
from maintenance_ci.templates.route import expected_route, template_to_process
from tests.tools.readme import README

ROOT = Path(__file__).parents[2]


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
    file = read_rendered((EXAMPLES / path).read_text(), path=path, values=variables)
    if file.template:
        objects = process(template_to_process(file, {}, foreign_parameters=False))
    else:
        objects = [route.manifest for route in file.routes]
    template_route = expected_route(file, objects, name=name, namespace="web")
    assert template_route.remarks == ()
    assert template_route.route["spec"]["host"] == f"{name}.example.test"
    assert template_route.route["spec"]["to"]["name"] == name


def process(template: dict[str, Any]) -> list[dict[str, Any]]:
    """What the cluster makes of a Template whose parameters all have values."""
    text = json.dumps(template["objects"])
    for parameter in template["parameters"]:
        text = text.replace(f"${{{parameter['name']}}}", parameter["value"])
    assert "${" not in text
    return list(json.loads(text))


# What each command that the jobs print, or the README, asks of the server, as VERBS RESOURCE.GROUP; and what of it the
# Role has not.
COMMANDS: dict[str, tuple[list[str], set[str]]] = {
    "extract": (["get secrets"], set()),
    "apply": (
        ["get,patch,create routes.route.openshift.io", "create,update routes/custom-host.route.openshift.io"],
        set(),
    ),
    "replace": (["get,update routes.route.openshift.io"], set()),
    "delete": (["delete routes.route.openshift.io", "delete secrets"], set()),
    "logs": (["get builds.build.openshift.io", "get builds/log.build.openshift.io"], set()),
    "port-forward": (["get services", "list pods", "create pods/portforward"], {"pods/portforward"}),
    "describe": (["get deployments.apps", "list replicasets.apps", "list events"], {"replicasets", "events"}),
}


def rights(asked: list[str]) -> list[Right]:
    found = []
    for verbs, _, what in (one.partition(" ") for one in asked):
        resource, _, group = what.partition(".")
        found += [Right(verb, group, resource, "") for verb in verbs.split(",")]
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_says_whose_login_a_command_needs(command: str) -> None:
    asked, lacking = COMMANDS[command]
    found = missing(rights(asked), service_account()["Role"]["rules"])
    assert {right.resource for right in found} == lacking
    (paragraph,) = (one for one in README.split("\n\n") if one.startswith("Whose login these commands need"))
    with_the_role, _, by_a_person = paragraph.partition("Role;")
    assert (command in with_the_role) == (not lacking)
    assert (command in by_a_person) == bool(lacking)

"""Whole jobs with templates as teams have them: the Route afterwards is the Route before, whatever the form."""

from __future__ import annotations

import copy
import json

import pytest
from aiohttp import web

from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.store import Object
from tests.jobs.looking.scene import quiet
from tests.templates.test_template_cases import NESTED, OLD, REFUSED, REMARKS, TAKEN, case
from tests.tools.clusters import Cluster
from tests.tools.command_line import run
from tests.tools.outcomes import essence, ok

# Two are played in `make test`, all in `make test-all`: JSON without a host, and a whole application's Template.
SOON = ("06-template-v1-whole-application.yaml",)
METADATA = {
    "06-template-v1-whole-application.yaml": {"labels": {"app": "shop", "app.kubernetes.io/managed-by": "jenkins"}},
    "09-unquoted-times.yaml": {
        "labels": {"version": "2024-01-01"},
        "annotations": {"example.test/reviewed": "2024-03-01", "example.test/window": "12:30"},
    },
}
GENERATED = "openshift.io/host.generated"


@pytest.fixture
def bodies(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bytes]]:
    """Path and body of every request to the cluster, dry runs too."""
    seen: list[tuple[str, bytes]] = []
    read = web.BaseRequest.read

    async def noted(request: web.BaseRequest) -> bytes:
        body = await read(request)
        seen.append((request.path_qs, body))
        return body

    monkeypatch.setattr(web.BaseRequest, "read", noted)
    return seen


def live_route(cluster: Cluster, name: str) -> Object:
    """Let the Route be there as its file makes it, by the API."""
    if cluster.find("routes", "shop"):
        cluster.call(cluster.store.delete, "routes", manifests.NAMESPACE, "shop")
    metadata = {"name": "shop", "namespace": manifests.NAMESPACE, **METADATA.get(name, {})}
    manifest = {"metadata": metadata, "spec": copy.deepcopy(TAKEN[name])}
    cluster.call(cluster.store.create, "routes", manifest, manager="team")
    quiet(cluster)
    found = cluster.find("routes", "shop")
    assert found is not None
    return found


def variables(cluster: Cluster, name: str) -> dict[str, str | None]:
    """The template project holds the case alone, under its own name; the job's variables name it."""
    cluster.inside.gitlab.projects[0].branches["main"] = {name: case(name).encode()}
    return {
        "ROUTE_TEMPLATE_PATH": name,
        "ROUTE_TEMPLATE_PARAMETERS": json.dumps(NESTED) if name.endswith(".j2") else None,
    }


@pytest.mark.parametrize("strategy", ["swap", pytest.param("repoint", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "name", [name if name in SOON else pytest.param(name, marks=pytest.mark.slow) for name in TAKEN]
)
def test_a_route_goes_into_maintenance_and_comes_back(
    shared: Cluster, bodies: list[tuple[str, bytes]], name: str, strategy: str
) -> None:
    before = live_route(shared, name)
    assert (GENERATED in before["metadata"].get("annotations", {})) == (not TAKEN[name].get("host"))
    given = {**variables(shared, name), "ROUTE_STRATEGY": strategy}
    bodies.clear()
    deployed = ok(shared.run("deploy-route", given))
    ended = ok(shared.run("delete", given))
    assert essence(shared.find("routes", "shop")) == essence(before)
    for log in (deployed.log, ended.log):
        assert "The template cannot be used" not in log
        assert "accepted" not in log
        assert log.count(OLD) == (OLD in REMARKS.get(name, ""))
        assert log.count(REMARKS.get(name, "nothing is to be said")) == (name in REMARKS)
    assert not [path for path, body in bodies if b"never-to-be-applied" in body or b"ClusterRoleBinding" in body]
    assert not [path for path, body in bodies if b"back-office" in body or b"shop:latest" in body]
    processed = [body for path, body in bodies if "processedtemplates" in path]
    assert len(processed) == (2 if "template" in name else 0)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_taken_is_refused_before_anything_is_changed(shared: Cluster, name: str) -> None:
    live_route(shared, "01-no-host.yaml")
    found = run(shared, "plan", **{"ROUTE_NAME": "shop", **variables(shared, name)})
    assert found.returncode == 1
    assert REFUSED[name] in found.stdout
    assert "Traceback" not in found.stdout + found.stderr


def test_a_parameter_of_a_template_that_is_no_text_is_a_wrong_variable(shared: Cluster) -> None:
    name = "06-template-v1-whole-application.yaml"
    live_route(shared, name)
    given = {"ROUTE_NAME": "shop", **variables(shared, name), "ROUTE_TEMPLATE_PARAMETERS": '{"REPLICAS": 2}'}
    found = run(shared, "plan", **given)
    assert found.returncode == 2
    assert "ROUTE_TEMPLATE_PARAMETERS: REPLICAS must be text for a Template: put it in quotes" in found.stdout
    assert run(shared, "plan", **given | {"ROUTE_TEMPLATE_PARAMETERS": '{"REPLICAS": "2"}'}).returncode == 0


def test_the_api_s_own_words_show_no_value_of_a_template(shared: Cluster) -> None:
    live_route(shared, "01-no-host.yaml")
    given = {**variables(shared, "01-no-host.yaml"), "ROUTE_NAME": "shop", "ACCEPT_ROUTE_DIFFERENCES": "true"}
    text = case("01-no-host.yaml").replace("termination: edge", "termination: hunter2")
    shared.inside.gitlab.projects[0].branches["main"] = {"01-no-host.yaml": text.encode()}
    found = run(shared, "plan", **given)
    assert found.returncode == 1
    (line,) = [line for line in found.stdout.splitlines() if line.lstrip().startswith("ERROR")]
    assert 'spec.tls.termination: Unsupported value: supported values: "edge"' in line
    assert "hunter2" not in line

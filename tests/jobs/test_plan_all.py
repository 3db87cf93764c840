"""The command `plan --all`: every template of the project, held against the cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.cluster import TEMPLATE_PROJECT
from maintenance_ci.rehearsal.gitlab import Token, refuse
from maintenance_ci.rehearsal.gitlab_project import Project
from tests.tools.clusters import QUICK, Cluster, running
from tests.tools.command_line import run

TOKEN = "glpat-lister-of-templates"


def route(name: str, **metadata: Any) -> dict[str, Any]:
    made = manifests.route(name, f"{name}.apps.example.test", service="shop")
    return {**made, "metadata": {**made["metadata"], **metadata}}


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    with running(QUICK) as cluster:
        scopes = frozenset({"read_api"})
        cluster.inside.gitlab.tokens[TOKEN] = Token(TOKEN, frozenset({TEMPLATE_PROJECT}), scopes=scopes)
        for name in ("wiki", "blog.v1", "bare"):
            cluster.call(cluster.store.create, "routes", route(name), manager="test")
        yield cluster


@pytest.fixture
def project(shared: Cluster) -> Iterator[Project]:
    """The template project, without drift: all three forms, a README, and a Route without a template (`bare`)."""
    project = shared.inside.gitlab.projects[0]
    jinja = yaml.safe_dump(route("x")).replace(": x\n", ": '{{ route_name }}'\n")
    template = {
        "kind": "Template", "apiVersion": "template.openshift.io/v1", "metadata": {"name": "t"},
        "parameters": [{"name": "PORT", "value": "nothing"}],
        "objects": [route("blog.v1") | {"spec": route("blog.v1")["spec"] | {"port": {"targetPort": "${PORT}"}}}],
    }  # fmt: skip
    project.branches["main"] = {
        "README.md": b"# Routes\n",
        "routes/shop.yaml": manifests.template(manifests.route("shop", manifests.HOST)),
        "routes/wiki.yaml": manifests.template(route("wiki")),
        "routes/blog.v1.yaml": yaml.safe_dump(template).encode(),
        "routes/below/gone.yaml": b"not looked at",
        "jinja/wiki.yaml.j2": jinja.replace("x.apps", "{{ route_name }}.apps").encode(),
    }
    yield project
    shared.inside.gitlab.fault = None


def plan(cluster: Cluster, **variables: str | None) -> tuple[int, str]:
    given = {
        "ROUTE_TEMPLATES_TOKEN": TOKEN, "ROUTE_TEMPLATE_PATH": "routes/{{ route_name }}.yaml",
        "ROUTE_TEMPLATE_PARAMETERS": '{"PORT": "http", "OTHER": "of another Template"}',
    }  # fmt: skip
    done = run(cluster, "plan", "--all", **given | variables)
    return done.returncode, done.stdout


def test_no_drift(shared: Cluster, project: Project) -> None:
    before = shared.call(shared.store.list, "routes", manifests.NAMESPACE)
    code, log = plan(shared)
    assert code == 0, log
    assert "shop (routes/shop.yaml): same\n" in log
    assert "wiki (routes/wiki.yaml): same\n" in log
    assert "blog.v1 (routes/blog.v1.yaml): same\n" in log
    assert "bare (routes/bare.yaml): no template: there is no template for it\n" in log
    assert "Each of 3 templates would bring back what is there." in log
    assert "below" not in log
    assert shared.call(shared.store.list, "routes", manifests.NAMESPACE) == before
    assert not [one for one in shared.inside.gitlab.requests if not one.startswith("GET")]


def test_a_jinja2_template(shared: Cluster, project: Project) -> None:
    code, log = plan(shared, ROUTE_TEMPLATE_PATH="jinja/{{ route_name }}.yaml.j2")
    assert code == 0, log
    assert "wiki (jinja/wiki.yaml.j2): same\n" in log


def test_other_forms(shared: Cluster, project: Project) -> None:
    """A List, and a whole application in several documents, without a host."""
    bare = route("wiki")
    del bare["spec"]["host"]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "wiki"}}
    project.branches["main"]["routes/wiki.yaml"] = yaml.safe_dump_all([service, bare | {"apiVersion": "v1"}]).encode()
    shop = {"apiVersion": "v1", "kind": "List", "items": [service, manifests.route("shop", manifests.HOST)]}
    project.branches["main"]["routes/shop.yaml"] = yaml.safe_dump(shop).encode()
    code, log = plan(shared)
    assert code == 0, log
    assert "shop (routes/shop.yaml): same: routes/shop.yaml: 1 Route, 1 other object ignored\n" in log
    assert "wiki (routes/wiki.yaml): same: routes/wiki.yaml: 1 Route, 1 other object ignored; oc from 4.17 on" in log
    assert "routes/wiki.yaml names no host: it is that of the live Route" in log


DRIFTS: dict[str, tuple[bytes, str]] = {
    "routes/wiki.yaml": (
        manifests.template(route("wiki", labels={"app": "old"})),
        "wiki (routes/wiki.yaml): differs: labels.app is 'old' in the template, 'wiki' in the cluster",
    ),
    "routes/new.yaml": (
        manifests.template(route("new")),
        "new (routes/new.yaml): no Route: there is no Route of that name in web",
    ),
    "routes/shop.yaml": (b"kind: Route\n", "shop (routes/shop.yaml): not right: The template routes/shop.yaml is not"),
    "routes/blog.v1.yaml": (b"\xff\xfe", "blog.v1 (routes/blog.v1.yaml): not right: The template routes/blog.v1.yaml"),
    "routes/bare.yaml": (
        manifests.template(route("wiki")),
        "bare (routes/bare.yaml): not right: The template routes/bare.yaml renders to another Route than bare of web",
    ),
}


@pytest.mark.parametrize("path", DRIFTS)
def test_drift(shared: Cluster, project: Project, path: str) -> None:
    content, says = DRIFTS[path]
    project.branches["main"][path] = content
    code, log = plan(shared)
    assert code == 1
    assert says in log
    assert log.count(": same\n") == (3 if path in ("routes/new.yaml", "routes/bare.yaml") else 2)  # others: looked at
    assert "templates would not bring back what is there" in log.splitlines()[-1]


def test_several_drifts_are_one_list(shared: Cluster, project: Project) -> None:
    project.branches["main"] |= {path: content for path, (content, _) in DRIFTS.items()}
    code, log = plan(shared)
    assert code == 1
    assert [says for _, says in DRIFTS.values() if says not in log] == []
    assert "ERROR: 5 of 5 templates would not bring back what is there: " in log


def test_a_template_of_another_namespace_is_no_drift(shared: Cluster, project: Project) -> None:
    project.branches["main"]["routes/theirs.yaml"] = manifests.template(route("theirs", namespace="other-team"))
    code, log = plan(shared)
    assert code == 0
    assert "theirs (routes/theirs.yaml): elsewhere: it is for namespace other-team" in log


def test_a_job_token_looks_at_the_routes_that_are_there(shared: Cluster, project: Project) -> None:
    project.branches["main"]["routes/new.yaml"] = manifests.template(route("new"))
    code, log = plan(shared, ROUTE_TEMPLATES_TOKEN=None)
    assert code == 0, log
    assert "WARNING: a job token lists no files" in log
    assert log.count(": same\n") == 3
    assert "new (" not in log
    project.branches["main"]["routes/wiki.yaml"] = b"kind: Route\n"
    assert plan(shared, ROUTE_TEMPLATES_TOKEN=None)[0] == 1


def test_results_are_recorded(shared: Cluster, project: Project, tmp_path: Any) -> None:
    project.branches["main"]["routes/wiki.yaml"] = b"kind: Route\n"
    assert plan(shared, REPORT_DIR=str(tmp_path))[0] == 1
    report = json.loads((tmp_path / "maintenance-report.json").read_text())
    outcomes = {check["name"].split()[-1]: check["outcome"] for check in report["checks"]}
    assert outcomes == {"shop": "passed", "wiki": "refused", "blog.v1": "passed", "bare": "warned"}


@pytest.mark.parametrize("token", [TOKEN, None])
@pytest.mark.parametrize(
    ("variables", "code", "says"),
    [
        ({"ROUTE_TEMPLATES_REF": "gone"}, 1, "404"),
        ({"ROUTE_TEMPLATES_PROJECT": "ops/gone"}, 1, "404"),
        ({"ROUTE_TEMPLATE_PATH": "one.yaml"}, 2, "ROUTE_TEMPLATE_PATH: must hold {{ route_name }}"),
        ({"ROUTE_TEMPLATES_PROJECT": None}, 2, "ROUTE_TEMPLATES_PROJECT: is missing"),
    ],
)
def test_what_cannot_be_looked_at_is_no_result(
    shared: Cluster, project: Project, token: str | None, variables: dict[str, str | None], code: int, says: str
) -> None:
    found, log = plan(shared, ROUTE_TEMPLATES_TOKEN=token, **variables)
    assert found == code
    assert says in log
    assert "not right" not in log


@pytest.mark.parametrize(("status", "code"), [(503, 75), (403, 1), (401, 1)])
def test_a_gitlab_that_fails_is_no_drift(shared: Cluster, project: Project, status: int, code: int) -> None:
    shared.inside.gitlab.fault = refuse(status, "no")
    found, log = plan(shared)
    assert found == code
    assert "not right" not in log
    assert "would not bring back" not in log


@pytest.mark.parametrize("strategy", ["swap", "repoint"])
@pytest.mark.parametrize("token", [TOKEN, None])
@pytest.mark.slow
def test_a_route_in_maintenance_is_its_snapshot(
    shared: Cluster, project: Project, strategy: str, token: str | None
) -> None:
    path = {"ROUTE_TEMPLATE_PATH": "routes/{{ route_name }}.yaml"}
    assert shared.run("build-and-deploy").code == 0
    over = {"MAINTENANCE_END": "2026-01-01T06:00+01:00"}
    assert shared.run("deploy-route", {"ROUTE_STRATEGY": strategy, **path, **over}).code == 0
    try:
        code, log = plan(shared, ROUTE_TEMPLATES_TOKEN=token)
        assert code == 0, log
        assert "WARNING: the maintenance of Route shop was to end at 2026-01-01T06:00:00+01:00, " in log
        assert "shop (routes/shop.yaml): same: it is in maintenance: its snapshot was looked at" in log
        assert "shop-maintenance-page" not in log
        other = manifests.route("shop", "other.apps.example.test")
        project.branches["main"]["routes/shop.yaml"] = manifests.template(other)
        code, log = plan(shared, ROUTE_TEMPLATES_TOKEN=token)
        assert code == 1
        assert "differs: spec.host is 'other.apps.example.test' in the template" in log
        project.branches["main"]["routes/shop.yaml"] = manifests.template(manifests.route("shop", ""))
        code, log = plan(shared, ROUTE_TEMPLATES_TOKEN=token)
        assert code == 0, log
        assert "routes/shop.yaml names no host: it is that of the snapshot" in log
    finally:
        project.branches["main"]["routes/shop.yaml"] = manifests.template(manifests.route("shop", manifests.HOST))
        ended = shared.run("delete", path)
        assert ended.code == 0, ended.log

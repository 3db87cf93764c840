"""The command `export-route`: what it prints, what it commits, and what the jobs make of it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.cluster import TEMPLATE_PROJECT
from maintenance_ci.rehearsal.gitlab import Token
from maintenance_ci.rehearsal.gitlab_project import Commit, Project
from tests.tools.certificates import issued
from tests.tools.clusters import QUICK, Cluster, running
from tests.tools.command_line import run

TOKEN = "glpat-writer-of-templates"


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    with running(QUICK) as cluster:
        cluster.inside.gitlab.tokens[TOKEN] = Token(TOKEN, frozenset({TEMPLATE_PROJECT}))
        yield cluster


@pytest.fixture
def project(shared: Cluster) -> Project:
    """The template project, empty but for a file of no interest."""
    project = shared.inside.gitlab.projects[0]
    project.branches.clear()
    project.branches["main"] = {"README.md": b"# Routes\n"}
    project.commits.clear()
    project.protected = set()
    return project


@pytest.fixture
def change(shared: Cluster) -> Iterator[Any]:
    """Let the live Route be another one; it is as before afterwards."""

    def update(**spec: Any) -> None:
        found = shared.find("routes", "shop")
        assert found is not None
        notes = {"meta.helm.sh/release-name": "shop", "argocd.argoproj.io/tracking-id": "x", "note": "1e3"}
        found["metadata"]["annotations"] = {**found["metadata"]["annotations"], **notes}
        found["spec"] |= spec
        shared.call(shared.store.update, "routes", found, manager="test")

    yield update
    shared.call(shared.store.delete, "routes", manifests.NAMESPACE, "shop")
    shared.call(shared.store.create, "routes", manifests.route("shop", manifests.HOST), manager="test")


def commit(cluster: Cluster, *options: str, **variables: str | None) -> subprocess.CompletedProcess[str]:
    return run(cluster, "export-route", "shop", "--commit", *options, **{"ROUTE_TEMPLATES_TOKEN": TOKEN, **variables})


def test_the_template_alone_is_printed(shared: Cluster, change: Any) -> None:
    change(tls={"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect", **issued(2026)})
    done = run(shared, "export-route", "shop", ROUTE_TEMPLATES_PROJECT=None, CI_SERVER_URL=None, CI_JOB_TOKEN=None)
    assert done.returncode == 0
    written = yaml.safe_load(done.stdout)
    assert written["spec"] == {
        "host": manifests.HOST,
        "to": {"kind": "Service", "name": "shop"},
        "port": {"targetPort": "http"},
        "tls": {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"},
    }
    assert written["metadata"]["annotations"] == {"kubernetes.io/tls-acme": "true", "note": "1e3"}
    assert "CERTIFICATE" not in done.stdout + done.stderr
    assert "# - spec.tls.certificate, spec.tls.key: " in done.stdout
    assert "left out: spec.tls.certificate, spec.tls.key" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "says"),
    [
        (("nowhere",), {}, 1, "Route nowhere is not in namespace web."),
        (("Shop",), {}, 2, "ROUTE_NAME: must be a Route's name"),
        (("shop",), {"PROJECT": "other-team"}, 1, "forbidden"),
        (("shop", "--commit"), {}, 2, "ROUTE_TEMPLATES_TOKEN: is missing; to write takes an access token"),
        (("shop", "--commit"), {"ROUTE_TEMPLATES_PROJECT": None, "ROUTE_TEMPLATES_TOKEN": TOKEN}, 2, "PROJECT: is mi"),
    ],
)
def test_a_failure_leaves_nothing_on_stdout(
    shared: Cluster, arguments: tuple[str, ...], variables: dict[str, str | None], code: int, says: str
) -> None:
    done = run(shared, "export-route", *arguments, **variables)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr


def test_a_template_is_created_then_left_then_updated(shared: Cluster, project: Project, change: Any) -> None:
    done = commit(shared)
    assert (done.returncode, done.stdout) == (0, "")
    assert "shop.yaml is created in ops/route-templates, branch main." in done.stderr
    message = "Route shop of web, as the cluster has it\n\n" + shared.inside.job_variables()["CI_PIPELINE_URL"]
    assert project.commits == [Commit("main", "shop.yaml", message)]
    assert project.branches["main"]["shop.yaml"].decode() == run(shared, "export-route", "shop").stdout

    assert "is the same already: no commit" in commit(shared).stderr
    project.branches["main"]["shop.yaml"] = b"# by hand\n" + project.branches["main"]["shop.yaml"]
    assert "is the same already: no commit" in commit(shared).stderr
    assert len(project.commits) == 1

    change(port={"targetPort": 8080})
    assert "shop.yaml is updated in ops/route-templates" in commit(shared).stderr
    assert len(project.commits) == 2
    assert b"targetPort: 8080" in project.branches["main"]["shop.yaml"]


def test_another_path_and_branch(shared: Cluster, project: Project) -> None:
    project.branches["prod/2.0"] = {}
    done = commit(shared, ROUTE_TEMPLATE_PATH="a.b/{{ route_name }}/route.v1.yaml.j2", ROUTE_TEMPLATES_REF="prod/2.0")
    assert done.returncode == 0
    assert list(project.branches["prod/2.0"]) == ["a.b/shop/route.v1.yaml.j2"]
    assert list(project.branches["main"]) == ["README.md"]


@pytest.mark.parametrize(
    ("path", "content", "form"),
    [
        ("{{ route_name }}.yaml", b"kind: Template\nobjects: []\n", "is in another form: Template"),
        ("{{ route_name }}.yaml.j2", b"kind: Route\nmetadata: {name: '{{ route_name }}'}\n", "another form: Jinja2"),
        ("{{ route_name }}.yaml", b"kind: Route\n---\nkind: Service\n", "is in another form: several objects"),
        ("{{ route_name }}.yaml", b"notes of mine\n", "is something else than a template"),
    ],
)
@pytest.mark.slow
def test_what_a_person_wrote_is_not_overwritten(
    shared: Cluster, project: Project, path: str, content: bytes, form: str
) -> None:
    name = path.replace("{{ route_name }}", "shop")
    project.branches["main"][name] = content
    done = commit(shared, ROUTE_TEMPLATE_PATH=path)
    assert done.returncode == 1
    assert form in done.stderr
    assert project.branches["main"][name] == content
    assert commit(shared, "--force", ROUTE_TEMPLATE_PATH=path).returncode == 0
    assert b"kind: Route" in project.branches["main"][name]


def test_headers_that_may_be_secret_are_not_committed_by_chance(shared: Cluster, project: Project, change: Any) -> None:
    action = {"type": "Set", "set": {"value": "pass-1234"}}
    change(httpHeaders={"actions": {"request": [{"name": "Authorization", "action": action}]}})
    done = commit(shared)
    assert done.returncode == 1
    assert "stay in the project's history: Authorization. Nothing was changed. --force commits them." in done.stderr
    assert "pass-1234" not in done.stderr
    assert project.commits == []
    assert commit(shared, "--force").returncode == 0


def test_a_protected_branch_and_a_branch_that_is_none(shared: Cluster, project: Project) -> None:
    project.protected = {"main"}
    done = commit(shared)
    assert done.returncode == 1
    assert "ERROR: The branch main of ops/route-templates is protected" in done.stderr
    assert "v9 is no branch of ops/route-templates" in commit(shared, ROUTE_TEMPLATES_REF="v9").stderr
    assert project.commits == []


@pytest.mark.parametrize("strategy", ["swap", "repoint"])
@pytest.mark.slow
def test_a_committed_template_takes_a_route_there_and_back(shared: Cluster, project: Project, strategy: str) -> None:
    """The template is exported, deploy-route finds no difference, and delete brings the Route back with it."""
    before = shared.find("routes", "shop")
    assert before is not None
    assert commit(shared).returncode == 0
    built = shared.run("build-and-deploy")
    assert built.code == 0, built.log
    deployed = shared.run("deploy-route", {"ROUTE_STRATEGY": strategy})
    assert deployed.code == 0, deployed.log
    assert "accepted" not in deployed.log

    away = run(shared, "export-route", "shop")
    assert "Route shop is in maintenance: this is the original" in away.stderr
    assert away.stdout == project.branches["main"]["shop.yaml"].decode()
    assert "is the same already" in commit(shared).stderr
    if strategy == "swap":
        ours = run(shared, "export-route", "shop-maintenance-page")
        assert ours.returncode == 1
        assert "is the maintenance Route of shop" in ours.stderr

    ended = shared.run("delete")
    assert ended.code == 0, ended.log
    after = shared.find("routes", "shop")
    assert after is not None
    assert after["spec"] == before["spec"]
    assert after["metadata"]["labels"] == before["metadata"]["labels"]
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"]

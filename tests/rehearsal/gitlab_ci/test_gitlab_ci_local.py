"""Our pipeline and those of other projects, run by gitlab-ci-local against the embedded OpenShift and GitLab."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from maintenance_ci import __version__
from maintenance_ci.names import page_route_name
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.cluster import EmbeddedOpenShift
from tests.rehearsal.gitlab_ci.ci_project import OURS, CiProject, Pipeline
from tests.rehearsal.gitlab_ci.conftest import MakeProject
from tests.rehearsal.gitlab_ci.documented import example
from tests.tools.clusters import QUICK, Cluster, running
from tests.tools.gitlab_pipeline import COMPONENT_TEST
from tests.tools.site import Site

WHOLE = "shop-maintenance-page"
FORM = {"ROUTE_NAME": "shop"}


def ok(done: Pipeline) -> Pipeline:
    assert done.code == 0, done.log
    return done


def deploy(project: CiProject, **variables: str) -> str:
    """Run what a pipeline runs before anybody clicks."""
    return ok(project.run("build-and-deploy", "deploy-route", **variables)).log


def environment_url(project: CiProject) -> str:
    """What GitLab would make of the environment's ``url``, by the dotenv report."""
    report = project.folder / ".gitlab-ci-local/artifacts/deploy-route/.gitlab-ci-reports/dotenv/maintenance.env"
    name, _, value = report.read_text().rstrip("\n").partition("=")
    assert name == "MAINTENANCE_URL"
    return value


def test_the_six_lines_in_an_empty_project(cluster: Cluster, make_project: MakeProject) -> None:
    project = make_project(cluster, example("component", "README.md"))
    assert set(project.jobs(**FORM)) == {"build-and-deploy", "deploy-route", "delete"}
    with cluster.users("/", "/cart") as answers:
        deploy(project, **FORM)
        assert cluster.routes() == {WHOLE}
        assert environment_url(project) == "https://shop.apps.example.test/"
        ok(project.run("delete", **FORM))
    assert cluster.routes() == {"shop"}
    assert {answer.status for answer in answers} == {200}


def test_a_version_s_tag_releases_the_component_in_the_catalog_s_project(
    cluster: Cluster, make_project: MakeProject
) -> None:
    """With the real reader of `include:rules`; the whole table is in tests/pipeline/test_release.py."""
    project = make_project(cluster)
    path = "ops/maintenance-ci"
    tag = {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_TAG": __version__, "CI_PROJECT_PATH": path}
    assert set(project.jobs(**tag, CATALOG_PROJECT=path)) == {"component-test", "release"}
    assert project.jobs(**tag) == project.jobs(**tag, CATALOG_PROJECT="ops") == {}
    form = {"PROJECT": "web", **FORM, "CATALOG_PROJECT": path, "CI_PROJECT_PATH": path}
    assert set(project.jobs(**form, CI_COMMIT_TAG=__version__)) == {"build-and-deploy", "deploy-route", "delete"}


def test_the_component_s_own_test_says_the_version(cluster: Cluster, make_project: MakeProject) -> None:
    """Included at the tag, not at the commit: the embedded GitLab serves no git. Nothing is installed."""
    text = COMPONENT_TEST.read_text().replace("$CI_PROJECT_PATH", OURS).replace("$CI_COMMIT_SHA", __version__)
    text = re.sub(r"install:\n(?: +- .*\n)+", "install: []\n", text)
    project = make_project(cluster, {".gitlab-ci.yml": text})
    child = {"CI_PIPELINE_SOURCE": "parent_pipeline"}
    assert set(project.jobs(**child)) == {"plan"}
    assert f"maintenance-ci {__version__}" in ok(project.run("plan", **child, CI_COMMIT_TAG=__version__)).log
    assert project.run("plan", **child, CI_COMMIT_TAG="9.9.9").code != 0


def test_the_first_hour_s_pipelines(cluster: Cluster, make_project: MakeProject) -> None:
    """Of a Route whose host the cluster made, and its template; a click in GitLab is a run of its own here."""
    trial = manifests.route("trial", "trial-web.apps.example.test", service="shop")
    cluster.call(cluster.store.create, "routes", trial, manager="test")
    cluster.inside.gitlab.projects[0].branches["main"]["trial.yaml"] = yaml.safe_dump(trial).encode()
    project = make_project(cluster, example("component", "README.md"))
    assert "The rehearsal went well" in ok(project.run("rehearse", ACTION="rehearse")).log
    form = {"ROUTE_NAME": "trial"}
    assert "Nothing stands in the way" in ok(project.run("plan", **form, ACTION="plan")).log
    deploy(project, **form)
    assert cluster.routes() == {"shop", "trial-maintenance-page"}
    ok(project.run("delete", **form))
    assert cluster.routes() == {"shop", "trial"}


def test_a_plain_include_and_a_subpath(cluster: Cluster, make_project: MakeProject) -> None:
    project = make_project(cluster, example("include"))
    part = FORM | {"SUBPATH": "/cart"}
    deploy(project, **part)
    assert cluster.routes() == {"shop", page_route_name("shop", "/cart")}
    assert environment_url(project) == "https://shop.apps.example.test/cart"
    ok(project.run("delete", **part))
    assert cluster.routes() == {"shop"}


SEVERAL = [
    {"ROUTE_NAME": "pay shop"},
    {"ROUTE_NAME": "pay shop", "SUBPATH": "/cart /help"},
    {"ROUTE_NAME": "", "ROUTE_SELECTOR": "app=shop", "MAINTENANCE": "legacy"},
]


@pytest.mark.parametrize("form", SEVERAL)
def test_several_routes_in_one_pipeline(cluster: Cluster, make_project: MakeProject, form: dict[str, str]) -> None:
    """Their token is known in the environment of the maintenance alone."""
    pay, other = (Site(cluster, name, service="shop") for name in ("pay", "other"))
    relabelled = cluster.find("routes", "other") or {}
    relabelled["metadata"]["labels"] = {"app": "other"}
    cluster.call(cluster.store.update, "routes", relabelled, manager="team")
    environment = f"maintenance/web/{form.get('MAINTENANCE') or form['ROUTE_NAME'] + form.get('SUBPATH', '')}"
    token = {"values": {environment: cluster.inside.job_variables()["OKD_TOKEN"]}}
    project = make_project(cluster, example("component"), OKD_TOKEN=token)
    deploy(project, **form)
    paths = form["SUBPATH"].split() if "SUBPATH" in form else [None]
    shown = {page_route_name(name, path) for name in ("pay", "shop") for path in paths}
    assert cluster.routes() == {"other"} | shown | ({"pay", "shop"} if "SUBPATH" in form else set())
    assert pay.who(paths[0] or "/") == ["maintenance-page:v1"]
    assert other.who(paths[0] or "/") == ["application"]
    ok(project.run("delete", **form))
    assert cluster.routes() == {"other", "pay", "shop"}
    assert pay.is_back()


def test_a_token_of_another_maintenance_is_not_known(cluster: Cluster, make_project: MakeProject) -> None:
    """So that the names of the environments, above, are what counts."""
    token = {"values": {"maintenance/web/shop": cluster.inside.job_variables()["OKD_TOKEN"]}}
    project = make_project(cluster, example("component"), OKD_TOKEN=token)
    assert "OKD_TOKEN: is missing" in project.run("build-and-deploy", **FORM, MAINTENANCE="legacy").log
    ok(project.run("build-and-deploy", **FORM))


def test_names_in_another_order_fail_the_first_job(cluster: Cluster, make_project: MakeProject) -> None:
    project = make_project(cluster, example("component"))
    done = project.run("build-and-deploy", "deploy-route", ROUTE_NAME="shop pay")
    assert done.code != 0
    assert "give 'pay shop'. Nothing was changed." in done.log
    assert cluster.find("buildconfigs", "maintenance-page") is None
    assert cluster.routes() == {"shop"}


def test_a_job_that_fails_fails_the_pipeline(cluster: Cluster, make_project: MakeProject) -> None:
    project = make_project(cluster, example("component"))
    done = project.run("deploy-route", **FORM)
    assert done.code != 0
    assert "build-and-deploy" in done.log
    assert cluster.routes() == {"shop"}


def test_a_plan_takes_the_place_of_the_jobs(cluster: Cluster, make_project: MakeProject) -> None:
    """In an environment of its own, which a token for the namespace alone reaches."""
    token = {"values": {"maintenance/web/*": cluster.inside.job_variables()["OKD_TOKEN"]}}
    project = make_project(cluster, example("component"), OKD_TOKEN=token)
    plan = FORM | {"PLAN_ONLY": "true"}
    assert set(project.jobs(**plan)) == set(project.jobs(**FORM, PLAN_ONLY=" Yes")) == {"plan"}
    early = ok(project.run("plan", **plan))
    assert "the page is not there yet: build-and-deploy, which runs before, makes it" in early.log
    assert project.run("plan", **plan | {"ROUTE_NAME": "nowhere"}).code != 0
    ok(project.run("build-and-deploy", **FORM))
    ok(project.run("plan", **plan))
    assert cluster.routes() == {"shop"}


def test_one_pipeline_for_each_cluster(cluster: Cluster, make_project: MakeProject) -> None:
    with running(QUICK) as west:
        of_each = {"east": cluster.inside, "west": west.inside}
        scoped = {
            name: {"values": {f"maintenance/{place}/*": value_of(inside, name) for place, inside in of_each.items()}}
            for name in ("OKD_URL", "OKD_TOKEN", "OKD_CA", "PUBLIC_CA", "PUBLIC_ADDRESS")
        }
        project = make_project(cluster, example("matrix"), **scoped)
        parent = project.configuration()["maintenance"]
        assert parent["trigger"]["include"] == [{"local": "maintenance.yml"}]
        (entry,) = parent["parallel"]["matrix"]
        assert entry["CLUSTER"] == ["east", "west"]

        # gitlab-ci-local gives a child nothing of the matrix: each is started by hand, as GitLab would start it.
        child = {"CI_PIPELINE_SOURCE": "parent_pipeline", "PROJECT": entry["PROJECT"][0], **FORM}
        west_only = {"file": "maintenance.yml", "CLUSTER": "west", **child}
        deploy(project, **west_only)
        assert (cluster.routes(), west.routes()) == ({"shop"}, {WHOLE})
        ok(project.run("delete", **west_only))
        assert west.routes() == {"shop"}


def value_of(inside: EmbeddedOpenShift, name: str) -> str:
    value = inside.job_variables()[name]
    return Path(value).read_text() if name.endswith("_CA") else value


def test_inputs_where_pipeline_variables_are_forbidden(cluster: Cluster, make_project: MakeProject) -> None:
    project = make_project(cluster, example("inputs"))
    assert project.jobs() == {}
    given = {"route-name": "shop", "subpath": "/cart", "force": "endpoints, host"}
    switches = ["build-maintenance-page", "accept-route-differences"]
    given |= dict.fromkeys(switches, '"true"')  # quoted: gitlab-ci-local reads YAML, and GitLab's form sends a string
    options = [f"--input={name}={value}" for name, value in given.items()]
    assert set(project.jobs(*options)) == {"build-and-deploy", "deploy-route", "delete"}
    form = project.configuration(*options)["variables"]
    assert [form[name] for name in ("PROJECT", "ROUTE_NAME", "SUBPATH")] == ["web", "shop", "/cart"]
    assert form["FORCE"] == "endpoints, host"
    assert form["BUILD_MAINTENANCE_PAGE"] == form["ACCEPT_ROUTE_DIFFERENCES"] == "true"
    assert set(project.jobs(*options, '--input=plan-only="true"')) == {"plan"}


def test_nothing_starts_by_itself(cluster: Cluster, make_project: MakeProject) -> None:
    project = make_project(cluster, example("component"))
    assert set(project.jobs(**FORM)) == {"build-and-deploy", "deploy-route", "delete"}
    names = ({"ROUTE_NAME": ""}, {"PROJECT": ""}, {"ROUTE_NAME": "a..b-"}, {"SUBPATH": "shop"}, {"SUBPATH": "/.."})
    selector = {"ROUTE_NAME": "", "ROUTE_SELECTOR": "depends-on=legacy", "MAINTENANCE": "legacy"}
    for good in ({"ROUTE_NAME": "pay shop"}, {"SUBPATH": "/en /fr"}, selector):
        assert set(project.jobs(**(FORM | good))) == {"build-and-deploy", "deploy-route", "delete"}
    unclear = (selector | {"ROUTE_NAME": "shop"}, selector | {"MAINTENANCE": ""}, {"MAINTENANCE": "-plan"})
    for wrong in (*names, *unclear, {"CI_PIPELINE_SOURCE": "push"}):
        assert project.jobs(**(FORM | wrong)) == {}


def test_together_with_other_jobs(cluster: Cluster, make_project: MakeProject) -> None:
    """What a project's own file has to say: `stages`, and all of `workflow`. The jobs have rules of their own."""
    (path, text), *_ = example("together").items()
    project = make_project(cluster, {path: text})
    assert set(project.jobs(CI_PIPELINE_SOURCE="push")) == {"unit-tests"}
    assert set(project.jobs(**FORM)) == {"build-and-deploy", "deploy-route", "delete"}
    assert project.jobs(**FORM, SUBPATH="/a+b") == {}
    assert project.configuration()["workflow"]["auto_cancel"] == {"on_new_commit": "conservative"}
    (project.folder / path).write_text(re.sub("  auto_cancel: .*\n", "", text))
    workflow = project.configuration()["workflow"]
    assert workflow["auto_cancel"] == {"on_new_commit": "none"}
    assert workflow["rules"] == [{"when": "always"}]
    (project.folder / path).write_text(re.sub("stages: .*\n", "", text))
    done = project.run("unit-tests", CI_PIPELINE_SOURCE="push")
    assert done.code != 0
    assert "stage:test not found" in done.log


def test_a_strategy_that_there_is_not_is_refused(cluster: Cluster, make_project: MakeProject) -> None:
    files = {".gitlab-ci.yml": example("component")[".gitlab-ci.yml"] + "      strategy: hope\n"}
    done = make_project(cluster, files).run("build-and-deploy", **FORM)
    assert done.code != 0
    assert "strategy" in done.log


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", ["", "/cart"])
def test_our_own_pipeline_installs_what_it_needs(cluster: Cluster, make_project: MakeProject, part: str) -> None:
    """The whole of it, from its checkout: a virtual environment, pinned packages, Helm, the commands."""
    project = make_project(cluster)
    form = {"PROJECT": "web", **FORM, "SUBPATH": part}
    deploy(project, **form)
    assert cluster.routes() == ({"shop", page_route_name("shop", part)} if part else {WHOLE})
    ok(project.run("delete", **form))
    assert cluster.routes() == {"shop"}

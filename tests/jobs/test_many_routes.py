"""One pipeline for several Routes: all that are named, or selected by a label, in and out together."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from maintenance_ci.names import page_route_name, snapshot_name
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.trouble import parse_trouble
from tests.tools import command_line
from tests.tools.clusters import QUICK, Cluster, Job, running
from tests.tools.many_routes import (
    LABEL,
    add_routes,
    keep_template,
    routes_of,
    served_by,
    statuses,
    template_of,
    users_of,
)
from tests.tools.outcomes import essence, ok

NAMES = ("office", "pay", "trade")
PAGES = {page_route_name(name, None) for name in NAMES}
ALL: dict[str, str | None] = {"ROUTE_NAME": " ".join(NAMES)}
SELECTED: dict[str, str | None] = {
    "ROUTE_NAME": None,
    "ROUTE_SELECTOR": f"{LABEL}=legacy",
    "MAINTENANCE": "legacy system",
}
PAGE = "maintenance-page:v1"


@pytest.fixture(scope="module")
def with_page() -> Iterator[Cluster]:
    """A cluster with three Routes of one label, another one of another label, and the page."""
    with running(QUICK) as cluster:
        add_routes(cluster, NAMES)
        add_routes(cluster, ["other"], label="none")
        ok(cluster.run("build-and-deploy", ALL))
        yield cluster


@pytest.fixture
def several(with_page: Cluster) -> Iterator[Cluster]:
    """That cluster; each test leaves it as it was, but for the page, which is built anew where it went."""
    before = pictures(with_page)
    if with_page.find("deployments", "maintenance-page") is None:
        ok(with_page.run("build-and-deploy", ALL))
    yield with_page
    assert pictures(with_page) == before


def pictures(cluster: Cluster) -> dict[str, Any]:
    return {name: essence(route) for name, route in routes_of(cluster).items()}


def report_of(cluster: Cluster, job: str, variables: Mapping[str, str | None]) -> tuple[Job, dict[str, Any]]:
    """Run a job, and return it with its report."""
    folder = cluster.inside.folder / "reports"
    folder.mkdir(exist_ok=True)
    done = cluster.run(job, {**variables, "REPORT_DIR": str(folder)})
    return done, json.loads((folder / "maintenance-report.json").read_text())


def rows(report: Mapping[str, Any]) -> dict[str, str]:
    return {row["route"]: row["outcome"] for row in report["routes"]}


@pytest.mark.parametrize(
    ("strategy", "variables"),
    [
        pytest.param("swap", SELECTED, id="swap-by a label"),
        pytest.param("repoint", ALL, id="repoint-by their names", marks=pytest.mark.slow),
        pytest.param("swap", ALL, id="swap-by their names", marks=pytest.mark.slow),
        pytest.param("repoint", SELECTED, id="repoint-by a label", marks=pytest.mark.slow),
    ],
)
def test_several_routes_go_into_maintenance_and_come_back(
    several: Cluster, variables: dict[str, str | None], strategy: str
) -> None:
    given = {**variables, "ROUTE_STRATEGY": strategy}
    with users_of(several, [*NAMES, "other"]) as seen:
        done, report = report_of(several, "deploy-route", given)
        ok(done)
        during = routes_of(several)
        with users_of(several, [*NAMES, "other"]) as meanwhile:
            several.do(asyncio.sleep(0.5))
        back, last = report_of(several, "delete", given)
        ok(back)
    assert statuses(seen) == {200}
    assert served_by(meanwhile) == {**dict.fromkeys(NAMES, PAGE), "other": "application"}
    assert served_by(seen) == dict.fromkeys([*NAMES, "other"], "application")
    assert (during.keys() >= PAGES) is (strategy == "swap")
    assert rows(report) == rows(last) == dict.fromkeys(NAMES, "done")
    assert report["route"] is None
    assert {row["strategy"] for row in report["routes"]} == {strategy}
    assert all(
        f"Users of https://{name}.apps.example.test/ now meet the maintenance page." in done.log for name in NAMES
    )
    assert done.log.count("To end it: click the job delete of this pipeline") == 1
    assert "The page is removed." in back.log


def test_each_job_holds_one_lease_and_asks_once_for_what_all_need(several: Cluster) -> None:
    first = len(several.inside.server.requests)
    done = ok(several.run("deploy-route", ALL))
    asked = [f"{one.method} {one.path.partition('?')[0]}" for one in several.inside.server.requests[first:]]
    second = len(several.inside.server.requests)
    ok(several.run("delete", ALL))
    asked_back = [f"{one.method} {one.path.partition('?')[0]}" for one in several.inside.server.requests[second:]]
    for requests in (asked, asked_back):
        for shared in ("POST /apis/coordination", "POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews"):
            assert sum(one.startswith(shared) for one in requests) == 1, shared
        assert sum("endpointslices" in one for one in requests) == 1
    assert [line.split(" whether")[0] for line in done.lines if "another namespace waits" in line] == [
        "   WARNING: office, pay, trade:"
    ]


@pytest.mark.slow
def test_routes_of_one_host_that_go_together_are_not_named_as_what_stays(several: Cluster) -> None:
    below = copy.deepcopy(several.find("routes", "office"))
    assert below
    below["metadata"] = {"name": "office-api", "namespace": below["metadata"]["namespace"]}
    del below["status"]
    below["spec"]["path"] = "/api"
    several.call(several.store.create, "routes", copy.deepcopy(below), manager="the team")
    several.do(several.inside.router.followed())
    keep_template(several, "office-api", manifests.template(below))
    alone = ok(several.run("deploy-route", {"ROUTE_NAME": "office"}))
    ok(several.run("deploy-route", {"ROUTE_NAME": "trade"}))  # for which the page stays
    ok(several.run("delete", {"ROUTE_NAME": "office"}))
    both = ok(several.run("deploy-route", {"ROUTE_NAME": "office office-api"}))
    ok(several.run("delete", {"ROUTE_NAME": "office office-api trade"}))
    several.call(several.store.delete, "routes", manifests.NAMESPACE, "office-api")
    assert "except for what other Routes of the host serve: /api (Route office-api)" in alone.log
    assert "except for what" not in both.log
    assert "WARNING: office, office-api: whether another namespace waits" in both.log


def test_several_paths_go_into_maintenance_and_come_back(several: Cluster) -> None:
    paths: dict[str, str | None] = {"ROUTE_NAME": "office pay", "SUBPATH": "/cart /fr/caisse"}
    ok(several.run("deploy-route", paths))
    made = {page_route_name(name, path) for name in ("office", "pay") for path in ("/cart", "/fr/caisse")}
    assert made <= routes_of(several).keys()
    ok(several.run("delete", paths))


def test_a_selector_that_matches_nothing_is_an_error_and_never_all(several: Cluster) -> None:
    nothing = {**SELECTED, "ROUTE_SELECTOR": f"{LABEL}=nothing"}
    for job in ("deploy-route", "delete", "plan"):
        done = several.run(job, nothing)
        assert done.code == 1
        assert f"ROUTE_SELECTOR asks for ({LABEL}=nothing)" in done.log


def test_a_refusal_of_one_stops_all_and_names_it(several: Cluster) -> None:
    before = template_of(several, "trade")
    keep_template(several, "trade", b"kind: Nonsense\n")
    done, report = report_of(several, "deploy-route", ALL)
    keep_template(several, "trade", before)
    assert done.code == 1
    assert "trade: " in done.lines[-1]
    assert "Nothing was changed." in done.log
    assert rows(report) == dict.fromkeys(NAMES, "untouched")


def test_what_refuses_all_is_said_once(several: Cluster) -> None:
    absent = {"ROUTE_NAME": "absent nowhere office"}
    done = several.run("deploy-route", absent)
    assert done.code == 1
    lines = [line for line in done.lines if "is not in namespace" in line]
    assert [line.split()[0] for line in lines] == ["absent:", "nowhere:"]


def test_a_route_that_fails_is_rolled_back_alone_and_the_job_goes_on_with_it(several: Cluster) -> None:
    several.call(several.inside.troubles.add, parse_trouble("DELETE routes/pay$: 403 always"))
    with users_of(several, NAMES) as seen:
        done, report = report_of(several, "deploy-route", ALL)
    several.call(several.inside.troubles.clear)
    there = routes_of(several)
    assert done.code in (1, 3)
    assert "1 of 3 Routes failed: pay." in done.log
    assert statuses(seen) == {200}
    assert served_by(seen) == {"office": PAGE, "pay": "application", "trade": PAGE}
    assert page_route_name("pay", None) not in there
    assert several.find("secrets", snapshot_name("pay")) is None
    assert rows(report) == {"office": "done", "pay": "failed", "trade": "done"}
    again = ok(several.run("deploy-route", ALL))
    assert "office: Route office is in maintenance already" in again.log
    ok(several.run("delete", ALL))


@pytest.mark.slow
def test_a_route_that_does_not_come_back_keeps_the_page(several: Cluster) -> None:
    ok(several.run("deploy-route", ALL))
    several.call(several.inside.troubles.add, parse_trouble("PATCH routes/pay? #2: 500 always"))
    done, report = report_of(several, "delete", {**ALL, "ADMISSION_TIMEOUT": "4"})
    several.call(several.inside.troubles.clear)
    assert done.code != 0
    assert rows(report) == {"office": "done", "pay": "failed", "trade": "done"}
    assert several.find("deployments", "maintenance-page") is not None
    last = ok(several.run("delete", ALL))
    assert "The page is removed." in last.log


@pytest.mark.slow
def test_a_maintenance_of_a_newer_pipeline_is_refused_by_name(several: Cluster) -> None:
    newer = {"CI_PIPELINE_ID": "99", "CI_PIPELINE_URL": "https://gitlab.example.test/ops/-/pipelines/99"}
    ok(several.run("deploy-route", {**ALL, "CI_PIPELINE_ID": "5"}))
    ok(several.run("deploy-route", {"ROUTE_NAME": "pay", **newer}))
    done = several.run("delete", {**ALL, "CI_PIPELINE_ID": "5"})
    assert done.code == 1
    assert "pay: " in done.log
    assert "https://gitlab.example.test/ops/-/pipelines/99" in done.lines[-1]
    assert not any(line.lstrip().startswith(("oc ", "To end the maintenance by hand")) for line in done.lines)
    assert routes_of(several).keys() >= PAGES
    ok(several.run("delete", {**ALL, "CI_PIPELINE_ID": "99"}))


def test_a_plan_is_a_table_then_the_refusals_and_json(several: Cluster) -> None:
    done = ok(several.run("plan", ALL))
    [head] = [line.split() for line in done.lines if line.lstrip().startswith("ROUTE")]
    assert head == ["ROUTE", "HOST", "PATH", "STRATEGY", "WHAT", "WOULD", "HAPPEN"]
    assert sum("it goes into maintenance" in line for line in done.lines) == 3
    document = json.loads(command_line.run(several, "plan", "--json", **ALL).stdout)
    assert [row["route"] for row in document["routes"]] == list(NAMES)
    assert all(row["steps"] and not row["refusals"] for row in document["routes"])
    ended = command_line.run(several, "plan", "--delete", **ALL)
    assert ended.stdout.count("nothing: it is not in maintenance") == 3


@pytest.mark.slow
def test_a_plan_of_the_end_says_whether_the_page_goes_with_the_last_route(several: Cluster) -> None:
    ok(several.run("deploy-route", ALL))
    all_of_them = command_line.run(several, "plan", "--delete", **ALL).stdout
    two = command_line.run(several, "plan", "--delete", ROUTE_NAME="office pay").stdout
    ok(several.run("delete", ALL))
    assert "- remove the page\n" in all_of_them
    assert f"- keep the page: {page_route_name('trade', None)} shows it\n" in two


def test_a_plan_that_is_refused_names_the_routes_and_is_json_all_the_same(several: Cluster) -> None:
    before = template_of(several, "trade")
    keep_template(several, "trade", b"kind: Nonsense\n")
    done = several.run("plan", ALL)
    document = command_line.run(several, "plan", "--json", **ALL)
    keep_template(several, "trade", before)
    assert done.code == 1
    assert [line.split()[0] for line in done.lines if "it is refused" in line] == ["trade"]
    refused = {row["route"]: row["refusals"] for row in json.loads(document.stdout)["routes"]}
    assert [name for name, refusals in refused.items() if refusals] == ["trade"]

"""Whole jobs: each Route, and each path, says its own texts to the page; they change during the maintenance.

The page here is an nginx that answers with what it was told: what is seen is what reaches the Pod by the router.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from maintenance_ci.names import page_route_name
from maintenance_ci.plan.page_texts import headers_of
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.cluster import PIPELINE
from tests.rehearsal.router.small_router import Resolver
from tests.tools.clusters import QUICK, Cluster, Job, running
from tests.tools.many_routes import add_routes, host_of, keep_template, routes_of, statuses, users_of
from tests.tools.outcomes import essence, ok

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("office", "pay")
END, LATER = "2030-11-30T06:00+01:00", "2030-11-30T09:00+01:00"
COOKIES = "%[req.hdr(cookie),lower]"
OFFICE = {"ROUTE_NAME": "office", "MAINTENANCE_TITLE": f"100 % {COOKIES}", "MAINTENANCE_MESSAGE": "De 8 à 9 h\n<b>«10»"}
OFFICE |= {"MAINTENANCE_END": END, "MAINTENANCE_TITLE_FR": "À bientôt", "ROUTE_STRATEGY": "repoint"}
CART = {"ROUTE_NAME": "pay", "SUBPATH": "/cart", "MAINTENANCE_TITLE": "No cart"}
PAY = {"ROUTE_NAME": "pay", "MAINTENANCE_CONTACT": "pay@example.test"}
FORGED = {"X-Maintenance-Texts": "forged", "x-maintenance-status": "forged", "Cookie": "SECRET=1"}
ECHO = """\
server {
    listen 8080;
    add_header X-Maintenance-Page maintenance-page:v1 always;
    default_type text/plain;
    location / {
        return 200 "$http_x_maintenance_texts\\n$http_x_maintenance_texts_fr\\n$http_x_maintenance_end\\n$http_x_maintenance_status";
    }
}
"""  # noqa: E501 - one line of nginx's
DOCKERFILE = """\
FROM nginxinc/nginx-unprivileged:1.30-alpine-slim
COPY default.conf /etc/nginx/conf.d/default.conf
"""


def pipeline(number: int, variables: dict[str, str]) -> dict[str, str | None]:
    return {**variables, "CI_PIPELINE_ID": str(number)}


def with_echo(cluster: Cluster, folder: Path) -> Cluster:
    """The cluster with the page that answers with what it was told."""
    for name, text in {"Dockerfile": DOCKERFILE, "default.conf": ECHO, "index.html": ""}.items():
        (folder / name).write_text(text)
    ok(cluster.run("build-and-deploy", docker=folder))
    return cluster


def give_headers(cluster: Cluster, name: str) -> None:
    """Let a Route, and its template, have headers of its own."""
    action = {"name": "X-Of-The-Application", "action": {"type": "Set", "set": {"value": "yes"}}}
    spec = {**routes_of(cluster)[name]["spec"], "httpHeaders": {"actions": {"request": [action]}}}
    live = {**routes_of(cluster)[name], "spec": spec}
    cluster.call(cluster.store.update, "routes", live, manager="the team")
    metadata = {key: live["metadata"][key] for key in ("name", "labels", "annotations") if key in live["metadata"]}
    keep_template(cluster, name, manifests.template({**live, "metadata": metadata}))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(QUICK) as cluster:
        add_routes(cluster, NAMES)
        give_headers(cluster, "office")
        yield with_echo(cluster, tmp_path_factory.mktemp("docker"))


def told(cluster: Cluster, url: str, **headers: str) -> list[str]:
    """What the page was told, of a visitor's request: texts, French texts, end, status."""

    async def ask() -> str:
        host = urlsplit(url).hostname or ""
        connector = aiohttp.TCPConnector(ssl=cluster.inside.client_tls(), resolver=Resolver())
        async with aiohttp.ClientSession(connector=connector) as session:
            address = url.replace(host, f"{host}:{cluster.inside.router.https_port}")
            async with session.get(address, headers=headers) as answer:
                assert "X-Maintenance-Page" in answer.headers
                return await answer.text()

    return cluster.do(ask()).split("\n")


def writes(cluster: Cluster, before: int) -> list[str]:
    """What a job has changed since then, Leases aside."""
    asking = ("/selfsubject", "/leases", "dryRun=All")
    return [
        f"{one.method} {one.path.partition('?')[0].partition(f'/namespaces/{manifests.NAMESPACE}/')[2]}"
        for one in cluster.inside.server.requests[before:]
        if one.user == PIPELINE and one.method != "GET" and not any(word in one.path for word in asking)
    ]


def changed(cluster: Cluster, variables: dict[str, str | None]) -> tuple[Job, list[str]]:
    before = len(cluster.inside.server.requests)
    return ok(cluster.run("deploy-route", variables)), writes(cluster, before)


def page_pods(cluster: Cluster) -> set[str]:
    """The Pods that serve the page: not those that end, nor those that have built it."""
    pods = [pod["metadata"] for pod in cluster.call(cluster.store.list, "pods", manifests.NAMESPACE)]
    return {
        pod["uid"] for pod in pods if pod.get("labels", {}).get("pod-template-hash") and "deletionTimestamp" not in pod
    }


def deployment(cluster: Cluster) -> tuple[int, Any]:
    found = cluster.find("deployments", "maintenance-page")
    assert found
    return found["metadata"]["generation"], found["spec"]["template"]["spec"]["containers"][0]["image"]


@pytest.mark.slow
def test_each_route_and_path_has_its_own_texts_which_change_under_load(cluster: Cluster) -> None:
    before = {name: essence(route) for name, route in routes_of(cluster).items()}
    with users_of(cluster, NAMES) as seen:
        job = ok(cluster.run("deploy-route", pipeline(1, OFFICE)))
        assert "on the page: users read" in job.log
        assert "      <b>«10»" in job.log
        ok(cluster.run("deploy-route", pipeline(2, CART)))
        ok(cluster.run("deploy-route", pipeline(3, PAY)))

        texts = "100 % %[req.hdr(cookie),lower]|De 8 à 9 h&#10;&lt;b&gt;«10»||"
        office = [texts, "À bientôt|De 8 à 9 h&#10;&lt;b&gt;«10»||"]
        office += ["2030-11-30T06:00:00+01:00 Sat, 30 Nov 2030 05:00:00 GMT", ""]
        assert told(cluster, f"https://{host_of('office')}/any/path", **FORGED) == office
        assert told(cluster, f"https://{host_of('pay')}/cart/1", **FORGED) == ["No cart|||", "", "", ""]
        assert told(cluster, f"https://{host_of('pay')}/", **FORGED) == ["||pay@example.test|", "", "", ""]

        # A new end: one patch, and nothing else; the pipeline that began may still end it.
        pods, image, route = page_pods(cluster), deployment(cluster), routes_of(cluster)["office"]
        assert ok(cluster.run("build-and-deploy", pipeline(4, {"ROUTE_NAME": "office"}))).log.count("stays as it is")
        later = {"ROUTE_NAME": "office", "MAINTENANCE_END": LATER}
        job, made = changed(cluster, pipeline(4, later))
        assert made == ["PATCH routes/office"]
        assert "is in maintenance already (repoint): this job changes what users read" in job.log
        office[2] = "2030-11-30T09:00:00+01:00 Sat, 30 Nov 2030 08:00:00 GMT"
        assert told(cluster, f"https://{host_of('office')}/") == office
        assert (page_pods(cluster), deployment(cluster)) == (pods, image)
        now = routes_of(cluster)["office"]
        assert "X-Of-The-Application" not in str(now["spec"])
        assert now["metadata"]["annotations"]["maintenance-ci/pipeline"] == "1"
        rest = [{key: one for key, one in given["spec"].items() if key != "httpHeaders"} for given in (route, now)]
        assert rest[0] == rest[1]
        assert changed(cluster, pipeline(4, later))[1] == []
        # Of a path, likewise.
        _, made = changed(cluster, pipeline(5, {**CART, "MAINTENANCE_TITLE": "Soon", "MAINTENANCE_STATUS": "503"}))
        assert made == [f"PATCH routes/{page_route_name('pay', '/cart')}"]
        assert told(cluster, f"https://{host_of('pay')}/cart") == ["Soon|||", "", "", "503"]
        path = routes_of(cluster)[page_route_name("pay", "/cart")]["metadata"]["annotations"]
        assert (path["maintenance-ci/pipeline"], path["maintenance-ci/texts-pipeline"]) == ("2", "5")

        for number, given in ((1, OFFICE), (2, CART), (3, PAY)):
            assert cluster.run("delete", pipeline(number, given)).code == 0
    assert statuses(seen) == {200}
    assert {name: essence(route) for name, route in routes_of(cluster).items()} == before


@pytest.mark.slow
def test_a_page_that_is_shown_stays_as_it_is_unless_it_is_asked_for(cluster: Cluster, tmp_path: Path) -> None:
    """Begun with v2, then a pipeline with the form's defaults, of v1, and a new end."""
    with_echo(cluster, tmp_path)
    second = {"IMAGE_TAG": "v2", "ROUTE_NAME": "pay", "MAINTENANCE_TITLE": "Back soon"}
    ok(cluster.run("build-and-deploy", pipeline(1, second), docker=tmp_path))
    ok(cluster.run("deploy-route", pipeline(1, second)))
    pods, image = page_pods(cluster), deployment(cluster)
    defaults = {"ROUTE_NAME": "pay", "MAINTENANCE_END": LATER}
    before = len(cluster.inside.server.requests)
    job = ok(cluster.run("build-and-deploy", pipeline(2, defaults)))
    assert writes(cluster, before) == []
    assert "The maintenance page is shown by pay-maintenance-page: it stays as it is, whatever IMAGE_TAG is." in job.log
    assert changed(cluster, pipeline(2, defaults))[1] == ["PATCH routes/pay-maintenance-page"]
    assert (page_pods(cluster), deployment(cluster)) == (pods, image)
    texts, _, end, _ = told(cluster, f"https://{host_of('pay')}/")
    assert (texts, end[:16]) == ("Back soon|||", LATER[:16])
    # Asked for, it is made anew in front of users.
    with users_of(cluster, ["pay"]) as seen:
        ok(
            cluster.run(
                "build-and-deploy", pipeline(3, {**defaults, "BUILD_MAINTENANCE_PAGE": "true"}), docker=tmp_path
            )
        )
    assert statuses(seen) == {200}
    assert deployment(cluster)[1] != image[1]
    ok(cluster.run("delete", pipeline(3, defaults)))


@pytest.mark.slow
def test_several_routes_of_a_pipeline_have_the_same_texts_unless_one_was_told_more(
    cluster: Cluster, tmp_path: Path
) -> None:
    with_echo(cluster, tmp_path)
    both: dict[str, str | None] = pipeline(1, {"ROUTE_NAME": " ".join(NAMES), "MAINTENANCE_TITLE": "Back soon"})
    ok(cluster.run("deploy-route", both))
    assert [told(cluster, f"https://{host_of(name)}/")[0] for name in NAMES] == ["Back soon|||"] * 2
    assert changed(cluster, pipeline(2, {"ROUTE_NAME": "pay", "MAINTENANCE_TITLE": "Later"}))[1] == [
        f"PATCH routes/{page_route_name('pay', None)}"
    ]
    assert [told(cluster, f"https://{host_of(name)}/")[0] for name in NAMES] == ["Back soon|||", "Later|||"]
    # The older pipeline's job, run again, does not bring the old ones back.
    assert changed(cluster, both)[1] == []
    ok(cluster.run("delete", both))


def test_what_routers_do_not_bear_is_refused_before_anything_is_changed(cluster: Cluster) -> None:
    long = {f"MAINTENANCE_MESSAGE{code}": "é" * 200 for code in ("", "_FR", "_DE", "_IT", "_ES", "_PT")}
    before = len(cluster.inside.server.requests)
    job = cluster.run("deploy-route", pipeline(1, {"ROUTE_NAME": " ".join(NAMES), **long}))
    assert (job.code, writes(cluster, before)) == (2, []), job.log
    assert "_CONTACT and _STATUS_URL: take " in job.lines[-1]
    assert "3500 at the most" in job.lines[-1]
    assert "Nothing was changed." in job.lines[-1]


def test_plan_says_what_users_will_read(cluster: Cluster) -> None:
    before = len(cluster.inside.server.requests)
    job = cluster.run("plan", pipeline(1, {**OFFICE, "ROUTE_NAME": " ".join(NAMES)}))
    assert writes(cluster, before) == []
    lines = [line.strip() for line in job.lines]
    at = lines.index("on the page: users read")
    assert lines[at + 1 : at + 9] == [
        f"title: 100 % {COOKIES}",
        "message: De 8 à 9 h",
        "<b>«10»",
        "users who read fr read",
        "title: À bientôt",
        "message: De 8 à 9 h",
        "<b>«10»",
        "the end that is announced is 2030-11-30T06:00:00+01:00",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["swap", "repoint"])
def test_an_api_that_does_not_know_the_field(tmp_path: Path, strategy: str) -> None:
    with running(replace(QUICK, knows_http_headers=False)) as old:
        with_echo(old, tmp_path)
        given: dict[str, str | None] = {"MAINTENANCE_TITLE": "Back soon", "ROUTE_STRATEGY": strategy}
        job = ok(old.run("deploy-route", given))
        assert "WARNING: the cluster does not know spec.httpHeaders of Routes" in job.log
        assert "users read the page's own words" in job.log
        assert told(old, f"https://{manifests.HOST}/") == [""] * 4
        # Without texts there is nothing to warn of.
        ok(old.run("delete"))
        with_echo(old, tmp_path)
        assert "httpHeaders" not in ok(old.run("deploy-route", {"ROUTE_STRATEGY": strategy})).log
        assert not any(headers_of(route) for route in routes_of(old).values())


def test_users_read_them_on_the_real_page() -> None:
    with running(QUICK) as cluster:
        ok(cluster.run("build-and-deploy"))
        given = {**OFFICE, "ROUTE_NAME": manifests.APPLICATION, "MAINTENANCE_STATUS": "503"}
        ok(cluster.run("deploy-route", pipeline(1, given)))
        url = f"https://{manifests.HOST}/deep/path"
        page = "\n".join(told(cluster, url, Accept="text/html", **{"Accept-Language": "en"}))
        assert f"100 % {COOKIES}" in unescape(page)
        assert "De 8 à 9 h&#10;&lt;b&gt;«10»" in page
        assert "<b>«10»" not in page
        assert "À bientôt" in "\n".join(told(cluster, url, Accept="text/html", **{"Accept-Language": "fr"}))
        problem = json.loads("\n".join(told(cluster, url, Accept="application/json")))
        assert (problem["title"], problem["detail"]) == (f"100 % {COOKIES}", "De 8 à 9 h\n<b>«10»")
        assert problem["status"] == 503
        ok(cluster.run("delete", pipeline(1, given)))

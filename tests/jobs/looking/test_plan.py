"""``maintenance-ci plan``, as a process of its own: it says what the job then does, or all that stands in its way."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import trustme

from maintenance_ci.names import LEASE
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.trouble import parse_trouble
from tests.jobs.looking.planning import FREE_DELETE, FREE_DEPLOY, done_to, plan
from tests.jobs.looking.scene import (
    HOST,
    NAMESPACE,
    PATH,
    REPOINT,
    SNAPSHOT,
    SUBPATH,
    WHOLE,
    Variables,
    create,
    hold_lease,
    templates,
)
from tests.tools.clusters import Cluster, Job
from tests.tools.outcomes import ok

URL = f"https://{HOST}/"


def steps(done: Job) -> list[str]:
    return [line.removeprefix("   - ") for line in done.lines if line.startswith("   - ")]


KEEP = f"keep a snapshot of Route shop in the Secret {SNAPSHOT}"
WAIT = "wait until users meet the page, 0.9 s in a row; roll back if they do not"
DEPLOY: dict[str, tuple[Variables, list[str], list[str]]] = {
    "swap": (
        {},
        [KEEP, f"create Route {WHOLE}, which shows the page on {URL}",
         f"delete Route shop, which leaves its host to {WHOLE}", WAIT],
        [f"POST secrets {SNAPSHOT}", f"PATCH routes/{WHOLE}", "DELETE routes/shop"],
    ),
    "repoint": (
        REPOINT,
        [KEEP, "send Route shop to the page by one patch; its host stays its own", WAIT],
        [f"POST secrets {SNAPSHOT}", "PATCH routes/shop"],
    ),
    "a path": (SUBPATH, [f"create Route {PATH}, which shows the page on {URL}cart", WAIT], [f"PATCH routes/{PATH}"]),
}  # fmt: skip


@pytest.mark.parametrize("case", DEPLOY)
@pytest.mark.slow
def test_what_deploy_route_would_do_is_what_it_does(cluster: Cluster, case: str) -> None:
    variables, said, made = DEPLOY[case]
    done = ok(plan(cluster, variables=variables))
    assert steps(done) == said
    assert done.lines[-1] == FREE_DEPLOY
    where = f"{URL}cart" if variables == SUBPATH else URL
    assert f"   {where} is answered by the application now" in done.log

    cluster.inside.server.requests.clear()
    ok(cluster.run("deploy-route", variables))
    assert done_to(cluster) == made
    if variables != SUBPATH:
        assert cluster.find("secrets", SNAPSHOT)


BACK = "wait until users meet the application"
STAYS = "keep the page: keeper shows it"
DELETE: dict[str, tuple[Variables, list[str], list[str]]] = {
    "swap": (
        {},
        ["create Route shop again", f"delete Route {WHOLE}", BACK, f"remove the Secret {SNAPSHOT}", STAYS],
        ["PATCH routes/shop", f"DELETE routes/{WHOLE}", f"DELETE secrets/{SNAPSHOT}"],
    ),
    "repoint": (
        REPOINT,
        ["send Route shop back to the application by one patch", BACK, f"remove the Secret {SNAPSHOT}", STAYS],
        ["PATCH routes/shop", f"DELETE secrets/{SNAPSHOT}"],
    ),
    "a path": (SUBPATH, [f"delete Route {PATH}", BACK, STAYS], [f"DELETE routes/{PATH}"]),
}


@pytest.mark.parametrize("case", DELETE)
@pytest.mark.slow
def test_what_delete_would_do_is_what_it_does(cluster: Cluster, case: str) -> None:
    variables, said, made = DELETE[case]
    ok(cluster.run("deploy-route", variables))
    done = ok(plan(cluster, "--delete", variables=variables))
    assert steps(done) == said
    assert done.lines[-1] == FREE_DELETE

    cluster.inside.server.requests.clear()
    ok(cluster.run("delete", variables))
    assert done_to(cluster) == made


@pytest.mark.slow
def test_the_page_goes_with_the_last_maintenance(cluster: Cluster) -> None:
    ok(cluster.run("deploy-route"))
    keeper = cluster.find("routes", "keeper")
    assert keeper is not None
    cluster.call(cluster.store.delete, "routes", NAMESPACE, "keeper")
    try:
        assert steps(ok(plan(cluster, "--delete")))[-1] == "remove the page"
    finally:
        create(cluster, "routes", {"metadata": {"name": "keeper", "namespace": NAMESPACE}, "spec": keeper["spec"]})
    assert steps(ok(plan(cluster, "--delete")))[-1] == STAYS


@pytest.mark.parametrize("strategy", ["swap", "repoint"])
@pytest.mark.slow
def test_a_route_that_is_in_maintenance_already(cluster: Cluster, strategy: str) -> None:
    ok(cluster.run("deploy-route", {"ROUTE_STRATEGY": strategy}))
    done = ok(plan(cluster))
    assert f"it is in maintenance already, by {strategy}: deploy-route would only confirm it" in done.log
    assert steps(done) == []
    # A path of it can still go, by a Route of its own.
    assert steps(ok(plan(cluster, variables=SUBPATH)))[0].startswith(f"create Route {PATH}")


@pytest.mark.slow
def test_beside_a_job_that_holds_the_lease(cluster: Cluster) -> None:
    hold_lease(cluster)
    impatient: Variables = {"LEASE_TIMEOUT": "0.1"}
    assert ok(plan(cluster, variables=impatient)).lines[-1] == FREE_DEPLOY
    assert ok(plan(cluster, "--delete", variables=impatient)).lines[-1] == FREE_DELETE
    job = cluster.run("deploy-route", impatient)  # which a job does not get past
    assert job.code == 75
    assert f"The Lease {LEASE}" in job.log


@pytest.mark.slow
def test_a_runner_that_cannot_see_the_site_is_told_before(cluster: Cluster) -> None:
    wrong: Variables = {"PUBLIC_CA": trustme.CA().cert_pem.bytes().decode()}
    done = ok(plan(cluster, variables=wrong))
    [warning] = [line for line in done.lines if line.startswith("   WARNING: the runner cannot see it")]
    assert warning.endswith(" 0.9 s")
    assert done.lines[-1] == FREE_DEPLOY
    assert "the runner cannot see it" not in plan(cluster).log
    unasked = ok(plan(cluster, variables=wrong | {"PROBES": "false"}))
    assert "the runner cannot see it" not in unasked.log
    assert "is answered by" not in unasked.log


def test_delete_would_take_the_snapshot_where_the_template_is_no_good(cluster: Cluster) -> None:
    ok(cluster.run("deploy-route"))
    templates(cluster).clear()
    done = ok(plan(cluster, "--delete"))
    assert "WARNING: Route shop comes back from its snapshot, as it was before the maintenance." in done.log
    assert steps(done)[0] == "create Route shop again"


@pytest.fixture
def without_gitlab() -> Iterator[Variables]:
    """Yield what leads to a GitLab that is away."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield {"CI_SERVER_URL": f"https://127.0.0.1:{closed.getsockname()[1]}"}


@pytest.mark.slow
def test_without_gitlab_nothing_begins(cluster: Cluster, without_gitlab: Variables) -> None:
    assert plan(cluster, variables=without_gitlab).code == 75


@pytest.mark.slow
def test_without_gitlab_a_maintenance_can_end(cluster: Cluster, without_gitlab: Variables) -> None:
    ok(cluster.run("deploy-route"))
    done = ok(plan(cluster, "--delete", variables=without_gitlab))
    assert "comes back from its snapshot" in done.log


def test_an_api_that_is_away(cluster: Cluster) -> None:
    cluster.call(cluster.inside.troubles.add, parse_trouble("GET endpointslices: 503 always"))
    done = plan(cluster)
    assert done.code == 75
    assert "Nothing was changed." in done.lines[-1]


VISIBILITY, ALLOW_LIST = "router.example.test/network-visibility", "haproxy.router.openshift.io/ip_whitelist"
GENERATED = "Service shop is also reached by Route rival (https://shop-web.apps.example.test/): "


def change(cluster: Cluster, plural: str, name: str, **fields: object) -> None:
    """Let somebody else write fields of an object's spec, or its annotations."""
    found = cluster.find(plural, name)
    assert found is not None
    annotations = fields.pop("annotations", {})
    metadata = found["metadata"] | {"annotations": (found["metadata"].get("annotations") or {}) | annotations}
    changed = {**found, "metadata": metadata, "spec": found["spec"] | fields}
    cluster.call(cluster.store.update, plural, changed, manager="somebody")


def test_what_else_leads_there_and_what_the_page_s_route_has_not(cluster: Cluster) -> None:
    create(cluster, "routes", manifests.route("rival", "shop-web.apps.example.test", service="shop"))
    change(cluster, "routes", "shop", port={"targetPort": "8080"},
           annotations={VISIBILITY: "value-1", ALLOW_LIST: "127.0.0.1,10.9.9.9"})  # fmt: skip
    templates(cluster)["shop.yaml"] = manifests.template(cluster.find("routes", "shop") or {})
    ports = (cluster.find("services", "shop") or {"spec": {}})["spec"]["ports"]
    change(cluster, "services", "shop", ports=[{"name": "metrics", "port": 9090, "targetPort": 9090}, *ports])
    try:
        planned, done, again = ok(plan(cluster)), ok(cluster.run("deploy-route")), ok(cluster.run("deploy-route"))
    finally:
        change(cluster, "services", "shop", ports=ports)
    for log in (planned.log, done.log):
        assert GENERATED in log
        assert f'write in maintenance-route.yaml.j2 of route-templates/: {{% set keep = ["{VISIBILITY}"] %}}' in log
        assert "value-1" not in log
        assert f"WARNING: the annotation {ALLOW_LIST} holds what is no IP address" in log
    for lines in (done.lines, again.lines):
        assert any(line.startswith(GENERATED) for line in lines[lines.index("") :]), "it is not among the last lines"
        assert lines[-1] == "   oc port-forward --namespace web service/shop 8080:80"

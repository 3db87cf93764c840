"""``maintenance-ci plan``, as a process of its own: it says what the job then does, or all that stands in its way."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme

from maintenance_ci.lease import LEASE
from maintenance_ci.maintenance_route import PAGE
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.rights import User
from maintenance_ci.rehearsal.apiserver.store import Object
from maintenance_ci.rehearsal.cluster import PIPELINE
from maintenance_ci.rehearsal.trouble import parse_trouble
from maintenance_ci.snapshot import snapshot_name
from tests.rehearsal.conftest import QUICK, Cluster, Job, running
from tests.rehearsal.test_jobs import ok
from tests.rehearsal.test_status import (
    NAMESPACE,
    PATH,
    REPOINT,
    SUBPATH,
    WHOLE,
    Variables,
    command,
    create,
    hold_lease,
    keep_page,
    nothing_changes,
    quiet,
    remove,
    writes,
)

HOST, URL = manifests.HOST, f"https://{manifests.HOST}/"
NEW, OLD = "2", "0"  # pipelines; the one that runs jobs has the number 1
SNAPSHOT = snapshot_name("shop")
FREE_DEPLOY = "Nothing stands in the way of deploy-route. Nothing was changed."
FREE_DELETE = "Nothing stands in the way of delete. Nothing was changed."


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    with running(QUICK) as cluster:
        keep_page(cluster)
        yield cluster


@pytest.fixture
def cluster(shared: Cluster) -> Iterator[Cluster]:
    """The cluster with the page and the template; afterwards as it was."""
    original, template = shared.find("routes", "shop"), dict(files(shared))
    assert original is not None
    yield shared
    shared.call(shared.inside.troubles.clear)
    files(shared).clear()
    files(shared).update(template)
    for name in (WHOLE, PATH, "shop", "rival"):
        remove(shared, "routes", name)
    remove(shared, "secrets", SNAPSHOT)
    remove(shared, "leases", LEASE)
    metadata = {key: original["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
    create(shared, "routes", {"metadata": metadata, "spec": copy.deepcopy(original["spec"])})
    quiet(shared)


def files(cluster: Cluster) -> dict[str, bytes]:
    """The template project's."""
    found: dict[str, bytes] = cluster.inside.gitlab.projects[0].branches["main"]  # type: ignore[assignment]
    return found


def plan(cluster: Cluster, *arguments: str, variables: Variables | None = None) -> Job:
    """Plan, and hold that nothing is changed and that no Lease is asked for."""
    with nothing_changes(cluster):
        done = command(cluster, "plan", *arguments, variables=variables)
    assert not [one.path for one in cluster.inside.server.requests if one.user == PIPELINE and "/leases" in one.path]
    assert "Traceback" not in done.log, done.log
    assert cluster.inside.token not in done.log
    return done


def steps(done: Job) -> list[str]:
    return [line.removeprefix("   - ") for line in done.lines if line.startswith("   - ")]


def refusals(done: Job) -> list[str]:
    """What stands in the way, a line each."""
    [at] = [number for number, line in enumerate(done.lines) if line.startswith("ERROR: ")]
    if "things stand in the way" in done.lines[at]:
        assert done.lines[at] == f"ERROR: {len(done.lines) - at - 1} things stand in the way. Nothing was changed."
        return [line.strip() for line in done.lines[at + 1 :]]
    assert " Nothing was changed. " in f"{done.lines[at]} "
    return done.lines[at:]


KEEP = f"keep a snapshot of Route shop in the Secret {SNAPSHOT}"
WAIT = "wait until users meet the page, 0.9 s in a row; roll back if they do not"
DEPLOY: dict[str, tuple[Variables, list[str], list[str]]] = {
    "swap": (
        {},
        [KEEP, f"create Route {WHOLE}, which shows the page on {URL}", f"delete Route shop, which leaves its host to {WHOLE}", WAIT],
        [f"POST secrets {SNAPSHOT}", f"PATCH routes/{WHOLE}", "DELETE routes/shop"],
    ),
    "repoint": (
        REPOINT,
        [KEEP, "send Route shop to the page by one patch; its host stays its own", WAIT],
        [f"POST secrets {SNAPSHOT}", "PATCH routes/shop"],
    ),
    "a path": (SUBPATH, [f"create Route {PATH}, which shows the page on {URL}cart", WAIT], [f"PATCH routes/{PATH}"]),
}  # fmt: skip


def done_to(cluster: Cluster) -> list[str]:
    """What the job changed, Leases aside; a new Secret by the only name that is there."""
    lines = []
    for line in writes(cluster):
        method, path = line.split("?")[0].split()
        what = path.split(f"/namespaces/{NAMESPACE}/")[-1]
        if not what.startswith("leases"):
            lines.append(f"{method} {what}" + (f" {SNAPSHOT}" if (method, what) == ("POST", "secrets") else ""))
    return lines


@pytest.mark.parametrize("case", DEPLOY)
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
STAYS = "leave the page, needed by keeper"
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
def test_what_delete_would_do_is_what_it_does(cluster: Cluster, case: str) -> None:
    variables, said, made = DELETE[case]
    ok(cluster.run("deploy-route", variables))
    done = ok(plan(cluster, "--delete", variables=variables))
    assert steps(done) == said
    assert done.lines[-1] == FREE_DELETE

    cluster.inside.server.requests.clear()
    ok(cluster.run("delete", variables))
    assert done_to(cluster) == made


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
def test_a_route_that_is_in_maintenance_already(cluster: Cluster, strategy: str) -> None:
    ok(cluster.run("deploy-route", {"ROUTE_STRATEGY": strategy}))
    done = ok(plan(cluster))
    assert f"it is in maintenance already, by {strategy}: deploy-route would only confirm it" in done.log
    assert steps(done) == []
    # A path of it can still go, by a Route of its own.
    assert steps(ok(plan(cluster, variables=SUBPATH)))[0].startswith(f"create Route {PATH}")


def test_beside_a_job_that_holds_the_lease(cluster: Cluster) -> None:
    hold_lease(cluster)
    impatient: Variables = {"LEASE_TIMEOUT": "0.1"}
    assert ok(plan(cluster, variables=impatient)).lines[-1] == FREE_DEPLOY
    assert ok(plan(cluster, "--delete", variables=impatient)).lines[-1] == FREE_DELETE
    job = cluster.run("deploy-route", impatient)  # which a job does not get past
    assert job.code == 75
    assert f"The Lease {LEASE}" in job.log


def test_a_runner_that_cannot_see_the_site_is_told_before(cluster: Cluster) -> None:
    wrong: Variables = {"PUBLIC_CA": trustme.CA().cert_pem.bytes().decode()}
    done = ok(plan(cluster, variables=wrong))
    assert "   WARNING: the runner cannot see it: deploy-route would wait 0.9 s" in done.lines
    assert done.lines[-1] == FREE_DEPLOY
    assert "the runner cannot see it" not in plan(cluster).log
    unasked = ok(plan(cluster, variables=wrong | {"PROBES": "false"}))
    assert "the runner cannot see it" not in unasked.log
    assert "is answered by" not in unasked.log


def change_route(cluster: Cluster, **changes: Any) -> None:
    """Write into the Route's metadata, or with ``spec`` into its spec."""
    live = cluster.find("routes", "shop")
    assert live is not None
    spec = live["spec"] | changes.pop("spec", {})
    metadata = live["metadata"] | {key: value for key, value in changes.items() if key not in ("labels", "annotations")}
    for part in ("labels", "annotations"):
        metadata[part] = (live["metadata"].get(part) or {}) | changes.get(part, {})
    cluster.call(cluster.store.update, "routes", {**live, "metadata": metadata, "spec": spec}, manager="somebody")


def change_template(cluster: Cluster, **spec: Any) -> None:
    route = manifests.route("shop", HOST)
    files(cluster)["shop.yaml"] = manifests.template(route | {"spec": route["spec"] | spec})


def write_template(content: bytes) -> Callable[[Cluster], None]:
    return lambda cluster: files(cluster).update({"shop.yaml": content})


def create_younger(cluster: Cluster, route: Object) -> None:
    """Younger than all that are there, by a clock that has seconds."""
    cluster.do(asyncio.sleep(1.1))
    create(cluster, "routes", route)
    quiet(cluster)


def create_rival(cluster: Cluster) -> None:
    create_younger(cluster, manifests.route("rival", HOST))


def own(cluster: Cluster, kind: str) -> None:
    """Give the Route an owner; that is looked for by its uid alone."""
    service = cluster.find("services", "shop")
    assert service is not None
    owner = {"apiVersion": "example.test/v1", "kind": kind, "name": "boss", "uid": service["metadata"]["uid"]}
    change_route(cluster, ownerReferences=[owner])


Arrange = Callable[[Cluster], object]
TRACKED = {"argocd.argoproj.io/tracking-id": "store:route.openshift.io/Route:web/shop"}
HELM = {"meta.helm.sh/release-name": "store", "meta.helm.sh/release-namespace": "web"}
PASSTHROUGH: Object = {"tls": {"termination": "passthrough"}}
TLS: Object = {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"}
SECRET_HEADER = {"name": "X-Key", "action": {"type": "Set", "set": {"value": "very-secret"}}}
REFUSED: dict[str, tuple[Arrange, Variables, str]] = {
    "no such Route": (lambda _: None, {"ROUTE_NAME": "nope"}, "Route nope is not in namespace web."),
    "no template": (lambda cluster: files(cluster).clear(), {}, "The template shop.yaml in ops/route-templates is not"),
    "a template that does not render": (write_template(b"kind: Route\nmetadata: [x]\n"), {}, "metadata: input should"),
    "a template of something else": (write_template(b"kind: Secret\nmetadata: {name: shop}\n"), {}, "must hold one Rou"),
    "a template of another Route": (
        write_template(manifests.template(manifests.route("other", HOST))), {}, "another Route than"),
    "a template with another host": (
        lambda cluster: change_template(cluster, host="x.example.test"), {},
        "spec.host is 'x.example.test' in the template, 'shop.apps.example.test'"),
    "a template that differs": (
        lambda cluster: change_template(cluster, port={"targetPort": "x"}), {}, "spec.port.targetPort is 'x' in the te"),
    "a template with a secret that differs": (
        lambda cluster: change_template(cluster, httpHeaders={"actions": {"request": [SECRET_HEADER]}}), {},
        "spec.httpHeaders"),
    "an owner": (lambda cluster: own(cluster, "Shop"), {}, "the controller of Shop boss"),
    "an Ingress": (lambda cluster: own(cluster, "Ingress"), {}, "from Ingress boss"),
    "Argo CD": (lambda cluster: change_route(cluster, annotations=TRACKED), {}, "by Argo CD, application store"),
    "Helm": (
        lambda cluster: change_route(cluster, labels={"app.kubernetes.io/managed-by": "Helm"}, annotations=HELM), {},
        "Helm, with the next upgrade of release store"),
    "finalizers": (lambda cluster: change_route(cluster, finalizers=["example.test/x"]), {}, "finalizers"),
    "passthrough": (lambda cluster: change_route(cluster, spec=PASSTHROUGH), {}, "The Route is passthrough"),
    "no Secret for passthrough": (
        lambda cluster: change_route(cluster, spec=PASSTHROUGH), {"PASSTHROUGH_CERTIFICATE_SECRET": "nope"},
        "The Secret nope, with the certificate for shop.apps.example.test, is not there."),
    "a rival": (create_rival, {}, "Route rival is on shop.apps.example.test too"),
    "a stranger of that name": (
        lambda cluster: create(cluster, "routes", manifests.route(WHOLE, "x.apps.example.test")), {},
        "is there, but not of a maintenance of shop"),
    "a path that is not served": (
        lambda cluster: cluster.call(recreate, cluster, path="/a"), SUBPATH, "SUBPATH is not below /a"),
    "not the original": (
        lambda cluster: ok(cluster.run("deploy-route", SUBPATH)), {"ROUTE_NAME": PATH, **SUBPATH},
        f"Route {PATH} is the maintenance Route of shop."),
}  # fmt: skip


def recreate(cluster: Cluster, **spec: Any) -> None:
    cluster.store.delete("routes", NAMESPACE, "shop")
    route = manifests.route("shop", HOST)
    cluster.store.create("routes", route | {"spec": route["spec"] | spec}, manager="somebody")


@pytest.mark.parametrize("case", REFUSED)
def test_what_deploy_route_would_refuse(cluster: Cluster, case: str) -> None:
    arrange, variables, said = REFUSED[case]
    arrange(cluster)
    done = plan(cluster, variables=variables)
    assert done.code == 1, done.log
    assert any(said in line for line in refusals(done)), done.log
    assert "very-secret" not in done.log
    assert FREE_DEPLOY not in done.log


@pytest.mark.parametrize("case", ["an owner", "Argo CD", "Helm", "a template that differs"])
def test_what_one_may_force_or_accept(cluster: Cluster, case: str) -> None:
    REFUSED[case][0](cluster)
    accepted: Variables = {"FORCE": "true", "ACCEPT_ROUTE_DIFFERENCES": "true"}
    if case != "a template that differs":  # what tells the tools' Routes is in no template
        accepted["ROUTE_STRATEGY"] = "repoint"
    done = ok(plan(cluster, variables=accepted))
    assert done.lines[-1] == FREE_DEPLOY
    assert REFUSED[case][2] in done.log
    assert any(line.startswith("   WARNING: ") for line in done.lines)


@pytest.mark.parametrize(("strategy", "code"), [("swap", 1), ("repoint", 0)])
def test_a_host_that_another_namespace_claims_where_we_may_look(cluster: Cluster, strategy: str, code: int) -> None:
    users = cluster.inside.server.users
    assert isinstance(users, dict)
    mine = users[cluster.inside.token]
    everywhere = [{"apiGroups": ["route.openshift.io"], "resources": ["routes"], "verbs": ["list"]}]
    try:
        create_younger(cluster, manifests.route("theirs", HOST, namespace=manifests.OTHER_NAMESPACE))
        blind = ok(plan(cluster, variables={"ROUTE_STRATEGY": strategy}))
        users[cluster.inside.token] = User(PIPELINE, roles={**mine.roles, "": everywhere})
        done = plan(cluster, variables={"ROUTE_STRATEGY": strategy})
    finally:
        users[cluster.inside.token] = mine
        cluster.call(cluster.store.delete, "routes", manifests.OTHER_NAMESPACE, "theirs")
    assert done.code == code, done.log
    claimed = f"{HOST} is also claimed by Route other-team/theirs"
    assert (claimed in done.log) == (strategy == "swap")
    assert ("the token may not list Routes there" in blind.log) == (strategy == "swap")
    if code:
        assert "ROUTE_STRATEGY=repoint" in refusals(done)[0]


@contextlib.contextmanager
def reading_only(cluster: Cluster) -> Iterator[Variables]:
    """Yield the token of somebody who may only look."""
    users = cluster.inside.server.users
    assert isinstance(users, dict)
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}]
    users["reader"] = User(PIPELINE, roles={NAMESPACE: rules})
    yield {"OKD_TOKEN": "reader"}
    del users["reader"]


def test_rights_that_are_missing_are_listed_by_what_they_are_for(cluster: Cluster) -> None:
    with reading_only(cluster) as reader:
        done = plan(cluster, variables=reader | {"ROUTE_STRATEGY": "repoint"})
    assert done.code == 1
    [line] = [line for line in refusals(done) if "The token lacks rights." in line]
    for what in ("to switch the Route: patch routes", "to keep a snapshot of the original: ", "delete secrets", "leases"):
        assert what in line
    assert "docs/service-account.yaml" in line


def test_everything_that_is_wrong_is_in_one_message() -> None:
    with running(QUICK) as cluster, reading_only(cluster) as reader:  # without the page
        own(cluster, "Shop")
        change_route(cluster, finalizers=["example.test/x"])
        change_template(cluster, port={"targetPort": "x"})
        create_rival(cluster)
        done = plan(cluster, variables=reader)
        assert done.code == 1
        told = refusals(done)
        wanted = (
            "The token lacks rights",
            "Route rival is on",
            f"Service {PAGE} has no ready endpoint. Run the job build-and-deploy first.",
            "the controller of Shop boss",
            "finalizers",
            "spec.port.targetPort is 'x'",
        )
        for words in wanted:
            assert sum(words in line for line in told) == 1, (words, told)
        assert len(told) == len(wanted)
        # The job says the same, and it too has changed nothing; but it asks for the Lease first.
        with nothing_changes_but_leases(cluster):
            job = cluster.run("deploy-route")
        assert job.code == 1
        assert set(refusals(job)) == {line for line in told if "lacks rights" not in line}


@contextlib.contextmanager
def nothing_changes_but_leases(cluster: Cluster) -> Iterator[None]:
    quiet(cluster)
    cluster.inside.server.requests.clear()
    yield
    assert done_to(cluster) == []


def begin(cluster: Cluster, pipeline: str = "1") -> None:
    ok(cluster.run("deploy-route", {"CI_PIPELINE_ID": pipeline}))


def begin_and_lose_both(cluster: Cluster) -> None:
    begin(cluster)
    remove(cluster, "secrets", SNAPSHOT)
    files(cluster).clear()


def begin_without_application(cluster: Cluster) -> None:
    begin(cluster)
    change_template(cluster, to={"kind": "Service", "name": "nobody", "weight": 100})


def begin_and_meet_a_stranger(cluster: Cluster) -> None:
    """Somebody has made a Secret of the snapshot's name."""
    begin(cluster)
    remove(cluster, "secrets", SNAPSHOT)
    create(cluster, "secrets", {"metadata": {"name": SNAPSHOT, "namespace": NAMESPACE}, "data": {}})


ACCEPT: Variables = {"ACCEPT_ROUTE_DIFFERENCES": "true"}
REFUSED_BACK: dict[str, tuple[Arrange, Variables, str]] = {
    "a newer pipeline's": (lambda cluster: begin(cluster, NEW), {}, "belongs to the newer pipeline 2"),
    "neither source": (begin_and_lose_both, {}, "The template shop.yaml in ops/route-templates is not there"),
    "no application": (begin_without_application, ACCEPT, "Service nobody has no ready endpoint"),
    "a snapshot that is not ours": (begin_and_meet_a_stranger, {}, f"{SNAPSHOT} is there, but not of a maintenance of shop"),
}


@pytest.mark.parametrize("case", REFUSED_BACK)
def test_what_delete_would_refuse(cluster: Cluster, case: str) -> None:
    arrange, variables, said = REFUSED_BACK[case]
    arrange(cluster)
    done = plan(cluster, "--delete", variables=variables)
    assert done.code == 1, done.log
    assert any(said in line for line in refusals(done)), done.log
    assert FREE_DELETE not in done.log


def test_delete_would_go_on_where_it_is_forced(cluster: Cluster) -> None:
    begin_without_application(cluster)
    done = ok(plan(cluster, "--delete", variables=ACCEPT | {"FORCE": "true", "CI_PIPELINE_ID": OLD}))
    assert "WARNING: forced, although users of Route shop will be answered 503" in done.log


def test_delete_would_take_the_snapshot_where_the_template_is_no_good(cluster: Cluster) -> None:
    begin(cluster)
    files(cluster).clear()
    done = ok(plan(cluster, "--delete"))
    assert "WARNING: Route shop comes back from its snapshot, as it was before the maintenance." in done.log
    assert steps(done)[0] == "create Route shop again"


def test_a_gitlab_that_is_away(cluster: Cluster) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        away: Variables = {"CI_SERVER_URL": f"https://127.0.0.1:{closed.getsockname()[1]}"}
        assert plan(cluster, variables=away).code == 75
        begin(cluster)
        done = ok(plan(cluster, "--delete", variables=away))
    assert "comes back from its snapshot" in done.log


def test_an_api_that_is_away(cluster: Cluster) -> None:
    cluster.call(cluster.inside.troubles.add, parse_trouble("GET endpointslices: 503 always"))
    done = plan(cluster)
    assert done.code == 75
    assert "Nothing was changed." in done.lines[-1]


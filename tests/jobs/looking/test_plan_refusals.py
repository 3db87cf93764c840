"""What stands in the way of a job is what ``maintenance-ci plan`` shows: all of it, in one message."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from maintenance_ci.names import PAGE
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.rights import User
from maintenance_ci.rehearsal.apiserver.store import Object
from maintenance_ci.rehearsal.cluster import PIPELINE
from tests.jobs.looking.planning import FREE_DELETE, FREE_DEPLOY, done_to, plan
from tests.jobs.looking.scene import (
    HOST,
    NAMESPACE,
    PATH,
    SNAPSHOT,
    SUBPATH,
    WHOLE,
    Variables,
    create,
    quiet,
    remove,
    templates,
)
from tests.tools.clusters import QUICK, Cluster, Job, running
from tests.tools.outcomes import ok

NEW, OLD = "2", "0"  # pipelines; the one that runs jobs has the number 1


def refusals(done: Job) -> list[str]:
    """What stands in the way, a line each."""
    [at] = [number for number, line in enumerate(done.lines) if line.startswith("ERROR: ")]
    if "things stand in the way" in done.lines[at]:
        assert done.lines[at] == f"ERROR: {len(done.lines) - at - 1} things stand in the way. Nothing was changed."
        return [line.strip() for line in done.lines[at + 1 :]]
    assert " Nothing was changed. " in f"{done.lines[at]} "
    return done.lines[at:]


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
    templates(cluster)["shop.yaml"] = manifests.template(route | {"spec": route["spec"] | spec})


def write_template(content: bytes) -> Callable[[Cluster], None]:
    return lambda cluster: templates(cluster).update({"shop.yaml": content})


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
    "no template": (lambda cluster: templates(cluster).clear(), {}, "The template shop.yaml in ops/route-templates"),
    "a template that does not render": (write_template(b"kind: Route\nmetadata: [x]\n"), {}, "metadata: input should"),
    "a template of something else": (write_template(b"kind: Secret\nmetadata: {name: shop}\n"), {}, "must hold one"),
    "a template of another Route": (
        write_template(manifests.template(manifests.route("other", HOST))), {}, "another Route than"),
    "a template with another host": (
        lambda cluster: change_template(cluster, host="x.example.test"), {},
        "spec.host is 'x.example.test' in the template, 'shop.apps.example.test'"),
    "a template that differs": (
        lambda cluster: change_template(cluster, port={"targetPort": "x"}), {}, "spec.port.targetPort is 'x' in the"),
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
        "exists, but belongs to no maintenance of shop"),
    "no host, by swap": (
        lambda cluster: cluster.call(recreate, cluster, host=None, subdomain="shop"), {},
        "Route shop has no host of its own."),
    "no host, by repoint": (
        lambda cluster: cluster.call(recreate, cluster, host=None, subdomain="shop"), {"ROUTE_STRATEGY": "repoint"},
        "Route shop has no host of its own."),
    "no host, a path": (
        lambda cluster: cluster.call(recreate, cluster, host=None, subdomain="shop"), SUBPATH,
        "Route shop has no host of its own."),
    "a path that is not served": (
        lambda cluster: cluster.call(recreate, cluster, path="/a"), SUBPATH, "SUBPATH is not below /a"),
    "not the original": (
        lambda cluster: ok(cluster.run("deploy-route", SUBPATH)), {"ROUTE_NAME": PATH, **SUBPATH},
        f"Route {PATH} is the maintenance Route of shop."),
}  # fmt: skip


def recreate(cluster: Cluster, **spec: Any) -> None:
    cluster.store.delete("routes", NAMESPACE, "shop")
    route = manifests.route("shop", HOST)
    merged = {field: value for field, value in (route["spec"] | spec).items() if value is not None}
    cluster.store.create("routes", route | {"spec": merged}, manager="somebody")


@pytest.mark.parametrize("case", REFUSED)
def test_what_deploy_route_would_refuse(cluster: Cluster, case: str) -> None:
    arrange, variables, said = REFUSED[case]
    arrange(cluster)
    done = plan(cluster, variables=variables)
    assert done.code == 1, done.log
    assert any(said in line for line in refusals(done)), done.log
    assert "very-secret" not in done.log
    assert "fault of maintenance-ci itself" not in done.log
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
@pytest.mark.slow
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
    assert ("the token may not list all namespaces' Routes" in blind.log) == (strategy == "swap")
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
    for what in (
        "to switch the Route: patch routes",
        "to keep a snapshot of the original: ",
        "delete secrets",
        "leases",
    ):
        assert what in line
    assert "docs/service-account.yaml" in line


def test_a_plan_may_come_before_the_page() -> None:
    """The pipeline's own, with PLAN_ONLY: build-and-deploy runs before the switch, and not before the plan."""
    with running(QUICK) as cluster:
        now, later = plan(cluster), plan(cluster, "--page-later")
    assert now.code == 1
    assert "The maintenance page is not ready" in refusals(now)[0]
    assert later.code == 0, later.log
    assert "WARNING: the page is not there yet: build-and-deploy, which runs before, makes it" in later.log
    assert later.lines[-1] == FREE_DEPLOY


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
    templates(cluster).clear()


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
    "a snapshot that is not ours": (
        begin_and_meet_a_stranger,
        {},
        "exists, but belongs to no maintenance of shop",
    ),
}


@pytest.mark.parametrize("case", REFUSED_BACK)
@pytest.mark.slow
def test_what_delete_would_refuse(cluster: Cluster, case: str) -> None:
    arrange, variables, said = REFUSED_BACK[case]
    arrange(cluster)
    done = plan(cluster, "--delete", variables=variables)
    assert done.code == 1, done.log
    assert any(said in line for line in refusals(done)), done.log
    assert FREE_DELETE not in done.log


@pytest.mark.slow
def test_delete_would_go_on_where_it_is_forced(cluster: Cluster) -> None:
    begin_without_application(cluster)
    done = ok(plan(cluster, "--delete", variables=ACCEPT | {"FORCE": "true", "CI_PIPELINE_ID": OLD}))
    assert "WARNING: forced, although users of Route shop will be answered 503" in done.log

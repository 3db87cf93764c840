"""A Route of another namespace waits for the host."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.rights import User
from tests.jobs.switches.scene import live
from tests.matrices.harness import Scene, require_as_before
from tests.matrices.stage import SHOWN, Stage, Variables, changes, stage
from tests.tools.clusters import Job
from tests.tools.small_cluster import until

SWAP, REPOINT = Scene("delete", "swap"), Scene("delete", "repoint")
# A switch that does not come is given up on after these seconds.
SOON: Variables = {"ADMISSION_TIMEOUT": "2"}


@pytest.fixture(scope="module")
def shared() -> Iterator[Stage]:
    with stage() as it:
        yield it


@pytest.fixture
def on(shared: Stage) -> Iterator[Stage]:
    yield shared
    if shared.cluster.find("routes", "thief", manifests.OTHER_NAMESPACE):
        remove_thief(shared)
    shared.ok("delete", SWAP.variables)
    shared.crowd.harmed()  # the tests look themselves at what users met
    require_as_before(shared)


def send_thief(on: Stage) -> None:
    """Let another namespace claim the host: it waits, older than whatever a job makes from now on."""
    theirs = manifests.route("thief", manifests.HOST, namespace=manifests.OTHER_NAMESPACE)
    on.cluster.call(on.cluster.store.create, "routes", theirs, manager="thief")
    time.sleep(1.1)  # a Route's age has no fractions of a second
    assert not thief_is_served(on)


def remove_thief(on: Stage) -> None:
    on.cluster.call(on.cluster.store.delete, "routes", manifests.OTHER_NAMESPACE, "thief")


def thief_is_served(on: Stage) -> bool:
    theirs = on.cluster.find("routes", "thief", manifests.OTHER_NAMESPACE)
    assert theirs is not None
    return "True" in {
        condition["status"] for ingress in theirs["status"]["ingress"] for condition in ingress["conditions"]
    }


@pytest.fixture
def may_look(on: Stage) -> Iterator[None]:
    """The token may list the Routes of all namespaces."""
    inside = on.cluster.inside
    users, rule = inside.server.users, {"apiGroups": ["route.openshift.io"], "resources": ["routes"], "verbs": ["list"]}
    assert isinstance(users, dict)
    plain = users[inside.token]
    users[inside.token] = User(plain.name, roles={**plain.roles, "": [rule]})
    yield
    users[inside.token] = plain


def refused(on: Stage, job: str) -> Job:
    before = on.picture()
    done = on.run(job, SWAP.variables | SOON)
    assert done.code == 1, done.log
    assert changes(before, on.picture()) == []
    assert "other-team" in done.log
    assert "ROUTE_STRATEGY=repoint" in done.log
    return done


def lost(on: Stage, job: str) -> Job:
    done = on.run(job, SWAP.variables | SOON)
    assert done.code == 3, done.log
    assert "HostAlreadyClaimed" in done.log
    assert thief_is_served(on)
    # What a Route that waits was told first, when another one held the host, is no evidence.
    assert "already exposes" not in done.log
    assert "which is gone now; it does not say who holds the host" in done.log
    at = done.lines.index("To end the maintenance by hand, where the job cannot be run again:")
    find, forget = (line.strip() for line in done.lines[at + 1 : at + 3])
    assert find == f"oc get routes --all-namespaces | grep -F {manifests.HOST}"
    assert forget.startswith("# when users reach the application: oc delete secret shop-maintenance-snapshot -n web")
    # Nothing else is left for a person: the original is there, and is served when its host is free.
    assert live(on)["metadata"]["name"] == "shop"
    assert done.lines[at + 3].startswith("ERROR: ")
    return done


def let_thief_serve(on: Stage) -> None:
    """The other namespace has an application."""
    for plural, manifest in manifests.application("thief", namespace=manifests.OTHER_NAMESPACE):
        on.cluster.call(on.cluster.store.create, plural, manifest, manager="thief")
    on.cluster.do(until(lambda: ready_endpoints(on)), timeout=60)


def let_thief_go(on: Stage) -> None:
    for plural in ("services", "deployments"):
        on.cluster.call(on.cluster.store.delete, plural, manifests.OTHER_NAMESPACE, "thief")


def ready_endpoints(on: Stage) -> list[str]:
    return [
        endpoint["addresses"][0]
        for one in on.cluster.store.list("endpointslices", manifests.OTHER_NAMESPACE)
        if one["metadata"]["labels"]["kubernetes.io/service-name"] == "thief"
        for endpoint in one["endpoints"]
        if endpoint["conditions"]["ready"]
    ]


@pytest.mark.slow
def test_a_repointed_route_keeps_its_host(on: Stage) -> None:
    send_thief(on)
    on.ok("deploy-route", REPOINT.variables)
    assert on.crowd.served_by() == {SHOWN}
    assert not thief_is_served(on)
    on.ok("delete", REPOINT.variables)
    assert not thief_is_served(on)
    require_as_before(on)


@pytest.mark.usefixtures("may_look")
def test_a_swap_is_refused_where_the_other_route_can_be_seen(on: Stage) -> None:
    send_thief(on)
    refused(on, "deploy-route")
    assert not on.crowd.harmed()


@pytest.mark.usefixtures("may_look")
@pytest.mark.slow
def test_a_swap_back_is_refused_where_the_other_route_can_be_seen(on: Stage) -> None:
    on.ok("deploy-route", SWAP.variables)
    send_thief(on)
    before = on.picture()
    done = on.run("delete", SWAP.variables | SOON)
    assert done.code in (1, 3), done.log
    assert "other-team" in done.log
    assert changes(before, on.picture()) == []
    assert on.crowd.served_by() == {SHOWN}
    assert not on.crowd.harmed()


def test_a_host_that_was_lost_is_told_with_the_reason(on: Stage) -> None:
    let_thief_serve(on)
    send_thief(on)
    done = lost(on, "deploy-route")
    assert (
        f"Users of https://{manifests.HOST}/ meet another site, neither the page nor the application: it answers 200."
        in done.lines[-1]
    )
    assert on.crowd.served_by() == {"application"}  # of the other namespace
    let_thief_go(on)


@pytest.mark.slow
def test_a_host_that_was_lost_on_the_way_back_is_told_with_the_reason(on: Stage) -> None:
    on.ok("deploy-route", SWAP.variables)
    send_thief(on)
    done = lost(on, "delete")
    where = f"https://{manifests.HOST}/"
    assert f"Users of {where} meet neither the page nor the application: the router itself answers 503." in done.log


def test_the_other_route_would_really_take_the_host(on: Stage) -> None:
    """Without it these tests would prove nothing: deleted and made again, a Route comes too late."""
    send_thief(on)
    original = on.cluster.find("routes", manifests.APPLICATION)
    on.cluster.call(on.cluster.store.delete, "routes", manifests.NAMESPACE, manifests.APPLICATION)
    on.cluster.call(on.cluster.store.create, "routes", original, manager="somebody")
    on.cluster.do(on.cluster.inside.router.next_reload())
    assert thief_is_served(on)
    assert on.crowd.served_by() == {"router"}
    assert on.crowd.harmed()

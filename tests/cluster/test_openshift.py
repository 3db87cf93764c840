"""Changes of an object as it was read, what is sent again, and the guard, against the embedded API server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from maintenance_ci.cluster.kubeconfig import write_kubeconfig
from maintenance_ci.cluster.openshift import CONFLICT_RETRIES, PAUSES, OpenShift
from maintenance_ci.errors import ConflictError, ForbiddenError, MaintenanceError, TryAgainError
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.store import Object
from maintenance_ci.rehearsal.trouble import parse_trouble
from tests.tools.clusters import Cluster

NAMESPACE, NAME = manifests.NAMESPACE, "target"
TO_PAGE: Object = {"spec": {"to": {"name": "maintenance-page"}}, "metadata": {"annotations": {"note": "ours"}}}
TIMES = len(PAUSES) + 1


@pytest.fixture
def cluster(shared: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster without troubles, with one Route that nobody serves."""
    monkeypatch.setattr("maintenance_ci.cluster.openshift.PAUSES", (0.05, 0.05))
    shared.call(shared.store.create, "routes", target(), manager="test")
    yield shared
    shared.call(shared.inside.troubles.clear)
    if shared.find("routes", NAME):
        shared.call(shared.store.delete, "routes", NAMESPACE, NAME)


@pytest.fixture
def client(cluster: Cluster, tmp_path: Path) -> Iterator[OpenShift]:
    inside = cluster.inside
    ca = inside.ca_file.read_text()
    config = write_kubeconfig(tmp_path, url=inside.server.url, token=inside.token, namespace=NAMESPACE, ca=ca)
    client = OpenShift(str(config), NAMESPACE, timeout=1.0)
    yield client
    client.close()


@pytest.fixture
def observed(cluster: Cluster, client: OpenShift) -> Object:
    """The Route as it was read, before anything else happens."""
    inside = cluster.inside
    cluster.call(inside.router.look)  # it has written what it thinks of the Route
    read = client.get("routes", NAME)
    assert read is not None
    inside.server.requests.clear()
    return read


def target() -> Object:
    made = manifests.route(NAME, f"{NAME}.apps.example.test")
    made["spec"]["alternateBackends"] = [{"kind": "Service", "name": "other", "weight": 1}]
    return made


def expect(cluster: Cluster, *lines: str) -> None:
    for line in lines:
        cluster.call(cluster.inside.troubles.add, parse_trouble(line))


def sent(cluster: Cluster, method: str) -> list[int]:
    """How each of our requests of that method was answered."""
    return [one.status for one in cluster.inside.server.requests if one.method == method and f"/{NAME}" in one.path]


def live(cluster: Cluster) -> Object:
    there = cluster.find("routes", NAME)
    assert there is not None
    return there


def write_status(cluster: Cluster) -> None:
    """As the router does: nothing of what anybody wants of the Route is another."""
    ingress = [{"host": "x", "routerName": f"router-{live(cluster)['metadata']['resourceVersion']}"}]
    changed = live(cluster) | {"status": {"ingress": ingress}}
    cluster.call(cluster.store.update, "routes", changed, manager="router", subresource="status")


def write_weight(cluster: Cluster) -> None:
    spec = live(cluster)["spec"]
    changed = live(cluster) | {"spec": spec | {"to": spec["to"] | {"weight": 7}}}
    cluster.call(cluster.store.update, "routes", changed, manager="somebody")


def make_anew(cluster: Cluster) -> None:
    cluster.call(cluster.store.delete, "routes", NAMESPACE, NAME)
    cluster.call(cluster.store.create, "routes", target(), manager="somebody")


def is_patched(route: Object) -> bool:
    return (route["spec"]["to"]["name"], route["metadata"]["annotations"].get("note")) == ("maintenance-page", "ours")


def test_a_patch_changes_what_it_names_and_nothing_else(cluster: Cluster, client: OpenShift, observed: Object) -> None:
    client.patch("routes", observed, TO_PAGE | {"spec": {**TO_PAGE["spec"], "alternateBackends": None}})
    after = live(cluster)
    assert is_patched(after)
    assert after["metadata"]["annotations"] == observed["metadata"]["annotations"] | {"note": "ours"}
    without = {key: value for key, value in observed["spec"].items() if key != "alternateBackends"}
    assert after["spec"] == without | {"to": observed["spec"]["to"] | {"name": "maintenance-page"}}
    assert sent(cluster, "PATCH") == [200]


def test_all_that_a_job_writes_is_noted_as_its_own(cluster: Cluster, client: OpenShift, observed: Object) -> None:
    """Whoever changes such a field later by server-side apply, as Helm 4 does, reads in the conflict whose it is."""
    secret: Object = {"metadata": {"name": "noted", "namespace": NAMESPACE}, "data": {}}
    client.patch("routes", observed, TO_PAGE)
    created = client.create("secrets", secret)
    client.replace("secrets", {**created, "data": {"a": "YQ=="}})
    noted = cluster.find("secrets", "noted")
    assert noted is not None
    cluster.call(cluster.store.delete, "secrets", NAMESPACE, "noted")
    managers = [{one["manager"] for one in written["metadata"]["managedFields"]} for written in (noted, live(cluster))]
    assert managers[0] == {"maintenance-ci"}
    assert managers[1] - {"test"} - {one["manager"] for one in observed["metadata"]["managedFields"]} == {
        "maintenance-ci"
    }


def test_a_patch_that_changes_nothing_is_not_sent(cluster: Cluster, client: OpenShift, observed: Object) -> None:
    client.patch("routes", observed, {"spec": {"to": {"name": NAME}, "path": None}})
    assert sent(cluster, "PATCH") == []


def test_the_patch_is_for_the_version_that_was_read(cluster: Cluster, client: OpenShift, observed: Object) -> None:
    write_weight(cluster)
    with pytest.raises(ConflictError):
        client.patch("routes", observed, TO_PAGE)
    assert not is_patched(live(cluster))
    assert sent(cluster, "PATCH") == [409]


@pytest.mark.parametrize("change", ["patch", "delete"])
def test_a_status_that_was_written_meanwhile_is_no_conflict(
    cluster: Cluster, client: OpenShift, observed: Object, change: str
) -> None:
    write_status(cluster)
    make(change, client, observed)
    assert made(change, cluster)
    assert sent(cluster, change.upper()) == [409, 200]


@pytest.mark.parametrize("change", ["patch", "delete"])
@pytest.mark.parametrize("meanwhile", [write_weight, make_anew])
def test_what_another_wants_of_the_object_is_not_overwritten(
    cluster: Cluster, client: OpenShift, observed: Object, change: str, meanwhile: Callable[[Cluster], None]
) -> None:
    meanwhile(cluster)
    with pytest.raises(ConflictError):
        make(change, client, observed)
    assert not made(change, cluster)


@pytest.mark.parametrize("change", ["patch", "delete"])
def test_an_object_that_keeps_changing_is_given_up(
    cluster: Cluster, client: OpenShift, observed: Object, change: str
) -> None:
    expect(cluster, f"{change.upper()} routes/{NAME}: 409 always")
    with pytest.raises(ConflictError, match=f"{NAME} keeps changing"):
        make(change, client, observed)
    assert sent(cluster, change.upper()) == [409] * CONFLICT_RETRIES
    assert not made(change, cluster)


def test_what_is_gone_already_is_deleted(cluster: Cluster, client: OpenShift, observed: Object) -> None:
    cluster.call(cluster.store.delete, "routes", NAMESPACE, NAME)
    client.delete("routes", observed)
    assert sent(cluster, "DELETE") == [404]


def test_what_is_gone_cannot_be_patched(cluster: Cluster, client: OpenShift, observed: Object) -> None:
    cluster.call(cluster.store.delete, "routes", NAMESPACE, NAME)
    with pytest.raises(MaintenanceError):
        client.patch("routes", observed, TO_PAGE)
    assert cluster.find("routes", NAME) is None


def make(change: str, client: OpenShift, observed: Object) -> None:
    if change == "patch":
        client.patch("routes", observed, TO_PAGE)
    elif change == "apply":
        client.apply("routes", target() | {"spec": target()["spec"] | {"path": "/applied"}})
    else:
        client.delete("routes", observed)


def made(change: str, cluster: Cluster) -> bool:
    there = cluster.find("routes", NAME)
    if change == "delete":
        return there is None
    assert there is not None
    return is_patched(there) if change == "patch" else there["spec"].get("path") == "/applied"


CHANGES = ("patch", "apply", "delete")
METHODS = {"patch": "PATCH", "apply": "PATCH", "delete": "DELETE"}
AWAY = ("500", "503", "429", "reset", "silence", "html")


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("trouble", AWAY)
def test_while_the_server_is_away_a_change_is_sent_again(
    cluster: Cluster, client: OpenShift, observed: Object, change: str, trouble: str
) -> None:
    expect(cluster, f"{METHODS[change]} routes/{NAME}: {trouble} x{TIMES - 1}")
    make(change, client, observed)
    assert made(change, cluster)
    assert len(cluster.inside.troubles.met) >= TIMES - 1


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("trouble", ["503", "reset"])
def test_but_not_for_ever(cluster: Cluster, client: OpenShift, observed: Object, change: str, trouble: str) -> None:
    expect(cluster, f"{METHODS[change]} routes/{NAME}: {trouble} always")
    with pytest.raises(TryAgainError):
        make(change, client, observed)
    assert not made(change, cluster)
    assert len(sent(cluster, METHODS[change])) == TIMES


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("trouble", ["reset", "503", "html"])
def test_a_change_whose_answer_was_lost_is_known_to_be_made(
    cluster: Cluster, client: OpenShift, observed: Object, change: str, trouble: str
) -> None:
    expect(cluster, f"{METHODS[change]} routes/{NAME}: {trouble} after")
    make(change, client, observed)
    assert made(change, cluster)
    if change != "delete":  # it was made once: nothing is written by the second request
        generation = live(cluster)["metadata"].get("generation", 0) - observed["metadata"].get("generation", 0)
        assert generation <= 1


def test_a_deletion_whose_answer_was_lost_is_not_made_to_what_came_after(
    cluster: Cluster, client: OpenShift, observed: Object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is sent again somebody makes a Route of that name: theirs stays."""
    monkeypatch.setattr("maintenance_ci.cluster.openshift.PAUSES", (1.0,))
    expect(cluster, f"DELETE routes/{NAME}: reset after")

    async def made_anew() -> None:
        async for event in cluster.store.follow(["routes"], since=cluster.store.resource_version):
            if (event.type, event.object["metadata"]["name"]) == ("DELETED", NAME):
                cluster.store.create("routes", target(), manager="somebody")
                return

    with ThreadPoolExecutor() as threads:
        theirs = threads.submit(cluster.do, made_anew())
        with pytest.raises(ConflictError):
            client.delete("routes", observed)
        theirs.result()
    assert live(cluster)["metadata"]["uid"] != observed["metadata"]["uid"]
    assert sent(cluster, "DELETE")[-1] == 409


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    ("trouble", "error"), [("403", ForbiddenError), ("401", ForbiddenError), ("422", MaintenanceError)]
)
def test_a_refusal_is_final(
    cluster: Cluster, client: OpenShift, observed: Object, change: str, trouble: str, error: type[MaintenanceError]
) -> None:
    expect(cluster, f"{METHODS[change]} routes/{NAME}: {trouble}")
    with pytest.raises(error):
        make(change, client, observed)
    assert sent(cluster, METHODS[change]) == [int(trouble)]
    assert not made(change, cluster)


@pytest.mark.parametrize("call", ["create", "replace"])
def test_what_must_not_be_sent_twice_is_sent_once(
    cluster: Cluster, client: OpenShift, observed: Object, call: str
) -> None:
    expect(cluster, f"{'POST' if call == 'create' else 'PUT'} routes: 503")
    with pytest.raises(TryAgainError):
        getattr(client, call)("routes", observed)
    assert [one.status for one in cluster.inside.server.requests if one.method in ("POST", "PUT")] == [503]


class LeaseLostError(MaintenanceError):
    """What a guard raises."""


def refuse() -> None:
    raise LeaseLostError("The Lease is lost.")


CALLS: dict[str, Callable[[OpenShift, Object], Any]] = {
    "create": lambda client, _: client.create("routes", manifests.route("new", "new.apps.example.test")),
    "apply": lambda client, _: client.apply("routes", target()),
    "replace": lambda client, observed: client.replace("routes", observed),
    "patch": lambda client, observed: client.patch("routes", observed, TO_PAGE),
    "delete": lambda client, observed: client.delete("routes", observed),
}
LEASE: Object = {"metadata": {"name": "maintenance-ci"}, "spec": {"holderIdentity": "test"}}
TEMPLATE: Object = {
    "apiVersion": "template.openshift.io/v1", "kind": "Template", "metadata": {"name": "t"}, "objects": [],
}  # fmt: skip
UNGUARDED: dict[str, Callable[[OpenShift, Object], Any]] = {
    "get": lambda client, _: client.get("routes", NAME),
    "select": lambda client, _: client.select("routes"),
    "review": lambda client, _: client.review("selfsubjectrulesreviews", {"namespace": NAMESPACE}),
    "a dry run": lambda client, _: client.apply("routes", target(), dry_run=True),
    "a Template": lambda client, _: client.process_template(TEMPLATE),
    "the Lease": lambda client, _: client.delete("leases", client.create("leases", LEASE)),
}


@pytest.mark.parametrize("call", CALLS)
def test_nothing_is_changed_that_the_guard_forbids(
    cluster: Cluster, client: OpenShift, observed: Object, call: str
) -> None:
    before = cluster.call(lambda: cluster.store.resource_version)
    client.guard = refuse
    with pytest.raises(LeaseLostError):
        CALLS[call](client, observed)
    assert cluster.inside.server.requests == []
    assert cluster.call(lambda: cluster.store.resource_version) == before


@pytest.mark.parametrize("call", CALLS)
def test_what_the_guard_allows_is_sent_and_it_is_asked_each_time(
    cluster: Cluster, client: OpenShift, observed: Object, call: str
) -> None:
    asked: list[int] = []
    client.guard = lambda: asked.append(1)
    try:
        CALLS[call](client, observed)
    finally:
        if cluster.find("routes", "new"):
            cluster.call(cluster.store.delete, "routes", NAMESPACE, "new")
    assert len(asked) == 1
    assert len(cluster.inside.server.requests) == 1


@pytest.mark.parametrize("call", UNGUARDED)
def test_reading_and_the_lease_itself_need_no_guard(
    cluster: Cluster, client: OpenShift, observed: Object, call: str
) -> None:
    client.guard = refuse
    UNGUARDED[call](client, observed)
    assert cluster.inside.server.requests
    assert live(cluster)["metadata"]["resourceVersion"] == observed["metadata"]["resourceVersion"]


@pytest.mark.parametrize("change", ["patch", "delete"])
def test_the_guard_is_asked_again_after_a_conflict(
    cluster: Cluster, client: OpenShift, observed: Object, change: str
) -> None:
    answers = iter([lambda: None, refuse])
    client.guard = lambda: next(answers)()
    write_status(cluster)
    with pytest.raises(LeaseLostError):
        make(change, client, observed)
    assert sent(cluster, change.upper()) == [409]
    assert not made(change, cluster)

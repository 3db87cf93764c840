"""Lists, read page by page, from the embedded API server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from maintenance_ci.cluster import openshift
from maintenance_ci.cluster.kubeconfig import write_kubeconfig
from maintenance_ci.cluster.openshift import LIST_TRIES, OpenShift
from maintenance_ci.errors import MaintenanceError, TryAgainError
from maintenance_ci.names import MANAGED_BY
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.store import Object
from maintenance_ci.rehearsal.trouble import parse_trouble
from tests.tools.clusters import Cluster

NAMESPACE = manifests.NAMESPACE
LABEL = {"listed": "yes"}
NAMES = [f"listed-{number}" for number in range(7)]


@pytest.fixture
def cluster(shared: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster with seven Secrets of ours, for a client that reads three at once."""
    monkeypatch.setattr(openshift, "PAGE_SIZE", 3)
    for name in NAMES:
        create(shared, name)
    yield shared
    shared.call(shared.inside.troubles.clear)
    for secret in shared.call(shared.store.list, "secrets", NAMESPACE):
        if "listed" in secret["metadata"].get("labels", {}):
            shared.call(shared.store.delete, "secrets", NAMESPACE, secret["metadata"]["name"])


@pytest.fixture
def client(cluster: Cluster, tmp_path: Path) -> Iterator[OpenShift]:
    inside = cluster.inside
    ca = inside.ca_file.read_text()
    config = write_kubeconfig(tmp_path, url=inside.server.url, token=inside.token, namespace=NAMESPACE, ca=ca)
    client = OpenShift(str(config), NAMESPACE)
    inside.server.requests.clear()
    yield client
    client.close()


def create(cluster: Cluster, name: str, size: int = 4) -> None:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": LABEL}
    cluster.call(
        cluster.store.create, "secrets", {"metadata": metadata, "data": {"of": "b25l" * (size // 4)}}, manager="test"
    )


def names(listed: list[Object]) -> list[str]:
    return [one["metadata"]["name"] for one in listed]


def queries(cluster: Cluster) -> list[dict[str, list[str]]]:
    lists = [one for one in cluster.inside.server.requests if "/secrets?" in one.path]
    return [parse_qs(one.path.partition("?")[2]) for one in lists]


def befall(cluster: Cluster, line: str) -> None:
    cluster.call(cluster.inside.troubles.add, parse_trouble(line))


def test_a_list_is_read_page_by_page(cluster: Cluster, client: OpenShift) -> None:
    assert names(client.select("secrets", LABEL)) == NAMES
    assert [query["limit"] for query in queries(cluster)] == [["3"]] * 3
    assert ["continue" in query for query in queries(cluster)] == [False, True, True]
    assert all(query["labelSelector"] == ["listed=yes"] for query in queries(cluster))


def test_what_fits_into_one_page_is_one_request(
    cluster: Cluster, client: OpenShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openshift, "PAGE_SIZE", len(NAMES))
    assert names(client.select("secrets", LABEL)) == NAMES
    assert len(queries(cluster)) == 1


def test_a_list_of_all_namespaces_comes_in_pages_too(cluster: Cluster, tmp_path: Path) -> None:
    inside = cluster.inside
    ca = inside.ca_file.read_text()
    config = write_kubeconfig(tmp_path, url=inside.server.url, token=inside.admin_token, namespace="other", ca=ca)
    client = OpenShift(str(config), "other")
    found = client.select("secrets", fields="type=Opaque", everywhere=True)
    client.close()
    assert set(NAMES) <= set(names(found))
    assert len(queries(cluster)) > 2


def test_a_list_whose_continuation_is_forgotten_is_begun_anew(cluster: Cluster, client: OpenShift) -> None:
    befall(cluster, "GET secrets #3: forget")
    assert names(client.select("secrets", LABEL)) == NAMES  # each once
    assert ["continue" in query for query in queries(cluster)] == [False, True, True, False, True, True]
    assert [one.status for one in cluster.inside.server.requests].count(410) == 1


def test_but_not_for_ever(cluster: Cluster, client: OpenShift) -> None:
    befall(cluster, "GET continue=: forget always")
    with pytest.raises(TryAgainError, match="The list of secrets took too long"):
        client.select("secrets", LABEL)
    assert [one.status for one in cluster.inside.server.requests].count(410) == LIST_TRIES


def test_a_list_without_an_end_is_given_up(
    cluster: Cluster, client: OpenShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openshift, "MAX_PAGES", 2)
    with pytest.raises(MaintenanceError, match="does not end after 2 pages"):
        client.select("secrets", LABEL)
    monkeypatch.setattr(openshift, "MAX_PAGES", 3)
    assert names(client.select("secrets", LABEL)) == NAMES


def test_of_what_others_manage_only_who_does_is_kept(cluster: Cluster, client: OpenShift) -> None:
    (secret,) = [one for one in client.select("secrets", LABEL) if one["metadata"]["name"] == NAMES[0]]
    written = cluster.find("secrets", NAMES[1])
    assert written is not None
    cluster.call(cluster.store.update, "secrets", {**written, "data": {"ours": "b25l"}}, manager=MANAGED_BY)
    (ours,) = [one for one in client.select("secrets", LABEL) if one["metadata"]["name"] == NAMES[1]]
    assert [one["manager"] for one in secret["metadata"]["managedFields"]] == ["test"]
    assert "fieldsV1" not in secret["metadata"]["managedFields"][0]
    managed = {one["manager"]: one["fieldsV1"] for one in ours["metadata"]["managedFields"]}
    assert managed.keys() == {"test", MANAGED_BY}
    assert all(managed.values())


def test_a_long_list_comes_compressed(cluster: Cluster, client: OpenShift, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openshift, "PAGE_SIZE", 500)
    for number in range(40):
        create(cluster, f"long-{number:02}", size=4000)
    cluster.inside.server.requests.clear()
    long = client.select("secrets", LABEL)
    short = client.select("secrets", LABEL | {"none": "such"})
    sizes = [one.size for one in cluster.inside.server.requests]
    assert (len(long), short) == (40 + len(NAMES), [])
    assert {len(one["data"]["of"]) for one in long} == {4, 4000}
    assert 0 < sizes[1] < 200  # as it is
    assert sizes[0] < 40 * 4000 / 10

"""What is read for one Route, and what once for many."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from maintenance_ci.cluster.kubeconfig import write_kubeconfig
from maintenance_ci.cluster.openshift import OpenShift
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.run.shared_reads import FEW, SharedReads
from tests.tools.clusters import Cluster

NAMESPACE = manifests.NAMESPACE
OTHERS = ("other-1", "other-2")


@pytest.fixture
def client(shared: Cluster, tmp_path: Path) -> Iterator[OpenShift]:
    """A client of a namespace with two more Services that have an endpoint."""
    inside = shared.inside
    for name in OTHERS:
        metadata = {"name": name, "namespace": NAMESPACE, "labels": {"kubernetes.io/service-name": name}}
        made = {"metadata": metadata, "addressType": "IPv4", "endpoints": [{"addresses": ["10.9.9.9"]}], "ports": []}
        shared.call(shared.store.create, "endpointslices", made, manager="test")
    ca = inside.ca_file.read_text()
    config = write_kubeconfig(tmp_path, url=inside.server.url, token=inside.token, namespace=NAMESPACE, ca=ca)
    client = OpenShift(str(config), NAMESPACE)
    inside.server.requests.clear()
    yield client
    client.close()
    for name in OTHERS:
        shared.call(shared.store.delete, "endpointslices", NAMESPACE, name)


def asked(shared: Cluster) -> int:
    return sum("/endpointslices" in one.path for one in shared.inside.server.requests)


def test_a_few_routes_read_the_endpoints_of_their_services_alone(shared: Cluster, client: OpenShift) -> None:
    reads = SharedReads(client, FEW)
    assert reads.ready({manifests.APPLICATION}) == {manifests.APPLICATION}
    assert reads.ready({manifests.APPLICATION, OTHERS[0]}) == {manifests.APPLICATION, OTHERS[0]}
    reads.ready([manifests.APPLICATION])
    assert asked(shared) == 2  # each set once


def test_many_routes_read_those_of_the_namespace_once(shared: Cluster, client: OpenShift) -> None:
    reads = SharedReads(client, FEW + 1)
    for name in (manifests.APPLICATION, *OTHERS):
        assert reads.ready({name}) >= {manifests.APPLICATION, *OTHERS}
    assert asked(shared) == 1


@pytest.mark.parametrize("names", [[], ["Shop"], ["a,b"], ["x)"], ["a" * 64], [""]])
def test_what_is_no_name_of_a_service_is_not_asked_for(shared: Cluster, client: OpenShift, names: list[str]) -> None:
    assert SharedReads(client).ready(names) == set()
    assert asked(shared) == 0

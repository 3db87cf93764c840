"""A cluster without a Lease for each test, and clients of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from maintenance_ci.cluster.kubeconfig import write_kubeconfig
from maintenance_ci.cluster.openshift import OpenShift
from maintenance_ci.names import LEASE
from maintenance_ci.rehearsal import application_manifests as manifests
from tests.jobs.lease.leases import lease_of
from tests.tools.clusters import Cluster


@pytest.fixture
def cluster(shared: Cluster) -> Iterator[Cluster]:
    """Each test begins and ends without a Lease, and without trouble."""
    yield shared
    shared.call(shared.inside.troubles.clear)
    shared.inside.troubles.met.clear()
    left = lease_of(shared)
    if left:
        shared.call(shared.store.delete, "leases", manifests.NAMESPACE, LEASE)
    assert left is None


@pytest.fixture
def config(cluster: Cluster, tmp_path: Path) -> str:
    inside = cluster.inside
    ca = inside.ca_file.read_text()
    return str(write_kubeconfig(tmp_path, url=inside.server.url, token=inside.token, namespace="web", ca=ca))


@pytest.fixture
def client(config: str) -> Iterator[OpenShift]:
    with contextlib.closing(OpenShift(config, manifests.NAMESPACE)) as client:
        yield client


@pytest.fixture
def other(config: str) -> Iterator[OpenShift]:
    with contextlib.closing(OpenShift(config, manifests.NAMESPACE)) as client:
        yield client

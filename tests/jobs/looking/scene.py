"""What commands that only look are tried on: a cluster that keeps its page, and how one sees that none changes it."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import subprocess
import sys
from collections.abc import Iterator, MutableMapping
from datetime import UTC, datetime

import pytest

from maintenance_ci.names import LEASE, PAGE, page_route_name, snapshot_name
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver import store
from maintenance_ci.rehearsal.apiserver.catalogue import RESOURCES
from maintenance_ci.rehearsal.apiserver.store import Object
from maintenance_ci.rehearsal.cluster import PIPELINE
from maintenance_ci.run.lease import Holder, new_lease
from tests.tools.clusters import Cluster, Job
from tests.tools.outcomes import ok

NAMESPACE, HOST, KEEPER = manifests.NAMESPACE, manifests.HOST, "keeper"
WHOLE, PATH, SNAPSHOT = page_route_name("shop", None), page_route_name("shop", "/cart"), snapshot_name("shop")
Variables = dict[str, str | None]
SUBPATH: Variables = {"SUBPATH": "/cart"}
REPOINT: Variables = {"ROUTE_STRATEGY": "repoint"}


def command(cluster: Cluster, *arguments: str, variables: Variables | None = None) -> Job:
    """Run a command to its end; a job's variables are there."""
    place = cluster.workplace(variables)
    done = subprocess.run(
        [sys.executable, "-m", "maintenance_ci", *arguments],
        cwd=place.folder,
        env=dict(place.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return Job(done.returncode, done.stdout.splitlines())


def stored(cluster: Cluster) -> dict[tuple[str, str, str], object]:
    """Every object by its version, which grows with whatever anybody writes; those that controllers write by what is
    wanted of them: an old Pod of the page may be ending.
    """

    def all_objects() -> dict[tuple[str, str, str], object]:
        return {
            (plural, found["metadata"].get("namespace", ""), found["metadata"]["name"]): (
                found["metadata"].get("generation") if plural == "deployments" else found["metadata"]["resourceVersion"]
            )
            for plural in RESOURCES
            if plural not in ("pods", "replicasets", "endpointslices")
            for found in cluster.store.list(plural)
        }

    found: dict[tuple[str, str, str], object] = cluster.call(all_objects)
    return found


def writes(cluster: Cluster) -> list[str]:
    """The pipeline's requests that are more than looking and asking."""
    asking = ("/selfsubjectaccessreviews", "/selfsubjectrulesreviews", "/processedtemplates", "dryRun=All")
    return [
        f"{one.method} {one.path}"
        for one in cluster.inside.server.requests
        if one.user == PIPELINE and one.method != "GET" and not any(word in one.path for word in asking)
    ]


@contextlib.contextmanager
def nothing_changes(cluster: Cluster) -> Iterator[None]:
    """Hold that the body only looks: by its requests, and by what is stored."""
    quiet(cluster)
    before = stored(cluster)
    cluster.inside.server.requests.clear()
    yield
    assert writes(cluster) == []
    assert stored(cluster) == before


def quiet(cluster: Cluster) -> None:
    """Wait until the router has said what it thinks of the Routes."""
    before: object = None
    while before != (now := stored(cluster)):
        before = now
        cluster.do(asyncio.sleep(0.1))


def create(cluster: Cluster, plural: str, manifest: Object) -> None:
    cluster.call(cluster.store.create, plural, manifest, manager="somebody")


def remove(cluster: Cluster, plural: str, name: str) -> None:
    if cluster.find(plural, name):
        cluster.call(cluster.store.delete, plural, NAMESPACE, name)


def keep_page(cluster: Cluster) -> None:
    """The page is up, and stays: another Route needs it."""
    ok(cluster.run("build-and-deploy"))
    create(cluster, "routes", manifests.route(KEEPER, f"{KEEPER}.apps.example.test", service=PAGE))


@contextlib.contextmanager
def restored(cluster: Cluster) -> Iterator[Cluster]:
    """Yield the cluster; at the end nothing is in maintenance, and the Route and its template are as they were."""
    original, template = cluster.find("routes", "shop"), dict(templates(cluster))
    assert original is not None
    yield cluster
    cluster.call(cluster.inside.troubles.clear)
    templates(cluster).clear()
    templates(cluster).update(template)
    for name in (WHOLE, PATH, "shop", "rival"):
        remove(cluster, "routes", name)
    remove(cluster, "secrets", SNAPSHOT)
    remove(cluster, "leases", LEASE)
    metadata = {key: original["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
    with pytest.MonkeyPatch.context() as clock:
        # As old as it was: of two Routes of one second, as a quick job would make them, either may win the host.
        clock.setattr(store, "now", lambda: original["metadata"]["creationTimestamp"])
        create(cluster, "routes", {"metadata": metadata, "spec": copy.deepcopy(original["spec"])})
    quiet(cluster)


def templates(cluster: Cluster) -> MutableMapping[str, bytes]:
    """The files of the template project."""
    return cluster.inside.gitlab.projects[0].branches["main"]


def hold_lease(cluster: Cluster) -> None:
    """Let a job of pipeline 99 be at work."""
    holder = Holder("99", "build-and-deploy", "https://gitlab.example.test/p/99")
    lease = new_lease(holder, "theirs", duration=30, now=datetime(2026, 11, 23, 6, 0, tzinfo=UTC))
    create(cluster, "leases", {**lease, "metadata": {**lease["metadata"], "namespace": NAMESPACE}})

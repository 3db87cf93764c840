"""Several Routes on the embedded OpenShift, their templates in GitLab, and users of all of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.store import Object
from maintenance_ci.rehearsal.cluster import TEMPLATE_PROJECT
from maintenance_ci.rehearsal.users import Answer, Users
from tests.tools.clusters import Cluster

LABEL = "depends-on"


def host_of(name: str) -> str:
    return f"{name}.apps.example.test"


def add_routes(cluster: Cluster, names: Sequence[str], *, label: str = "legacy") -> None:
    """Create Routes to the application, each with a template, and with a label of which systems it depends on."""
    for name in names:
        route = manifests.route(name, host_of(name), service=manifests.APPLICATION)
        route["metadata"]["labels"][LABEL] = label
        cluster.call(cluster.store.create, "routes", route, manager="the team")
        keep_template(cluster, name, manifests.template(route))
    cluster.do(cluster.inside.router.followed())


def keep_template(cluster: Cluster, name: str, text: bytes) -> None:
    """Write a Route's template to the template project."""
    _templates(cluster)[f"{name}.yaml"] = text


def template_of(cluster: Cluster, name: str) -> bytes:
    """A Route's template."""
    return _templates(cluster)[f"{name}.yaml"]


def _templates(cluster: Cluster) -> dict[str, bytes]:
    project = next(one for one in cluster.inside.gitlab.projects if one.path == TEMPLATE_PROJECT)
    return project.branches["main"]


def routes_of(cluster: Cluster) -> dict[str, Object]:
    """The Routes of the namespace, by name."""
    routes = cluster.call(cluster.store.list, "routes", manifests.NAMESPACE)
    return {route["metadata"]["name"]: route for route in routes}


@contextlib.contextmanager
def users_of(cluster: Cluster, names: Sequence[str], *, rate: float = 60.0) -> Iterator[dict[str, list[Answer]]]:
    """Let users ask for all of the Routes meanwhile; what they were answered is there when they have gone."""
    seen: dict[str, list[Answer]] = {}
    inside = cluster.inside
    crowd = {
        name: Users(host_of(name), inside.router.https_port, inside.client_tls(), rate=rate / len(names))
        for name in names
    }
    for users in crowd.values():
        cluster.do(users.start())
    try:
        yield seen
    finally:
        for name, users in crowd.items():
            seen[name] = cluster.do(users.stop())


def statuses(seen: dict[str, list[Answer]]) -> set[int | None]:
    """Every status that any user was answered with."""
    return {answer.status for answers in seen.values() for answer in answers}


def served_by(seen: dict[str, list[Answer]]) -> dict[str, str]:
    """Who answered the last user of each Route."""
    return {name: answers[-1].served_by for name, answers in seen.items()}

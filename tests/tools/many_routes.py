"""Several Routes on the embedded OpenShift, their templates in GitLab, and users of all of them."""

from __future__ import annotations

import contextlib
from collections.abc import Container, Iterator, Sequence

from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.store import Object
from maintenance_ci.rehearsal.cluster import TEMPLATE_PROJECT
from maintenance_ci.rehearsal.users import Answer, Users
from tests.tools.clusters import Cluster

LABEL = "depends-on"


def host_of(name: str) -> str:
    return f"{name}.apps.example.test"


def add_routes(
    cluster: Cluster, names: Sequence[str], *, label: str = "legacy", plain: Container[str] = frozenset()
) -> None:
    """Create Routes to the application, each with a template, and with a label of which systems it depends on.

    Those that are ``plain`` have no TLS.
    """
    for name in names:
        route = manifests.route(name, host_of(name), service=manifests.APPLICATION)
        route["metadata"]["labels"][LABEL] = label
        if name in plain:
            del route["spec"]["tls"]
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
def users_of(
    cluster: Cluster, names: Sequence[str], *, rate: float = 60.0, plain: Container[str] = frozenset()
) -> Iterator[dict[str, list[Answer]]]:
    """Let users ask for all of the Routes meanwhile; what they were answered is there when they have gone.

    They ask for one Route after the other, by HTTPS, or HTTP where it is ``plain``; ``rate`` is that of all together.
    """
    seen: dict[str, list[Answer]] = {name: [] for name in names}
    router, by_host = cluster.inside.router, {host_of(name): name for name in names}
    crowd = [
        Users(hosts, port, tls, rate=rate * len(hosts) / len(names))
        for hosts, port, tls in (
            ([host_of(name) for name in names if name not in plain], router.https_port, cluster.inside.client_tls()),
            ([host_of(name) for name in names if name in plain], router.http_port, None),
        )
        if hosts
    ]
    for users in crowd:
        cluster.do(users.start())
    try:
        yield seen
    finally:
        for users in crowd:
            for answer in cluster.do(users.stop()):
                seen[by_host[answer.host]].append(answer)


def statuses(seen: dict[str, list[Answer]]) -> set[int | None]:
    """Every status that any user was answered with."""
    return {answer.status for answers in seen.values() for answer in answers}


def served_by(seen: dict[str, list[Answer]]) -> dict[str, str]:
    """Who answered the last user of each Route."""
    return {name: answers[-1].served_by for name, answers in seen.items()}

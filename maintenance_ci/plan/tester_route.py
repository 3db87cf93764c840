"""The Route by which testers reach an application during its maintenance: pure.

It leads to the same Services as the original, on another host, and lets certain addresses in alone. It is no
maintenance Route: it carries none of the original's labels, by which a selector would mean it, and none of the notes
of a maintenance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.names import MANAGED_BY, MANAGED_BY_LABEL, TESTERS_OF_ANNOTATION, name_for_testers
from maintenance_ci.plan.marks import Object, annotations_of, is_managed_by_us, stands_for
from maintenance_ci.plan.mirrored_metadata import ALLOW_LISTS, ROUTER_ANNOTATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Kubernetes' limit of the first label of a host; the cluster makes it of the Route's name and its namespace.
MAX_HOST_LABEL = 63
# What belongs to the certificate of the original's host: testers have another host, with the router's own certificate.
OF_ITS_HOST = ("certificate", "key", "caCertificate", "externalCertificate")


def route_for_testers(original: Mapping[str, Any], addresses: Sequence[str], host: str | None) -> Object:
    """Return the Route that leads testers to the application.

    Both names of the allow-list are set: routers know the one or the other. The ``addresses`` that may come in are
    written as HAProxy reads them; where ``host`` is None the cluster makes one.

    Raises:
        MaintenanceError: the cluster could make no host of the Route's name.
    """
    metadata, spec = original["metadata"], original["spec"]
    name, namespace = name_for_testers(metadata["name"]), metadata["namespace"]
    if host is None and (len(f"{name}-{namespace}") > MAX_HOST_LABEL or "." in name):
        raise MaintenanceError(
            f"The cluster can make no host for Route {name}: with {namespace} it is too long for one, or it has dots.",
            "Give TESTER_HOST.",
        )
    annotations = {key: value for key, value in annotations_of(original).items() if key in ROUTER_ANNOTATIONS}
    listed = dict.fromkeys(ALLOW_LISTS, " ".join(addresses))
    copied = ("to", "alternateBackends", "port", "path", "httpHeaders")
    tls = {key: value for key, value in (spec.get("tls") or {}).items() if key not in OF_ITS_HOST}
    return {
        "apiVersion": "route.openshift.io/v1",
        "kind": "Route",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {MANAGED_BY_LABEL: MANAGED_BY},
            "annotations": annotations | listed | {TESTERS_OF_ANNOTATION: metadata["name"]},
        },
        "spec": {key: spec[key] for key in copied if spec.get(key)}
        | ({"tls": tls} if tls else {})
        | ({"host": host} if host else {}),
    }


def application_behind(route: Mapping[str, Any]) -> str | None:
    """Return the name of the Route whose application a testers' Route leads to; None for all other Routes."""
    return annotations_of(route).get(TESTERS_OF_ANNOTATION) if is_managed_by_us(route) else None


def require_free_name(route_name: str, routes: Mapping[str, Object]) -> None:
    """Refuse a Route whose testers' Route would take the name of somebody else's."""
    there = routes.get(name_for_testers(route_name))
    if there is not None and application_behind(there) != route_name:
        raise MaintenanceError(
            f"There is a Route {name_for_testers(route_name)}, which is not maintenance-ci's: testers need that name.",
            "Rename it, or leave TESTER_ACCESS empty.",
        )


def no_longer_needed(ended: Iterable[str], routes: Iterable[Object], showing_page: Iterable[Object]) -> list[Object]:
    """Return the testers' Routes of those ``ended`` Routes of which nothing is in maintenance any more.

    ``routes`` are those of the namespace, ``showing_page`` those that still show the page.
    """
    names = set(ended)
    still = {stands_for(route) for route in showing_page} | {route["metadata"]["name"] for route in showing_page}
    return [route for route in routes if application_behind(route) in names - still]

"""What must hold before users are switched: pure. Each function refuses with a `MaintenanceError`, or returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.maintenance_route import MANAGED_BY, PAGE, ROUTE_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Object = dict[str, Any]


def require_host(original: Mapping[str, Any]) -> None:
    """Refuse a Route whose host each router makes up (``spec.subdomain``): there is none to put into maintenance."""
    if not original["spec"].get("host"):
        name = original["metadata"]["name"]
        raise MaintenanceError(f"Route {name} has no host of its own.", "Write spec.host into it first.")


def require_ready_page(endpoint_slices: Iterable[Mapping[str, Any]]) -> None:
    """Refuse to send users to a page that does not serve."""
    endpoints = [endpoint for found in endpoint_slices for endpoint in found.get("endpoints") or []]
    if not any((endpoint.get("conditions") or {}).get("ready") for endpoint in endpoints):
        raise MaintenanceError(
            f"The maintenance page is not ready: Service {PAGE} has no ready endpoint.",
            "Run the job build-and-deploy first.",
        )


def require_ours(found: Mapping[str, Any] | None, route_name: str) -> None:
    """Refuse to overwrite or delete a Route of the maintenance Route's name that somebody else made."""
    if found is None:
        return
    metadata = found["metadata"]
    label = (metadata.get("labels") or {}).get("app.kubernetes.io/managed-by")
    stands_for = (metadata.get("annotations") or {}).get(ROUTE_ANNOTATION)
    if label != MANAGED_BY or stands_for != route_name:
        raise MaintenanceError(
            f"Route {metadata['name']} is there, but is no maintenance Route of {route_name}.",
            "Whoever made it must rename or remove it.",
        )


def require_below(original: Mapping[str, Any], subpath: str) -> None:
    """Refuse a SUBPATH that the original does not serve."""
    _, path = _place(original)
    if not subpath.startswith(f"{path}/"):
        raise MaintenanceError(
            f"SUBPATH is not below {path}, the only path that Route {original['metadata']['name']} serves.",
            "Leave SUBPATH empty for the whole Route, or correct it.",
        )


def require_no_rival(manifest: Mapping[str, Any], routes: Iterable[Mapping[str, Any]], original_name: str) -> None:
    """Refuse where another Route of the namespace waits for the maintenance Route's place, and might take it."""
    known = (manifest["metadata"]["name"], original_name)
    host, path = _place(manifest)
    for route in routes:
        name = route["metadata"]["name"]
        if name not in known and _place(route) == (host, path):
            raise MaintenanceError(
                f"Route {name} is on {host}{path} too, and would be served instead of the page.",
                f"Remove it, or give ROUTE_NAME={name}.",
            )


def require_push_secret(secret: Mapping[str, Any] | None, name: str) -> None:
    """Refuse a build that would wait for its push Secret until it is given up."""
    if secret is None:
        raise MaintenanceError(
            f"DOCKER_REGISTRY needs the Secret {name}, which is not there.",
            f"Create it: oc create secret docker-registry {name} …",
        )


def require_same_route(differences: Sequence[str], *, accepted: bool) -> None:
    """Refuse a template that brings back another Route than is there, unless that was ``accepted``."""
    if differences and not accepted:
        raise MaintenanceError(
            f"The original's template would bring back another Route: {'; '.join(differences)}.",
            "Correct the template, or accept its state with ACCEPT_ROUTE_DIFFERENCES=true.",
        )


def _place(route: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return host and path, as the router tells Routes apart."""
    return route["spec"].get("host"), route["spec"].get("path", "").rstrip("/")

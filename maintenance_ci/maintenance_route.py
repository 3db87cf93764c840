"""From the original Route to its maintenance Route: pure.

The maintenance Route mirrors what users meet: host, path, TLS, and the annotations that say how the host is reached. It
is rendered from a Jinja2 template, so that a team can change it, and what was rendered is checked.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import yaml

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.rendering import render

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Object = dict[str, Any]

# The Helm release, and with it the Service, Deployment, BuildConfig and ImageStream of the page.
PAGE = "maintenance-page"

MANAGED_BY = "maintenance-ci"
ROUTE_ANNOTATION = "maintenance-ci/route"
STRATEGY_ANNOTATION = "maintenance-ci/strategy"
PIPELINE_ANNOTATION = "maintenance-ci/pipeline"
PIPELINE_URL_ANNOTATION = "maintenance-ci/pipeline-url"

# Annotations that belong to the host, not to the application behind it.
KEPT_ANNOTATIONS = frozenset(
    {
        "kubernetes.io/tls-acme",
        "haproxy.router.openshift.io/hsts_header",
        "haproxy.router.openshift.io/ip_allowlist",
        "haproxy.router.openshift.io/ip_whitelist",
    }
)
# Labels by which Helm and Argo CD know their objects: on ours they would be a lie, and get it pruned.
TRACKING_LABELS = frozenset(
    {"app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "argocd.argoproj.io/instance", "helm.sh/chart"}
)


def maintenance_name(route_name: str, subpath: str | None) -> str:
    """Return the maintenance Route's name; for a part of the site it ends in 8 digits of the path's SHA-256."""
    if subpath is None:
        return f"{route_name}-{PAGE}"
    return f"{route_name}-{PAGE}-{hashlib.sha256(subpath.encode()).hexdigest()[:8]}"


def maintenance_tls(tls: Mapping[str, Any] | None) -> Object | None:
    """Return the TLS of the maintenance Route: the original's, ending at the router (the page speaks plain HTTP).

    Raises:
        MaintenanceError: passthrough: the router has no certificate for that host.
    """
    if not tls:
        return None
    termination = str(tls.get("termination", "")).lower()
    if termination == "passthrough":
        raise MaintenanceError(
            "The Route is passthrough: its certificate is in the application, so no page can be served on its host.",
            "Give the Route an edge or reencrypt termination with its certificate first.",
        )
    kept = {key: value for key, value in tls.items() if key != "destinationCACertificate"}
    return {**kept, "termination": "edge"}


def maintenance_values(
    original: Mapping[str, Any], *, subpath: str | None, pipeline: str = "", pipeline_url: str = ""
) -> Object:
    """Return what the template of the maintenance Route is rendered with."""
    metadata, spec = original["metadata"], original["spec"]
    ours = {
        ROUTE_ANNOTATION: metadata["name"],
        STRATEGY_ANNOTATION: "swap",
        PIPELINE_ANNOTATION: pipeline,
        PIPELINE_URL_ANNOTATION: pipeline_url,
    }
    kept = {key: value for key, value in (metadata.get("annotations") or {}).items() if key in KEPT_ANNOTATIONS}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key not in TRACKING_LABELS}
    return {
        "name": maintenance_name(metadata["name"], subpath),
        "namespace": metadata["namespace"],
        "host": spec["host"],
        "path": subpath or spec.get("path", ""),
        "tls": maintenance_tls(spec.get("tls")),
        "annotations": kept | {key: value for key, value in ours.items() if value},
        "labels": labels | {"app.kubernetes.io/managed-by": MANAGED_BY},
        "service": PAGE,
        "port": "http",
        "wildcard_policy": spec.get("wildcardPolicy", "None"),
    }


def render_maintenance_route(template: str, values: Mapping[str, Any]) -> Object:
    """Render the maintenance Route, and hold it against ``values``.

    Raises:
        MaintenanceError: the template does not render, or yields another object than the Route that is needed.
    """
    advice = "Check maintenance-route.yaml.j2 in route-templates/."
    try:
        route = yaml.safe_load(render(template, values, name="maintenance-route.yaml.j2"))
    except yaml.YAMLError as error:
        raise MaintenanceError("The template of the maintenance Route does not render to YAML.", advice) from error
    wanted = {
        "kind": "Route",
        "metadata.name": values["name"],
        "spec.host": values["host"],
        "spec.path": values["path"],
        "spec.to.name": values["service"],
        "metadata.labels.app.kubernetes.io/managed-by": MANAGED_BY,
    }
    metadata, spec = (_mapping(_mapping(route).get(key)) for key in ("metadata", "spec"))
    rendered = {
        "kind": _mapping(route).get("kind"),
        "metadata.name": metadata.get("name"),
        "spec.host": spec.get("host"),
        "spec.path": spec.get("path") or "",
        "spec.to.name": _mapping(spec.get("to")).get("name"),
        "metadata.labels.app.kubernetes.io/managed-by": _mapping(metadata.get("labels")).get(
            "app.kubernetes.io/managed-by"
        ),
    }
    wrong = [field for field, value in wanted.items() if rendered[field] != value]
    if wrong:
        raise MaintenanceError(
            f"The template of the maintenance Route changes what it must keep: {', '.join(wrong)}.", advice
        )
    return dict(route)


def backend_services(route: Mapping[str, Any]) -> set[str]:
    """Return the names of all Services that a Route sends requests to."""
    spec = route["spec"]
    backends = [spec.get("to") or {}, *(spec.get("alternateBackends") or [])]
    return {
        backend["name"] for backend in backends if backend.get("kind", "Service") == "Service" and "name" in backend
    }


def routes_to(service: str, routes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of the Routes that send requests to a Service."""
    return [route["metadata"]["name"] for route in routes if service in backend_services(route)]


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}

"""From the original Route to its maintenance Route: pure.

The maintenance Route mirrors what users meet: host, path, TLS, and the annotations that say how the host is reached. It
is rendered from a Jinja2 template, so that a team can change it, and what was rendered is checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.names import MANAGED_BY, MANAGED_BY_LABEL, NOTES, PAGE, ROUTE_LABEL, notes, page_route_name
from maintenance_ci.plan.certificates import DESTINATION_CA
from maintenance_ci.plan.marks import Object, annotations_of, labels_of
from maintenance_ci.plan.mirrored_metadata import (
    ROUTER_ANNOTATIONS,
    is_certificate_annotation,
    label_value,
    left_out_annotations,
    mirrored_annotations,
    mirrored_labels,
)
from maintenance_ci.plan.page_texts import without_headers

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

# For a Route with a certificate the router writes a file NAMESPACE:NAME.pem. When it cannot, it follows no Route of the
# cluster any more (openshift/router, writeConfig). A file's name has 255 characters at the most.
MAX_FILE_NAME = 255
CORRECT_PAGE_ROUTE = "Check maintenance-route.yaml.j2 in route-templates/."


def maintenance_tls(tls: Mapping[str, Any] | None, *, certificate: Mapping[str, str] | None = None) -> Object | None:
    """Return the TLS of the maintenance Route: the original's, ending at the router (the page speaks plain HTTP).

    Args:
        tls: the original's; None for plain HTTP.
        certificate: the fields ``certificate`` and ``key`` for a passthrough original, which has none of its own.

    Raises:
        MaintenanceError: passthrough without ``certificate``: the router has none for that host.
    """
    if not tls:
        return None
    mirrored_tls = {key: value for key, value in tls.items() if key != DESTINATION_CA and value}
    if is_passthrough(tls):
        if not certificate:
            raise MaintenanceError(
                "The Route is passthrough: its certificate is in the application, so the router cannot show the page.",
                "Put a certificate for the host into a Secret (oc create secret tls …), and name it with "
                "PASSTHROUGH_CERTIFICATE_SECRET.",
            )
        mirrored_tls |= certificate
    return mirrored_tls | {"termination": "edge"}


def is_passthrough(tls: Mapping[str, Any] | None) -> bool:
    """Tell whether the router hands the connections on unread."""
    return str((tls or {}).get("termination", "")).lower() == "passthrough"


def maintenance_values(
    original: Mapping[str, Any],
    *,
    route_name: str,
    subpath: str | None,
    strategy: str,
    announced_notes: Mapping[str, str] | None = None,
    certificate: Mapping[str, str] | None = None,
) -> Object:
    """Return what the template of the maintenance Route is rendered with.

    What the Route says to the page is added to what is rendered (`maintenance_ci.plan.announcement`).

    The Route's ``httpHeaders`` are left out, all of them: those of requests are for the application, and may be secret;
    those of answers would replace the page's own, so that the application's Content-Security-Policy took away its look,
    and a Cache-Control kept it in browsers. Strict-Transport-Security, the only one that browsers hold a host to, is an
    annotation (the API refuses it as a header).

    Args:
        original: the Route to mirror; where it is away, its snapshot or the maintenance Route that stands for it.
        route_name: the original's name, whatever the name of the Route that is mirrored.
        subpath: the part of the site that is meant; None for all that the Route serves.
        strategy: by which the maintenance begins.
        announced_notes: the annotations that name the pipeline and the end.
        certificate: as in `maintenance_tls`.

    Raises:
        MaintenanceError: no such Route can be served.
    """
    spec, annotations = original["spec"], annotations_of(original)
    if subpath and is_passthrough(spec.get("tls")):
        raise MaintenanceError(
            "The Route is passthrough: the router does not see its paths, and cannot send one of them to the page.",
            "Leave SUBPATH empty, for the whole host.",
        )
    values = {
        "name": page_route_name(route_name, subpath),
        "namespace": original["metadata"]["namespace"],
        "host": spec["host"],
        "path": subpath or spec.get("path") or "",
        "tls": maintenance_tls(spec.get("tls"), certificate=certificate),
        "annotations": mirrored_annotations(annotations) | notes(route_name, strategy) | dict(announced_notes or {}),
        "left_out": left_out_annotations(annotations),
        "labels": mirrored_labels(labels_of(original)) | our_labels(route_name),
        "service": PAGE,
        "port": "http",
        "wildcard_policy": spec.get("wildcardPolicy") or "None",
    }
    _require_short_file_name(values)
    return values


def left_out(original: Mapping[str, Any], shown: Mapping[str, Any]) -> list[str]:
    """Return what a Route that shows the page has not of the original, by names alone: their values may be secret.

    Not named is what tools note for themselves on the original, and what they know their objects by. One line is about
    what is the application's alone, one about the annotations that are unknown here.
    """
    names = sorted(left_out_annotations(annotations_of(original)).keys() - annotations_of(shown).keys())
    own = [name for name in names if name in ROUTER_ANNOTATIONS]
    unknown = [name for name in names if name not in ROUTER_ANNOTATIONS]
    if original["spec"].get("httpHeaders") and not without_headers(shown)["spec"].get("httpHeaders"):
        own.append("spec.httpHeaders")
    lines = []
    if own:
        lines.append(f"not on the Route that shows the page, since it is for the application alone: {', '.join(own)}")
    if unknown:
        keep = ", ".join(f'"{name}"' for name in unknown)
        lines.append(
            "not on the Route that shows the page, since their meaning is unknown: "
            f"the annotations {', '.join(unknown)}. To keep them, write in maintenance-route.yaml.j2 "
            f"of route-templates/: {{% set keep = [{keep}] %}}"
        )
    return lines


def our_labels(route_name: str) -> dict[str, str]:
    """Return the labels of all maintenance Routes of a Route; a long name is shortened (`label_value`)."""
    return {MANAGED_BY_LABEL: MANAGED_BY, ROUTE_LABEL: label_value(route_name)}


def _require_short_file_name(values: Mapping[str, Any]) -> None:
    """Refuse a Route for whose certificate the router could write no file: it would follow no Route any more."""
    tls, file_name = values["tls"] or {}, f"{values['namespace']}:{values['name']}.pem"
    acme = any(is_certificate_annotation(name) for name in values["annotations"])
    if len(file_name) > MAX_FILE_NAME and tls and (acme or tls.get("certificate") or tls.get("externalCertificate")):
        raise MaintenanceError(
            f"With a certificate, the name of Route {values['name']} is too long for the router's file of it "
            f"({len(file_name)} characters, {MAX_FILE_NAME} at the most).",
            "Give the Route a shorter name first.",
        )


def require_page_route(route: object, values: Mapping[str, Any]) -> Object:
    """Hold the object that the template renders to against ``values``, and return it.

    Raises:
        MaintenanceError: it is another object than the Route that is needed.
    """
    if not isinstance(route, dict):
        raise MaintenanceError("The template of the maintenance Route renders to no object.", CORRECT_PAGE_ROUTE)
    wrong = [".".join(place) for place, value in _fixed(values).items() if _at(route, place) != (value or None)]
    if wrong:
        raise MaintenanceError(
            f"The template of the maintenance Route changes what it must keep: {', '.join(wrong)}.", CORRECT_PAGE_ROUTE
        )
    return route


def _fixed(values: Mapping[str, Any]) -> dict[tuple[str, ...], object]:
    """Return what a template may not change, by its place: by these the Route is served, and recognised."""
    fixed: dict[tuple[str, ...], object] = {
        ("kind",): "Route",
        ("metadata", "name"): values["name"],
        ("metadata", "namespace"): values["namespace"],
        ("spec", "host"): values["host"],
        ("spec", "path"): values["path"],
        ("spec", "wildcardPolicy"): values["wildcard_policy"],
        ("spec", "to", "name"): values["service"],
        ("spec", "alternateBackends"): None,
        ("spec", "tls", "termination"): (values["tls"] or {}).get("termination"),
        ("spec", "tls", DESTINATION_CA): None,
    }
    fixed |= {("metadata", "labels", name): values["labels"][name] for name in (MANAGED_BY_LABEL, ROUTE_LABEL)}
    own_notes = (name for name in values["annotations"] if name.startswith(NOTES))
    return fixed | {("metadata", "annotations", name): values["annotations"][name] for name in own_notes}


def _at(value: object, place: Iterable[str]) -> object:
    for name in place:
        value = value.get(name) if isinstance(value, dict) else None
    return value or None


def backend_services(route: Mapping[str, Any]) -> set[str]:
    """Return the names of all Services that a Route names, whatever share of its requests they get."""
    return {name for name, _ in weighted_services(route)}


def weighted_services(route: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return the Services that a Route names, each with its weight: one of weight 0 gets no requests."""
    spec = route["spec"]
    backends = [spec.get("to") or {}, *(spec.get("alternateBackends") or [])]
    # A weight that is left out is 100 (recorded: the server fills it in).
    return [
        (backend["name"], 100 if backend.get("weight") is None else backend["weight"])
        for backend in backends
        if backend.get("name") and (backend.get("kind") or "Service") == "Service"
    ]


def routes_beside(shown: Mapping[str, Any], routes: Iterable[Mapping[str, Any]], leaving: Container[str]) -> list[str]:
    """Return the Routes that go on serving a path below the one that shows the page: the router takes the longest.

    Each as ``/api (Route api)``, sorted. ``leaving`` names those that do not count: the original, and those of its
    maintenance.
    """
    host, path = shown["spec"].get("host"), (shown["spec"].get("path") or "").rstrip("/")
    return sorted(
        f"{route['spec']['path']} (Route {route['metadata']['name']})"
        for route in routes
        if route["spec"].get("host") == host
        and (route["spec"].get("path") or "").rstrip("/").startswith(f"{path}/")
        and route["metadata"]["name"] not in leaving
        and PAGE not in backend_services(route)
    )


def routes_to(service: str, routes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of the Routes that send requests to a Service."""
    return [route["metadata"]["name"] for route in routes if service in backend_services(route)]

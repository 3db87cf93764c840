"""From a template's text to the Route that is restored: pure.

The template project is not trusted with the cluster: of what it renders only a Route of the expected name, in the
expected namespace, is taken. Three forms: a plain Route, an OpenShift Template, and a Jinja2 template of either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.rendering import render

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Object = dict[str, Any]

CERTIFICATE_FIELDS = ("certificate", "key", "caCertificate", "destinationCACertificate")
# What a server writes into an object, and an export carries along.
SYSTEM_METADATA = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")


def template_path(pattern: str, route_name: str) -> str:
    """Return the template's path in its project: ``{{ route_name }}`` in ``pattern`` is the Route's name."""
    return render(pattern, {"route_name": route_name}, name="ROUTE_TEMPLATE_PATH")


def parse_template(text: str, *, path: str, values: Mapping[str, str]) -> Object:
    """Return the one manifest in a template's text: a Route, or an OpenShift Template.

    Args:
        text: the file's content.
        path: its path; one that ends in ``.j2`` is rendered by Jinja2 first.
        values: the Jinja2 variables.

    Raises:
        MaintenanceError: it is no such manifest.
    """
    if text.lstrip()[:1] == "<":
        raise MaintenanceError(
            f"GitLab answered with an HTML page instead of {path}: it may be the sign-in page.",
            "Check ROUTE_TEMPLATES_PROJECT and that the token may read it.",
        )
    if path.endswith(".j2"):
        text = render(text, values, name=path)
    try:
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.YAMLError as error:
        raise MaintenanceError(f"The template {path} is not YAML.", "Correct it in the template project.") from error
    kinds = [document.get("kind") if isinstance(document, dict) else None for document in documents]
    if kinds not in (["Route"], ["Template"]):
        raise MaintenanceError(
            f"The template {path} must hold one Route or one Template, nothing else.",
            "Correct it in the template project.",
        )
    return dict(documents[0])


def fill_parameters(template: Object, values: Mapping[str, str], *, path: str) -> Object:
    """Return the OpenShift Template with ``values`` as its parameters' values.

    Raises:
        MaintenanceError: it has no parameter of a name that was given.
    """
    parameters = template.get("parameters") or []
    unknown = sorted(set(values) - {parameter["name"] for parameter in parameters})
    if unknown:
        raise MaintenanceError(
            f"The template {path} has no parameter {', '.join(unknown)}.", "Check ROUTE_TEMPLATE_PARAMETERS."
        )
    filled = [
        parameter | {"value": values[parameter["name"]]} if parameter["name"] in values else parameter
        for parameter in parameters
    ]
    return template | {"parameters": filled}


def expected_route(objects: Iterable[Object], *, name: str, namespace: str, path: str) -> Object:
    """Return the Route among what a template renders, without what only a server writes.

    Raises:
        MaintenanceError: there is anything else than exactly one Route of that name, for that namespace, with a host.
    """
    found = list(objects)
    advice = "Nothing else may be in it: correct it in the template project."
    if [item.get("kind") for item in found] != ["Route"]:
        raise MaintenanceError(f"The template {path} renders to something else than one Route.", advice)
    route = found[0]
    metadata = {key: value for key, value in (route.get("metadata") or {}).items() if key not in SYSTEM_METADATA}
    if metadata.get("name") != name or metadata.get("namespace", namespace) != namespace:
        raise MaintenanceError(f"The template {path} renders to another Route than {name} of {namespace}.", advice)
    spec = route.get("spec")
    if not isinstance(spec, dict) or not spec.get("host"):
        raise MaintenanceError(
            f"The template {path} gives the Route no host: the cluster would make one up.", "Write spec.host into it."
        )
    return {
        "apiVersion": "route.openshift.io/v1",
        "kind": "Route",
        "metadata": metadata | {"namespace": namespace},
        "spec": spec,
    }


def carry_over_certificates(route: Object, live: Mapping[str, Any] | None) -> Object:
    """Return ``route`` with the certificate fields that it lacks taken from ``live``, where both end TLS at the router.

    ACME controllers write certificates into the live Route; a template that is applied without them empties them
    (recorded on OpenShift 4.21).
    """
    tls, live_tls = route["spec"].get("tls"), ((live or {}).get("spec") or {}).get("tls")
    if not tls or not live_tls or "externalCertificate" in tls or tls.get("certificate"):
        return route
    carried = {field: live_tls[field] for field in CERTIFICATE_FIELDS if live_tls.get(field) and not tls.get(field)}
    if str(tls.get("termination", "")).lower() != "reencrypt":
        carried.pop("destinationCACertificate", None)
    return route | {"spec": route["spec"] | {"tls": carried | tls}}

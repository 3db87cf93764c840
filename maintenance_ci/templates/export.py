"""From a live Route to a template that brings it back: pure.

What no template should hold is left out: what the server fills in, what other tools note for themselves, and
certificates with their keys, which controllers renew and which do not belong into a repository. ``delete`` brings back
the newest certificate (`maintenance_ci.plan.certificates`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import yaml

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.names import NOTES, page_route_name, snapshot_name
from maintenance_ci.plan.certificates import CERTIFICATE_FIELDS, PAIR
from maintenance_ci.plan.comparison import differences
from maintenance_ci.plan.marks import stands_for
from maintenance_ci.plan.mirrored_metadata import is_bookkeeping, is_tracking_label
from maintenance_ci.plan.snapshot import manifest_of, route_in
from maintenance_ci.plan.strategies import rewriting_strategy
from maintenance_ci.templates.file import is_jinja, read_template
from maintenance_ci.templates.route import expected_route

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maintenance_ci.templates.file import Object

Form = Literal["Route", "Template", "Jinja2", "several objects", "unknown"]

# As people write it. A snapshot and the server have other orders, and another order alone is no change.
ORDER = ("kind", "name", "host", "path", "to", "weight", "alternateBackends", "port", "termination", "type", "action")
# What the server fills in (recorded on OpenShift 4.21). A backend's kind is a default, too, but required by the API.
DEFAULTS = {"wildcardPolicy": "None", "insecureEdgeTerminationPolicy": "None", "weight": 100}
JINJA = ("{{", "{%", "{#")
# A text that every reader of YAML, of version 1.1 or 1.2, takes for a text without quotes.
_PLAIN = re.compile(r"[A-Za-z/][-\w./]*", re.ASCII)
_NO_TEXT = {"y", "n"}  # PyYAML knows the longer ones itself


@dataclass(frozen=True)
class Export:
    """A template, and what a person should know of it.

    Attributes:
        text: YAML, with comments that name what was left out.
        manifest: what the text says.
        left_out: a line for each kind of what was left out, with the reason.
        secret_headers: names of the headers whose values are in the text, and may be secret.
    """

    text: str
    manifest: Object
    left_out: tuple[str, ...] = ()
    secret_headers: tuple[str, ...] = ()


def original_now(
    name: str, routes: Mapping[str, Object], snapshots: Mapping[str, Object]
) -> tuple[Object | None, bool]:
    """Return a Route as it is without its maintenance, and whether it is in maintenance; None where there is no Route.

    ``routes`` are all Routes of the namespace, ``snapshots`` our Secrets, both by name.

    Raises:
        MaintenanceError: it is in maintenance, and its snapshot cannot be read; or it is itself a maintenance Route.
    """
    route, snapshot = routes.get(name), snapshots.get(snapshot_name(name))
    owner = stands_for(route) if route else None
    if owner and owner != name:
        raise MaintenanceError(f"Route {name} is the maintenance Route of {owner}.", f"Name {owner} instead.")
    if route is not None and not rewriting_strategy(route):
        return manifest_of(route), False
    if snapshot is not None:
        return route_in(snapshot), True
    if route is not None or page_route_name(name, None) in routes:
        raise MaintenanceError(
            f"Route {name} is in maintenance, and its snapshot is gone: what the Route was before is unknown.",
            "End the maintenance first, with the job delete.",
        )
    return None, False


def export_route(route: Mapping[str, Any], *, path: str) -> Export:
    """Return a Route as the template that brings it back, without what no template should hold.

    Args:
        route: with a host; as the server has it, or as its snapshot does.
        path: of the template; where that ends in ``.j2`` the text has to survive Jinja2.

    Raises:
        MaintenanceError: no such text brings it back.
    """
    metadata, spec = route["metadata"], route["spec"]
    left_out: list[str] = []
    written: Object = {"name": metadata["name"], "namespace": metadata["namespace"]}
    for part, is_of_a_tool in (("labels", is_tracking_label), ("annotations", is_bookkeeping)):
        values = metadata.get(part) or {}
        written |= _given({part: {name: values[name] for name in sorted(values) if not is_of_a_tool(name)}})
        # Our own notes are not mentioned: they are gone when the maintenance is.
        of_tools = sorted(name for name in values if is_of_a_tool(name) and not name.startswith(NOTES))
        if of_tools:
            left_out.append(f"metadata.{part}: {', '.join(of_tools)}, which deployment tools and controllers write")
    tls = spec.get("tls") or {}
    certificates = [f"spec.tls.{field}" for field in _renewed(tls) if tls.get(field)]
    if certificates:
        left_out.append(f"{', '.join(certificates)}: the job delete brings back the newest that it finds")
    manifest = {
        "apiVersion": "route.openshift.io/v1",
        "kind": "Route",
        "metadata": written,
        "spec": _ordered(_without_defaults(spec)),
    }
    headers = _request_headers(spec)
    text = _comments(written, left_out, headers)
    text += yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=math.inf)
    _require_same(text, manifest, route, path)
    return Export(text, manifest, tuple(left_out), tuple(headers))


def form_of(text: str, path: str) -> Form:
    """Return how a template is written: what a machine may write anew (``Route``), or what a person made."""
    if _is_rendered(text, path):
        return "Jinja2"
    try:
        file = read_template(text, path=path.removesuffix(".j2"))
    except MaintenanceError:
        return "unknown"
    if file.template:
        return "Template"
    if not file.routes:
        return "unknown"
    return "Route" if len(file.routes) + file.others == 1 else "several objects"


def says_the_same(text: str, path: str, manifest: Mapping[str, Any]) -> bool:
    """Tell whether a template's text is the manifest already, whatever its comments and its order."""
    if form_of(text, path) != "Route":
        return False
    (route,) = read_template(text, path=path.removesuffix(".j2")).routes
    return route.manifest == manifest


def _is_rendered(text: str, path: str) -> bool:
    """Tell whether Jinja2 makes another text of a template."""
    return is_jinja(path) and any(mark in text for mark in JINJA)


def _given(fields: Mapping[str, Any]) -> Object:
    """Return the fields that have a value, and not the default one."""
    return {key: value for key, value in fields.items() if value not in (None, "", {}, [], DEFAULTS.get(key))}


def _without_defaults(spec: Mapping[str, Any]) -> Object:
    """Return the spec without what the server fills in, and without certificates."""
    plain = _given(spec)
    tls = _given(plain.pop("tls", {}))
    parts = {
        "to": _backend(spec.get("to") or {}),
        "alternateBackends": [_backend(backend) for backend in plain.get("alternateBackends", [])],
        "tls": {key: value for key, value in tls.items() if key not in _renewed(tls)},
    }
    return plain | _given(parts)


def _backend(backend: Mapping[str, Any]) -> Object:
    return {"kind": "Service", "name": ""} | _given(backend)


def _renewed(tls: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the fields that ``delete`` brings back by itself (`carry_over_certificates`).

    TLS that names a Secret comes back as the template has it: the CA of the application's Pods has to be in it.
    """
    return PAIR if (tls.get("externalCertificate") or {}).get("name") else CERTIFICATE_FIELDS


def _ordered(value: Any) -> Any:
    if isinstance(value, list):
        return [_ordered(item) for item in value]
    if not isinstance(value, dict):
        return value
    names = sorted(value, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    return {name: _ordered(value[name]) for name in names}


def _request_headers(spec: Mapping[str, Any]) -> list[str]:
    """Return the names of the headers that the router sets for the application: their values may be passwords."""
    actions = (spec.get("httpHeaders") or {}).get("actions") or {}
    return sorted({one["name"] for one in actions.get("request") or [] if one.get("action", {}).get("type") == "Set"})


def _comments(metadata: Mapping[str, Any], left_out: Iterable[str], headers: Iterable[str]) -> str:
    lines = [f"Route {metadata['name']} of {metadata['namespace']}, by maintenance-ci export-route."]
    if left_out:
        lines += ["Left out:", *(f"- {line}" for line in left_out)]
    if headers:
        lines.append(f"The values of these headers may be secret: {', '.join(headers)}.")
    # No server lets a name end the comment, or begin an expression; one that does is of no use either.
    return "".join(f"# {re.sub(r'[^ -z]', '?', line)}\n" for line in lines)


class _Dumper(yaml.SafeDumper):
    """Writes a text without quotes only where no reader could take it for anything else."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = _PLAIN.fullmatch(text) and text.lower() not in _NO_TEXT
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _represent_text)


def _require_same(text: str, manifest: Object, route: Mapping[str, Any], path: str) -> None:
    """Refuse a text that does not bring the Route back, by the comparison that ``deploy-route`` makes."""
    name, namespace = route["metadata"]["name"], route["metadata"]["namespace"]
    file = read_template(text, path=path.removesuffix(".j2"))
    if [one.manifest for one in file.routes] != [manifest] or _is_rendered(text, path):
        raise MaintenanceError(
            f"Route {name} holds what Jinja2 would render: {path} cannot be written as it is.",
            "Let ROUTE_TEMPLATE_PATH end in .yaml, or write the template by hand.",
        )
    unlike = differences(expected_route(file, [manifest], name=name, namespace=namespace).route, route)
    if unlike:
        raise MaintenanceError(
            f"No template that this command writes brings Route {name} back as it is: {'; '.join(unlike)}.",
            "Write its template by hand.",
        )

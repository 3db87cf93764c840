"""From a template's text to the Route that is restored: pure.

The template project is not trusted with the cluster: of what it renders only a Route of the expected name, in the
expected namespace, is taken. Three forms: a plain Route, an OpenShift Template, and a Jinja2 template of either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.mirrored_metadata import NOTES
from maintenance_ci.rendering import limited, render

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Object = dict[str, Any]


class _Manifest(BaseModel):
    """A part of a manifest: what is not named here is the server's to judge."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Metadata(_Manifest):
    name: str
    namespace: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Backend(_Manifest):
    kind: str = "Service"
    name: str


class _Tls(_Manifest):
    termination: str


class _Spec(_Manifest):
    host: str = Field(min_length=1)
    path: str | None = None
    to: _Backend
    alternateBackends: list[_Backend] | None = None  # noqa: N815 - the API's name
    tls: _Tls | None = None


class _Route(_Manifest):
    metadata: _Metadata
    spec: _Spec


class _Parameter(_Manifest):
    name: str


class _Template(_Manifest):
    parameters: list[_Parameter] | None = None
    objects: list[dict[str, Any]]


# What PyYAML raises for what only looks like YAML: an impossible date, a number of 5,000 digits, 3,000 brackets.
YAML_FAULTS = (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
CORRECT_IT = "Correct it in the template project."
# Of the metadata nothing else is taken: an owner or a finalizer would decide over the Route's life.
METADATA = ("name", "labels", "annotations")
# No Route is larger; YAML aliases make a small file into a huge document.
MAX_VALUES, MAX_DEPTH = 5_000, 40


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
        with limited(path):
            documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except YAML_FAULTS as error:
        raise MaintenanceError(f"The template {path} is not YAML.", CORRECT_IT) from error
    kinds = [document.get("kind") if isinstance(document, dict) else None for document in documents]
    if kinds not in (["Route"], ["Template"]):
        raise MaintenanceError(f"The template {path} must hold one Route or one Template, nothing else.", CORRECT_IT)
    _check_shape(documents[0], _Template if kinds == ["Template"] else _Route, path)
    return dict(documents[0])


def _check_shape(manifest: object, model: type[_Manifest], path: str) -> None:
    """Refuse what no server would take, by its place in the manifest; its values may be secret."""
    try:
        _check_plain(manifest)
        model.model_validate(manifest)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, found['loc']))}: {found['msg'].lower()}" for found in error.errors()]
        raise MaintenanceError(f"The template {path} is not right: {'; '.join(faults[:5])}.", CORRECT_IT) from None
    except ValueError as error:
        raise MaintenanceError(f"The template {path} is not right: {error}.", CORRECT_IT) from None


def _check_plain(manifest: object) -> None:
    """Refuse what JSON does not know (dates, bytes), and what is larger or deeper than any Route."""
    left = MAX_VALUES
    waiting = [(manifest, 0)]
    while waiting:
        value, depth = waiting.pop()
        left -= 1
        if left < 0 or depth > MAX_DEPTH:
            raise ValueError("it is larger or deeper than any Route")
        if isinstance(value, dict):
            waiting += [(part, depth + 1) for pair in value.items() for part in pair]
        elif isinstance(value, list):
            waiting += [(part, depth + 1) for part in value]
        elif value is not None and not isinstance(value, (str, int, float, bool)):
            raise ValueError(f"a {type(value).__name__} is no value of a manifest: put it in quotes")


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
    _check_shape(route, _Route, path)
    metadata = {key: _without_ours(value) for key, value in route["metadata"].items() if key in METADATA}
    if metadata["name"] != name or (route["metadata"].get("namespace") or namespace) != namespace:
        raise MaintenanceError(f"The template {path} renders to another Route than {name} of {namespace}.", advice)
    spec = route["spec"]
    return {
        "apiVersion": "route.openshift.io/v1",
        "kind": "Route",
        "metadata": metadata | {"namespace": namespace},
        "spec": spec,
    }


def _without_ours(value: Any) -> Any:
    """Return labels or annotations without those of ours: a template copied from a Route in maintenance has them."""
    if not isinstance(value, dict):
        return value
    return {key: text for key, text in value.items() if not key.startswith(NOTES)}

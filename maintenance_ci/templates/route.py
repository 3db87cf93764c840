"""From a template's file to the Route that is restored: pure.

The template project is not trusted with the cluster: of what a file holds only the Route of the expected name, in the
expected namespace, is ever sent there; of a Template its Routes, and the parameters that they use.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from maintenance_ci.errors import MaintenanceError, VariableError
from maintenance_ci.names import NOTES
from maintenance_ci.plan.certificates import with_termination
from maintenance_ci.plan.marks import annotations_of, stands_for
from maintenance_ci.settings.types import ROUTE_NAME_PLACE
from maintenance_ci.templates.file import CORRECT_IT, VERSIONS, RouteShape, is_jinja, texts, unrendered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from maintenance_ci.templates.file import FieldPath, FileObject, Object, TemplateFile

# The annotation by which the server notes that it has generated the host.
HOST_GENERATED = "openshift.io/host.generated"
# A Template's parameter, ${NAME} or ${{NAME}} (openshift/library-go, pkg/template/templateprocessing).
_REFERENCE = re.compile(r"\$\{\{?([A-Za-z0-9_]+)\}")
# What looks like a parameter, also ${svc-name} and ${ NAME }.
_PLACEHOLDER = re.compile(r"\$\{[^{}]*\}")
# What an answer of the API quotes of the manifest (k8s.io/apimachinery, field.Error; typed patches).
_QUOTED_VALUE = re.compile(
    r"\b((?:Invalid|Unsupported|Duplicate) value|Not found): "
    r'(?:"(?:[^"\\]|\\.)*"|[\w.&*\[\] {}]*\{.*\}(?=: |$)|[^"].*?(?=: |$))',  # a text, a whole object, a number
    re.DOTALL,
)
_GOT_VALUE = re.compile(r", got .*", re.DOTALL)
# A name in a template that may be shown: anything else may be a secret that slipped there.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
# How an answer of the API names a field of a Route.
_FIELD = re.compile(r"(?<![\w.])\.?((?:spec|metadata)(?:\.[A-Za-z]+|\[\d+\])+)(?=: )")


class ElsewhereError(MaintenanceError):
    """The template's Route of that name is for another namespace, or for several ``namespaces``."""

    def __init__(self, what: str, advice: str, namespaces: list[str]) -> None:
        super().__init__(what, advice)
        self.namespaces = namespaces


@dataclass(frozen=True)
class TemplateRoute:
    """The Route of a template.

    Attributes:
        route: the Route without what only a server writes; its host may be missing (`with_host`).
        remarks: lines for the log: of the rest of the file, and of the host.
        source: the Route as it stands in its file.
    """

    route: Object
    remarks: tuple[str, ...]
    source: FileObject

    def explain(self, message: str) -> str:
        """Return an answer of the API about the Route, with the places of its fields, and without values."""

        def with_place(match: re.Match[str]) -> str:
            parts = re.findall(r"\w+", match[1])
            field = tuple(int(part) if part.isdigit() else part for part in parts)
            return f"{self.source.place(field)}: {match[1]}"

        placed, places = _FIELD.subn(with_place, without_values(message))
        return placed if places else about_template(placed, self.source.file)


def template_path(pattern: str, route_name: str) -> str:
    """Return the template's path in its project: ``{{ route_name }}`` in ``pattern`` is the Route's name."""
    return ROUTE_NAME_PLACE.sub(lambda _: route_name, pattern)


def without_values(message: str) -> str:
    """Return an answer of the API about a manifest, without the manifest's values: they may be secret."""
    return _GOT_VALUE.sub("", _QUOTED_VALUE.sub(r"\1", message))


def about_template(message: str, path: str) -> str:
    """Return an answer of the API with the name of the template that it is about."""
    return f"{message} It is about the template {path}."


def template_to_process(file: TemplateFile, values: Mapping[str, Any], *, foreign_parameters: bool) -> Object:
    """Return a file's Template as it is sent to the cluster: its Routes, and the parameters that they use.

    Args:
        file: a file with a Template.
        values: the values of parameters, by name.
        foreign_parameters: some of them may be for other Templates.

    Raises:
        MaintenanceError: the Template has no parameter of that name.
        VariableError: a value is no text.
    """
    known = {parameter.manifest["name"] for parameter in file.parameters}
    unknown = sorted(set(values) - known)
    # A Jinja2 template has its own use for them.
    if unknown and not foreign_parameters and not is_jinja(file.path):
        raise MaintenanceError(
            f"The template {file.path} has no parameter {', '.join(unknown)}.", "Check ROUTE_TEMPLATE_PARAMETERS."
        )
    faults = [
        f"ROUTE_TEMPLATE_PARAMETERS: {name} must be text for a Template: put it in quotes"
        for name, value in sorted(values.items())
        if name in known and not isinstance(value, str)
    ]
    if faults:
        raise VariableError(faults)
    routes = [{**route.manifest, "apiVersion": VERSIONS["Route"]} for route in file.routes]
    used = {name for _, text in texts([file.labels, *routes]) for name in _REFERENCE.findall(text)}
    return {
        "apiVersion": VERSIONS["Template"],
        "kind": "Template",
        "metadata": {"name": "routes"},
        "labels": file.labels,
        "parameters": [_with_value(one, values) for one in file.parameters if one.manifest["name"] in used],
        "objects": routes,
    }


def _with_value(parameter: FileObject, values: Mapping[str, Any]) -> Object:
    """Return a parameter of the Template with the value that is given for it."""
    name = parameter.manifest["name"]
    given = parameter.manifest | ({"value": values[name]} if name in values else {})
    if given.get("required") and not (given.get("value") or given.get("generate")):
        fault = f"parameter {name} is required, and has no value: give it one here, or in ROUTE_TEMPLATE_PARAMETERS"
        raise parameter.refusal({(): fault})
    return given


def expected_route(file: TemplateFile, objects: Sequence[Object], *, name: str, namespace: str) -> TemplateRoute:
    """Return the Route of that name among the Routes of a file.

    ``objects`` are these Routes; where they are in a Template, as the cluster made them, in the same order.

    Raises:
        MaintenanceError: there is no such Route, or there are two; or it is no Route that a server would take.
        ElsewhereError: there is one, but for another namespace.
    """
    index = _index_of(file, objects, name, namespace)
    source, route = file.routes[index], objects[index]
    source.require_shape(RouteShape, route)
    _require_parameters(file, source, texts(source.manifest))
    _require_parameters(file, file.template or source, texts(file.labels, ("labels",)))
    _require_rendered(file, source, route)
    metadata = {key: value for key in ("labels", "annotations") if (value := _drop_notes(route["metadata"].get(key)))}
    completed = {
        "apiVersion": VERSIONS["Route"],
        "kind": "Route",
        # Of the metadata nothing else is taken: an owner or a finalizer would decide over the Route's life.
        "metadata": {"name": name, **metadata, "namespace": namespace},
        "spec": _spec(route["spec"]),
    }
    remark = "; ".join(_remarks(file, source))
    return TemplateRoute(completed, (remark,) if remark else (), source)


def _index_of(file: TemplateFile, objects: Sequence[Object], name: str, namespace: str) -> int:
    """Return the index of the Route of that name among those of a file."""
    if len(objects) != len(file.routes):
        raise MaintenanceError(f"The cluster makes {len(objects)} objects of {len(file.routes)} Routes of {file.path}.")
    parameters = ", or ROUTE_TEMPLATE_PARAMETERS" if file.template or is_jinja(file.path) else ""
    advice = f"Correct it in the template project, or ROUTE_NAME or ROUTE_TEMPLATE_PATH{parameters}."
    if not objects:
        content = f"only {_other_objects(file.others)}" if file.others else "nothing"
        what = f"The template {file.path} must hold one Route or one Template with a Route: it holds {content}."
        raise MaintenanceError(what, advice)
    metadata = [_metadata(route) for route in objects]
    namespaces = {
        index: str(one.get("namespace") or namespace) for index, one in enumerate(metadata) if one.get("name") == name
    }
    here = [index for index, other in namespaces.items() if other == namespace]
    if len(here) == 1:
        return here[0]
    if here:
        places = ", ".join(file.routes[index].place() for index in here)
        raise MaintenanceError(f"The template {file.path} holds Route {name} {len(here)} times: {places}.", CORRECT_IT)
    another = f"The template {file.path} renders to another Route than {name} of {namespace}"
    if namespaces:
        elsewhere = sorted({_shown(other) for other in namespaces.values()})
        correct_it = f"Correct it in the template project{parameters}."
        raise ElsewhereError(f"{another}: it is for namespace {', '.join(elsewhere)}.", correct_it, elsewhere)
    for source, route, one in zip(file.routes, objects, metadata, strict=True):
        source.require_shape(RouteShape, route)
        if "{{" in str(one.get("name")):
            raise unrendered(source.place(("metadata", "name")))
        _require_parameters(file, source, texts(_metadata(source.manifest), ("metadata",)))
        if _PLACEHOLDER.search(str(one.get("name"))):
            raise source.refusal({("metadata", "name"): _unfilled(file)})
    raise MaintenanceError(f"{another}: {', '.join(_shown(str(one.get('name'))) for one in metadata)}.", advice)


def _metadata(manifest: Any) -> Object:
    metadata = manifest.get("metadata") if isinstance(manifest, dict) else None
    return metadata if isinstance(metadata, dict) else {}


def _shown(name: str) -> str:
    """Return a name as a message may show it."""
    return name if _NAME.fullmatch(name) else "(no valid name)"


def _require_rendered(file: TemplateFile, source: FileObject, route: Object) -> None:
    """Refuse what somebody should have rendered or filled in, where it decides who meets what: in the spec."""
    for field, text in texts(route["spec"], ("spec",)):
        if field[1:2] == ("httpHeaders",):  # a header's value may hold anything
            continue
        if "${{" in text and file.template:
            raise source.refusal({field: "${{NAME}} stands alone in its field: write ${NAME}"})
        if "{{" in text:
            raise unrendered(source.place(field))
        if _PLACEHOLDER.search(text):
            raise source.refusal({field: _unfilled(file)})


def _unfilled(file: TemplateFile) -> str:
    """Return what is wrong with a placeholder that is there when all parameters are filled in."""
    if file.template:
        return "a placeholder such as ${NAME} is left, when all parameters of the Template are filled in"
    return "nobody fills in a placeholder such as ${NAME}: write the value, or make the file a Template"


def _require_parameters(file: TemplateFile, source: FileObject, used: Iterable[tuple[FieldPath, str]]) -> None:
    """Refuse texts that use what is not a parameter of the Template: the server would leave ``${NAME}`` as it stands.

    In an annotation it may stand, as for ``oc process``: that is text for people.
    """
    known = {parameter.manifest["name"] for parameter in file.parameters}
    for field, text in used if file.template else ():
        for name in _REFERENCE.findall(text):
            if name not in known and field[:2] != ("metadata", "annotations"):
                similar = ", ".join(sorted(one for one in known if one.lower() == name.lower()))
                hint = f" ({similar} is)" if similar else ""
                raise source.refusal({field: f"${{{name}}} is no parameter of the Template{hint}"})


def _drop_notes(values: Mapping[str, Any] | None) -> dict[str, str]:
    """Return labels or annotations without our own: a template that was copied from a Route in maintenance has them."""
    # To the server null is the empty text here.
    return {key: text or "" for key, text in (values or {}).items() if not key.startswith(NOTES)}


def _spec(spec: Mapping[str, Any]) -> Object:
    """Return a spec without nulls, its backends and its TLS with the server's defaults."""
    complete: dict[str, Callable[[Any], Any]] = {
        "to": _backend,
        "alternateBackends": lambda backends: [_backend(backend) for backend in backends],
        "port": lambda port: {key: value for key, value in port.items() if value is not None},
        "tls": with_termination,
    }
    given = {field: value for field, value in spec.items() if value is not None}
    return given | {field: complete[field](given[field]) for field in complete.keys() & given.keys()}


def _backend(backend: Mapping[str, Any]) -> Object:
    return {"kind": "Service"} | {key: value for key, value in backend.items() if value not in (None, "")}


def _remarks(file: TemplateFile, source: FileObject) -> list[str]:
    """Return what was left alone, and what to correct."""
    others = len(file.routes) + file.others - 1
    remarks = [f"{file.path}: 1 Route, {_other_objects(others)} ignored"] if others else []
    outermost = file.template or source
    # Within a Template of today's version the server itself completes it (library-go, OAPIToGroupifiedGVK).
    old = [
        f"{one.place(('apiVersion',))}: write {VERSIONS[one.manifest['kind']]}"
        for one in (file.template, source)
        if one is not None and one.manifest.get("apiVersion") == outermost.manifest.get("apiVersion") == "v1"
    ]
    return remarks + ([f"oc from 4.17 on does not take it, here it is taken: {', '.join(old)}"] if old else [])


def _other_objects(count: int) -> str:
    return f"{count} other object{'s' if count > 1 else ''}"


def with_host(template: TemplateRoute, others: Mapping[str, Object | None]) -> TemplateRoute:
    """Return the Route of a template with a host: where the template names none, with that of another Route.

    The server generates a host where a Route is created without one; re-created, the Route must have the same.

    Args:
        template: the Route, whose remarks will say whose host it has.
        others: Routes that may have its host, by the name that the remark gives them; the first one with a host counts.

    Raises:
        MaintenanceError: none of them has a host.
    """
    spec, metadata, path = template.route["spec"], template.route["metadata"], template.source.file
    if spec.get("host"):
        return template
    holders = {origin: other for origin, other in others.items() if other and other["spec"].get("host")}
    if not holders:
        if spec.get("subdomain"):  # each router generates a host of its own
            return template
        raise MaintenanceError(
            f"The template {path} names no host, and nothing is there that has the host of Route {metadata['name']}.",
            "Write spec.host into it.",
        )
    origin, first = next(iter(holders.items()))
    completed = {**template.route, "spec": {**spec, "host": first["spec"]["host"]}}
    if _is_generated(metadata, holders.values(), first["spec"]["host"]):
        completed["metadata"] = metadata | {"annotations": {**metadata.get("annotations", {}), HOST_GENERATED: "true"}}
    return replace(
        template, route=completed, remarks=(*template.remarks, f"{path} names no host: it is that of {origin}")
    )


def _is_generated(metadata: Mapping[str, Any], holders: Iterable[Object], host: str) -> bool:
    """Tell whether the server generated the host: the Route, or its snapshot, notes it; a maintenance Route cannot."""
    originals = [other for other in holders if stands_for(other) in (None, other["metadata"]["name"])]
    if originals:
        return any(HOST_GENERATED in annotations_of(other) for other in originals)
    return host.startswith(f"{metadata['name']}-{metadata['namespace']}.")

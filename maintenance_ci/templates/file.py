"""A file of the template project, read as kubectl and oc read it: pure.

Several documents, JSON, Lists, Templates, objects of the old ``apiVersion: v1``: what ``oc apply -f FILE``, or
``oc process -f FILE | oc apply -f -``, would take. Only the Routes of it are kept.

What is said about a file names the place and the field, and never a value: it may be secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.kubernetes_yaml.reader import Document, NotYamlError, read_documents

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Object = dict[str, Any]
FieldPath = tuple[str | int, ...]

CORRECT_IT = "Correct it in the template project."
# No Route is larger; YAML aliases make a small file into a huge document.
MAX_VALUES, MAX_DEPTH = 5_000, 40
# Of a whole file.
MAX_VALUES_OF_ALL, MAX_DEPTH_OF_ALL = 100_000, 100
# `oc` up to 4.16 converts the old ones.
ROUTE_VERSIONS = ("route.openshift.io/v1", "v1", None)
TEMPLATE_VERSIONS = ("template.openshift.io/v1", "v1", None)
# What Jinja2 and Helm would render, but for what YAML bears, in quotes; ${{NAME}} is a Template's parameter.
_UNRENDERED = re.compile(r"""^[^#"'\n]*?(?<!\$)(?P<mark>\{\{|\{%)""", re.MULTILINE)
_FAULTS = {
    "missing": "is missing",
    "string_type": "input should be text: put it in quotes",
    "int_type": "input should be a whole number",
    "bool_type": "input should be true or false",
    "literal_error": "input should be expression",
    "list_type": "input should be a list",
    "dict_type": "input should be a mapping",
    "model_type": "input should be a mapping",
}


def _name_or_number(value: Any) -> Any:
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise ValueError("must be a port's name or number")  # noqa: TRY004 - pydantic's way
    return value


class _Manifest(BaseModel):
    """A part of a manifest: what is not named here is the server's to judge."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Metadata(_Manifest):
    name: str = Field(min_length=1)
    namespace: str | None = None
    labels: dict[str, str | None] | None = None
    annotations: dict[str, str | None] | None = None


class _Backend(_Manifest):
    kind: str | None = None
    name: str = Field(min_length=1)
    weight: int | None = None


class _Port(_Manifest):
    targetPort: Annotated[Any, AfterValidator(_name_or_number)] = ""  # noqa: N815 - the API's name


class _Tls(_Manifest):
    termination: str | None = None
    insecureEdgeTerminationPolicy: str | None = None  # noqa: N815
    certificate: str | None = None
    key: str | None = None
    caCertificate: str | None = None  # noqa: N815
    destinationCACertificate: str | None = None  # noqa: N815
    externalCertificate: dict[str, Any] | None = None  # noqa: N815


class _Spec(_Manifest):
    host: str | None = None
    subdomain: str | None = None
    path: str | None = None
    to: _Backend
    alternateBackends: list[_Backend] | None = None  # noqa: N815
    port: _Port | None = None
    tls: _Tls | None = None
    wildcardPolicy: str | None = None  # noqa: N815


class RouteShape(_Manifest):
    """What a Route must be for us to know it."""

    metadata: _Metadata
    spec: _Spec


class _Parameter(_Manifest):
    name: str = Field(min_length=1)
    displayName: str | None = None  # noqa: N815
    description: str | None = None
    value: str | None = None
    generate: Literal["expression", "", None] = None
    from_: str | None = Field(None, alias="from")
    required: bool | None = None


class TemplateShape(_Manifest):
    """What a Template must be: its objects are looked at one by one."""

    objects: list[dict[str, Any] | None] | None = None
    parameters: list[_Parameter] | None = None
    labels: dict[str, str | None] | None = None
    message: str | None = None


@dataclass(frozen=True)
class Source:
    """An object of a file.

    Attributes:
        value: what it says.
        document: which document it stands in.
        path: where in there.
    """

    value: Object
    document: Document
    path: FieldPath = ()


@dataclass(frozen=True)
class TemplateFile:
    """What a file holds.

    Attributes:
        path: of the file, in its project.
        routes: its Routes; in a Template they hold parameters.
        others: how many objects of other kinds it holds.
        template: the Template that holds the Routes; None where they stand by themselves.
    """

    path: str
    routes: tuple[Source, ...]
    others: int
    template: Source | None = None

    @property
    def is_rendered(self) -> bool:
        """Whether Jinja2 has rendered it: then lines and columns are those of the rendered text."""
        return is_jinja(self.path)

    def place(self, source: Source, field: FieldPath = ()) -> str:
        """Return where a field of an object stands: ``shop.yaml:7:11``."""
        return _place(self.path, *source.document.place((*source.path, *field)))

    def refuse(self, source: Source, field: FieldPath, fault: str) -> MaintenanceError:
        """Return the error that says what is wrong with a field of an object."""
        return _refusal(self.path, source, {field: fault})

    def require_shape(self, source: Source, manifest: Object, shape: type[BaseModel]) -> None:
        """Refuse what no server would take, by its place in the file.

        Args:
            source: where the manifest comes from.
            manifest: the object itself, or what a server made of it.
            shape: what it must be.

        Raises:
            MaintenanceError: it is something else.
        """
        try:
            shape.model_validate(manifest)
        except ValidationError as error:
            faults = {
                found["loc"]: _FAULTS.get(found["type"], found["msg"].removeprefix("Value error, ").lower())
                for found in error.errors()
            }
            raise _refusal(self.path, source, faults) from None


def read_template(text: str, *, path: str) -> TemplateFile:
    """Return what a template's text holds.

    Args:
        text: the file's content; where its path ends in ``.j2``, what Jinja2 has rendered.
        path: its path.

    Raises:
        MaintenanceError: kubectl and oc would not take it either.
    """
    if is_html(text):
        raise MaintenanceError(
            f"GitLab answered with an HTML page instead of {path}: it may be the sign-in page.",
            "Check ROUTE_TEMPLATES_PROJECT and that the token may read it.",
        )
    try:
        documents = read_documents(text)
    except NotYamlError as error:
        mark = None if is_jinja(path) else _UNRENDERED.search(text)
        if mark:
            line = text.count("\n", 0, mark.start("mark")) + 1
            raise unrendered(_place(path, line, mark.start("mark") - mark.start() + 1)) from None
        place = _place(path, error.line, error.column)
        raise MaintenanceError(f"The template {path} is not YAML: {place}: {error.problem}.", CORRECT_IT) from None
    sources = [Source(document.value, document) for document in documents]
    for source in sources:
        _require_small(path, source, source.value, MAX_VALUES_OF_ALL, MAX_DEPTH_OF_ALL)
    objects = [one for source in sources for one in _objects(source, path)]
    templates = [source for source in objects if _is_a(source.value, "Template", TEMPLATE_VERSIONS)]
    if not templates:
        return _file(path, objects, None)
    if len(objects) > 1:
        raise _refusal(path, templates[0], {(): "a Template must be alone in its file, as for oc process"})
    return _opened(path, templates[0])


def _opened(path: str, template: Source) -> TemplateFile:
    """Return what a Template holds."""
    TemplateFile(path, (), 0).require_shape(template, template.value, TemplateShape)
    _require_small(path, template, {key: template.value.get(key) for key in ("parameters", "labels")})
    objects = [
        Source(manifest, template.document, (*template.path, "objects", index))
        for index, manifest in enumerate(template.value.get("objects") or [])
        if manifest is not None
    ]
    return _file(path, objects, template)


def unrendered(place: str) -> MaintenanceError:
    """Return the error for a file that Jinja2 or Helm should have rendered."""
    what = "holds {{ }}: the name of a Jinja2 template ends in .j2; Helm's syntax is not understood"
    return MaintenanceError(f"The template {place} {what}.", CORRECT_IT)


def texts(value: Any, path: FieldPath = ()) -> Iterator[tuple[FieldPath, str]]:
    """Yield each text of a manifest, keys among them, with the path of its field."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield (*path, key), key
            yield from texts(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from texts(inner, (*path, index))


def is_jinja(path: str) -> bool:
    """Tell whether a template is for Jinja2: its name says so."""
    return path.endswith(".j2")


def is_html(text: str) -> bool:
    """Tell whether a text is a page of GitLab's, and no template."""
    return text.lstrip().startswith("<")


def _file(path: str, objects: Sequence[Source], template: Source | None) -> TemplateFile:
    routes = tuple(source for source in objects if _is_a(source.value, "Route", ROUTE_VERSIONS))
    for route in routes:
        _require_small(path, route, route.value)
    return TemplateFile(path, routes, len(objects) - len(routes), template)


def _is_a(manifest: Object, kind: str, versions: Sequence[str | None]) -> bool:
    return manifest.get("kind") == kind and manifest.get("apiVersion") in versions


def _objects(source: Source, path: str, *, in_list: bool = False) -> Iterator[Source]:
    """Yield an object, or the items of a List, as kubectl takes them."""
    manifest = source.value
    if not isinstance(manifest, dict):
        raise _refusal(path, source, {(): "it must be a mapping with apiVersion and kind"})
    kind = manifest.get("kind")
    if not isinstance(kind, str) or not kind:
        raise _refusal(path, source, {("kind",): "is missing" if kind in (None, "") else "must be text"})
    if "items" not in manifest:
        yield source
        return
    if in_list:
        raise _refusal(path, source, {(): "a List inside of a List is not understood, neither by kubectl"})
    items = manifest["items"] if manifest["items"] is not None else []
    if not isinstance(items, list):
        raise _refusal(path, source, {("items",): "must be a list"})
    # Of a RouteList each item is a Route.
    implied = {"apiVersion": manifest.get("apiVersion"), "kind": kind.removesuffix("List")} if kind != "List" else {}
    for index, item in enumerate(items):
        value = implied | item if isinstance(item, dict) else item
        yield from _objects(Source(value, source.document, (*source.path, "items", index)), path, in_list=True)


def _refusal(path: str, source: Source, faults: Mapping[FieldPath, str]) -> MaintenanceError:
    lines = [
        f"{_place(path, *source.document.place((*source.path, *field)))}: {_named(field)}{fault}"
        for field, fault in list(faults.items())[:5]
    ]
    return MaintenanceError(f"The template {path} is not right: {'; '.join(lines)}.", CORRECT_IT)


def _named(field: FieldPath) -> str:
    return f"{'.'.join(map(str, field))}: " if field else ""


def _place(path: str, line: int, column: int) -> str:
    return f"{path}:{line}:{column}" + (" (of the rendered text)" if is_jinja(path) else "")


def _require_small(
    path: str, source: Source, manifest: object, values: int = MAX_VALUES, levels: int = MAX_DEPTH
) -> None:
    """Refuse what its aliases make larger or deeper than any Route, or any file with Routes."""
    left = values
    waiting = [(manifest, 0)]
    while waiting:
        value, depth = waiting.pop()
        left -= 1
        if left < 0 or depth > levels:
            raise _refusal(path, source, {(): "it is larger or deeper than any Route"})
        if isinstance(value, dict):
            waiting += [(part, depth + 1) for pair in value.items() for part in pair]
        elif isinstance(value, list):
            waiting += [(part, depth + 1) for part in value]

"""A file of the template project, read as kubectl and oc read it: pure.

Several documents, JSON, Lists, Templates, objects of the old ``apiVersion: v1``: what ``oc apply -f FILE``, or
``oc process -f FILE | oc apply -f -``, would take. Only its Routes are used.

A message about a file names the place and the field, and never a value: it may be secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.kubernetes_yaml.reader import Document, NotYamlError, read_documents

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic_core import ErrorDetails

Object = dict[str, Any]
FieldPath = tuple[str | int, ...]

CORRECT_IT = "Correct it in the template project."
# Values and levels of a Route: none has more. YAML aliases make a small file into a huge document.
MAX_VALUES, MAX_DEPTH = 5_000, 40
# Of a document with all its objects.
MAX_VALUES_OF_ALL, MAX_DEPTH_OF_ALL = 100_000, 100
# `oc` up to 4.16 takes "v1" for them, too.
VERSIONS = {"Route": "route.openshift.io/v1", "Template": "template.openshift.io/v1"}
# What Jinja2 and Helm would render; in quotes it is plain text, and ${{NAME}} is a Template's parameter.
_UNRENDERED = re.compile(r"""^[^#"'\n]*?(?<!\$)(?P<mark>\{\{|\{%)""", re.MULTILINE)
# A parameter of a Template, as text or as a value of another type.
_PARAMETER = re.compile(r"\$\{\{?\w+\}")
_FAULTS = {
    "missing": "is missing",
    "string_pattern_mismatch": "may hold letters, digits and _ alone",
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
        raise PydanticCustomError("port", "must be a port's name or number")
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


class _Header(_Manifest):
    name: str = Field(min_length=1)
    action: dict[str, Any]


class _HttpHeaders(_Manifest):
    actions: dict[str, list[_Header] | None] | None = None


class _Spec(_Manifest):
    host: str | None = None
    subdomain: str | None = None
    path: str | None = None
    to: _Backend
    alternateBackends: list[_Backend] | None = None  # noqa: N815
    port: _Port | None = None
    tls: _Tls | None = None
    httpHeaders: _HttpHeaders | None = None  # noqa: N815
    wildcardPolicy: str | None = None  # noqa: N815


class RouteShape(_Manifest):
    """The shape of a Route, as far as it is known here."""

    metadata: _Metadata
    spec: _Spec


class _Parameter(_Manifest):
    # The server takes no other (openshift/origin, pkg/template/apis/template/validation).
    name: str = Field(min_length=1, pattern="^[A-Za-z0-9_]+$")
    displayName: str | None = None  # noqa: N815
    description: str | None = None
    value: str | None = None
    generate: Literal["expression", "", None] = None
    from_: str | None = Field(None, alias="from")
    required: bool | None = None


class TemplateShape(_Manifest):
    """The shape of a Template; the shapes of its objects are checked one by one."""

    objects: list[dict[str, Any] | None] | None = None
    parameters: list[_Parameter] | None = None
    labels: dict[str, str | None] | None = None
    message: str | None = None


@dataclass(frozen=True)
class FileObject:
    """An object of a file.

    Attributes:
        manifest: its content.
        file: the path of the file, in its project.
        document: the document of the file that holds it.
        field: the object's place in that document.
    """

    manifest: Object
    file: str
    document: Document
    field: FieldPath = ()

    def parts(self, field: str) -> list[FileObject]:
        """Return the items of a field, each with its place."""
        items = enumerate(self.manifest.get(field) or [])
        return [replace(self, manifest=item, field=(*self.field, field, index)) for index, item in items]

    def place(self, field: FieldPath = ()) -> str:
        """Return the place of a field: ``shop.yaml:7:11``."""
        return _place(self.file, *self.document.place((*self.field, *field)))

    def refusal(self, faults: Mapping[FieldPath, str]) -> MaintenanceError:
        """Return the error that says what is wrong with its fields; of many the first five."""
        lines = [
            ": ".join(filter(None, (self.place(field), ".".join(map(str, field)), fault)))
            for field, fault in list(faults.items())[:5]
        ]
        return MaintenanceError(f"The template {self.file} is not right: {'; '.join(lines)}.", CORRECT_IT)

    def require_shape(self, shape: type[BaseModel], manifest: Object) -> None:
        """Refuse ``manifest``, which is the object or what a server made of it, where it has another shape.

        Raises:
            MaintenanceError: it has; each fault has its place in the file.
        """
        try:
            shape.model_validate(manifest)
        except ValidationError as error:
            raise self.refusal({fault["loc"]: self._wording(fault) for fault in error.errors()}) from None

    def _wording(self, fault: ErrorDetails) -> str:
        """Return what is wrong with a field, and what to write, which depends on how it is written."""
        kind, written = fault["type"], _at(self.manifest, fault["loc"])
        if kind == "string_type" and isinstance(fault["input"], (dict, list)):
            return "input should be text, and is a list or a mapping"
        parameter = isinstance(written, str) and _PARAMETER.search(written)
        if parameter and kind == "string_type":
            return "input should be text: write ${NAME} for the parameter, not ${{NAME}}"
        if parameter and kind in ("int_type", "bool_type"):
            return f"{_FAULTS[kind]}: write ${{{{NAME}}}} for the parameter, not ${{NAME}}"
        return _FAULTS.get(kind, fault["msg"].lower())

    def require_small(self, manifest: object, *, values: int = MAX_VALUES, levels: int = MAX_DEPTH) -> None:
        """Refuse what is larger or deeper than any Route, or any file with Routes: aliases may make it so."""
        for count, (field, _) in enumerate(_values(manifest), start=1):
            if count > values or len(field) > levels:
                raise self.refusal({(): "it is larger or deeper than any Route"})


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
    routes: tuple[FileObject, ...]
    others: int
    template: FileObject | None = None

    @property
    def parameters(self) -> list[FileObject]:
        """The Template's parameters."""
        return self.template.parts("parameters") if self.template else []

    @property
    def labels(self) -> Object:
        """The labels that the Template gives to its objects."""
        return (self.template and self.template.manifest.get("labels")) or {}


def read_template(text: str, *, path: str) -> TemplateFile:
    """Return what the text of a template holds; where ``path`` ends in ``.j2``, Jinja2 has rendered the text.

    Raises:
        MaintenanceError: kubectl and oc would not take it either.
    """
    try:
        documents = read_documents(text)
    except NotYamlError as error:
        for mark in () if is_jinja(path) else _UNRENDERED.finditer(text):
            line = text.count("\n", 0, mark.start("mark")) + 1
            if line <= error.line <= line + 1:  # what is wrong with it may be seen one line later
                raise unrendered(_place(path, line, mark.start("mark") - mark.start() + 1)) from None
        place = _place(path, error.line, error.column)
        raise MaintenanceError(f"The template {path} is not YAML: {place}: {error.problem}.", CORRECT_IT) from None
    roots = [FileObject(document.value, path, document) for document in documents]
    for root in roots:
        root.require_small(root.manifest, values=MAX_VALUES_OF_ALL, levels=MAX_DEPTH_OF_ALL)
    objects = [one for root in roots for one in _objects(root)]
    template = next((one for one in objects if _is_a(one, "Template")), None)
    if template:
        if len(objects) > 1:
            raise template.refusal({(): "a Template must be alone in its file, as for oc process"})
        template.require_shape(TemplateShape, template.manifest)
        template.require_small([template.manifest.get("parameters"), template.manifest.get("labels")])
        objects = [one for one in template.parts("objects") if one.manifest is not None]
    routes = tuple(one for one in objects if _is_a(one, "Route"))
    for route in routes:
        route.require_small(route.manifest)
    if not routes:
        _require_well_spelt(objects)
    return TemplateFile(path, routes, len(objects) - len(routes), template)


def unrendered(place: str) -> MaintenanceError:
    """Return the error for a file that Jinja2 or Helm should have rendered."""
    what = "holds {{ }}: the name of a Jinja2 template ends in .j2; Helm's syntax is not understood"
    return MaintenanceError(f"The template {place} {what}.", CORRECT_IT)


def texts(value: Any, field: FieldPath = ()) -> Iterator[tuple[FieldPath, str]]:
    """Yield each text of a manifest, keys among them, with the path of its field."""
    return ((path, text) for path, text in _values(value, field) if isinstance(text, str))


def is_jinja(path: str) -> bool:
    """Tell whether a template is for Jinja2: its name says so."""
    return path.endswith(".j2")


def _values(value: Any, field: FieldPath = ()) -> Iterator[tuple[FieldPath, Any]]:
    """Yield a value and all that is in it, keys too, each with the path of its field."""
    yield field, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*field, key), key
            yield from _values(inner, (*field, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _values(inner, (*field, index))


def _is_a(one: FileObject, kind: str) -> bool:
    return one.manifest.get("kind") == kind and one.manifest.get("apiVersion") in (VERSIONS[kind], "v1", None)


def _require_well_spelt(objects: Iterable[FileObject]) -> None:
    """Refuse objects, none of which is a Route, where one is meant to be a Route or a Template."""
    for one in objects:
        written, version = str(one.manifest.get("kind")), str(one.manifest.get("apiVersion") or "")
        for kind, right in VERSIONS.items():
            if written == kind and version.lower().startswith(kind.lower()):
                raise one.refusal({("apiVersion",): f"write {right}"})
            alike = written != kind and written.lower() in (kind.lower(), f"{kind.lower()}s")
            if alike and version in ("", "v1", right):
                raise one.refusal({("kind",): f"write {kind}"})


def _at(value: Any, field: FieldPath) -> Any:
    """Return what stands at a field; None where nothing does."""
    for part in field:
        try:
            value = value[part]
        except (LookupError, TypeError):
            return None
    return value


def _objects(one: FileObject, *, in_list: bool = False) -> Iterator[FileObject]:
    """Yield an object, or the items of a List, as kubectl takes them."""
    manifest = one.manifest
    if not isinstance(manifest, dict):
        raise one.refusal({(): "it must be a mapping with apiVersion and kind"})
    kind = manifest.get("kind")
    if not isinstance(kind, str) or not kind:
        raise one.refusal({("kind",): "is missing" if kind in (None, "") else "must be text"})
    if "items" not in manifest:
        yield one
        return
    if in_list:
        raise one.refusal({(): "a List inside of a List is not understood, neither by kubectl"})
    if not isinstance(manifest["items"], list | None):
        raise one.refusal({("items",): "must be a list"})
    # Of a RouteList each item is a Route.
    implied = {"apiVersion": manifest.get("apiVersion"), "kind": kind.removesuffix("List")} if kind != "List" else {}
    for item in one.parts("items"):
        manifest = implied | item.manifest if isinstance(item.manifest, dict) else item.manifest
        yield from _objects(replace(item, manifest=manifest), in_list=True)


def _place(path: str, line: int, column: int) -> str:
    return f"{path}:{line}:{column}" + (" (of the rendered text)" if is_jinja(path) else "")

"""What an object's labels, annotations and managedFields say, above all of whose it is: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maintenance_ci.names import MANAGED_BY, MANAGED_BY_LABEL, NOTES, PIPELINE_ANNOTATION, ROUTE_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Object = dict[str, Any]


def by_name(objects: Iterable[Object]) -> dict[str, Object]:
    """Return the objects of one kind by their names."""
    return {one["metadata"]["name"]: one for one in objects}


def annotations_of(thing: Mapping[str, Any] | None) -> dict[str, str]:
    """Return an object's annotations; empty where there is no object."""
    return ((thing or {}).get("metadata") or {}).get("annotations") or {}


def labels_of(thing: Mapping[str, Any] | None) -> dict[str, str]:
    """Return an object's labels; empty where there is no object."""
    return ((thing or {}).get("metadata") or {}).get("labels") or {}


def stands_for(thing: Mapping[str, Any]) -> str | None:
    """Return the name of the Route that an object of ours stands for; None for what is not ours."""
    return annotations_of(thing).get(ROUTE_ANNOTATION) if is_managed_by_us(thing) else None


def is_managed_by_us(thing: Mapping[str, Any]) -> bool:
    """Tell whether an object has the label of all that jobs create besides the original Routes."""
    return labels_of(thing).get(MANAGED_BY_LABEL) == MANAGED_BY


def as_we_applied_it(route: Mapping[str, Any]) -> bool:
    """Tell whether a Route is as a restore of ours has made it, by server-side apply: nobody else has written it since.

    Whoever writes an object is noted in its managedFields, by the fields. Statuses are the routers' own; a note of ours
    changes nothing.
    """
    written = [one for one in route["metadata"].get("managedFields") or [] if not one.get("subresource")]
    restores = [one for one in written if (one.get("manager"), one.get("operation")) == (MANAGED_BY, "Apply")]
    others = [field for one in written if one not in restores for field in _fields(one.get("fieldsV1"))]
    return bool(restores) and all(field.startswith(f"/f:metadata/f:annotations/f:{NOTES}") for field in others)


def _fields(written: Mapping[str, Any] | None, place: str = "") -> Iterator[str]:
    """Yield each field that a managedFields entry (fieldsV1) names: ``/f:spec/f:host``."""
    for name, inner in (written or {}).items():
        if inner:
            yield from _fields(inner, f"{place}/{name}")
        elif name != ".":
            yield f"{place}/{name}"


def pipeline_of(annotated: Mapping[str, Any] | None) -> int | None:
    """Return the number of the pipeline that an object of ours notes; None where it notes none."""
    return number_in(annotations_of(annotated).get(PIPELINE_ANNOTATION))


def number_in(annotation: object) -> int | None:
    """Return the number of a pipeline that an annotation's value holds; None where it holds none."""
    digits = str(annotation)
    # As long as the settings take it: of thousands of digits Python makes no number.
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 20 else None

"""What an object's labels, annotations and managedFields say of whose it is: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maintenance_ci.names import MANAGED_BY, MANAGED_BY_LABEL, NOTES, PIPELINE_ANNOTATION, ROUTE_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Object = dict[str, Any]


def by_name(objects: Iterable[Object]) -> dict[str, Object]:
    """Return the objects of one kind by their names."""
    return {one["metadata"]["name"]: one for one in objects}


def stands_for(route: Mapping[str, Any]) -> str | None:
    """Return the name of the Route that an object of ours stands for; None for what is not ours."""
    metadata = route["metadata"]
    if (metadata.get("labels") or {}).get(MANAGED_BY_LABEL) != MANAGED_BY:
        return None
    return (metadata.get("annotations") or {}).get(ROUTE_ANNOTATION)


def as_we_applied_it(route: Mapping[str, Any]) -> bool:
    """Tell whether a Route is as a restore of ours has made it, by server-side apply: nobody else has written it since.

    Whoever writes an object is noted in its managedFields, by the fields. Statuses are the routers' own; a note of ours
    changes nothing.
    """
    written = [one for one in route["metadata"].get("managedFields") or [] if not one.get("subresource")]
    ours = [one for one in written if (one.get("manager"), one.get("operation")) == (MANAGED_BY, "Apply")]
    others = [field for one in written if one not in ours for field in _fields(one.get("fieldsV1"))]
    return bool(ours) and all(field.startswith(f"/f:metadata/f:annotations/f:{NOTES}") for field in others)


def _fields(written: Mapping[str, Any] | None, place: str = "") -> Iterator[str]:
    """Yield each field that a managedFields entry (fieldsV1) names: ``/f:spec/f:host``."""
    for name, inner in (written or {}).items():
        if inner:
            yield from _fields(inner, f"{place}/{name}")
        elif name != ".":
            yield f"{place}/{name}"


def pipeline_of(annotated: Mapping[str, Any] | None) -> int | None:
    """Return the number of the pipeline that an object of ours notes; None where it notes none."""
    annotations = ((annotated or {}).get("metadata") or {}).get("annotations") or {}
    return number_in(annotations.get(PIPELINE_ANNOTATION))


def number_in(noted: object) -> int | None:
    """Return the number of a pipeline that an annotation holds; None where it holds none."""
    number = str(noted)
    # As long as the settings take it: of thousands of digits Python makes no number.
    return int(number) if number.isascii() and number.isdigit() and len(number) <= 20 else None

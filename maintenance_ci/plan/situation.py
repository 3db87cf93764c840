"""What the cluster says of a Route's maintenance: pure. The cluster is the state; nothing else is remembered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from maintenance_ci.names import (
    MANAGED_BY,
    MANAGED_BY_LABEL,
    NOTES,
    PAGE,
    PIPELINE_ANNOTATION,
    ROUTE_ANNOTATION,
    page_route_name,
)
from maintenance_ci.plan.page_route import backend_services
from maintenance_ci.plan.repoint import REPOINT, is_repointed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Object = dict[str, Any]

SWAP: Literal["swap"] = "swap"
# Not a strategy of ROUTE_STRATEGY: a path is one more Route, whatever the strategy.
SUBPATH: Literal["subpath"] = "subpath"


@dataclass(frozen=True)
class Situation:
    """One Route, or one path of it, among the Routes of its namespace.

    Attributes:
        route_name: of the original.
        subpath: the part of it that is meant; None for the whole Route.
        routes: all Routes of the namespace, by name.
    """

    route_name: str
    subpath: str | None
    routes: Mapping[str, Object]

    @property
    def original(self) -> Object | None:
        """The original Route; it may be repointed."""
        return self.routes.get(self.route_name)

    @property
    def ours(self) -> str:
        """The name of the maintenance Route: of the path, or of the whole Route."""
        return page_route_name(self.route_name, self.subpath)

    @property
    def maintenance(self) -> Object | None:
        """The maintenance Route: of the path, or of the whole Route. A repointed Route has none."""
        return self.routes.get(self.ours)

    @property
    def whole(self) -> Object | None:
        """The maintenance Route of the whole Route."""
        return self.routes.get(page_route_name(self.route_name, None))

    @property
    def repointed(self) -> bool:
        """Whether the original carries the notes of a maintenance by ``repoint``."""
        return is_repointed(self.original)

    @property
    def begun(self) -> Literal["swap", "repoint"] | None:
        """The strategy by which the whole Route was put into maintenance, or is about to be."""
        if self.repointed:
            return REPOINT
        return SWAP if self.whole is not None else None

    @property
    def in_maintenance(self) -> bool:
        """Whether the whole Route is in maintenance: nothing is left to switch."""
        if self.original is None:
            return self.whole is not None
        return self.repointed and PAGE in backend_services(self.original)

    @property
    def noted(self) -> Object | None:
        """The Route that carries the notes of this maintenance."""
        return self.original if self.repointed and self.subpath is None else self.maintenance

    @property
    def mirrored(self) -> Object | None:
        """What a maintenance Route mirrors: the original, or what stands for it."""
        return self.original or self.whole

    @property
    def parts(self) -> list[str]:
        """The names of the maintenance Routes of single paths."""
        whole = page_route_name(self.route_name, None)
        return sorted(
            name for name, route in self.routes.items() if name != whole and stands_for(route) == self.route_name
        )


def situation(routes: Iterable[Object], route_name: str, subpath: str | None) -> Situation:
    """Look at the namespace's Routes for one of them."""
    return Situation(route_name, subpath, by_name(routes))


def by_name(objects: Iterable[Object]) -> dict[str, Object]:
    """Return the objects of one kind by their names."""
    return {found["metadata"]["name"]: found for found in objects}


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


def pipeline_of(found: Mapping[str, Any] | None) -> int | None:
    """Return the number of the pipeline that an object of ours notes; None where it notes none."""
    noted = ((found or {}).get("metadata") or {}).get("annotations") or {}
    number = str(noted.get(PIPELINE_ANNOTATION, ""))
    # As long as settings.py takes it: of thousands of digits Python makes no number.
    return int(number) if number.isascii() and number.isdigit() and len(number) <= 20 else None

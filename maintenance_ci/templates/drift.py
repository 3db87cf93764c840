"""Which template is for which Route, and what a comparison of the two comes to: pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from maintenance_ci.plan.marks import stands_for
from maintenance_ci.plan.tester_route import application_behind
from maintenance_ci.settings.types import ROUTE_NAME_PLACE

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from maintenance_ci.templates.file import Object

Outcome = Literal["same", "differs", "no Route", "not right", "elsewhere", "no template"]
DRIFT: frozenset[Outcome] = frozenset({"differs", "no Route", "not right"})


@dataclass(frozen=True)
class Finding:
    """How a Route and its template compare.

    Attributes:
        name: of the Route.
        outcome: ``not right``: the template cannot be rendered, or the original is unknown; ``elsewhere``: the template
            is for another namespace; ``no template``: there is none, which is no drift.
        details: each difference, and what else a person should know.
        path: of the template.
    """

    name: str
    outcome: Outcome
    details: str
    path: str

    @property
    def drifted(self) -> bool:
        """Whether the template would not bring back what is there."""
        return self.outcome in DRIFT


def route_name_of(pattern: str, path: str) -> str | None:
    """Return the name of the Route whose template is at ``path``: the inverse of `template_path`.

    None: by ``pattern``, which is ROUTE_TEMPLATE_PATH, no Route's template is there.
    """
    before, *others = ROUTE_NAME_PLACE.split(pattern)
    # A pattern may hold the name several times: it is the same one each time.
    after = "(?P=name)".join(map(re.escape, others))
    match = re.fullmatch(rf"{re.escape(before)}(?P<name>[a-z0-9]([-a-z0-9.]*[a-z0-9])?){after}", path)
    return match["name"] if match else None


def templates_folder(pattern: str) -> tuple[str, bool]:
    """Return the folder that holds all templates, and whether folders below it may hold some, too."""
    before = ROUTE_NAME_PLACE.split(pattern)[0]
    folder = before.rpartition("/")[0]
    return folder, "/" in pattern[len(before) :]


def without_template(routes: Mapping[str, Object], templated: Container[str]) -> list[str]:
    """Return the names of the Routes without a template; maintenance Routes, and those for testers, need none."""
    return sorted(
        name
        for name, route in routes.items()
        if name not in templated and not (stands_for(route) or application_behind(route))
    )

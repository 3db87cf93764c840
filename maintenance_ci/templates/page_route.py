"""The maintenance Route's own template, of the pipeline's project: rendered, and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.plan.page_route import CORRECT_PAGE_ROUTE, require_page_route
from maintenance_ci.templates.rendering import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maintenance_ci.plan.marks import Object


def render_page_route(template: str, values: Mapping[str, Any]) -> Object:
    """Render the maintenance Route, and hold it against ``values`` (`maintenance_ci.plan.page_route`).

    Raises:
        MaintenanceError: the template does not render, or yields another object than the Route that is needed.
    """
    try:
        route = yaml.safe_load(render(template, values, name="maintenance-route.yaml.j2"))
    except yaml.YAMLError as error:
        fault = "The template of the maintenance Route does not render to YAML."
        raise MaintenanceError(fault, CORRECT_PAGE_ROUTE) from error
    return require_page_route(route, values)

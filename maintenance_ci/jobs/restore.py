"""The way back: the original Route as its template project has it. Both Route jobs need it, one before it cuts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.route_template import expected_route, fill_parameters, parse_template, template_path

if TYPE_CHECKING:
    from maintenance_ci.openshift import Object, OpenShift
    from maintenance_ci.settings import RouteSettings
    from maintenance_ci.template_project import TemplateProject


def original_from_template(settings: RouteSettings, cluster: OpenShift, templates: TemplateProject) -> Object:
    """Fetch, render and check the original Route's template.

    Raises:
        MaintenanceError: the template is not there, or yields anything else than that Route.
    """
    path = template_path(settings.route_template_path, settings.route_name)
    parameters = settings.route_template_parameters
    variables = {"route_name": settings.route_name, "namespace": settings.project, **parameters}
    manifest = parse_template(templates.read(path), path=path, values=variables)
    objects = [manifest]
    if manifest["kind"] == "Template":
        objects = cluster.process_template(fill_parameters(manifest, parameters, path=path))
    return expected_route(objects, name=settings.route_name, namespace=settings.project, path=path)

"""Command ``export-route``: the live Route as a clean template, printed or committed. The cluster is not changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.names import snapshot_name
from maintenance_ci.plan.checks import require_host
from maintenance_ci.plan.marks import by_name
from maintenance_ci.templates.export import Export, export_route, form_of, original_now, says_the_same
from maintenance_ci.templates.route import template_path

if TYPE_CHECKING:
    from maintenance_ci.cluster.openshift import OpenShift
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.settings.variables import ExportSettings
    from maintenance_ci.templates.project import TemplateProject


def export(settings: ExportSettings, cluster: OpenShift, log: JobLog) -> Export:
    """Return the Route's template; of a Route in maintenance, that of its original.

    Raises:
        MaintenanceError: there is no such Route, or none that a template brings back.
    """
    name = settings.route_name
    routes = by_name(cluster.select("routes"))
    secret = cluster.get("secrets", snapshot_name(name))
    route, in_maintenance = original_now(name, routes, {snapshot_name(name): secret} if secret else {})
    if route is None:
        raise MaintenanceError(
            f"Route {name} is not in namespace {settings.project}.",
            f"Check the name, and PROJECT: oc get routes -n {settings.project}.",
        )
    require_host(route)
    if in_maintenance:
        log.warn(f"Route {name} is in maintenance: this is the original, as its snapshot has it")
    template = export_route(route, path=template_path(settings.route_template_path, name))
    for line in template.left_out:
        log.say(f"left out: {line}")
    if template.secret_headers:
        log.warn(
            f"the template holds the values of these headers, which may be secret: {', '.join(template.secret_headers)}"
        )
    return template


def commit(settings: ExportSettings, templates: TemplateProject, template: Export, log: JobLog, *, force: bool) -> None:
    """Write what `export` returned to the template project, by one commit; none where it says the same already.

    With ``force`` also over a template that a person wrote in another form, and with headers that may be secret.

    Raises:
        MaintenanceError: GitLab refuses, somebody else wrote it meanwhile, or it is not to be overwritten.
    """
    name = settings.route_name
    path = template_path(settings.route_template_path, name)
    there = templates.find(path)
    if there and says_the_same(there.text, path, template.manifest):
        log.end(f"{path} in {templates.name} is the same already: no commit.", blank=False)
        return
    form = form_of(there.text, path) if there else "Route"
    if form != "Route" and not force:
        kind = "is something else than a template" if form == "unknown" else f"is in another form: {form}"
        raise MaintenanceError(f"{path} in {templates.name} {kind}.", "--force overwrites it with a plain Route.")
    if template.secret_headers and not force:
        raise MaintenanceError(
            f"The values of these headers may be secret, and would stay in the project's history: "
            f"{', '.join(template.secret_headers)}.",
            "--force commits them.",
        )
    message = f"Route {name} of {settings.project}, as the cluster has it"
    if settings.ci_pipeline_url:
        message = f"{message}\n\n{settings.ci_pipeline_url}"
    branch = templates.write(path, template.text, message, replaces=there)
    log.end(f"{path} is {'updated' if there else 'created'} in {templates.name}, branch {branch}.", blank=False)

"""Job ``delete``: the application is back, and the page is removed when no other Route uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.admission import admitting_routers, wait_until_admitted, wait_until_reloaded, wait_until_seen
from maintenance_ci.checks import require_ours, require_same_route
from maintenance_ci.errors import MaintenanceError
from maintenance_ci.jobs.restore import original_from_template
from maintenance_ci.maintenance_route import PAGE, maintenance_name, routes_to
from maintenance_ci.route_template import carry_over_certificates, moved

if TYPE_CHECKING:
    from maintenance_ci.helm import Helm
    from maintenance_ci.openshift import Object, OpenShift
    from maintenance_ci.report import JobLog
    from maintenance_ci.settings import RouteSettings
    from maintenance_ci.template_project import TemplateProject


def delete(
    settings: RouteSettings, cluster: OpenShift, templates: TemplateProject | None, helm: Helm, log: JobLog
) -> None:
    """Restore the original Route from its template, remove the maintenance Route, then the page if nobody needs it.

    Args:
        settings: the pipeline's variables.
        cluster: the Route's namespace.
        templates: where the original's template is; None with a SUBPATH, which restores nothing.
        helm: what installed the page.
        log: what the job says.
    """
    ours = maintenance_name(settings.route_name, settings.subpath)

    with log.phase(f"Read the maintenance Route {ours}"):
        maintenance = cluster.get("routes", ours)
        require_ours(maintenance, settings.route_name)
        log.say("it is there" if maintenance else "it is not there: it was removed already, or never made")

    if templates:
        with log.phase(f"Restore Route {settings.route_name} from its template"):
            _restore_original(settings, cluster, templates, maintenance, log)

    if maintenance:
        now = "The maintenance Route is deleted; the page still runs. Run the job delete again."
        with log.phase(f"Delete the maintenance Route {ours}"), log.changing(now, switched=True):
            cluster.delete("routes", maintenance)

    with log.phase("Wait until the routers serve the application"):
        if templates:
            routers = admitting_routers(maintenance)
            wait_until_admitted(cluster, settings.route_name, routers, timeout=settings.admission_timeout, log=log)
        # Removing the page earlier answers 503: a router that has not reloaded still sends requests to it.
        wait_until_reloaded(settings.router_reload_interval, log=log)
        log.now("Users reach the application again; the page may still run. Run the job delete again.", switched=True)

    with log.phase("Remove the page, if no Route needs it any more"):
        users = routes_to(PAGE, cluster.select("routes"))
        if users:
            log.say(f"it stays, needed by {', '.join(users)}")
        else:
            helm.uninstall(PAGE)
            if cluster.get("deployments", PAGE):  # Helm takes every error for "not found" here
                raise MaintenanceError("Helm could not remove the page.", "Run the job delete again.")

    place = f"{settings.subpath} of Route {settings.route_name}" if settings.subpath else f"Route {settings.route_name}"
    still = [name for name in users if name.startswith(f"{maintenance_name(settings.route_name, None)}")]
    log.end(
        f"{place} is out of maintenance, and its users reach the application"
        + (f", but for what {', '.join(still)} still shows." if still else " again."),
        f"The page stays: {', '.join(users)} shows it." if users else "The page is removed.",
    )


def _restore_original(
    settings: RouteSettings, cluster: OpenShift, templates: TemplateProject, maintenance: Object | None, log: JobLog
) -> None:
    restored = original_from_template(settings, cluster, templates)
    live = cluster.get("routes", settings.route_name)
    if live is not None and maintenance is None:
        log.say("it is there, and not in maintenance: it is left as it is")
        return
    now = "The original Route is there again. Run the job delete again."
    if maintenance:
        require_same_route(moved(restored, maintenance), accepted=settings.accept_route_differences)
        now = "The original Route waits for its host; users still meet the page. Run the job delete again."
    with log.changing(now, switched=True):
        cluster.apply("routes", carry_over_certificates(restored, live or maintenance))
    wait_until_seen(cluster, settings.route_name, admitting_routers(maintenance), log=log)

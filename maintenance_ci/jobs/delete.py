"""Job ``delete``: the application is back, and the page is removed when no other Route uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.admission import admitting_routers, wait_until_admitted, wait_until_reloaded, wait_until_seen
from maintenance_ci.jobs.restore import original_from_template
from maintenance_ci.maintenance_route import PAGE, backend_services, maintenance_name
from maintenance_ci.route_template import carry_over_certificates

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
        log.say("it is there" if maintenance else "it is not there: it was removed already, or never made")

    if templates:
        with log.phase(f"Restore Route {settings.route_name} from its template"):
            _restore_original(settings, cluster, templates, maintenance, log)

    if maintenance:
        with log.phase(f"Delete the maintenance Route {ours}"):
            cluster.delete("routes", maintenance)
            log.now("The maintenance Route is deleted; the page still runs. Run the job delete again.", switched=True)

    with log.phase("Wait until the routers serve the application"):
        if templates:
            routers = admitting_routers(maintenance)
            wait_until_admitted(cluster, settings.route_name, routers, timeout=settings.admission_timeout, log=log)
        # Removing the page earlier answers 503: a router that has not reloaded still sends requests to it.
        wait_until_reloaded(settings.router_reload_interval, log=log)
        log.now("Users reach the application again; the page may still run. Run the job delete again.", switched=True)

    with log.phase("Remove the page, if no Route needs it any more"):
        users = _routes_to_the_page(cluster)
        if users:
            log.say(f"it stays: {', '.join(users)} still need it")
        else:
            helm.uninstall(PAGE)

    place = f"{settings.subpath} of Route {settings.route_name}" if settings.subpath else f"Route {settings.route_name}"
    page = f"The page stays for {len(users)} other Route(s)." if users else "The page is removed."
    log.end(f"Users of {place} reach the application again. {page}")


def _restore_original(
    settings: RouteSettings, cluster: OpenShift, templates: TemplateProject, maintenance: Object | None, log: JobLog
) -> None:
    restored = original_from_template(settings, cluster, templates)
    live = cluster.get("routes", settings.route_name)
    if live is not None and maintenance is None:
        log.say("it is there, and not in maintenance: it is left as it is")
        return
    cluster.apply("routes", carry_over_certificates(restored, live or maintenance))
    log.now(
        "The original Route waits for its host; users still meet the page. Run the job delete again.", switched=True
    )
    wait_until_seen(cluster, settings.route_name, admitting_routers(maintenance), log=log)


def _routes_to_the_page(cluster: OpenShift) -> list[str]:
    return [route["metadata"]["name"] for route in cluster.select("routes") if PAGE in backend_services(route)]

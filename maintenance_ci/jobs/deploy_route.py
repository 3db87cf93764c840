"""Job ``deploy-route``: users of the Route, or of one path of it, meet the maintenance page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.admission import serving_routers, wait_until_admitted, wait_until_reloaded, wait_until_seen
from maintenance_ci.checks import (
    require_below,
    require_host,
    require_no_rival,
    require_ours,
    require_ready_page,
    require_same_route,
)
from maintenance_ci.errors import MaintenanceError
from maintenance_ci.jobs.restore import original_from_template
from maintenance_ci.maintenance_route import (
    PAGE,
    backend_services,
    maintenance_name,
    maintenance_values,
    render_maintenance_route,
)
from maintenance_ci.route_template import carry_over_certificates, differences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maintenance_ci.openshift import Object, OpenShift
    from maintenance_ci.report import JobLog
    from maintenance_ci.settings import RouteSettings
    from maintenance_ci.template_project import TemplateProject


def deploy_route(
    settings: RouteSettings, cluster: OpenShift, templates: TemplateProject | None, route_template: str, log: JobLog
) -> None:
    """Create the maintenance Route; without a SUBPATH, delete the original, which frees its host for it.

    Args:
        settings: the pipeline's variables.
        cluster: the Route's namespace.
        templates: where the original's template is; None with a SUBPATH, which restores nothing.
        route_template: the maintenance Route's Jinja2 template.
        log: what the job says.
    """
    ours = maintenance_name(settings.route_name, settings.subpath)

    with log.phase(f"Read Route {settings.route_name}"):
        routes = {route["metadata"]["name"]: route for route in cluster.select("routes")}
        original = routes.get(settings.route_name)
        require_ours(routes.get(ours), settings.route_name)
        if original:
            require_host(original)
            log.say(f"https://{original['spec']['host']}{original['spec'].get('path', '')}")

    if original is None:
        _confirm_maintenance(settings, cluster, routes, log)
        return

    with log.phase("Check what could go wrong"):
        routers = serving_routers(original)
        require_ready_page(cluster.select("endpointslices", {"kubernetes.io/service-name": PAGE}))
        manifest = render_maintenance_route(route_template, _values(settings, original))
        require_no_rival(manifest, routes.values(), settings.route_name)
        if settings.subpath:
            require_below(original, settings.subpath)
        if templates:
            _require_way_back(settings, cluster, templates, original, log)
        port_forwards = _port_forwards(cluster, original)

    with log.phase(f"Create the maintenance Route {ours}"):
        now = f"Users of {settings.subpath} may meet the page; the rest is untouched. To end it: run the job delete."
        if not settings.subpath:
            now = f"Route {ours} waits for the host; users still reach the application."
        with log.changing(now, switched=bool(settings.subpath)):
            cluster.apply("routes", manifest)
        wait_until_seen(cluster, ours, routers, log=log)

    if not settings.subpath:
        with log.phase(f"Delete the original Route {settings.route_name}"), log.changing(_deleted(ours), switched=True):
            cluster.delete("routes", original)

    with log.phase("Wait until the routers serve the page"):
        wait_until_admitted(cluster, ours, routers, timeout=settings.admission_timeout, log=log)
        wait_until_reloaded(settings.router_reload_interval, log=log)

    place = f"https://{original['spec']['host']}{manifest['spec'].get('path') or '/'}"
    log.end(
        f"Users of {place} now meet the maintenance page.",
        f"To end it: click the job delete of this pipeline{_in_pipeline(settings)}.",
        "To look at the application meanwhile:",
        *(f"   {line}" for line in port_forwards),
    )


def _values(settings: RouteSettings, original: Object) -> Object:
    return maintenance_values(
        original,
        subpath=settings.subpath,
        pipeline=settings.ci_pipeline_id,
        pipeline_url=settings.ci_pipeline_url,
    )


def _confirm_maintenance(
    settings: RouteSettings, cluster: OpenShift, routes: Mapping[str, Object], log: JobLog
) -> None:
    """End well where the whole Route is in maintenance already, and users see it; otherwise raise."""
    whole = maintenance_name(settings.route_name, None)
    if whole not in routes:
        raise MaintenanceError(
            f"Route {settings.route_name} is not in namespace {settings.project}.",
            f"Check ROUTE_NAME and PROJECT: oc get routes -n {settings.project}",
        )
    require_ours(routes[whole], settings.route_name)
    with log.phase(f"Route {settings.route_name} is deleted already: confirm that {whole} is served"):
        log.now(_deleted(whole), switched=True)
        wait_until_admitted(cluster, whole, frozenset(), timeout=settings.admission_timeout, log=log)
        wait_until_reloaded(settings.router_reload_interval, log=log)
    host = routes[whole]["spec"]["host"]
    log.end(
        f"Route {settings.route_name} is in maintenance already, as a whole: users of {host} meet the page.",
        "To end it: run the job delete" + (" without SUBPATH." if settings.subpath else "."),
    )


def _require_way_back(
    settings: RouteSettings, cluster: OpenShift, templates: TemplateProject, original: Object, log: JobLog
) -> None:
    """Refuse what the template would not bring back, before anything is deleted."""
    restored = carry_over_certificates(original_from_template(settings, cluster, templates), original)
    found = differences(restored, original)
    require_same_route(found, accepted=settings.accept_route_differences)
    cluster.apply("routes", restored, dry_run=True)
    for difference in found:
        log.say(f"accepted: {difference}; the template's state will come back")
    log.say("the template of the original is there, and the cluster takes what it renders to")


def _deleted(ours: str) -> str:
    return f"The original Route is deleted, its host left to Route {ours}. To put it back: run the job delete."


def _in_pipeline(settings: RouteSettings) -> str:
    return f" ({settings.ci_pipeline_url})" if settings.ci_pipeline_url else ""


def _port_forwards(cluster: OpenShift, original: Object) -> list[str]:
    """Return a line for each Service behind the Route: oc forwards its port, as the Route picks it, to this machine."""
    target = (original["spec"].get("port") or {}).get("targetPort")
    lines = []
    for name in sorted(backend_services(original)):
        ports = ((cluster.get("services", name) or {}).get("spec") or {}).get("ports") or []
        chosen = [port for port in ports if target in (port.get("name"), port.get("targetPort"), port["port"])] or ports
        if chosen:
            port = chosen[0]["port"]
            local = port if port >= 1024 else port + 8000
            lines.append(f"oc port-forward --namespace {cluster.namespace} service/{name} {local}:{port}")
    return lines or ["its Service has no port to forward"]

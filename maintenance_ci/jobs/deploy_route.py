"""Job ``deploy-route``: users of the Route, or of one path of it, meet the maintenance page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.admission import admitting_routers, wait_until_admitted, wait_until_reloaded, wait_until_seen
from maintenance_ci.errors import MaintenanceError
from maintenance_ci.jobs.restore import original_from_template
from maintenance_ci.maintenance_route import (
    PAGE,
    backend_services,
    maintenance_name,
    maintenance_values,
    render_maintenance_route,
)

if TYPE_CHECKING:
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
        original = cluster.get("routes", settings.route_name)
        if original is None:
            _say_why_missing(settings, cluster, log)
            return
        log.say(f"https://{original['spec']['host']}{original['spec'].get('path', '')}")

    with log.phase("Check that the page is ready"):
        _require_ready_page(cluster)

    if templates:
        with log.phase("Check the way back"):
            _require_way_back(original, original_from_template(settings, cluster, templates))
            log.say("the original's template is there, and renders to this Route")

    with log.phase(f"Create the maintenance Route {ours}"):
        manifest = render_maintenance_route(route_template, _values(settings, original))
        cluster.apply("routes", manifest)
        if settings.subpath:
            log.now(
                f"Users of {settings.subpath} may meet the page; the rest is untouched. To end it: run the job delete.",
                switched=True,
            )
        else:
            log.now(f"Route {ours} waits for the host; users still reach the application.", switched=False)
        wait_until_seen(cluster, ours, admitting_routers(original), log=log)

    if not settings.subpath:
        with log.phase(f"Delete the original Route {settings.route_name}"):
            cluster.delete("routes", original)
            log.now(
                f"The original Route is deleted; its host is left to Route {ours}. To put it back: run the job delete.",
                switched=True,
            )

    with log.phase("Wait until the routers serve the page"):
        wait_until_admitted(cluster, ours, admitting_routers(original), timeout=settings.admission_timeout, log=log)
        wait_until_reloaded(settings.router_reload_interval, log=log)

    _say_what_users_see(settings, cluster, original, log)


def _values(settings: RouteSettings, original: Object) -> Object:
    return maintenance_values(
        original,
        subpath=settings.subpath,
        pipeline=settings.ci_pipeline_id,
        pipeline_url=settings.ci_pipeline_url,
    )


def _say_why_missing(settings: RouteSettings, cluster: OpenShift, log: JobLog) -> None:
    """End well where the whole Route is in maintenance already; otherwise raise."""
    whole = cluster.get("routes", maintenance_name(settings.route_name, None))
    if whole is None:
        raise MaintenanceError(
            f"Route {settings.route_name} is not in namespace {settings.project}.",
            f"Check ROUTE_NAME and PROJECT: oc get routes -n {settings.project}",
        )
    log.end(
        f"Route {settings.route_name} is in maintenance already: users of {whole['spec']['host']} meet the page.",
        "Nothing was changed. To end it, run the job delete.",
    )


def _require_ready_page(cluster: OpenShift) -> None:
    slices = cluster.select("endpointslices", {"kubernetes.io/service-name": PAGE})
    endpoints = [endpoint for found in slices for endpoint in found.get("endpoints") or []]
    if not any((endpoint.get("conditions") or {}).get("ready") for endpoint in endpoints):
        raise MaintenanceError(
            f"The maintenance page is not ready: Service {PAGE} has no ready endpoint.",
            "Run the job build-and-deploy first.",
        )


def _require_way_back(original: Object, restored: Object) -> None:
    """Refuse what the template would not bring back, before anything is deleted."""
    live, wanted = original["spec"], restored["spec"]
    if wanted["host"] != live["host"]:
        raise MaintenanceError(
            "The original's template has another host than the Route.", "Correct the template first."
        )
    lost = (live.get("tls") or {}).get("destinationCACertificate")
    if lost and not (wanted.get("tls") or {}).get("destinationCACertificate"):
        raise MaintenanceError(
            "The original's template lacks the Route's destinationCACertificate: it would be lost.",
            "Add it to the template first.",
        )


def _say_what_users_see(settings: RouteSettings, cluster: OpenShift, original: Object, log: JobLog) -> None:
    path = settings.subpath or original["spec"].get("path", "")
    log.end(
        f"Users of https://{original['spec']['host']}{path or '/'} now meet the maintenance page.",
        f"To end it: click the job delete of this pipeline{_in_pipeline(settings)}.",
        "To look at the application meanwhile:",
        *(f"   {line}" for line in _port_forwards(cluster, original)),
    )


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

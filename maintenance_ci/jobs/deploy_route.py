"""Job ``deploy-route``: users of the Route, or of one path of it, meet the maintenance page."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from maintenance_ci.names import PAGE, PIPELINE_URL_ANNOTATION, SERVICE_LABEL, snapshot_name
from maintenance_ci.plan.checks import require_ours
from maintenance_ci.plan.manual_steps import commands_to_end
from maintenance_ci.plan.page_route import backend_services, routes_beside
from maintenance_ci.plan.repoint import REPOINT, merge_patch
from maintenance_ci.plan.route_access import needs_endpoints, other_ways, public_url, service_port
from maintenance_ci.plan.situation import SUBPATH, SWAP, pipeline_of
from maintenance_ci.run.admission import wait_until_admitted, wait_until_seen
from maintenance_ci.run.preflight import Switch, before_deploy, look, original_of
from maintenance_ci.run.probe import Outcome, Side
from maintenance_ci.run.restore import kept_original
from maintenance_ci.run.roll_back import rolled_back_on_failure
from maintenance_ci.run.snapshots import keep_snapshot
from maintenance_ci.run.switching import insist, look_once, note_pipeline, wait_until_seen_by_users

if TYPE_CHECKING:
    from maintenance_ci.cluster.openshift import Object, OpenShift
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.plan.situation import Situation
    from maintenance_ci.settings.variables import RouteSettings
    from maintenance_ci.templates.project import TemplateProject


def deploy_route(
    settings: RouteSettings, cluster: OpenShift, templates: TemplateProject | None, route_template: str, log: JobLog
) -> None:
    """Send users to the page: by a Route in the original's place, by the original itself, or by one more for a path.

    Args:
        settings: the pipeline's variables.
        cluster: the Route's namespace.
        templates: where the original's template is; None with a SUBPATH, which restores nothing.
        route_template: the maintenance Route's Jinja2 template.
        log: what the job says.
    """
    with log.phase(f"Read Route {settings.route_name}"):
        found = look(settings, cluster)
        original = original_of(settings, found)
        log.record.url = public_url(original, settings.subpath)
        log.say(log.record.url)

    if found.in_maintenance and not settings.subpath:
        _confirm_maintenance(settings, cluster, found, original, log)
        return

    with log.phase("Check what could go wrong"):
        switch = before_deploy(settings, cluster, templates, route_template, found, original, log)
        switch.refusals.raise_any()
        log.say(SAID[switch.strategy])
        switch.met_before = look_once(settings, original, log)
        port_forwards = _port_forwards(cluster, original)
        others = other_ways(original, found.routes.values(), {found.route_name, found.ours})

    with rolled_back_on_failure(settings, cluster, found, switch, log):
        if switch.strategy != SUBPATH:
            with log.phase("Keep a snapshot of the original"):
                keep_snapshot(settings, cluster, switch, log)
        SWITCHES[switch.strategy](cluster, found, switch, log)

        with log.phase("Wait until users meet the page"):
            if switch.strategy != REPOINT:
                wait_until_admitted(
                    cluster, found.ours, switch.routers, timeout=settings.admission_timeout, log=log, nudge=True
                )
            seen = wait_until_seen_by_users(settings, switch.manifest, Side.PAGE, log) is Outcome.SEEN

    log.now("Users were sent to the maintenance page. To end it: run the job delete.", switched=False, by_hand=[])
    url = public_url(switch.manifest)
    beside = routes_beside(switch.manifest, found.routes.values(), {found.route_name, found.ours})
    but = f", but for what other Routes of the host serve: {', '.join(beside)}" if beside else ""
    unseen = f"Users of {url} were sent to the maintenance page{but}; whether they meet it was not seen from here."
    log.end(
        f"Users of {url} now meet the maintenance page{but}." if seen else unseen,
        f"To end it: click the job delete of this pipeline{_in_pipeline(settings)}.",
        *_meanwhile(others, port_forwards),
    )


def _add(cluster: OpenShift, found: Situation, switch: Switch, log: JobLog) -> None:
    """One more Route, for the path: the original is not touched."""
    with log.phase(f"Create the maintenance Route {found.ours}"):
        switch.made = True
        cluster.apply("routes", switch.manifest)


def _swap(cluster: OpenShift, found: Situation, switch: Switch, log: JobLog) -> None:
    """A Route in the original's place: it waits for the host, and takes it in the step that frees it."""
    with log.phase(f"Create the maintenance Route {found.ours}"):
        switch.begun = True
        cluster.apply("routes", switch.manifest)
        wait_until_seen(cluster, found.ours, switch.routers, log=log)
    with log.phase(f"Delete the original Route {found.route_name}, which the snapshot keeps"):
        if found.original:
            switch.made = True
            cluster.delete("routes", found.original)


def _repoint(cluster: OpenShift, found: Situation, switch: Switch, log: JobLog) -> None:
    """The original itself, in one patch: it never lets go of its host."""
    with log.phase(f"Send Route {found.route_name} to the page"):
        if found.original:
            switch.made = True
            cluster.patch("routes", found.original, merge_patch(found.original, switch.manifest))


SWITCHES = {SUBPATH: _add, SWAP: _swap, REPOINT: _repoint}
SAID = {
    SUBPATH: "by a Route for the path: the original is not touched",
    SWAP: "by swap: a maintenance Route takes the host over, then the original is deleted",
    REPOINT: "by repoint: the original itself is sent to the page, and keeps its host",
}


def _confirm_maintenance(
    settings: RouteSettings, cluster: OpenShift, found: Situation, original: Object, log: JobLog
) -> None:
    """End well where the whole Route is in maintenance already, and users see it; otherwise raise."""
    noted = found.noted or original
    require_ours(found.whole, settings.route_name)
    with log.phase(
        f"Route {settings.route_name} is in maintenance already ({found.begun}): confirm that users meet it"
    ):
        snapshot = cluster.get("secrets", snapshot_name(settings.route_name))
        kept = kept_original(snapshot, log)
        others = other_ways(kept, found.routes.values(), {found.route_name, found.ours}) if kept else []
        port_forwards = _port_forwards(cluster, kept) if kept else []
        if snapshot is None:
            log.warn("there is no snapshot of the original any more: only its template can bring it back")
        log.now(
            f"It was put into maintenance before, by {found.begun}. To end it: run the job delete.",
            switched=True,
            by_hand=commands_to_end(settings.project, found, repointed=found.repointed, kept=kept is not None),
        )
        note = partial(note_pipeline, settings, cluster, noted["metadata"]["name"])
        insist(note, "the pipeline to be noted", timeout=settings.admission_timeout, log=log)
        if found.begun == SWAP:
            wait_until_admitted(cluster, found.ours, frozenset(), timeout=settings.admission_timeout, log=log)
        seen = wait_until_seen_by_users(settings, noted, Side.PAGE, log) is Outcome.SEEN
    if settings.route_strategy != found.begun:
        log.say(f"ROUTE_STRATEGY={settings.route_strategy} has no effect now: it was begun by {found.begun}")
    met = f"users of {public_url(noted)} meet the page" if seen else "whether users meet the page was not seen"
    log.end(
        f"Route {settings.route_name} is in maintenance already, as a whole: {met}.",
        f"To end it: run the job delete{_of_newest_pipeline(settings, noted)}.",
        *_meanwhile(others, port_forwards),
    )


def _meanwhile(others: list[str], port_forwards: list[str]) -> list[str]:
    """Return what leads to the application during its maintenance: other Routes, and a person's own way."""
    look = ["To look at the application meanwhile:", *port_forwards] if port_forwards else []
    return [*(f"{way}: who comes there does not meet the page." for way in others), *look]


def _of_newest_pipeline(settings: RouteSettings, noted: Object) -> str:
    """Name the pipeline whose ``delete`` may end a maintenance that several have wanted."""
    url = settings.ci_pipeline_url
    if (pipeline_of(noted) or 0) > int(settings.ci_pipeline_id or 0):
        url = (noted["metadata"].get("annotations") or {}).get(PIPELINE_URL_ANNOTATION, "")
    return f" of pipeline {url}" if url else ""


def _in_pipeline(settings: RouteSettings) -> str:
    return f" ({settings.ci_pipeline_url})" if settings.ci_pipeline_url else ""


def _port_forwards(cluster: OpenShift, original: Object) -> list[str]:
    """Return a line for each Service behind the Route: oc forwards its port, as the Route picks it, to this machine."""
    target = (original["spec"].get("port") or {}).get("targetPort")
    lines = []
    for name in sorted(backend_services(original) - {PAGE}):
        ports = ((cluster.get("services", name) or {}).get("spec") or {}).get("ports") or []
        slices = cluster.select("endpointslices", {SERVICE_LABEL: name}) if needs_endpoints(ports, target) else []
        port = service_port(ports, target, [port for one in slices for port in one.get("ports") or []])
        if port:
            local = port if port >= 1024 else port + 8000
            lines.append(f"   oc port-forward --namespace {cluster.namespace} service/{name} {local}:{port}")
    return lines

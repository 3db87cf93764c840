"""Command ``plan``: what ``deploy-route`` or ``delete`` would do, and what stands in its way; nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.log.log import NOTHING_CHANGED
from maintenance_ci.names import PAGE, snapshot_name
from maintenance_ci.plan.checks import require_ours
from maintenance_ci.plan.page_route import routes_to
from maintenance_ci.plan.repoint import REPOINT
from maintenance_ci.plan.route_access import other_ways, public_url
from maintenance_ci.plan.situation import SUBPATH, SWAP
from maintenance_ci.plan.verdicts import drain_time
from maintenance_ci.run.preflight import before_delete, before_deploy, look, original_of
from maintenance_ci.run.switching import look_once

if TYPE_CHECKING:
    from maintenance_ci.cluster.openshift import OpenShift
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.plan.situation import Situation
    from maintenance_ci.run.preflight import Return, Switch
    from maintenance_ci.settings.variables import RouteSettings
    from maintenance_ci.templates.project import TemplateProject


def plan_deploy(
    settings: RouteSettings,
    cluster: OpenShift,
    templates: TemplateProject | None,
    route_template: str,
    log: JobLog,
    *,
    page_later: bool = False,
) -> None:
    """Say what ``deploy-route`` would do; with ``page_later`` as after a `build-and-deploy`, which makes the page.

    Raises:
        MaintenanceError: it would refuse; all reasons at once.
    """
    with log.phase(f"Look at Route {settings.route_name}"):
        found = look(settings, cluster)
        original = original_of(settings, found)
        log.record.url = public_url(original, settings.subpath)
        log.say(log.record.url)
        confirmed = found.in_maintenance and not settings.subpath
        if confirmed:
            log.say(f"it is in maintenance already, by {found.begun}: deploy-route would only confirm it")
    if confirmed:
        log.end("To end it: run the job delete.", NOTHING_CHANGED)
        return
    with log.phase("Check what could go wrong"):
        switch = before_deploy(
            settings, cluster, templates, route_template, found, original, log, page_later=page_later
        )
        if switch.strategy != SUBPATH:
            with switch.refusals.gather("the snapshot's name is free, or ours"):
                require_ours(cluster.get("secrets", snapshot_name(settings.route_name)), settings.route_name)
    with log.phase("What deploy-route would do"):
        for step in _deploy_steps(settings, found, switch):
            log.say(f"- {step}")
        for way in other_ways(original, found.routes.values(), {found.route_name, found.ours}):
            log.warn(f"{way}: who comes there does not meet the page.")
        look_once(settings, original, log)
    switch.refusals.raise_any()
    log.end(
        "To do it: run the job deploy-route; in GitLab, run the pipeline with PLAN_ONLY=false.",
        f"Nothing stands in the way of deploy-route. {NOTHING_CHANGED}",
    )


def plan_delete(settings: RouteSettings, cluster: OpenShift, templates: TemplateProject | None, log: JobLog) -> None:
    """Say what ``delete`` would do.

    Raises:
        MaintenanceError: it would refuse; all reasons at once.
    """
    with log.phase(f"Look at Route {settings.route_name}"):
        found = look(settings, cluster)
        log.record.strategy = SUBPATH if settings.subpath else found.begun
    with log.phase("Check what could go wrong"):
        way = before_delete(settings, cluster, templates, found, log)
    with log.phase("What delete would do"):
        for step in _delete_steps(settings, found, way):
            log.say(f"- {step}")
    way.refusals.raise_any()
    log.end(
        "To do it: run the job delete; in GitLab, click it in the pipeline, or Stop in the list of environments.",
        f"Nothing stands in the way of delete. {NOTHING_CHANGED}",
    )


def _deploy_steps(settings: RouteSettings, found: Situation, switch: Switch) -> list[str]:
    snapshot = f"keep a snapshot of Route {settings.route_name} in the Secret {snapshot_name(settings.route_name)}"
    create = f"create Route {found.ours}, which shows the page on {_place(switch)}"
    window = drain_time(settings.router_reload_interval)
    wait = f"wait until users meet the page, {window:g} s in a row; roll back if they do not"
    if switch.strategy == SWAP:
        return [snapshot, create, f"delete Route {settings.route_name}, which leaves its host to {found.ours}", wait]
    if switch.strategy == REPOINT:
        return [snapshot, f"send Route {settings.route_name} to the page by one patch; its host stays its own", wait]
    return [create, wait]


def _delete_steps(settings: RouteSettings, found: Situation, way: Return) -> list[str]:
    steps = []
    if way.restored:
        verb = "send Route {} back to the application by one patch" if found.repointed else "create Route {} again"
        steps.append(verb.format(settings.route_name))
    if found.maintenance:
        steps.append(f"delete Route {found.ours}")
    steps.append("wait until users meet the application")
    if way.snapshot:
        steps.append(f"remove the Secret {snapshot_name(settings.route_name)}")
    leaving = {found.ours} | ({settings.route_name} if settings.subpath is None else set())
    users = [name for name in routes_to(PAGE, found.routes.values()) if name not in leaving]
    steps.append(f"leave the page, needed by {', '.join(users)}" if users else "remove the page")
    return steps


def _place(switch: Switch) -> str:
    return public_url(switch.manifest) if switch.manifest else public_url(switch.original)

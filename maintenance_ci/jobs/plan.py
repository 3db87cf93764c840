"""Command ``plan``: what ``deploy-route`` or ``delete`` would do, and what stands in its way; nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.jobs.delete import strategy_in
from maintenance_ci.log.outcome import NOTHING_CHANGED
from maintenance_ci.plan.describe import lines_of
from maintenance_ci.plan.route_access import other_ways, public_url
from maintenance_ci.plan.steps import Direction
from maintenance_ci.run.check import check_all
from maintenance_ci.run.observe import observe, observe_begin, observe_end, observe_snapshot, require_route
from maintenance_ci.run.users import look_once

if TYPE_CHECKING:
    from maintenance_ci.cluster.openshift import OpenShift
    from maintenance_ci.log.log import JobLog
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
        observed = observe(settings, cluster)
        original = require_route(observed)
        log.record.url = public_url(original, settings.subpath)
        log.say(log.record.url)
    with log.phase("Check what could go wrong"):
        observed, plan = observe_begin(settings, cluster, templates, route_template, observed, page_later=page_later)
        log.record.strategy = plan.strategy
        refusals = check_all(settings, observed, plan, log, page_later=page_later)
    if plan.direction is Direction.CONFIRM:
        refusals.raise_any()
        log.say(f"it is in maintenance already, by {plan.strategy}: deploy-route would only confirm it")
        log.end("To end it: run the job delete.", NOTHING_CHANGED)
        return
    with log.phase("What deploy-route would do"):
        for line in lines_of(plan, observed, reload_interval=settings.router_reload_interval):
            log.say(f"- {line}")
        for way in other_ways(original, observed.routes.values(), {observed.route_name, observed.page_route_name}):
            log.warn(f"{way}: users of these Routes do not meet the page.")
        look_once(settings, original, log)
    refusals.raise_any()
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
        observed = observe(settings, cluster)
        log.record.strategy = strategy_in(observed)
    with log.phase("Check what could go wrong"):
        observed = observe_snapshot(settings, cluster, observed)
        observed, plan = observe_end(settings, cluster, templates, observed)
        refusals = check_all(settings, observed, plan, log)
    with log.phase("What delete would do"):
        for line in lines_of(plan, observed, reload_interval=settings.router_reload_interval):
            log.say(f"- {line}")
    refusals.raise_any()
    log.end(
        "To do it: run the job delete; in GitLab, click it in the pipeline, or Stop in the list of environments.",
        f"Nothing stands in the way of delete. {NOTHING_CHANGED}",
    )

"""Command ``plan``: what ``deploy-route`` or ``delete`` would do, and what stands in its way; nothing is changed."""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import TYPE_CHECKING

from maintenance_ci.jobs.delete import strategy_in
from maintenance_ci.log.outcome import NOTHING_CHANGED
from maintenance_ci.names import name_for_testers
from maintenance_ci.plan.describe import line_of_page, no_longer_for_testers
from maintenance_ci.plan.plan_table import plan_document, plan_row, plan_table
from maintenance_ci.plan.route_access import other_ways
from maintenance_ci.plan.steps import Direction
from maintenance_ci.run.check import check_all
from maintenance_ci.run.observe import observe_begin, observe_end, observe_snapshot, require_route
from maintenance_ci.run.shared_reads import SharedReads
from maintenance_ci.run.targets import (
    for_each,
    plan_each,
    raise_refusals,
    read_targets,
    require_routes,
    tell_texts,
    title_of_targets,
)
from maintenance_ci.run.users import look_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maintenance_ci.cluster.openshift import OpenShift
    from maintenance_ci.errors import MaintenanceError
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.log.route_log import RouteLog
    from maintenance_ci.plan.plan_table import PlanRow
    from maintenance_ci.run.targets import Planned, Target
    from maintenance_ci.settings.variables import RoutesSettings
    from maintenance_ci.templates.project import TemplateProject

    Refused = list[tuple[RouteLog, MaintenanceError]]


def plan_deploy(
    settings: RoutesSettings,
    cluster: OpenShift,
    templates: TemplateProject | None,
    route_template: str,
    log: JobLog,
    *,
    page_later: bool = False,
    as_json: bool = False,
) -> None:
    """Say what ``deploy-route`` would do; with ``page_later`` as after a `build-and-deploy`, which makes the page.

    With ``as_json`` all of it is written to stdout, as one JSON document.

    Raises:
        MaintenanceError: it would refuse; all reasons at once.
    """
    with log.phase(f"Look at {title_of_targets(settings)}"):
        targets = read_targets(settings, cluster, log)
        require_routes(targets)
    with log.phase("Check what could go wrong"):
        read = partial(observe_begin, SharedReads(cluster), templates, route_template, page_later=page_later)
        planned = plan_each(targets, read)
        refused = check_all(planned, page_later=page_later)
        rows = _rows(planned, refused)
    only_confirmed = all(one.plan.direction is Direction.CONFIRM for one in planned)
    if only_confirmed and len(planned) == 1:
        raise_refusals(refused)
        would = "change what users read" if planned[0].plan.informs else "only confirm it"
        log.say(f"it is in maintenance already, by {planned[0].plan.strategy}: deploy-route would {would}")
        tell_texts(planned, log)
    else:
        with log.phase("What deploy-route would do"):
            _tell(rows, log)
            if settings.tester_access:
                names = sorted({name_for_testers(one.settings.route_name) for one in planned})
                admitted = ", ".join(settings.tester_addresses)
                log.say(f"- before the switch, let testers in from {admitted} alone, by Route {', '.join(names)}")
            tell_texts(planned, log)
            _tell_other_ways(planned, log)
            for_each(planned, _look)
    _end(plan_document(settings.project, "deploy-route", rows, "keep the page"), refused, as_json=as_json)
    if only_confirmed:
        log.end("To end it: run the job delete.", NOTHING_CHANGED)
        return
    log.end(
        "To do it: run the job deploy-route; in GitLab, run the pipeline with ACTION=begin, without PLAN_ONLY.",
        f"Nothing stands in the way of deploy-route. {NOTHING_CHANGED}",
    )


def plan_delete(
    settings: RoutesSettings,
    cluster: OpenShift,
    templates: TemplateProject | None,
    log: JobLog,
    *,
    as_json: bool = False,
) -> None:
    """Say what ``delete`` would do; arguments and errors as of `plan_deploy`."""
    with log.phase(f"Look at {title_of_targets(settings)}"):
        targets = read_targets(settings, cluster, log)
        for target in targets:
            target.log.row.strategy = strategy_in(target.observed)
    with log.phase("Check what could go wrong"):
        for_each(targets, partial(_read_snapshot, cluster))
        planned = plan_each(targets, partial(observe_end, SharedReads(cluster, len(targets)), templates))
        refused = check_all(planned)
        rows = _rows(planned, refused)
    with log.phase("What delete would do"):
        _tell(rows, log)
        ending = [one.observed for one in planned]
        for name in no_longer_for_testers(ending):
            log.say(f"- remove Route {name}, which lets testers in")
        page = line_of_page(ending)
        log.say(f"- {page}")
    _end(plan_document(settings.project, "delete", rows, page), refused, as_json=as_json)
    log.end(
        "To do it: run the job delete; in GitLab, click it, or run the pipeline with ACTION=end.",
        f"Nothing stands in the way of delete. {NOTHING_CHANGED}",
    )


def _read_snapshot(cluster: OpenShift, target: Target) -> None:
    target.observed = observe_snapshot(target.settings, cluster, target.observed)


def _tell(rows: Sequence[PlanRow], log: JobLog) -> None:
    """Say what would be done: step by step for one Route, in a table for several."""
    lines = [f"- {step}" for step in rows[0].steps] if len(rows) == 1 else plan_table(rows)
    for line in lines:
        log.say(line)


def _rows(planned: Sequence[Planned], refused: Refused) -> list[PlanRow]:
    return [
        plan_row(
            one.observed,
            one.plan,
            [error for log, error in refused if log is one.log],
            reload_interval=one.settings.router_reload_interval,
        )
        for one in planned
    ]


def _tell_other_ways(planned: Sequence[Planned], log: JobLog) -> None:
    """Warn of what leads to the applications and stays as it is."""
    own_names = {name for one in planned for name in one.observed.own_names}
    originals = [require_route(one.observed) for one in planned]
    for way in other_ways(originals, planned[0].observed.routes.values(), own_names):
        log.warn(f"{way}: users of these Routes do not meet the page.")


def _look(planned: Planned) -> None:
    look_once(planned.settings, require_route(planned.observed), planned.log)


def _end(document: dict[str, object], refused: Refused, *, as_json: bool) -> None:
    """Write the JSON document, if it is asked for, and refuse what is refused."""
    if as_json:
        sys.stdout.write(f"{json.dumps(document, indent=2)}\n")
        sys.stdout.flush()
    raise_refusals(refused)

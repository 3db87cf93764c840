"""Job ``delete``: the applications are back, and the page is removed when no other Route uses it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from maintenance_ci.names import PAGE
from maintenance_ci.plan.describe import commands_to_end, commands_to_forget, commands_to_remove_page
from maintenance_ci.plan.due import why_not_ended
from maintenance_ci.plan.observed import Phase
from maintenance_ci.plan.page_route import routes_to
from maintenance_ci.plan.plans import plan_end
from maintenance_ci.plan.strategies import SUBPATH
from maintenance_ci.run.check import check_all
from maintenance_ci.run.execute import begin_runs, execute
from maintenance_ci.run.observe import observe_end, observe_snapshot, page_users
from maintenance_ci.run.probe import Outcome
from maintenance_ci.run.shared_reads import SharedReads
from maintenance_ci.run.targets import (
    Target,
    for_each,
    plan_each,
    raise_refusals,
    read_targets,
    require_success,
    title_of_targets,
)
from maintenance_ci.run.testers import keep_testers_out
from maintenance_ci.run.undo import Undo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maintenance_ci.cluster.openshift import OpenShift
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.page.helm import Helm
    from maintenance_ci.plan.observed import Observed
    from maintenance_ci.run.execute import Run
    from maintenance_ci.settings.variables import RoutesSettings
    from maintenance_ci.templates.project import TemplateProject


def delete(
    settings: RoutesSettings, cluster: OpenShift, templates: TemplateProject | None, helm: Helm, log: JobLog
) -> None:
    """Put the original Routes back, remove the maintenance Routes, then the page if nobody needs it.

    With ACTION=end only the maintenances that are due are ended, and the others are left as they are. ``templates`` are
    those of the originals; None with a SUBPATH, which restores nothing.
    """
    with log.phase(f"Read {title_of_targets(settings)}"):
        targets = read_targets(settings, cluster, log)
        for target in targets:
            _tell_observed(target)

    with log.phase("Check what could go wrong"):
        for_each(targets, partial(_read_snapshot, cluster))
        if settings.action == "end":
            now = datetime.now(UTC)
            targets = [target for target in targets if _is_due(target, now)]
        planned = plan_each(targets, partial(observe_end, SharedReads(cluster, len(targets)), templates))
        refused = check_all(planned)
        in_the_way = {log for log, _ in refused}
        ready = [one for one in planned if one.log not in in_the_way]
        # Nobody watches an end by itself: what stands in the way of one Route keeps no other one in maintenance.
        if settings.action != "end" or not ready:
            raise_refusals(refused)

    if not ready:
        log.end("Nothing was ended, and nothing was changed.")
        return
    runs = begin_runs(ready, cluster)
    execute(cluster, runs, Undo(cluster), log)
    require_success(runs, refused)

    with log.phase("Remove the page, if no Route needs it any more"):
        showing_page = page_users(cluster, targets[0].observed.routes.values())
        keep_testers_out(cluster, runs, showing_page, log)
        shown_by = routes_to(PAGE, showing_page)
        if shown_by:
            log.say(f"it stays: {', '.join(shown_by)} shows it")
        else:
            cluster.guard()
        removed = not shown_by and helm.uninstall(PAGE)

    page = "The page is removed." if removed else "There was no page to remove."
    not_yet = any(run.seen is Outcome.NOT_YET for run in runs)
    remains = "Next: start the application." if not_yet else "Nothing remains to be done."
    log.end(
        *(_ended(run, shown_by) for run in runs),
        f"The page stays: {', '.join(shown_by)} shows it." if shown_by else page,
        "To end that maintenance, too: run the job delete of its pipeline." if shown_by else remains,
    )


def _tell_observed(target: Target) -> None:
    """Say whether the Route is in maintenance, and note what a failure leaves as it is."""
    observed = target.observed
    target.log.row.strategy = strategy_in(observed)
    target.log.say(_describe(observed))
    # Whether there is a snapshot is not known yet: of a whole Route there should be one.
    _tell_unchanged(target, snapshot=True, forget=[] if observed.subpath else commands_to_forget(observed))


def _read_snapshot(cluster: OpenShift, target: Target) -> None:
    target.observed = observe_snapshot(target.settings, cluster, target.observed)
    _tell_unchanged(target, snapshot=target.observed.saved_original is not None)


def _is_due(target: Target, now: datetime) -> bool:
    """Tell whether a pipeline that only ends maintenances ends this one; where it does not, say why."""
    why_not = why_not_ended(target.observed, force=target.settings.force, now=now)
    if why_not:
        target.log.say(why_not)
        target.log.outcome.set("Nothing was changed.", manual_steps=[])
    return not why_not


def strategy_in(observed: Observed) -> str | None:
    """Return the strategy of the maintenance that is to end; None where there is none."""
    return SUBPATH if observed.subpath else observed.active_strategy


def _tell_unchanged(target: Target, *, snapshot: bool, forget: Sequence[str] = ()) -> None:
    """Note what a failure leaves as it is, and the commands that end the maintenance without this job.

    Of a switch that was cut short half-way users may meet either side.
    """
    settings, observed = target.settings, target.observed
    if observed.annotated_route:
        commands = commands_to_end(plan_end(settings, observed), observed, snapshot=snapshot)
        shown = observed.phase is Phase.SHOWN
        target.log.outcome.set(
            f"Nothing was changed{': users still meet the page' if shown else ''}.",
            manual_steps=[*commands, *forget, *commands_to_remove_page(settings.project)],
        )


def _describe(observed: Observed) -> str:
    if observed.annotated_route is None and observed.subpath is None and observed.is_unserved_restore:
        return "an earlier run put it back, and no router serves it yet"
    if observed.annotated_route is None:
        return "it is not in maintenance: the maintenance has ended, or never began"
    by = observed.active_strategy if observed.subpath is None else f"Route {observed.page_route_name}"
    return f"it is in maintenance, by {by}"


def _ended(run: Run, shown_by: Sequence[str]) -> str:
    """Say what users of the Route meet now."""
    observed, settings = run.observed, run.settings
    place = f"{settings.subpath} of Route {settings.route_name}" if settings.subpath else f"Route {settings.route_name}"
    own_names = (*observed.path_routes, observed.route_name, observed.page_route_name)
    still = [name for name in shown_by if name in own_names]
    but = f", except for what {', '.join(still)} still shows." if still else "."
    if settings.subpath and observed.active_strategy:
        return f"{place} has no maintenance of its own now; that of the whole Route goes on."
    if not run.plan.changes:
        return f"{place} is not in maintenance{but}"
    if run.seen is Outcome.NOT_YET:
        return f"{place} is out of maintenance{but} Its application does not run: the router answers its users 503."
    if run.seen is Outcome.UNSEEN:
        return f"{place} is out of maintenance{but} The runner could not see whether its users reach the application."
    return f"{place} is out of maintenance, and its users reach the application again{but}"

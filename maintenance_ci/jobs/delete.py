"""Job ``delete``: the application is back, and the page is removed when no other Route uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.names import PAGE
from maintenance_ci.plan.describe import commands_to_end, commands_to_forget, commands_to_remove_page
from maintenance_ci.plan.observed import Phase
from maintenance_ci.plan.page_route import routes_to
from maintenance_ci.plan.plans import plan_end
from maintenance_ci.plan.steps import Verb
from maintenance_ci.plan.strategies import SUBPATH
from maintenance_ci.run.changes import Changes
from maintenance_ci.run.check import require_all
from maintenance_ci.run.execute import Run, execute
from maintenance_ci.run.observe import observe, observe_end, observe_snapshot
from maintenance_ci.run.probe import Outcome
from maintenance_ci.run.undo import AGAIN, Undo, back

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maintenance_ci.cluster.openshift import OpenShift
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.page.helm import Helm
    from maintenance_ci.plan.observed import Observed
    from maintenance_ci.settings.variables import RouteSettings
    from maintenance_ci.templates.project import TemplateProject


def delete(
    settings: RouteSettings, cluster: OpenShift, templates: TemplateProject | None, helm: Helm, log: JobLog
) -> None:
    """Put the original Route back, remove the maintenance Route, then the page if nobody needs it.

    Args:
        settings: the pipeline's variables.
        cluster: the Route's namespace.
        templates: where the original's template is; None with a SUBPATH, which restores nothing.
        helm: what installed the page.
        log: what the job says.
    """
    with log.phase(f"Read Route {settings.route_name}"):
        observed = observe(settings, cluster)
        log.record.strategy = strategy_in(observed)
        log.say(_describe(observed))
        # Whether there is a snapshot is not known yet: of a whole Route there should be one.
        _tell_unchanged(
            settings, observed, log, snapshot=True, forget=[] if observed.subpath else commands_to_forget(observed)
        )

    with log.phase("Check what could go wrong"):
        observed = observe_snapshot(settings, cluster, observed)
        _tell_unchanged(settings, observed, log, snapshot=observed.saved_original is not None)
        observed, plan = observe_end(settings, cluster, templates, observed)
        require_all(settings, observed, plan, log)

    run = Run(settings, observed, plan, Changes(settings, cluster, observed, plan.strategy, log.say))
    execute(cluster, [run], Undo(cluster, log), log)
    if run.error:
        raise run.error
    if plan.steps[-1].change.verb is Verb.FORGET:
        users = f"{back(run)} the application. Only the page may be left."
        log.outcome.set(users, manual_steps=commands_to_remove_page(settings.project), next_step=AGAIN)

    with log.phase("Remove the page, if no Route needs it any more"):
        page_users = routes_to(PAGE, cluster.select("routes"))
        if page_users:
            log.say(f"it stays: {', '.join(page_users)} shows it")
        else:
            cluster.guard()
        removed = not page_users and helm.uninstall(PAGE)

    page = "The page is removed." if removed else "There was no page to remove."
    remains = "Next: start the application." if run.seen is Outcome.NOT_YET else "Nothing remains to be done."
    log.end(
        _ended(run, page_users),
        f"The page stays: {', '.join(page_users)} shows it." if page_users else page,
        "To end that maintenance, too: run the job delete of its pipeline." if page_users else remains,
    )


def strategy_in(observed: Observed) -> str | None:
    """Return the strategy of the maintenance that is to end; None where there is none."""
    return SUBPATH if observed.subpath else observed.active_strategy


def _tell_unchanged(
    settings: RouteSettings, observed: Observed, log: JobLog, *, snapshot: bool, forget: Sequence[str] = ()
) -> None:
    """Note what a failure leaves as it is, and the commands that end the maintenance without this job.

    Of a switch that was cut short half-way users may meet either side.
    """
    if observed.annotated_route:
        commands = commands_to_end(plan_end(settings, observed), observed, snapshot=snapshot)
        shown = observed.phase is Phase.SHOWN
        log.outcome.set(
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


def _ended(run: Run, page_users: Sequence[str]) -> str:
    """Say what users of the Route meet now."""
    observed, settings = run.observed, run.settings
    place = f"{settings.subpath} of Route {settings.route_name}" if settings.subpath else f"Route {settings.route_name}"
    ours = (*observed.path_routes, observed.route_name, observed.page_route_name)
    still = [name for name in page_users if name in ours]
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

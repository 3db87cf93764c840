"""Job ``delete``: the application is back, and the page is removed when no other Route uses it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from maintenance_ci.names import PAGE
from maintenance_ci.plan.manual_steps import commands_to_end, commands_to_forget, commands_to_remove_page
from maintenance_ci.plan.page_route import routes_to
from maintenance_ci.plan.situation import SUBPATH
from maintenance_ci.plan.verdicts import admitting_routers
from maintenance_ci.run.admission import wait_until_admitted, wait_until_reloaded, wait_until_seen
from maintenance_ci.run.preflight import before_delete, look
from maintenance_ci.run.probe import Outcome, Side
from maintenance_ci.run.restore import bring_back
from maintenance_ci.run.roll_back import page_again_on_failure, taken_back_on_failure
from maintenance_ci.run.snapshots import remove_snapshot
from maintenance_ci.run.switching import insist, remove_route, wait_until_seen_by_users
from maintenance_ci.run.there_again import shows_page_as_a_whole, waits_since_our_last_run
from maintenance_ci.settings.force import Force

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maintenance_ci.cluster.openshift import OpenShift
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.page.helm import Helm
    from maintenance_ci.plan.situation import Situation
    from maintenance_ci.run.preflight import Return
    from maintenance_ci.settings.variables import RouteSettings
    from maintenance_ci.templates.project import TemplateProject


AGAIN = "Run the job delete again."


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
        found = look(settings, cluster)
        log.record.strategy = SUBPATH if settings.subpath else found.begun
        log.say(_said(found))
        if found.noted:
            commands = commands_to_end(settings.project, found, repointed=found.repointed, instead=True)
            log.now(_unchanged(found), switched=False, by_hand=commands)

    with log.phase("Check what could go wrong"):
        way = before_delete(settings, cluster, templates, found, log)
        way.refusals.raise_any()

    with taken_back_on_failure(settings, cluster, way, log):
        if way.certified:
            with log.phase(f"Let Route {settings.route_name}, which is there, keep its certificate"):
                _keep_certificate(settings, cluster, way, found, log)
        if way.restored:
            with log.phase(f"Put Route {settings.route_name} back"):
                _put_back(settings, cluster, way, found, log)
        elif found.maintenance and settings.subpath is None:
            with log.phase(f"Look whether the routers would serve Route {settings.route_name}, which is there"):
                # Those that serve either: of a switch that was cut short before its end, the original.
                routers = admitting_routers(found.maintenance) or admitting_routers(found.original)
                wait_until_seen(cluster, settings.route_name, routers, log=log)

        if found.maintenance:
            with log.phase(f"Delete the maintenance Route {found.ours}"):
                now = "The maintenance Route is deleted, or may be; the page still runs. Run the job delete again."
                with log.changing(now, switched=True):
                    away = partial(remove_route, cluster, found.ours)
                    insist(away, "the maintenance Route to go", timeout=settings.admission_timeout, log=log)

    with page_again_on_failure(settings, cluster, found, way, log), log.phase("Wait until users meet the application"):
        seen = _wait_for_users(settings, cluster, found, way, log)
        page_left = commands_to_remove_page(settings.project)
        left = [*(commands_to_forget(settings.project, found) if way.snapshot else []), *page_left]
        back = "Users reach" if seen is Outcome.SEEN else "Users were sent back to"
        log.now(f"{back} the application. {AGAIN}", switched=False, by_hand=left)

    if way.snapshot:
        with log.phase("Forget the snapshot"):
            forget = partial(remove_snapshot, cluster, settings.route_name)
            insist(forget, "the snapshot to go", timeout=settings.admission_timeout, log=log)
        log.now(f"{back} the application. Only the page may be left. {AGAIN}", switched=False, by_hand=page_left)

    removed = False
    with log.phase("Remove the page, if no Route needs it any more"):
        users = routes_to(PAGE, cluster.select("routes"))
        if users:
            log.say(f"it stays, needed by {', '.join(users)}")
        else:
            cluster.guard()
            removed = helm.uninstall(PAGE)

    page = "The page is removed." if removed else "There was no page to remove."
    remains = "Next: start the application." if seen is Outcome.NOT_YET else "Nothing remains to be done."
    log.end(
        _ended(settings, found, way, users, seen=seen),
        f"The page stays: {', '.join(users)} shows it." if users else page,
        "To end that as well: the job delete of its own pipeline." if users else remains,
    )


def _ended(settings: RouteSettings, found: Situation, way: Return, users: Sequence[str], *, seen: Outcome) -> str:
    place = f"{settings.subpath} of Route {settings.route_name}" if settings.subpath else f"Route {settings.route_name}"
    still = [name for name in users if name in (*found.parts, found.route_name, found.ours)]
    but = f", but for what {', '.join(still)} still shows." if still else "."
    if settings.subpath and found.begun:
        return f"{place} has no maintenance of its own now; that of the whole Route goes on."
    if _nothing_to_end(found, way):
        return f"{place} is not in maintenance{but}"
    if seen is Outcome.NOT_YET:
        return f"{place} is out of maintenance{but} Its application does not run: the router answers its users 503."
    if seen is Outcome.UNSEEN:
        return f"{place} is out of maintenance{but} Whether its users reach the application was not seen from here."
    return f"{place} is out of maintenance, and its users reach the application again{but}"


def _nothing_to_end(found: Situation, way: Return) -> bool:
    return way.restored is None and way.snapshot is None and found.noted is None


def _unchanged(found: Situation, besides: str = "") -> str:
    """Say what a failure leaves as it was; of a switch that was cut short half-way users may meet either side."""
    shown = found.in_maintenance if found.subpath is None else found.maintenance
    return f"Nothing {besides}was changed{': users still meet the page' if shown else ''}."


def _said(found: Situation) -> str:
    if found.noted is None and found.subpath is None and waits_since_our_last_run(found.original):
        return "it was put back by a run before, and no router serves it yet"
    if found.noted is None:
        return "it is not in maintenance: that was ended already, or never begun"
    return f"it is in maintenance, by {found.begun if found.subpath is None else f'Route {found.ours}'}"


def _put_back(settings: RouteSettings, cluster: OpenShift, way: Return, found: Situation, log: JobLog) -> None:
    def put_back() -> None:
        routers = admitting_routers(found.maintenance)
        if way.restored:
            bring_back(cluster, way.restored, routers, log, before=way.kept, created=way.note_created)

    subject, timeout = "the original Route to be there", settings.admission_timeout
    if found.repointed:
        with log.changing("The original Route is its own again, or may be. Run the job delete again.", switched=True):
            insist(put_back, subject, timeout=timeout, log=log)
        return
    meanwhile = "; users still meet the page" if found.maintenance else ""
    log.now(f"The original Route may wait for its host{meanwhile}. Run the job delete again.", switched=False)
    insist(put_back, subject, timeout=timeout, log=log)


def _keep_certificate(settings: RouteSettings, cluster: OpenShift, way: Return, found: Situation, log: JobLog) -> None:
    def keep() -> None:
        live = cluster.get("routes", settings.route_name)
        if live and way.certified:
            cluster.patch("routes", live, {"spec": {"tls": way.certified["spec"]["tls"]}})

    insist(keep, "the certificate to be kept", timeout=settings.admission_timeout, log=log)
    log.now(f"Route {settings.route_name} got its certificate back. {_unchanged(found, 'else ')}", switched=False)


def _wait_for_users(settings: RouteSettings, cluster: OpenShift, found: Situation, way: Return, log: JobLog) -> Outcome:
    """Wait until the application is met, and say what was seen.

    Removing the page earlier would answer 503 where a router has not reloaded.
    """
    back = way.restored or found.original
    shown = found.in_maintenance or shows_page_as_a_whole(found)
    if back is None or _nothing_to_end(found, way) or (settings.subpath and shown):
        # A run before may have been cut short before it waited; or the page is still what users of the path meet.
        wait_until_reloaded(settings.router_reload_interval, log=log)
        return Outcome.UNSEEN
    if settings.subpath is None:
        routers = admitting_routers(found.noted)
        wait_until_admitted(
            cluster, settings.route_name, routers, timeout=settings.admission_timeout, log=log, nudge=True
        )
    # Forced: somebody knows that the application does not run. That users still meet the page is never excused.
    excused = Side.ROUTER if Force.ENDPOINTS in settings.force else None
    return wait_until_seen_by_users(settings, back, Side.APPLICATION, log, excused=excused)

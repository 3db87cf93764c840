"""When a switch fails, either way: users meet again what they met before it."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from maintenance_ci.errors import HostLostError, MaintenanceError, TryAgainError
from maintenance_ci.plan.manual_steps import commands_to_end, commands_to_find_holder, commands_to_forget
from maintenance_ci.plan.repoint import REPOINT, merge_patch
from maintenance_ci.plan.situation import SUBPATH, SWAP
from maintenance_ci.plan.snapshot import manifest_of
from maintenance_ci.plan.verdicts import admitting_routers
from maintenance_ci.run.admission import wait_until_admitted, wait_until_reloaded, wait_until_seen
from maintenance_ci.run.interruption import undisturbed
from maintenance_ci.run.preflight import Return, Switch, look
from maintenance_ci.run.probe import Outcome, Side
from maintenance_ci.run.restore import bring_back
from maintenance_ci.run.snapshots import remove_snapshot
from maintenance_ci.run.switching import insist, met_instead, remove_route, wait_until_seen_by_users
from maintenance_ci.run.there_again import shows_page_as_a_whole
from maintenance_ci.settings.force import Force

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maintenance_ci.cluster.openshift import Object, OpenShift
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.plan.situation import Situation
    from maintenance_ci.settings.variables import RouteSettings


@contextlib.contextmanager
def rolled_back_on_failure(
    settings: RouteSettings, cluster: OpenShift, found: Situation, switch: Switch, log: JobLog
) -> Iterator[None]:
    """Undo the switch that the body makes, when it does not come to its end: a failure, a fault of ours, SIGTERM.

    Raises:
        MaintenanceError: the way back failed as well; the job's log holds the commands for a person.
    """
    try:
        yield
    except BaseException as error:
        if not (switch.begun or switch.made):
            raise
        why = error.what if isinstance(error, MaintenanceError) else "The job was stopped."
        commands = commands_to_end(
            settings.project, found, repointed=switch.strategy == REPOINT, kept=switch.kept or found.begun is not None
        )
        log.now("What users see now is not certain.", switched=True, by_hand=commands)
        with undisturbed(), log.phase("Roll back"):
            log.way_back(why)
            try:
                seen = _roll_back(settings, cluster, found, switch, log)
            except MaintenanceError as fault:
                if isinstance(fault, HostLostError):  # the original is there, and waits for its host; ours is gone
                    _tell_host_lost(settings, found, switch.original, log, kept=switch.kept)
                raise MaintenanceError(f"{why} The way back failed, too: {fault.what}", fault.advice) from error
        log.now(f"It was rolled back: {_met_now(switch, found, seen=seen)}.", switched=False, by_hand=[])
        raise


@contextlib.contextmanager
def taken_back_on_failure(settings: RouteSettings, cluster: OpenShift, way: Return, log: JobLog) -> Iterator[None]:
    """Take the original that ``delete`` has just created away again, while it still waits for its host: nobody notices.

    Where the maintenance Route may be gone it stays.
    """
    try:
        yield
    except BaseException:
        with undisturbed():
            try:
                _take_back(settings, cluster, way, log)
            except MaintenanceError as fault:
                log.say(f"{fault.what} The original Route is left, waiting for its host.")
        raise


def _take_back(settings: RouteSettings, cluster: OpenShift, way: Return, log: JobLog) -> None:
    if way.created is None:
        return
    now = look(settings, cluster)
    waits = now.original and now.original["metadata"]["uid"] == way.created["metadata"]["uid"]
    if waits and now.maintenance and not admitting_routers(now.original):
        _remove_created(settings, cluster, way.created, log)
        log.now("It was undone: users still meet the page. Run the job delete again.", switched=False)


@contextlib.contextmanager
def page_again_on_failure(
    settings: RouteSettings, cluster: OpenShift, found: Situation, way: Return, log: JobLog
) -> Iterator[None]:
    """Send users back to the page where the application, put back, does not come: better than what they meet then.

    Not where somebody else holds the host, nor where somebody knows that the application does not run.

    Raises:
        MaintenanceError: the page cannot be shown again, either.
    """
    try:
        yield
    except TryAgainError:
        raise
    except MaintenanceError as error:
        # What somebody else put there is not ours to take away.
        undoable = found.repointed or way.created is not None or settings.subpath is not None
        known = Force.ENDPOINTS in settings.force
        if isinstance(error, HostLostError):
            if lost := way.restored or found.original or found.noted:
                _tell_host_lost(settings, found, lost, log, kept=way.snapshot is not None)
            raise
        if found.noted is None or not undoable or known:
            raise
        with undisturbed(), log.phase("Send users back to the page"):
            log.way_back(error.what)
            try:
                _show_page(settings, cluster, found, way.created, log)
            except MaintenanceError as fault:
                what = f"{error.what} The page cannot be shown again, either: {fault.what}"
                raise MaintenanceError(what, fault.advice) from error
        now = "Users meet the page again: the maintenance goes on. Look at the application and its template, "
        log.now(f"{now}then run the job delete again.", switched=False)
        raise


def _tell_host_lost(settings: RouteSettings, found: Situation, lost: Object, log: JobLog, *, kept: bool) -> None:
    """Note what users meet whose host somebody else holds, and what a person can do: the original waits for it."""
    commands = [
        *commands_to_find_holder(lost["spec"].get("host") or ""),
        *(commands_to_forget(settings.project, found) if kept else []),
    ]
    log.now(met_instead(settings, lost, log), switched=True, by_hand=commands)


def _show_page(
    settings: RouteSettings, cluster: OpenShift, found: Situation, created: Object | None, log: JobLog
) -> None:
    """Put the maintenance back as it was found; ``created`` is the original that this job made in its place."""
    shown = found.noted or {}
    if found.maintenance is None:  # repointed
        live = cluster.get("routes", settings.route_name)
        if live:
            notes = shown["metadata"]["annotations"]
            wanted = {**live, "metadata": {**live["metadata"], "annotations": notes}, "spec": shown["spec"]}
            cluster.patch("routes", live, merge_patch(live, wanted))
    else:
        routers = admitting_routers(shown)
        cluster.apply("routes", manifest_of(shown, with_notes=True))
        if created:
            wait_until_seen(cluster, found.ours, routers, log=log)
            _remove_created(settings, cluster, created, log)
        timeout = settings.admission_timeout
        wait_until_admitted(cluster, found.ours, routers, timeout=timeout, log=log, nudge=True)
    wait_until_seen_by_users(settings, shown, Side.PAGE, log)


def _remove_created(settings: RouteSettings, cluster: OpenShift, created: Object, log: JobLog) -> None:
    """Remove the original that this job made, whatever controllers, or we, have noted on it since."""
    name, uid = settings.route_name, created["metadata"]["uid"]
    away = partial(remove_route, cluster, name, uid=uid)
    insist(away, f"Route {name} to go again", timeout=settings.admission_timeout, log=log)


def _met_now(switch: Switch, found: Situation, *, seen: bool) -> str:
    """Say what users meet after a way back, as far as that is known."""
    if switch.strategy == SUBPATH and found.maintenance:
        return "the path is in maintenance, as it was before"
    if found.in_maintenance or shows_page_as_a_whole(found):
        return "the whole Route is in maintenance, as it was before"
    met = "users reach the application" if seen or not switch.made else "the Route is as it was before"
    return f"{met}, and nothing of the switch is left"


def _roll_back(settings: RouteSettings, cluster: OpenShift, found: Situation, switch: Switch, log: JobLog) -> bool:
    """Go back to what was found, and say whether users were seen there.

    Each step looks at what is there, and is tried again while the cluster is away.
    """
    step = partial(insist, timeout=settings.admission_timeout, log=log, even_if_forbidden=True)
    original = manifest_of(switch.original)
    if switch.strategy == SUBPATH:
        if found.maintenance is None:
            step(lambda: remove_route(cluster, found.ours), "the maintenance Route to go")
            return _wait_for_users(settings, found, switch, log)
        return False
    if switch.strategy == SWAP and shows_page_as_a_whole(found):  # a `delete` was cut short: users met the page before
        return False
    step(lambda: bring_back(cluster, original, switch.routers, log), "the original Route to be there")
    if switch.strategy == SWAP:
        step(lambda: remove_route(cluster, found.ours), "the maintenance Route to go")
        wait_until_admitted(
            cluster, settings.route_name, switch.routers, timeout=settings.admission_timeout, log=log, nudge=True
        )
    seen = _wait_for_users(settings, found, switch, log)
    left = commands_to_forget(settings.project, found)
    log.now("It was rolled back, but for the snapshot, which does no harm.", switched=True, by_hand=left)
    step(lambda: remove_snapshot(cluster, settings.route_name), "the snapshot to go")
    return seen


def _wait_for_users(settings: RouteSettings, found: Situation, switch: Switch, log: JobLog) -> bool:
    """Wait until users meet the application again, where they may have met the page; say whether that was seen."""
    shown = found.in_maintenance or shows_page_as_a_whole(found)
    if switch.made and (shown or switch.met_before is Side.ROUTER):
        # A path below a Route that shows the page as a whole; an application that was down before.
        wait_until_reloaded(settings.router_reload_interval, log=log)
        return False
    if not switch.made:
        return False
    return wait_until_seen_by_users(settings, switch.original, Side.APPLICATION, log) is Outcome.SEEN

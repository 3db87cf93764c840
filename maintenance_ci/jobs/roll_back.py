"""When a switch fails: the original back first, then ours away; users meet the application again."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from maintenance_ci.admission import wait_until_admitted, wait_until_reloaded
from maintenance_ci.errors import ConflictError, MaintenanceError
from maintenance_ci.jobs.preflight import SUBPATH, Switch
from maintenance_ci.jobs.restore import bring_back
from maintenance_ci.jobs.snapshots import remove_snapshot
from maintenance_ci.jobs.switching import by_hand, wait_until_seen_by_users
from maintenance_ci.probe import Side
from maintenance_ci.repoint import REPOINT
from maintenance_ci.situation import SWAP
from maintenance_ci.snapshot import manifest_of, snapshot_name
from maintenance_ci.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from maintenance_ci.openshift import OpenShift
    from maintenance_ci.report import JobLog
    from maintenance_ci.settings import RouteSettings
    from maintenance_ci.situation import Situation


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
        why = error.what if isinstance(error, MaintenanceError) else "The job was stopped."
        commands = by_hand(settings, found, repointed=switch.strategy == REPOINT)
        log.now("What users see now is not certain.", switched=True, by_hand=commands)
        with log.phase("Roll back"):
            log.warn(why)
            try:
                _roll_back(settings, cluster, found, switch, log)
            except MaintenanceError as fault:
                raise MaintenanceError(f"{why} The way back failed, too: {fault.what}", fault.advice) from error
        log.now(f"It was rolled back: {_seen_now(switch, found)}.", switched=False, by_hand=[])
        raise


def _seen_now(switch: Switch, found: Situation) -> str:
    if switch.strategy == SUBPATH and found.maintenance:
        return "the path is in maintenance, as it was before"
    return "users reach the application, and nothing of the switch is left"


def _roll_back(settings: RouteSettings, cluster: OpenShift, found: Situation, switch: Switch, log: JobLog) -> None:
    """Go back to what was found. Each step looks at what is there, and is tried again while the cluster is away."""
    step = partial(_step, timeout=settings.admission_timeout, log=log)
    original = manifest_of(switch.original)
    if switch.strategy == SUBPATH:
        if found.maintenance is None:
            step(lambda: _delete_route(cluster, found.ours), "the maintenance Route to go")
            _wait_for_users(settings, found, switch, log)
        return
    step(lambda: bring_back(cluster, original, switch.routers, log), "the original Route to be there")
    if switch.strategy == SWAP:
        step(lambda: _delete_route(cluster, found.ours), "the maintenance Route to go")
        wait_until_admitted(
            cluster, settings.route_name, switch.routers, timeout=settings.admission_timeout, log=log, nudge=True
        )
    _wait_for_users(settings, found, switch, log)
    step(lambda: remove_snapshot(cluster, snapshot_name(settings.route_name)), "the snapshot to go")


def _wait_for_users(settings: RouteSettings, found: Situation, switch: Switch, log: JobLog) -> None:
    """Wait until users meet the application again, where they may have met the page."""
    if switch.made and found.in_maintenance:  # a path below a Route that shows the page as a whole
        wait_until_reloaded(settings.router_reload_interval, log=log)
    elif switch.made:
        wait_until_seen_by_users(settings, switch.original, Side.APPLICATION, log)


def _delete_route(cluster: OpenShift, name: str) -> None:
    there = cluster.get("routes", name)
    if there:
        cluster.delete("routes", there)


def _step(change: Callable[[], None], subject: str, *, timeout: float, log: JobLog) -> None:
    """Make one change, again while the cluster is away or somebody else writes the same object."""

    def attempt() -> bool | None:
        try:
            change()
        except ConflictError as error:
            log.say(f"{error.what} Looking again.")
            return None
        return True

    if not wait_for(attempt, timeout=timeout, say=log.say, subject=subject, every=1.0):
        raise MaintenanceError(f"Waited {timeout:.0f} s in vain for {subject}.")

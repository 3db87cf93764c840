"""When a switch to the page, or back, fails: users meet again what they met before; and what the log says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.errors import HostLostError, MaintenanceError, NotNowError, TryAgainError
from maintenance_ci.plan.describe import (
    commands_to_end,
    commands_to_find_holder,
    commands_to_forget,
    commands_to_remove_page,
)
from maintenance_ci.plan.steps import Direction, Met, Reloaded, Side, Verb
from maintenance_ci.plan.strategies import SUBPATH
from maintenance_ci.run.interruption import undisturbed
from maintenance_ci.run.probe import Outcome
from maintenance_ci.run.shared_reads import SharedLooks
from maintenance_ci.run.users import met_instead
from maintenance_ci.run.wait import Waiting, wait_for_all
from maintenance_ci.settings.force import Force

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maintenance_ci.cluster.openshift import OpenShift
    from maintenance_ci.plan.steps import Condition, Step
    from maintenance_ci.run.execute import Run

AGAIN = "Run the job delete again."
TO_END = "To end it: run the job delete."


class Undo:
    """Notes what users see while the plans of a namespace are executed, and undoes those that fail."""

    def __init__(self, cluster: OpenShift) -> None:
        self._cluster = cluster

    def before_change(self, run: Run) -> None:
        """Note what an original that is put back does not change yet."""
        if run.step.users and run.step.change.verb is Verb.PLACE:
            run.log.outcome.set(run.step.users, next_step=AGAIN)

    def after_change(self, run: Run) -> None:
        """Note what was changed, or may have been: a request that was refused, or not sent, has changed nothing."""
        refused = isinstance(run.error, MaintenanceError) and (
            not isinstance(run.error, TryAgainError) or isinstance(run.error, NotNowError)
        )
        if run.step.users and run.step.change.verb is not Verb.PLACE and not refused:
            again = AGAIN if run.step.moves_users else ""
            run.log.outcome.set(run.step.users, needs_person=run.step.moves_users, next_step=again)

    def after_wait(self, run: Run) -> None:
        """Note that users were seen to meet what they are to meet."""
        if run.plan.direction is Direction.END:
            forget = commands_to_forget(run.observed) if run.observed.snapshot.value else []
            left = [*forget, *commands_to_remove_page(run.observed.namespace)]
            run.log.outcome.set(f"{_sent_back(run)} the application.", manual_steps=left, next_step=AGAIN)

    def ended(self, run: Run) -> None:
        """Note how the maintenance stands from now on."""
        if run.plan.direction is not Direction.END:
            run.log.outcome.set("Users were sent to the maintenance page.", next_step=TO_END, manual_steps=[])
        elif run.step.change.verb is Verb.FORGET:
            users = f"{_sent_back(run)} the application. Only the page may be left."
            run.log.outcome.set(users, manual_steps=commands_to_remove_page(run.observed.namespace), next_step=AGAIN)

    def undo(self, run: Run) -> None:
        """Undo a run that failed, as far as its plan says so."""
        if run.plan.direction is Direction.BEGIN:
            self._roll_back(run)
        elif run.plan.direction is Direction.END:
            self._take_back(run)

    def _roll_back(self, run: Run) -> None:
        """Undo the begin of a maintenance: a failure, a fault of ours, SIGTERM."""
        log, error = run.log, run.error
        why = error.what if isinstance(error, MaintenanceError) else "The job was stopped."
        has_snapshot = run.change_made or len(run.tried) > 1 or run.observed.active_strategy is not None
        commands = commands_to_end(run.plan, run.observed, snapshot=has_snapshot)
        log.outcome.set("What users see now is not certain.", needs_person=True, manual_steps=commands)
        with undisturbed():
            try:
                with log.phase("Roll back"):
                    log.report_rollback(why)
                    seen = self._make(run, run.plan.to_undo(run.tried, waited=run.change_made, gave_up=False))
            except MaintenanceError as fault:
                if isinstance(fault, HostLostError):  # the original is there, and waits for its host; ours is gone
                    self._tell_host_lost(run, has_snapshot=has_snapshot)
                run.error = MaintenanceError(f"{why} The rollback failed, too: {fault.what}", fault.advice)
                run.error.__cause__ = error
                return
        log.outcome.set(f"It was rolled back: {_met_now(run, seen=seen)}.", manual_steps=[])

    def _take_back(self, run: Run) -> None:
        """Undo the end of a maintenance, where users have not noticed it, or where their application does not come.

        Not where somebody else holds the host, nor where a person knows that the application does not run.
        """
        log, error = run.log, run.error
        known = Force.ENDPOINTS in run.settings.force
        gave_up = known or not isinstance(error, MaintenanceError) or isinstance(error, (HostLostError, TryAgainError))
        if isinstance(error, HostLostError) and run.step.moves_users:
            self._tell_host_lost(run, has_snapshot=run.observed.snapshot.value is not None)
        steps = run.plan.to_undo(run.tried, waited=run.change_made, gave_up=gave_up)
        if not steps:
            return
        if run.change_made and run.step.moves_users and isinstance(error, MaintenanceError):
            self._show_page_again(run, steps, error)
            return
        with undisturbed():
            try:
                if run.changes.created_waits():
                    self._make(run, steps)
                    log.outcome.set("It was undone: users still meet the page.", next_step=AGAIN)
            except MaintenanceError as fault:
                log.say(f"{fault.what} The original Route is left, waiting for its host.")

    def _show_page_again(self, run: Run, steps: Sequence[Step], error: MaintenanceError) -> None:
        log = run.log
        with undisturbed():
            try:
                if any(run.changes.leaves(step.change) for step in steps):
                    return  # the page's Route would only wait for that original
                with log.phase("Send users back to the page"):
                    log.report_rollback(error.what)
                    self._make(run, steps)
            except MaintenanceError as fault:
                what = f"{error.what} The page cannot be shown again, either: {fault.what}"
                run.error = MaintenanceError(what, fault.advice)
                run.error.__cause__ = error
                return
        look = "Look at the application and its template, then run the job delete again."
        log.outcome.set("Users meet the page again: the maintenance goes on.", next_step=look)

    def _make(self, run: Run, steps: Sequence[Step]) -> bool:
        """Make the steps that undo a run, each insisting; say whether users were seen where they were before.

        Raises:
            MaintenanceError: one of them cannot be made, or does not come.
        """
        begins, seen = run.plan.direction is Direction.BEGIN, False
        for step in steps:
            if step.change.verb is Verb.FORGET:
                left = commands_to_forget(run.observed)
                users = "It was rolled back. Only the snapshot is left, which does no harm."
                # Where it is all that was begun, no user can have noticed anything: the job is just run again.
                run.log.outcome.set(users, needs_person=len(run.tried) > 1, manual_steps=left)
            run.changes.insist(step.change, even_if_forbidden=begins)
            conditions = _conditions(run, step)
            wait = Waiting(run, SharedLooks(self._cluster), conditions, even_if_forbidden=begins)
            for ended in wait_for_all([wait]):
                if ended.error:
                    raise ended.error
                seen = seen or ended.outcome is Outcome.SEEN
        return seen

    def _tell_host_lost(self, run: Run, *, has_snapshot: bool) -> None:
        """Note what users meet whose host somebody else holds, and what a person can do: the original waits for it."""
        observed = run.observed
        lost = observed.restored.value or observed.route_to_mirror or observed.saved_original or {"spec": {}}
        commands = commands_to_find_holder(lost["spec"].get("host") or "")
        commands += commands_to_forget(observed) if has_snapshot else []
        users = met_instead(run.settings, lost, run.log)
        run.log.outcome.set(users, needs_person=True, manual_steps=commands)


def _sent_back(run: Run) -> str:
    """Say how sure it is that users reach the application again."""
    return "Users reach" if run.seen is Outcome.SEEN else "Users were sent back to"


def _conditions(run: Run, step: Step) -> list[Condition]:
    """Return what is waited for when a step undoes another: users only where they may have met the other side."""
    conditions = list(step.until)
    if not run.may_have_moved_users:
        return [one for one in conditions if not isinstance(one, (Met, Reloaded))]
    if run.met_before is Side.ROUTER:  # an application that was down before
        return [Reloaded() if isinstance(one, Met) and one.side is Side.APPLICATION else one for one in conditions]
    return conditions


def _met_now(run: Run, *, seen: bool) -> str:
    """Say what users meet after a rollback, as far as that is known."""
    if run.plan.strategy == SUBPATH and not run.plan.undoable:
        return "the path is in maintenance, as it was before"
    if run.observed.whole_route_is_shown:
        return "the whole Route is in maintenance, as it was before"
    met = "users reach the application" if seen or not run.may_have_moved_users else "the Route is as it was before"
    return f"{met}, and nothing of the switch is left"

"""Runs the table of checks, and says what comes of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.plan.check_table import CHECKS, Case
from maintenance_ci.plan.checks import Refusals

if TYPE_CHECKING:
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.plan.observed import Observed
    from maintenance_ci.plan.steps import Plan
    from maintenance_ci.settings.variables import RouteSettings


def check_all(
    settings: RouteSettings, observed: Observed, plan: Plan, log: JobLog, *, page_later: bool = False
) -> Refusals:
    """Look at all that could stand in the way of a plan, record and say it, and return what does."""
    case, refusals = Case(settings, observed, plan, page_later), Refusals(log.check)
    for check in CHECKS[plan.direction]:
        if check.applies(case):
            with refusals.gather(check.name):
                for remark in check.look(case) or ():
                    (log.warn if remark.is_warning else log.say)(remark.text)
    return refusals


def require_all(settings: RouteSettings, observed: Observed, plan: Plan, log: JobLog) -> None:
    """Refuse a plan in whose way something stands.

    Raises:
        MaintenanceError: the only refusal; a `RefusedError` where there are several.
    """
    check_all(settings, observed, plan, log).raise_any()

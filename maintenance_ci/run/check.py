"""Runs the table of checks, and says what comes of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.plan.check_table import CHECKS, Case
from maintenance_ci.plan.checks import gathering
from maintenance_ci.run.targets import names_before

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maintenance_ci.errors import MaintenanceError
    from maintenance_ci.log.route_log import RouteLog
    from maintenance_ci.plan.observed import Remark
    from maintenance_ci.run.targets import Planned


def check_all(planned: Sequence[Planned], *, page_later: bool = False) -> list[tuple[RouteLog, MaintenanceError]]:
    """Look at all that could stand in the way of each plan, record and say it; return what does, with whose it is.

    What there is to say of several Routes in the same words is said once.
    """
    remarks: dict[Remark, list[RouteLog]] = {}
    refused = [(one.log, error) for one in planned for error in _check(one, remarks, page_later=page_later)]
    for remark, logs in remarks.items():
        tell = logs[0].job.warn if remark.is_warning else logs[0].job.say
        tell(names_before(remark.text, logs))
    return refused


def _check(planned: Planned, remarks: dict[Remark, list[RouteLog]], *, page_later: bool) -> list[MaintenanceError]:
    """Look at all that could stand in the way of one plan, record and remark it, and return what does."""
    refusals: list[MaintenanceError] = []
    case = Case(planned.settings, planned.observed, planned.plan, page_later)
    for one in CHECKS[planned.plan.direction]:
        if one.applies(case):
            with gathering(refusals), planned.log.check(one.name) as warnings:
                for remark in one.look(case) or ():
                    remarks.setdefault(remark, []).append(planned.log)
                    if remark.is_warning:
                        warnings.append(remark.text)
    return refusals

"""Runs the table of checks, and says what comes of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.plan.check_table import CHECKS, Case
from maintenance_ci.plan.checks import gathering
from maintenance_ci.run.targets import names_before, raise_refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from maintenance_ci.errors import MaintenanceError
    from maintenance_ci.log.route_log import RouteLog
    from maintenance_ci.plan.observed import Remark
    from maintenance_ci.run.targets import Planned


def check_all(planned: Sequence[Planned], *, page_later: bool = False) -> list[tuple[RouteLog, MaintenanceError]]:
    """Look at all that could stand in the way of each plan, record and say it; return what does, with whose it is.

    What there is to say of several Routes in the same words is said once.
    """
    said: dict[Remark, list[RouteLog]] = {}
    refused = [
        (one.log, error)
        for one in planned
        for error in check(one, lambda remark, log: said.setdefault(remark, []).append(log), page_later=page_later)
    ]
    for remark, logs in said.items():
        tell = logs[0].job.warn if remark.is_warning else logs[0].job.say
        tell(names_before(remark.text, logs))
    return refused


def check(
    planned: Planned, tell: Callable[[Remark, RouteLog], object], *, page_later: bool = False
) -> list[MaintenanceError]:
    """Look at all that could stand in the way of one plan, tell and record it, and return what does."""
    refusals: list[MaintenanceError] = []
    case = Case(planned.settings, planned.observed, planned.plan, page_later)
    for one in CHECKS[planned.plan.direction]:
        if one.applies(case):
            with gathering(refusals), planned.log.check(one.name) as warnings:
                for remark in one.look(case) or ():
                    tell(remark, planned.log)
                    if remark.is_warning:
                        warnings.append(remark.text)
    return refusals


def require_all(planned: Sequence[Planned]) -> None:
    """Refuse all plans, where something stands in the way of one.

    Raises:
        MaintenanceError: the only refusal; a `RefusedError` where there are several.
    """
    raise_refusals(check_all(planned))

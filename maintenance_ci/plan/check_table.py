"""What stands in the way of a plan: a table of checks over what was observed. Pure: no check asks the cluster.

``plan`` and the jobs run the same table. A check that needs what an earlier one misses does not apply. To add
one: a function in `maintenance_ci.plan.checks` that refuses, and a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maintenance_ci.names import PAGE
from maintenance_ci.plan.checks import (
    ready_services,
    require_below,
    require_deletable,
    require_host,
    require_host_returns,
    require_host_unclaimed,
    require_newest,
    require_no_passthrough,
    require_no_rival,
    require_original,
    require_ours,
    require_ready_endpoints,
    require_ready_page,
    require_same_place,
    require_standing,
    require_trace,
)
from maintenance_ci.plan.mirrored_metadata import unreadable_allow_lists
from maintenance_ci.plan.observed import Observed, Phase, Remark
from maintenance_ci.plan.ownership import require_unowned
from maintenance_ci.plan.page_route import left_out
from maintenance_ci.plan.rights import require_rights
from maintenance_ci.plan.steps import Direction, Plan
from maintenance_ci.plan.tester_route import require_free_name
from maintenance_ci.plan.verdicts import serving_routers

if TYPE_CHECKING:
    from maintenance_ci.plan.observed import Object
    from maintenance_ci.settings.variables import RouteSettings


@dataclass(frozen=True)
class Case:
    """What a check looks at.

    Attributes:
        settings: the pipeline's variables.
        observed: what was read.
        plan: what is about to be done.
        page_later: the page need not be there yet: `build-and-deploy`, which runs before, makes it.
    """

    settings: RouteSettings
    observed: Observed
    plan: Plan
    page_later: bool = False

    @property
    def original(self) -> Object:
        """The Route that is mirrored: the original, or what stands for it."""
        return self.observed.route_to_mirror or {}


@dataclass(frozen=True)
class Check:
    """One thing that must hold before anything is changed.

    Attributes:
        name: what holds where it passes.
        look: returns what to say, if anything, or refuses with a `MaintenanceError`.
        applies: whether it is a question at all.
    """

    name: str
    look: Callable[[Case], Iterable[Remark] | None]
    applies: Callable[[Case], bool] = lambda _: True


def _warnings(lines: Iterable[str]) -> list[Remark]:
    return [Remark(line, is_warning=True) for line in lines]


def _page_route(case: Case) -> list[Remark]:
    wanted = case.observed.wanted_page_route.require() or {}
    remarks = [Remark(line) for line in left_out(case.original, wanted)]
    for name in unreadable_allow_lists(wanted["metadata"].get("annotations")):
        text = (
            f"the annotation {name} holds what is no IP address: the router takes no notice of it, and lets everybody "
            "in, to the application and to the page. Addresses and networks stand there with spaces between them."
        )
        remarks.append(Remark(text, is_warning=True))
    return remarks


def _served(case: Case) -> None:
    if not case.plan.routers:
        serving_routers(case.original)


def _page(case: Case) -> list[Remark]:
    slices = case.observed.endpoint_slices.require() or ()
    if case.page_later and PAGE not in ready_services(slices):
        return _warnings(["the page is not there yet: build-and-deploy, which runs before, makes it"])
    require_ready_page(slices, lambda: case.observed.page_trouble)
    return []


def _below(case: Case) -> tuple[Remark, ...]:
    require_below(case.original, case.settings.subpath or "")
    if case.observed.active_strategy:
        case.observed.snapshot.require()
        require_no_passthrough(case.observed.saved_original)
    return case.observed.snapshot.remarks


def _snapshot(case: Case) -> tuple[Remark, ...]:
    case.observed.snapshot.require()
    return case.observed.snapshot.remarks


def _snapshot_is_ours(case: Case) -> tuple[Remark, ...]:
    require_ours(case.observed.snapshot.require(), case.settings.route_name)
    return case.observed.snapshot.remarks


def _original_from_template(case: Case) -> Iterator[Remark]:
    yield from case.observed.original_from_template.remarks  # also of a template that is refused
    case.observed.original_from_template.require()


def _restored(case: Case) -> Iterator[Remark]:
    yield from case.observed.restored.remarks
    case.observed.restored.require()


def _application(case: Case) -> list[Remark]:
    back = case.observed.restored.value if case.observed.is_away else case.observed.original
    slices = case.observed.endpoint_slices.require() or ()
    return _warnings(require_ready_endpoints(back or {}, slices, force=case.settings.force))


def _require_no_rival(case: Case, page_route: Object) -> None:
    require_no_rival(page_route, case.observed.routes.values(), case.settings.route_name)


def _is_whole(case: Case) -> bool:
    return case.settings.subpath is None


def _has_host(case: Case) -> bool:
    return bool(case.original["spec"].get("host"))


def _application_is_known(case: Case) -> bool:
    back = case.observed.restored.value if case.observed.is_away else case.observed.original
    return back is not None and case.observed.annotated_route is not None


def _restores(case: Case) -> bool:
    return case.plan.direction is Direction.END and case.observed.is_away


def _page_route_holds_host(case: Case) -> bool:
    page_route = case.observed.page_route
    return _is_whole(case) and page_route is not None and bool(page_route["spec"].get("host"))


RIGHTS = Check(
    "the token has the rights that the job needs",
    lambda case: require_rights(case.observed.missing_rights.require() or ()),
    lambda case: case.plan.changes,
)
PAGE_ROUTE_IS_OURS = Check(
    "the maintenance Route's name is free, or ours",
    lambda case: require_ours(case.observed.page_route, case.settings.route_name, case.settings.subpath),
)
SNAPSHOT_IS_OURS = Check("the snapshot's name is free, or ours", _snapshot_is_ours, _is_whole)
SAME_PLACE = Check(
    "the re-created Route has the host and path that are in maintenance",
    lambda case: require_same_place(
        case.observed, accepted=case.plan.direction is Direction.END and case.settings.accept_route_differences
    ),
    lambda case: _is_whole(case) and case.observed.phase is Phase.RETURNING and not _restores(case),
)
TESTERS_NAME_IS_FREE = Check(
    "the name of the testers' Route is free, or ours",
    lambda case: require_free_name(case.settings.route_name, case.observed.routes),
    lambda case: case.settings.tester_access,
)
CHECKS: dict[Direction, tuple[Check, ...]] = {
    Direction.BEGIN: (
        Check("the Route is an original", lambda case: require_original(case.observed.original)),
        RIGHTS,
        Check("nobody deletes the Route", lambda case: require_standing(case.original)),
        Check("the Route has a host of its own", lambda case: require_host(case.original)),
        PAGE_ROUTE_IS_OURS,
        Check("a maintenance Route can be made of it", _page_route, _has_host),
        Check(
            "no other Route takes the host",
            lambda case: _require_no_rival(case, case.observed.wanted_page_route.value or {}),
            lambda case: case.plan.adds_page_route and case.observed.wanted_page_route.value is not None,
        ),
        Check("a router serves the Route", _served),
        Check("the page is ready", _page),
        Check("the Route serves SUBPATH", _below, lambda case: not _is_whole(case)),
        SNAPSHOT_IS_OURS,
        Check(
            "nobody undoes the switch",
            lambda case: _warnings(require_unowned(case.original, force=case.settings.force)),
            _is_whole,
        ),
        SAME_PLACE,
        Check(
            "the Route can be deleted",
            lambda case: require_deletable(case.original),
            lambda case: case.plan.deletes_original,
        ),
        Check(
            "no other namespace claims the host",
            lambda case: _warnings(require_host_unclaimed(case.original, case.observed.claims.require())),
            lambda case: case.plan.deletes_original and _has_host(case),
        ),
        Check("the template brings the Route back", _original_from_template, _is_whole),
        TESTERS_NAME_IS_FREE,
    ),
    Direction.CONFIRM: (PAGE_ROUTE_IS_OURS, Check("the snapshot can be read", _snapshot), TESTERS_NAME_IS_FREE),
    Direction.END: (
        RIGHTS,
        PAGE_ROUTE_IS_OURS,
        SNAPSHOT_IS_OURS,
        Check(
            "the maintenance is no newer pipeline's",
            lambda case: require_newest(
                case.observed.annotated_route or case.observed.snapshot.value,
                case.settings.ci_pipeline_id,
                force=case.settings.force,
            ),
        ),
        Check(
            "there was a maintenance",
            lambda case: require_trace(case.observed, force=case.settings.force),
            lambda case: _is_whole(case) and case.observed.snapshot.error is None,
        ),
        Check("the original can be put back", _restored, lambda case: _is_whole(case) and case.observed.is_away),
        SAME_PLACE,
        Check(
            "the re-created Route has its certificate",
            lambda case: _warnings([case.observed.lost_certificate[1]] if case.observed.lost_certificate else []),
        ),
        Check("the application is ready", _application, _application_is_known),
        Check(
            "no other Route takes the host",
            lambda case: _require_no_rival(case, case.observed.page_route or {}),
            _page_route_holds_host,
        ),
        Check(
            "no other namespace claims the host",
            lambda case: _warnings(
                require_host_returns(
                    case.observed.page_route or {}, case.observed.claims.require(), force=case.settings.force
                )
            ),
            _page_route_holds_host,
        ),
    ),
}

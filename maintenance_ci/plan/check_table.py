"""What stands in the way of a plan: a table of checks over what was observed. Pure: no check asks the cluster.

``plan`` and the jobs run the same table. A check that needs what an earlier one misses does not apply. To add
one: a function in `maintenance_ci.plan.checks` that refuses, and a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maintenance_ci.names import PAGE
from maintenance_ci.plan import checks
from maintenance_ci.plan.marks import annotations_of
from maintenance_ci.plan.mirrored_metadata import unreadable_allow_lists
from maintenance_ci.plan.observed import Observed, Phase, Remark
from maintenance_ci.plan.ownership import require_unowned
from maintenance_ci.plan.page_route import left_out
from maintenance_ci.plan.rights import require_rights
from maintenance_ci.plan.steps import Direction, Plan
from maintenance_ci.plan.tester_route import require_free_name
from maintenance_ci.plan.verdicts import serving_routers

if TYPE_CHECKING:
    from maintenance_ci.plan.marks import Object
    from maintenance_ci.plan.observed import Reading
    from maintenance_ci.settings.variables import RouteSettings


@dataclass(frozen=True)
class Case:
    """What a check looks at.

    Attributes:
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

    @property
    def returning(self) -> Object | None:
        """The Route that users get back: the original as it is restored, or as it is there."""
        return self.observed.restored.value if self.observed.is_away else self.observed.original


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


def _required(reading: Reading[Object]) -> Iterator[Remark]:
    """Yield what was noticed, also of what could not be read, which is refused then."""
    yield from reading.remarks
    reading.require()


def _page_route(case: Case) -> list[Remark]:
    wanted = case.observed.wanted_page_route.require() or {}
    unreadable = (
        f"the annotation {name} holds what is no IP address: the router takes no notice of it, and lets everybody "
        "in, to the application and to the page. Addresses and networks stand there with spaces between them."
        for name in unreadable_allow_lists(annotations_of(wanted))
    )
    return [*map(Remark, left_out(case.original, wanted)), *_warnings(unreadable)]


def _served(case: Case) -> None:
    if not case.plan.routers:
        serving_routers(case.original)


def _page(case: Case) -> list[Remark]:
    ready = case.observed.ready_services.require() or ()
    if case.page_later and PAGE not in ready:
        return _warnings(["the page is not there yet: build-and-deploy, which runs before, makes it"])
    checks.require_ready_page(ready, case.observed.page_trouble)
    return []


def _below(case: Case) -> Iterator[Remark]:
    checks.require_below(case.original, case.settings.subpath or "")
    if case.observed.active_strategy:
        yield from _required(case.observed.snapshot)
        checks.require_no_passthrough(case.observed.saved_original)


def _snapshot_is_ours(case: Case) -> Iterator[Remark]:
    checks.require_ours(case.observed.snapshot.require(), case.settings.route_name)
    yield from case.observed.snapshot.remarks


def _application(case: Case) -> list[Remark]:
    ready = case.observed.ready_services.require() or ()
    return _warnings(checks.require_ready_endpoints(case.returning or {}, ready, force=case.settings.force))


def _require_no_rival(case: Case, page_route: Object) -> None:
    neighbours = case.observed.routes.on_host((page_route.get("spec") or {}).get("host"))
    checks.require_no_rival(page_route, neighbours, case.settings.route_name)


def _is_whole_route(case: Case) -> bool:
    return case.settings.subpath is None


def _has_host(case: Case) -> bool:
    return bool(case.original["spec"].get("host"))


def _page_route_holds_host(case: Case) -> bool:
    page_route = case.observed.page_route
    return _is_whole_route(case) and page_route is not None and bool(page_route["spec"].get("host"))


RIGHTS = Check(
    "the token has the rights that the job needs",
    lambda case: require_rights(case.observed.missing_rights.require() or ()),
    lambda case: case.plan.changes,
)
PAGE_ROUTE_IS_OURS = Check(
    "the maintenance Route's name is free, or ours",
    lambda case: checks.require_ours(case.observed.page_route, case.settings.route_name, case.settings.subpath),
)
SNAPSHOT_IS_OURS = Check("the snapshot's name is free, or ours", _snapshot_is_ours, _is_whole_route)
SAME_PLACE = Check(
    "the re-created Route has the host and path that are in maintenance",
    lambda case: checks.require_same_place(
        case.observed, accepted=case.plan.direction is Direction.END and case.settings.accept_route_differences
    ),
    lambda case: (
        _is_whole_route(case)
        and case.observed.phase is Phase.RETURNING
        and not (case.plan.direction is Direction.END and case.observed.is_away)
    ),
)
TESTERS_NAME_IS_FREE = Check(
    "the name of the testers' Route is free, or ours",
    lambda case: require_free_name(case.settings.route_name, case.observed.routes),
    lambda case: case.settings.tester_access,
)
CHECKS: dict[Direction, tuple[Check, ...]] = {
    Direction.BEGIN: (
        Check("the Route is an original", lambda case: checks.require_original(case.observed.original)),
        RIGHTS,
        Check("nobody deletes the Route", lambda case: checks.require_standing(case.original)),
        Check("the Route has a host of its own", lambda case: checks.require_host(case.original)),
        PAGE_ROUTE_IS_OURS,
        Check("a maintenance Route can be made of it", _page_route, _has_host),
        Check(
            "no other Route takes the host",
            lambda case: _require_no_rival(case, case.observed.wanted_page_route.value or {}),
            lambda case: case.plan.adds_page_route and case.observed.wanted_page_route.value is not None,
        ),
        Check("a router serves the Route", _served),
        Check("the page is ready", _page),
        Check("the Route serves SUBPATH", _below, lambda case: not _is_whole_route(case)),
        SNAPSHOT_IS_OURS,
        Check(
            "nobody undoes the switch",
            lambda case: _warnings(require_unowned(case.original, force=case.settings.force)),
            _is_whole_route,
        ),
        SAME_PLACE,
        Check(
            "the Route can be deleted",
            lambda case: checks.require_deletable(case.original),
            lambda case: case.plan.deletes_original,
        ),
        Check(
            "no other namespace claims the host",
            lambda case: _warnings(checks.require_host_unclaimed(case.original, case.observed.claims.require())),
            lambda case: case.plan.deletes_original and _has_host(case),
        ),
        Check(
            "the template brings the Route back",
            lambda case: _required(case.observed.original_from_template),
            _is_whole_route,
        ),
        TESTERS_NAME_IS_FREE,
    ),
    Direction.CONFIRM: (
        PAGE_ROUTE_IS_OURS,
        Check("the snapshot can be read", lambda case: _required(case.observed.snapshot)),
        TESTERS_NAME_IS_FREE,
    ),
    Direction.END: (
        RIGHTS,
        PAGE_ROUTE_IS_OURS,
        SNAPSHOT_IS_OURS,
        Check(
            "the maintenance is no newer pipeline's",
            lambda case: checks.require_newest(
                case.observed.annotated_route or case.observed.snapshot.value,
                case.settings.ci_pipeline_id,
                force=case.settings.force,
            ),
        ),
        Check(
            "there was a maintenance",
            lambda case: checks.require_trace(case.observed, force=case.settings.force),
            lambda case: _is_whole_route(case) and case.observed.snapshot.error is None,
        ),
        Check(
            "the original can be put back",
            lambda case: _required(case.observed.restored),
            lambda case: _is_whole_route(case) and case.observed.is_away,
        ),
        SAME_PLACE,
        Check(
            "the re-created Route has its certificate",
            lambda case: _warnings([case.observed.lost_certificate[1]] if case.observed.lost_certificate else []),
        ),
        Check(
            "the application is ready",
            _application,
            lambda case: case.returning is not None and case.observed.annotated_route is not None,
        ),
        Check(
            "no other Route takes the host",
            lambda case: _require_no_rival(case, case.observed.page_route or {}),
            _page_route_holds_host,
        ),
        Check(
            "no other namespace claims the host",
            lambda case: _warnings(
                checks.require_host_returns(
                    case.observed.page_route or {}, case.observed.claims.require(), force=case.settings.force
                )
            ),
            _page_route_holds_host,
        ),
    ),
}

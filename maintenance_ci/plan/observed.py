"""What a plan is made of: all that was read of one Route's maintenance, and where that maintenance stands. Pure.

The cluster is the state; nothing else is remembered. `Observed.phase` is the only place that decides where a
maintenance stands: planners, checks, `status` and the jobs' closing words ask it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.names import PAGE, STRATEGY_ANNOTATION, name_for_testers, page_route_name
from maintenance_ci.plan.certificates import carry_over_certificates, certificate_of
from maintenance_ci.plan.marks import Object, annotations_of, as_we_applied_it
from maintenance_ci.plan.page_route import backend_services
from maintenance_ci.plan.repoint import without_notes
from maintenance_ci.plan.routes import Routes
from maintenance_ci.plan.strategies import STRATEGIES, SUBPATH, SWAP, rewriting_strategy
from maintenance_ci.plan.verdicts import admitting_routers

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from maintenance_ci.plan.rights import Right

Value = TypeVar("Value")


class Phase(Enum):
    """Where a maintenance stands; the value is how a person is told."""

    LIVE = "not in maintenance"
    LEFTOVER = "ended, but its snapshot is left"
    PREPARED = "begun, and cut short before the switch"
    SHOWN = "in maintenance"
    DIVERTED = "in maintenance, but somebody sent the Route elsewhere"
    RETURNING = "in maintenance, and the original is there again"
    STRANDED = "restored, but no router serves it"
    GONE = "the Route is gone; its snapshot is left"
    UNKNOWN = "neither the Route, nor a maintenance, nor a snapshot is there"


@dataclass(frozen=True)
class Remark:
    """What was noticed while something was read: a line of the log, or a warning."""

    text: str
    is_warning: bool = False


@dataclass(frozen=True)
class Reading(Generic[Value]):
    """What was read, or why it could not be; and what was noticed meanwhile.

    Attributes:
        value: what was read; None also where there is nothing.
        error: why it could not be read: a refusal of whoever needs it.
        remarks: what to say of it.
    """

    value: Value | None = None
    error: MaintenanceError | None = None
    remarks: tuple[Remark, ...] = ()

    def require(self) -> Value | None:
        """Return the value, or raise why it could not be read."""
        if self.error:
            raise self.error
        return self.value


@dataclass(frozen=True)
class Observed:
    """One Route, or one path of it, among the Routes of its namespace, and what else its plan needs.

    Attributes:
        namespace: of the Route.
        route_name: of the original.
        subpath: the part of it that is meant; None for the whole Route.
        routes: all Routes of the namespace.
        snapshot: the Secret that keeps the original.
        saved_original: the Route in it, where it is ours and can be read.
        wanted_page_route: the Route that is to show the page: a Route of its own, or the original rewritten.
        original_from_template: the original as its template would bring it back, before a maintenance begins.
        restored: the original to restore, of its template or of its snapshot, with the newest certificate.
        ready_services: those that have a ready endpoint, of the page's (deploy-route), or of the application's, maybe
            among others (delete).
        page_trouble: why the page does not run, as far as the cluster tells.
        claims: the Routes of all namespaces on the Route's host; None where the token may not look.
        missing_rights: which the plan needs, and the token lacks.
    """

    namespace: str
    route_name: str
    subpath: str | None
    routes: Routes
    snapshot: Reading[Object] = Reading()
    saved_original: Object | None = None
    wanted_page_route: Reading[Object] = Reading()
    original_from_template: Reading[Object] = Reading()
    restored: Reading[Object] = Reading()
    ready_services: Reading[Container[str]] = Reading()
    page_trouble: str = ""
    claims: Reading[Sequence[Object]] = Reading()
    missing_rights: Reading[list[Right]] = Reading()

    @property
    def original(self) -> Object | None:
        """The original Route; it may be rewritten to show the page."""
        return self.routes.get(self.route_name)

    @property
    def page_route_name(self) -> str:
        """The name of the maintenance Route: of the path, or of the whole Route."""
        return page_route_name(self.route_name, self.subpath)

    @property
    def page_route(self) -> Object | None:
        """The maintenance Route: of the path, or of the whole Route. A rewritten original has none."""
        return self.routes.get(self.page_route_name)

    @property
    def own_names(self) -> set[str]:
        """The names of the original, of the maintenance Route, and of the Route for testers."""
        return {self.route_name, self.page_route_name, name_for_testers(self.route_name)}

    @property
    def whole_page_route(self) -> Object | None:
        """The maintenance Route of the whole Route."""
        return self.routes.get(page_route_name(self.route_name, None))

    @cached_property
    def path_routes(self) -> list[str]:
        """The names of the maintenance Routes of single paths."""
        whole = page_route_name(self.route_name, None)
        return [name for name in self.routes.standing_for(self.route_name) if name != whole]

    @property
    def is_rewritten(self) -> bool:
        """Whether the original carries the notes of a strategy that rewrites it."""
        return rewriting_strategy(self.original) is not None

    @property
    def active_strategy(self) -> str | None:
        """The strategy by which the whole Route was put into maintenance, or is about to be."""
        rewriting = rewriting_strategy(self.original)
        if rewriting or self.whole_page_route is None:
            return rewriting
        strategy = annotations_of(self.whole_page_route).get(STRATEGY_ANNOTATION, SWAP)
        return strategy if strategy in STRATEGIES and strategy != SUBPATH else SWAP

    @property
    def annotated_route(self) -> Object | None:
        """The Route that carries the notes of this maintenance."""
        return self.original if self.is_rewritten and self.subpath is None else self.page_route

    @cached_property
    def route_to_mirror(self) -> Object | None:
        """What a maintenance Route mirrors: the original, or what stands for it; without our notes.

        An original that somebody re-created without its certificate still has that of its maintenance Route.
        """
        route = self.original or self.whole_page_route
        if route is None:
            return None
        others = {"the maintenance Route": self.whole_page_route} if self.original and self.page_is_served else {}
        return without_notes(carry_over_certificates(route, others)[0])

    @property
    def application_route(self) -> Object | None:
        """The Route as it leads to the application: the original, or while it is away, or rewritten, its snapshot."""
        return self.saved_original if self.original is None or self.is_rewritten else self.original

    @cached_property
    def page_is_served(self) -> bool:
        """Whether users of the whole Route meet the page by its maintenance Route, as far as the routers say.

        The original may be there again, and wait, or be served elsewhere. Where the maintenance Route itself waits, a
        switch was cut short before its end.
        """
        return bool(admitting_routers(self.whole_page_route))

    @property
    def whole_route_is_shown(self) -> bool:
        """Whether users of the whole Route meet the page, whatever becomes of a path below it."""
        return self.page_is_served or self._phase_of_whole_route() is Phase.SHOWN

    @property
    def is_unserved_restore(self) -> bool:
        """Whether the original is there as a restore of ours has made it, that did not come to its end."""
        return self.original is not None and as_we_applied_it(self.original) and not admitting_routers(self.original)

    @property
    def is_away(self) -> bool:
        """Whether the original has to be restored: it is gone, rewritten, or only waits since our last run."""
        trace = self.whole_page_route is not None or self.snapshot.value is not None
        return self.original is None or self.is_rewritten or (trace and self.is_unserved_restore)

    @cached_property
    def phase(self) -> Phase:
        """Where the maintenance of this Route, or of this path of it, stands."""
        if self.subpath is None:
            return self._phase_of_whole_route()
        if self.page_route is not None:
            return Phase.SHOWN
        return Phase.UNKNOWN if self.route_to_mirror is None else Phase.LIVE

    def _phase_of_whole_route(self) -> Phase:
        if self.is_rewritten and self.original:
            return Phase.SHOWN if PAGE in backend_services(self.original) else Phase.DIVERTED
        if self.whole_page_route is not None:
            if self.original is None:
                return Phase.SHOWN
            return Phase.RETURNING if self.page_is_served else Phase.PREPARED
        if self.original is None:
            return Phase.GONE if self.snapshot.value else Phase.UNKNOWN
        if not self.snapshot.value:
            return Phase.LIVE
        return Phase.STRANDED if self.is_unserved_restore else Phase.LEFTOVER

    @cached_property
    def lost_certificate(self) -> tuple[Object, str] | None:
        """The original with the certificate that it lost when it was re-created, and what to say; None: it lost none.

        While the page is shown, the newest one. Where somebody has ended the maintenance by hand, the snapshot's, if
        the Route has none at all. Where the maintenance never began, what the Route has is what somebody wants.
        """
        if self.original is None or self.is_away or self.subpath is not None:
            return None
        shown = self.whole_page_route if self.page_is_served else None
        if shown is None and (self.whole_page_route or certificate_of(self.original)):
            return None
        others = {"the Route in maintenance": shown, "the snapshot": self.saved_original}
        certified, note = carry_over_certificates(self.original, others)
        if certified == self.original:
            return None
        return certified, note or "the re-created Route has no certificate: it gets the one that it had"

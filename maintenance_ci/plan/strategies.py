"""The strategies: how users of a Route, or of a path of it, are handed over to the page. Pure.

A strategy says which Route shows the page, and lists the steps that hand the users over; all else follows from these
steps: the end, the rollback, what ``plan`` prints, the commands for a person, the rights. A new strategy is one more
entry of `STRATEGIES`, and of `maintenance_ci.names.ROUTE_STRATEGIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from maintenance_ci.names import STRATEGY_ANNOTATION
from maintenance_ci.plan.marks import Object, annotations_of
from maintenance_ci.plan.repoint import repointed
from maintenance_ci.plan.steps import Admitted, Change, Judged, Met, Reloaded, Side, Step, Verb

# The original, the notes for it, and the certificate for a passthrough Route.
Rewrite = Callable[[Mapping[str, Any], Mapping[str, str], Mapping[str, str] | None], Object]

SWAP, REPOINT = "swap", "repoint"
# Not a strategy of ROUTE_STRATEGY: a path is one more Route, whatever the strategy.
SUBPATH = "subpath"


@dataclass(frozen=True)
class Handover:
    """Whom users are handed over from, and to.

    Attributes:
        original: the Route of the application; for a path, the one that the page's Route mirrors.
        shown: the Route that shows the page.
        routers: those that serve either.
        live: the original as it was read, where it is there.
        subpath: the path that is handed over; None for all that the Route serves.
        keeps_snapshot: a snapshot that is there is the original's.
        below_page: the path is below a Route that shows the page anyway: nobody can tell the sides apart.
        excused: a side that users may meet instead of the application: a person knows, and wants it so.
    """

    original: Object
    shown: Object
    routers: frozenset[str] = frozenset()
    live: Object | None = None
    subpath: str | None = None
    keeps_snapshot: bool = False
    below_page: bool = False
    excused: Side | None = None

    @property
    def keep(self) -> Step:
        """Save the original."""
        return Step(Change(Verb.KEEP, self.original, keeps_existing=self.keeps_snapshot))

    def page_met(self) -> Met:
        """Users meet the page."""
        return Met(self.shown, Side.PAGE, self.subpath)

    def application_met(self) -> Met | Reloaded:
        """Users meet the application."""
        if self.below_page:
            return Reloaded()
        return Met(self.original, Side.APPLICATION, self.subpath, self.excused)


@dataclass(frozen=True)
class Strategy:
    """One way to hand users over.

    Attributes:
        description: how the job's log calls it.
        steps: from the application to the page; the end of a maintenance is their inverse.
        rewrite: makes of the original the Route that shows the page; None where that is a Route of its own.
    """

    description: str
    steps: Callable[[Handover], tuple[Step, ...]]
    rewrite: Rewrite | None = None


def _name(route: Mapping[str, Any]) -> str:
    return str(route["metadata"]["name"])


def swap(handover: Handover) -> tuple[Step, ...]:
    """The page's own Route waits for the host, and takes it in the step that frees it."""
    original, shown, routers = _name(handover.original), _name(handover.shown), handover.routers
    return (
        handover.keep,
        Step(
            Change(Verb.PLACE, handover.shown, shows_page=True),
            until=(Judged(shown, routers),),
            undone=(Admitted(original, routers), handover.application_met()),
        ),
        Step(
            Change(Verb.REMOVE, handover.original, as_read=handover.live),
            until=(Admitted(shown, routers), handover.page_met()),
            undone=(Judged(original, routers),),
        ),
    )


def rewrite(handover: Handover) -> tuple[Step, ...]:
    """The original itself, in one patch: it never lets go of its host."""
    name = _name(handover.original)
    change = Change(Verb.REWRITE, handover.shown, before=handover.original, shows_page=True, as_read=handover.live)
    undone = (Admitted(name, handover.routers), handover.application_met())
    return (handover.keep, Step(change, until=(handover.page_met(),), undone=undone))


def add_path(handover: Handover) -> tuple[Step, ...]:
    """One more Route, for the path: the original is not touched, and nothing is to be restored."""
    change = Change(Verb.PLACE, handover.shown, shows_page=True)
    until = (Admitted(_name(handover.shown), handover.routers), handover.page_met())
    return (Step(change, until=until, undone=(handover.application_met(),)),)


STRATEGIES: dict[str, Strategy] = {
    SWAP: Strategy("by swap: a maintenance Route takes the host over, then the original is deleted", swap),
    REPOINT: Strategy(
        "by repoint: the original itself is sent to the page, and keeps its host", rewrite, rewrite=repointed
    ),
    SUBPATH: Strategy("by a Route for the path: the original is not touched", add_path),
}


def rewriting_strategy(route: Mapping[str, Any] | None) -> str | None:
    """Return the strategy that has rewritten an original, by its notes; None where none has."""
    name = annotations_of(route).get(STRATEGY_ANNOTATION, "")
    strategy = STRATEGIES.get(name)
    return name if strategy and strategy.rewrite else None

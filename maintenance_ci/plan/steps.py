"""A switch as data: what is changed, what is waited for after it, and how it is undone. Pure.

A hand-over is its own inverse: *create the new Route, wait until the routers have judged it, delete the old one, wait
until the new one is admitted and users meet it*. `deploy-route` hands the host from the original to the page, `delete`
is the inverse of that, and a rollback is the inverse of the steps that were tried.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from maintenance_ci.plan.marks import Object


class Verb(Enum):
    """What a job may do to a Route, or to its snapshot."""

    KEEP = "keep"  # save the original in its snapshot
    FORGET = "forget"  # delete the snapshot
    PLACE = "place"  # create the Route; one of ours that is there is applied again, one of others is left
    REMOVE = "remove"  # delete the Route
    REWRITE = "rewrite"  # change the Route that is there, by one patch
    CERTIFY = "certify"  # give a Route that somebody re-created the certificate that it lost
    ANNOTATE = "annotate"  # note on a maintenance that another pipeline wants it, too
    INFORM = "inform"  # change what users read during a maintenance
    LEAVE = "leave"  # change nothing: only wait


INVERSE = {
    Verb.KEEP: Verb.FORGET,
    Verb.FORGET: Verb.KEEP,
    Verb.PLACE: Verb.REMOVE,
    Verb.REMOVE: Verb.PLACE,
}


class Side(Enum):
    """Who answers users; the value is how a job's log calls it."""

    PAGE = "the maintenance page"
    APPLICATION = "the application"
    ROUTER = "the router itself"
    UNSEEN = "neither side"


@dataclass(frozen=True)
class Change:
    """One change of the cluster.

    Attributes:
        verb: what is done.
        route: the Route as it is afterwards; of REMOVE and FORGET, as it is before.
        before: of REWRITE, CERTIFY, ANNOTATE and INFORM, the Route as it is before.
        shows_page: whether ``route`` shows the page, or is the original.
        as_read: the Route as the job has read it: whoever has changed it since is not overruled.
        keeps_existing: of KEEP, whether a snapshot that is there and can be read is the original's, and is left.
    """

    verb: Verb
    route: Object
    before: Object | None = None
    shows_page: bool = False
    as_read: Object | None = None
    keeps_existing: bool = False

    @property
    def name(self) -> str:
        """The Route's name."""
        return str(self.route["metadata"]["name"])

    @property
    def changes_cluster(self) -> bool:
        """Whether it is a change at all."""
        return self.verb is not Verb.LEAVE

    def inverse(self) -> Change:
        """Return the change that undoes this one."""
        shows_page = self.shows_page ^ (self.verb is Verb.REWRITE)
        route, before = (self.before, self.route) if self.before else (self.route, None)
        return replace(self, verb=INVERSE.get(self.verb, self.verb), route=route, before=before, shows_page=shows_page)


@dataclass(frozen=True)
class Judged:
    """The routers have judged the Route: from then on it takes over in the step that frees its host."""

    route_name: str
    routers: frozenset[str]


@dataclass(frozen=True)
class Admitted:
    """Each of the routers, and at least one, serves the Route, whose host was just freed."""

    route_name: str
    routers: frozenset[str]


@dataclass(frozen=True)
class Met:
    """Users of the Route, or of a path of it, meet that side alone.

    Attributes:
        route: which is asked for.
        side: who is to answer.
        subpath: the path that is asked for; None for the Route's own.
        excused: a side whose answers are no failure either: a person knows, and wants it so.
    """

    route: Object
    side: Side
    subpath: str | None = None
    excused: Side | None = None


@dataclass(frozen=True)
class Reloaded:
    """Every router has followed: for where nobody can tell the sides apart by asking."""


Condition = Judged | Admitted | Met | Reloaded


@dataclass(frozen=True)
class Step:
    """A change, what must be seen after it, and what must be seen once it is undone.

    Attributes:
        change: what is changed.
        until: what is waited for, in this order.
        undone: what is waited for once the change is undone.
        users: what users see when it was made, or may have been; empty: what they saw before.
    """

    change: Change
    until: tuple[Condition, ...] = ()
    undone: tuple[Condition, ...] = ()
    users: str = ""

    @property
    def moves_users(self) -> bool:
        """Whether users meet another side after it: a failed rollback from here on needs a person."""
        return any(isinstance(condition, (Met, Reloaded)) for condition in self.until)

    def inverse(self) -> Step:
        """Return the step that undoes this one."""
        return replace(self, change=self.change.inverse(), until=self.undone, undone=self.until)


def undo(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return the steps that undo these, the last one first."""
    return tuple(step.inverse() for step in reversed(tuple(steps)))


class Direction(Enum):
    """What a plan does with a maintenance."""

    BEGIN = "begin"
    CONFIRM = "confirm"
    END = "end"


@dataclass(frozen=True)
class Plan:
    """What a job is going to do for one Route, or one path of it.

    Attributes:
        direction: whether the maintenance begins, is only confirmed, or ends.
        strategy: by which it is switched.
        steps: in this order.
        undoable: whether a failure is undone: not where users met the page before, whatever happens now.
        resumes: whether an earlier run was cut short among these steps: a rollback undoes its steps, too.
        routers: those that serve, or served, the Route.
    """

    direction: Direction
    strategy: str
    steps: tuple[Step, ...]
    undoable: bool = True
    resumes: bool = False
    routers: frozenset[str] = frozenset()

    @property
    def switching(self) -> tuple[Step, ...]:
        """The steps up to the last one that moves users: what follows is never undone."""
        moving = [number for number, step in enumerate(self.steps, 1) if step.moves_users]
        return self.steps[: moving[-1]] if moving else ()

    @property
    def changes(self) -> bool:
        """Whether anything is changed at all."""
        return any(step.change.changes_cluster for step in self.steps)

    @property
    def informs(self) -> bool:
        """Whether users read something else from then on, in a maintenance that goes on."""
        return self._does(Verb.INFORM, shows_page=True)

    @property
    def deletes_original(self) -> bool:
        """Whether the original goes, and lets go of its host."""
        return self._does(Verb.REMOVE, shows_page=False)

    @property
    def adds_page_route(self) -> bool:
        """Whether the page gets a Route of its own."""
        return self._does(Verb.PLACE, shows_page=True)

    def _does(self, verb: Verb, *, shows_page: bool) -> bool:
        changes = (step.change for step in self.steps)
        return any(change.verb is verb and change.shows_page is shows_page for change in changes)

    def to_undo(self, tried: Sequence[Step], *, waited: bool, gave_up: bool) -> tuple[Step, ...]:
        """Return the steps that undo what was ``tried``.

        Args:
            tried: the steps so far; of the last one the answer may be lost.
            waited: the last one's change was made, and what was waited for did not come.
            gave_up: nobody can undo it now: the host is lost, the cluster is away, or the job is stopped.
        """
        if not self.undoable or self.direction is Direction.CONFIRM:
            return ()
        if self.direction is Direction.BEGIN:
            # Once more than the snapshot was tried, all steps are undone: somebody else may have removed the original
            # before we came to that, and undoing what was not done changes nothing.
            return undo(self.steps if self.resumes or len(tried) > 1 else tried)
        # An end is taken back as long as users have not noticed it; then only where the application does not come.
        before_users = not any(step.moves_users for step in tried)
        if before_users and len(tried) <= len(self.switching):
            return undo(tried)
        if len(tried) != len(self.switching) or not tried[-1].moves_users:
            return ()
        if not waited:
            return undo(tried[:-1])
        return () if gave_up else undo(tried)

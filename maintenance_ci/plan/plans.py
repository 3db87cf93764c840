"""From what was observed to what a job does: pure. Each phase has its steps; nothing is asked of the cluster here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from maintenance_ci.plan.announcement import announcement
from maintenance_ci.plan.observed import Observed, Phase
from maintenance_ci.plan.steps import (
    Admitted,
    Change,
    Condition,
    Direction,
    Judged,
    Met,
    Plan,
    Reloaded,
    Side,
    Step,
    Verb,
    undo,
)
from maintenance_ci.plan.strategies import STRATEGIES, SUBPATH, Handover
from maintenance_ci.plan.verdicts import admitting_routers
from maintenance_ci.settings.force import Force

if TYPE_CHECKING:
    from maintenance_ci.plan.marks import Object
    from maintenance_ci.settings.variables import RouteSettings

# What users see after a step of an end, as it goes on before "Run the job delete again.".
BACK_WAITS = "The original Route may wait for its host; users still meet the page."
BACK_ALONE = "The original Route may wait for its host."
REWRITTEN_BACK = "The original Route is its own again, or may be."
CERTIFIED = "The re-created Route got its certificate back; nothing else was changed."
PAGE_ROUTE_GONE = "The maintenance Route is deleted, or may be; the page still runs."


def strategy_of(settings: RouteSettings, observed: Observed) -> str:
    """Return the strategy by which a maintenance is begun, or was."""
    return SUBPATH if settings.subpath else observed.active_strategy or settings.route_strategy


def plan_begin(settings: RouteSettings, observed: Observed) -> Plan:
    """Return how users are sent to the page.

    Where the Route is in maintenance already, as a whole, that is only confirmed. Where the page's Route serves, and
    the original is there again, or where the path has its Route, users met the page before: nothing is undone.
    """
    strategy, original = strategy_of(settings, observed), observed.route_to_mirror
    routers = admitting_routers(observed.whole_page_route) or admitting_routers(observed.original)
    if original is None:
        return Plan(Direction.BEGIN, strategy, ())
    if observed.phase is Phase.SHOWN and strategy != SUBPATH:
        return Plan(Direction.CONFIRM, strategy, (_confirm(settings, observed),), routers=routers)
    # A rewritten Route that somebody sent elsewhere says nothing of the original: only the snapshot does.
    diverted = observed.phase is Phase.DIVERTED and observed.saved_original is not None
    keeps_snapshot = diverted or (observed.phase is Phase.RETURNING and not observed.is_unserved_restore)
    # Where the Route that shows the page cannot be made, which a check tells, its name still counts.
    shown = observed.route_name if STRATEGIES[strategy].rewrite else observed.page_route_name
    shown_before = observed.phase in (Phase.RETURNING, Phase.SHOWN)
    handover = Handover(
        observed.saved_original if diverted and observed.saved_original else original,
        observed.wanted_page_route.value or _named(shown, original),
        routers,
        live=observed.original,
        subpath=settings.subpath,
        keeps_snapshot=keeps_snapshot,
        below_page=observed.whole_route_is_shown,
    )
    steps = STRATEGIES[strategy].steps(handover)
    resumes = observed.phase in (Phase.PREPARED, Phase.DIVERTED)
    return Plan(Direction.BEGIN, strategy, steps, undoable=not shown_before, resumes=resumes, routers=routers)


def plan_end(settings: RouteSettings, observed: Observed) -> Plan:
    """Return how users get their application back: the inverse of what put the Route into maintenance.

    An original that somebody re-created stays as it is, and gets the certificate that it lost.
    """
    strategy = strategy_of(settings, observed)
    routers = admitting_routers(observed.annotated_route)
    steps = _steps_to_end(settings, observed, strategy, routers)
    undoable = observed.subpath is not None or (observed.is_away and observed.annotated_route is not None)
    return Plan(Direction.END, strategy, steps, undoable=undoable, routers=routers)


def _steps_to_end(
    settings: RouteSettings, observed: Observed, strategy: str, routers: frozenset[str]
) -> tuple[Step, ...]:
    original = observed.restored.value or observed.original or observed.saved_original
    excused = Side.ROUTER if Force.ENDPOINTS in settings.force else None
    if settings.subpath:
        if observed.page_route is None:
            waiting = Change(Verb.LEAVE, _named(observed.route_name, observed.original or {}))
            return (Step(waiting, until=(Reloaded(),)),)
        mirrored = observed.original or observed.page_route
        below = observed.whole_route_is_shown or observed.original is None
        handover = Handover(
            mirrored, observed.page_route, routers, subpath=settings.subpath, below_page=below, excused=excused
        )
        return _with_outcomes(undo(STRATEGIES[SUBPATH].steps(handover)), observed)
    if original is None:
        original = _named(observed.route_name, observed.annotated_route or {})
    back: tuple[Condition, ...] = (
        Admitted(observed.route_name, routers),
        Met(original, Side.APPLICATION, excused=excused),
    )
    forget = Step(Change(Verb.FORGET, original))
    if observed.is_away and (shown := observed.annotated_route):
        handover = Handover(original, shown, routers, excused=excused)
        steps = undo(STRATEGIES[strategy].steps(handover))
        if observed.is_rewritten and observed.page_route:  # of a swap that was cut short: nobody is served by it
            steps = (steps[0], Step(Change(Verb.REMOVE, observed.page_route, shows_page=True)), *steps[1:])
    elif observed.is_away:
        judged = Judged(observed.route_name, routers)
        steps = (Step(Change(Verb.PLACE, original), until=(judged, *back)), forget)
    else:
        lost = observed.lost_certificate
        certify = (Step(Change(Verb.CERTIFY, lost[0], before=observed.original)),) if lost else ()
        steps = (*certify, *_leave_original(observed, back), forget)
    if observed.snapshot.value is None:
        steps = tuple(step for step in steps if step.change.verb is not Verb.FORGET)
    return _with_outcomes(steps, observed)


def _leave_original(observed: Observed, back: tuple[Condition, ...]) -> tuple[Step, ...]:
    """The original is there: the page's Route goes, where there is one, once the routers know the original."""
    leave = Change(Verb.LEAVE, observed.original or {})
    if observed.page_route is not None:
        # Those that serve the page's Route; after a switch that was cut short, those that serve the original.
        routers = admitting_routers(observed.page_route) or admitting_routers(observed.original)
        judged = Step(leave, until=(Judged(observed.route_name, routers),))
        return judged, Step(Change(Verb.REMOVE, observed.page_route, shows_page=True), until=back)
    # A run before may have been cut short before it waited.
    return (Step(leave, until=back if observed.snapshot.value else (Reloaded(),)),)


def _confirm(settings: RouteSettings, observed: Observed) -> Step:
    """Return the step that notes the pipeline, or changes the texts, and sees that users meet the page."""
    annotated = observed.annotated_route or {}
    announced = announcement(settings, observed)
    updated = announced.on(annotated)
    verb = Verb.ANNOTATE if updated["metadata"] != annotated["metadata"] else Verb.LEAVE
    if announced.new_texts:
        verb = Verb.INFORM
    change = Change(verb, annotated if verb is Verb.LEAVE else updated, before=annotated, shows_page=True)
    admitted = () if observed.is_rewritten else (Admitted(observed.page_route_name, frozenset()),)
    return Step(change, until=(*admitted, Met(annotated, Side.PAGE)))


def _with_outcomes(steps: tuple[Step, ...], observed: Observed) -> tuple[Step, ...]:
    """Return the steps, each with what users see when it was made."""
    placed = BACK_WAITS if observed.annotated_route else BACK_ALONE
    sentences = {Verb.PLACE: placed, Verb.CERTIFY: CERTIFIED}
    moving = {Verb.REWRITE: REWRITTEN_BACK, Verb.REMOVE: PAGE_ROUTE_GONE, **sentences}
    return tuple(
        replace(step, users=(moving if step.moves_users else sentences).get(step.change.verb, "")) for step in steps
    )


def _named(name: str, route: Object) -> Object:
    """Return a Route of that name, where the Route itself is not known: what stands in the way is told elsewhere."""
    return {**route, "metadata": {**(route.get("metadata") or {}), "name": name}, "spec": route.get("spec") or {}}

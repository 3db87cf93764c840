"""What both Route jobs do around a switch: insist on each step, and see it as users do."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Literal

from maintenance_ci.errors import ConflictError, ForbiddenError, MaintenanceError, NotNowError, TryAgainError
from maintenance_ci.log.report_files import ProbeAnswer, ProbeRun
from maintenance_ci.names import PIPELINE_ANNOTATION, PIPELINE_URL_ANNOTATION
from maintenance_ci.plan.route_access import public_url
from maintenance_ci.plan.situation import pipeline_of
from maintenance_ci.plan.verdicts import drain_time
from maintenance_ci.run.admission import wait_until_reloaded
from maintenance_ci.run.probe import (
    FEWEST_UNSEEN,
    Outcome,
    Probe,
    Side,
    advice_on_front,
    summarize,
    wait_until_users_see,
)
from maintenance_ci.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from maintenance_ci.cluster.openshift import Object, OpenShift
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.settings.variables import RouteSettings

OUTCOMES: dict[Outcome, Literal["seen", "unseen", "not_yet"]] = {
    Outcome.SEEN: "seen",
    Outcome.UNSEEN: "unseen",
    Outcome.NOT_YET: "not_yet",
}


def wait_until_seen_by_users(
    settings: RouteSettings, route: Object, wanted: Side, log: JobLog, *, excused: Side | None = None
) -> Outcome:
    """Wait until every answer on the public URL comes from the wanted side, or as long as a router needs.

    Args:
        settings: the pipeline's variables.
        route: which is asked for.
        wanted: the side that users are to meet.
        log: what the job says.
        excused: a side whose answers are no failure either: somebody knows, and wants it so.

    Returns:
        What was seen: `Outcome.NOT_YET` where users meet the side that is excused.

    Raises:
        MaintenanceError: answers of another side keep coming.
    """
    if not settings.probes:
        wait_until_reloaded(settings.router_reload_interval, log=log)
        return Outcome.UNSEEN
    probe = _probe(settings, route)
    window = drain_time(settings.router_reload_interval)
    timeout = window + settings.admission_timeout
    with _recorded(probe, wanted, log) as watch:
        outcome = wait_until_users_see(probe, wanted, window=window, timeout=timeout, say=log.say, warn=log.warn)
        watch.outcome = OUTCOMES[outcome]
    if outcome is Outcome.NOT_YET:
        last = probe.answers[-5:]
        fault = f"Users do not meet {wanted.value}: {summarize(probe.answers[-10:])}."
        if not excused or any(answer.side is not excused for answer in last):
            front, advice = advice_on_front(probe.answers[-10:], wanted)
            raise MaintenanceError(f"{fault} {front}".strip(), advice)
        log.warn(f"forced, although: {fault}")
    return outcome


def look_once(settings: RouteSettings, route: Object, log: JobLog) -> Side | None:
    """Ask once, before a switch, who answers users now: a runner that cannot see the site is better known then."""
    if not settings.probes or not route["spec"].get("host"):
        return None
    probe = _probe(settings, route)
    with _recorded(probe, None, log) as watch:
        answer = probe.ask()
        watch.outcome = "unseen" if answer.side is Side.UNSEEN else "seen"
    front = f"; in front of it: {answer.front}" if answer.front else ""
    log.say(f"{probe.url} is answered by {answer.side.value} now ({answer.words}{front})")
    if answer.side is Side.UNSEEN:
        seconds = drain_time(settings.router_reload_interval)
        log.warn(
            "the runner cannot see it (PUBLIC_ADDRESS says where it is asked for, PUBLIC_CA whom it trusts): "
            f"instead of watching it, deploy-route waits {seconds:g} s"
        )
    return answer.side


def met_instead(settings: RouteSettings, route: Object, log: JobLog) -> str:
    """Say what users of a host meet that no Route of ours gets: what the runner itself sees there now."""
    unknown = "What users see now is not certain."
    if not settings.probes or not route["spec"].get("host"):
        return unknown
    probe = _probe(settings, route)
    with _recorded(probe, None, log) as watch:
        answers = [probe.ask() for _ in range(FEWEST_UNSEEN)]
        watch.outcome = "unseen" if {answer.side for answer in answers} == {Side.UNSEEN} else "seen"
    seen = summarize(answers)
    log.say(f"{probe.url} is answered by {seen}")
    sides, statuses = {answer.side for answer in answers}, ", ".join(sorted({answer.words for answer in answers}))
    if sides == {Side.APPLICATION}:
        return f"Users of {probe.url} meet another site, none of ours: it answers {statuses}."
    if sides == {Side.ROUTER}:
        return f"Users of {probe.url} meet neither the page nor the application: the router itself answers {statuses}."
    return f"{unknown} The last answers of {probe.url}: {seen}."


def insist(
    change: Callable[[], object], subject: str, *, timeout: float, log: JobLog, even_if_forbidden: bool = False
) -> None:
    """Make one change, again while the cluster is away or somebody else writes the same object.

    With ``even_if_forbidden`` also while the token is refused: an API server that is rolled out refuses everybody for
    a moment, and a way back must not end there.

    Raises:
        TryAgainError: not within ``timeout`` seconds.
        NotNowError: nor was it sent.
        ForbiddenError: the token is refused still.
    """
    sent = False
    forbidden: ForbiddenError | None = None

    def attempt() -> bool | None:
        nonlocal sent, forbidden
        try:
            change()
        except ForbiddenError as error:
            if not even_if_forbidden:
                raise
            log.say(f"{error.what} Trying again.")
            forbidden = error
            return None
        except ConflictError as error:
            log.say(f"{error.what} Looking again.")
            return None
        except TryAgainError as error:
            sent = sent or not isinstance(error, NotNowError)
            raise
        return True

    if not wait_for(attempt, timeout=timeout, say=log.say, subject=subject, every=1.0):
        if forbidden:
            raise forbidden
        kind = TryAgainError if sent else NotNowError
        raise kind(f"Waited {timeout:.0f} s in vain for {subject}.", "Run the job again.")


def remove_route(cluster: OpenShift, name: str, *, uid: str | None = None) -> None:
    """Delete a Route as it is now; one that is gone already is no error, and one of another ``uid`` is left."""
    there = cluster.get("routes", name)
    if there and uid in (None, there["metadata"]["uid"]):
        cluster.delete("routes", there)


def _probe(settings: RouteSettings, route: Object) -> Probe:
    return Probe(public_url(route, settings.subpath), ca=settings.public_ca, address=settings.public_address)


@contextlib.contextmanager
def _recorded(probe: Probe, wanted: Side | None, log: JobLog) -> Iterator[ProbeRun]:
    """Keep for the job's report what the probe sees in the body, however that ends; who asks says the outcome."""
    watch = ProbeRun(probe.url, wanted.value if wanted else None)
    log.record.probes.append(watch)
    try:
        yield watch
    finally:
        watch.summary = summarize(probe.answers)
        watch.answers = [ProbeAnswer(log.seconds(one.at), one.side.value, one.words) for one in probe.answers]


def note_pipeline(settings: RouteSettings, cluster: OpenShift, name: str) -> None:
    """Note on a maintenance that is on already that this pipeline wants it, too, unless a newer one does."""
    noted = cluster.get("routes", name)
    if noted and int(settings.ci_pipeline_id or 0) > (pipeline_of(noted) or 0):
        said = {PIPELINE_ANNOTATION: settings.ci_pipeline_id, PIPELINE_URL_ANNOTATION: settings.ci_pipeline_url}
        changed = {"metadata": {"annotations": {key: value or None for key, value in said.items()}}}
        cluster.patch("routes", noted, changed)

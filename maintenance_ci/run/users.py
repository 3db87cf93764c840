"""Sees a switch as users do: asks the public URL, waits until one side answers alone, and records what was seen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.log.report_files import ProbeAnswer, ProbeRun
from maintenance_ci.plan.route_access import public_url
from maintenance_ci.plan.steps import Side
from maintenance_ci.plan.verdicts import drain_time
from maintenance_ci.run.probe import FEWEST_UNSEEN, PAUSE, Outcome, Probe, advice_on_front, judge, row_of, summarize
from maintenance_ci.run.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maintenance_ci.cluster.openshift import Object
    from maintenance_ci.log.route_log import RouteLog
    from maintenance_ci.plan.steps import Met
    from maintenance_ci.run.probe import Answer
    from maintenance_ci.settings.variables import RouteSettings

# Requests a second of all probes of a job.
MOST_A_SECOND = 100.0
RECORDED: dict[Outcome, Literal["seen", "unseen", "not_yet"]] = {
    Outcome.SEEN: "seen",
    Outcome.UNSEEN: "unseen",
    Outcome.NOT_YET: "not_yet",
}


class MetWatch(Watch):
    """Asks until every definite answer in a row came from one side for longer than ``window``.

    An application that answers 5xx itself is the application: it is back, and its state is said.

    Args:
        probe: asks, and holds the answers afterwards.
        condition: what is waited for.
        log: the Route's part of the job's log.
        window: seconds; the drain time, so that a runner which sees nothing has waited it out.
        timeout: seconds; a row that has begun by then has one more window.
        number: of the Routes whose users are asked for at the same time: each the more seldom the more there are.
    """

    ends_itself = True

    def __init__(
        self, probe: Probe, condition: Met, log: RouteLog, *, window: float, timeout: float, number: int = 1
    ) -> None:
        super().__init__(condition.side.value, log, timeout=timeout)
        self.every, self.ahead = max(PAUSE, number / MOST_A_SECOND), probe.timeout
        self._probe, self._condition, self._window = probe, condition, window
        self._first = len(probe.answers)
        self._known: set[tuple[Side, str]] = set()
        self._record = ProbeRun(probe.url, condition.side.value)
        log.record.probes.append(self._record)

    def look(self) -> bool:
        """Ask once, and tell whether the wait is over.

        Raises:
            MaintenanceError: answers of another side keep coming, and are not excused.
        """
        answer = self._probe.ask()
        _record(self._record, self._probe, self.log)
        answers, now = self._probe.answers[self._first :], time.monotonic()
        self.details = summarize(answers[-10:])
        if (answer.side, answer.description) not in self._known:
            self._known.add((answer.side, answer.description))
            self.log.say(f"{self._probe.url} is answered by {answer.side.value} ({answer.description})")
            self.sign.spoke()
        wanted, began = self._condition.side, self.sign.began
        self.outcome = judge(answers, wanted, began=began, now=now, window=self._window, timeout=self.timeout)
        if self.outcome is None:
            return False
        self._record.outcome = RECORDED[self.outcome]
        self._tell_outcome(answers, now - began)
        if self.outcome is Outcome.NOT_YET:
            self.give_up()
        return True

    def _tell_outcome(self, answers: Sequence[Answer], seconds: float) -> None:
        url, wanted, last = self._probe.url, self._condition.side, answers[-1]
        if self.outcome is Outcome.UNSEEN:
            self.log.say(f"the runner cannot see {url} ({last.description}): waited {seconds:.1f} s instead")
        elif self.outcome is Outcome.NOT_YET:
            self.log.say(f"{url} is not answered by {wanted.value} alone after {seconds:.0f} s: {self.details}")
        else:
            row = len(row_of(answers, wanted))
            seen = f"the last {row} answers; in {seconds:.1f} s {summarize(answers)}"
            self.log.say(f"users of {url} meet {wanted.value}: {seen}")
            if wanted is Side.APPLICATION and (last.status or 0) >= 500:
                self.log.warn(f"the application itself answers {last.description} on {url}: look at it.")

    def give_up(self) -> None:
        """Say whom users meet instead; only warn where that is excused."""
        wanted, excused = self._condition.side, self._condition.excused
        answers = self._probe.answers[-10:]
        fault = f"Users do not meet {wanted.value}: {summarize(answers)}."
        if not excused or any(answer.side is not excused for answer in answers[-5:]):
            front, advice = advice_on_front(answers, wanted)
            raise MaintenanceError(f"{fault} {front}".strip(), advice)
        self.log.warn(f"forced, although: {fault}")


def watch_users(settings: RouteSettings, condition: Met, log: RouteLog, *, number: int) -> MetWatch:
    """Return what watches for users of a Route, one of so many at the same time, to meet one side alone."""
    probe, window = probe_of(settings, condition.route, condition.subpath), drain_time(settings.router_reload_interval)
    timeout = window + settings.admission_timeout
    return MetWatch(probe, condition, log, window=window, timeout=timeout, number=number)


class ReloadedWatch(Watch):
    """Waits until every router's traffic has followed its verdict."""

    ends_itself = True

    def __init__(self, settings: RouteSettings, log: RouteLog) -> None:
        interval = settings.router_reload_interval
        super().__init__("the routers to reload", log, timeout=drain_time(interval))
        self.every, self.outcome = min(1.0, self.timeout), Outcome.UNSEEN
        log.say(f"{self.timeout:g} s: one reload interval ({interval:g} s) and a margin")

    def look(self) -> bool:
        """Tell whether the time is over."""
        return self.waited >= self.timeout


def look_once(settings: RouteSettings, route: Object, log: RouteLog) -> Side | None:
    """Ask once, before a switch, who answers users now: a runner that cannot see the site is better known then."""
    probe = _ask(settings, route, 1, log)
    if probe is None:
        return None
    [answer] = probe.answers
    front = f"; in front of it: {answer.front}" if answer.front else ""
    log.say(f"{probe.url} is answered by {answer.side.value} now ({answer.description}{front})")
    if answer.side is Side.UNSEEN:
        seconds = drain_time(settings.router_reload_interval)
        log.warn(
            "the runner cannot see it (PUBLIC_ADDRESS or PUBLIC_CA may help): deploy-route cannot watch the switch and "
            f"waits {seconds:g} s"
        )
    return answer.side


def met_instead(settings: RouteSettings, route: Object, log: RouteLog) -> str:
    """Say what users of a host meet that no Route of ours gets: what the runner itself sees there now."""
    unknown = "What users see now is not certain."
    probe = _ask(settings, route, FEWEST_UNSEEN, log)
    if probe is None:
        return unknown
    seen = summarize(probe.answers)
    log.say(f"{probe.url} is answered by {seen}")
    sides = {answer.side for answer in probe.answers}
    statuses = ", ".join(sorted({answer.description for answer in probe.answers}))
    if sides == {Side.APPLICATION}:
        return f"Users of {probe.url} meet another site, neither the page nor the application: it answers {statuses}."
    if sides == {Side.ROUTER}:
        return f"Users of {probe.url} meet neither the page nor the application: the router itself answers {statuses}."
    return f"{unknown} The last answers of {probe.url}: {seen}."


def _ask(settings: RouteSettings, route: Object, times: int, log: RouteLog) -> Probe | None:
    """Ask that many times, keep the answers for the job's report, and return the probe; None where nobody may ask."""
    if not settings.probes or not route["spec"].get("host"):
        return None
    probe = probe_of(settings, route, settings.subpath)
    for _ in range(times):
        probe.ask()
    record = ProbeRun(probe.url, None)
    record.outcome = "unseen" if {answer.side for answer in probe.answers} == {Side.UNSEEN} else "seen"
    _record(record, probe, log)
    log.record.probes.append(record)
    return probe


def _record(record: ProbeRun, probe: Probe, log: RouteLog) -> None:
    record.summary = summarize(probe.answers)
    new = probe.answers[len(record.answers) :]
    record.answers += [ProbeAnswer(log.seconds(one.at), one.side.value, one.description) for one in new]


def probe_of(settings: RouteSettings, route: Object, subpath: str | None = None) -> Probe:
    """Return what asks a Route's public URL, or that of a path of it, as the pipeline's variables say."""
    return Probe(public_url(route, subpath), ca=settings.public_ca, address=settings.public_address)

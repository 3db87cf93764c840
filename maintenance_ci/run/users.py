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
from maintenance_ci.waiting import SignOfLife

if TYPE_CHECKING:
    from collections.abc import Callable

    from maintenance_ci.cluster.openshift import Object
    from maintenance_ci.log.route_log import RouteLog
    from maintenance_ci.plan.steps import Met
    from maintenance_ci.settings.variables import RouteSettings

# Requests a second of all probes of a job.
MOST_A_SECOND = 100.0
RECORDED: dict[Outcome, Literal["seen", "unseen", "not_yet"]] = {
    Outcome.SEEN: "seen",
    Outcome.UNSEEN: "unseen",
    Outcome.NOT_YET: "not_yet",
}


class UsersWatch:
    """Asks until every definite answer in a row came from one side for longer than ``window``.

    An application that answers 5xx itself is the application: it is back, and its state is said.

    Args:
        probe: asks, and holds the answers afterwards.
        wanted: the side that users are to meet.
        window: seconds; the drain time, so that a runner which sees nothing has waited it out.
        timeout: seconds; a row that has begun by then has one more window.
        say: what the job's log is told.
        warn: what must not be overlooked in it.
        give_sign: is told a sign of life.
    """

    def __init__(
        self,
        probe: Probe,
        wanted: Side,
        *,
        window: float,
        timeout: float,
        say: Callable[[str], None],
        warn: Callable[[str], None],
        give_sign: Callable[[str], None],
    ) -> None:
        self._probe, self._wanted = probe, wanted
        self._window, self._timeout, self._say, self._warn = window, timeout, say, warn
        self._began, self._first = time.monotonic(), len(probe.answers)
        self._told: set[tuple[Side, str]] = set()
        self._sign = SignOfLife(give_sign, wanted.value, timeout)

    def look(self) -> Outcome | None:
        """Ask once, and return how the wait has ended; None: it goes on."""
        probe, wanted = self._probe, self._wanted
        answer = probe.ask()
        answers, waited = probe.answers[self._first :], time.monotonic() - self._began
        if (answer.side, answer.words) not in self._told:
            self._told.add((answer.side, answer.words))
            self._say(f"{probe.url} is answered by {answer.side.value} ({answer.words})")
            self._sign.spoke()
        outcome = judge(
            answers, wanted, began=self._began, now=self._began + waited, window=self._window, timeout=self._timeout
        )
        if outcome is None:
            self._sign.give(summarize(answers[-10:]), ahead=probe.timeout)
        elif outcome is Outcome.UNSEEN:
            self._say(f"the runner cannot see {probe.url} ({answer.words}): waited {waited:.1f} s instead")
        elif outcome is Outcome.NOT_YET:
            seen = summarize(answers[-10:])
            self._say(f"{probe.url} is not answered by {wanted.value} alone after {waited:.0f} s: {seen}")
        else:
            row = len(row_of([one for one in answers if one.side is not Side.UNSEEN], wanted))
            seen = f"the last {row} answers; in {waited:.1f} s {summarize(answers)}"
            self._say(f"users of {probe.url} meet {wanted.value}: {seen}")
            if wanted is Side.APPLICATION and (answer.status or 0) >= 500:
                self._warn(f"the application itself answers {answer.words} on {probe.url}: look at it.")
        return outcome


class MetWatch(Watch):
    """Watches for users to meet one side alone; who asks ends by itself.

    Args:
        settings: the pipeline's variables, for the Route.
        condition: what is waited for.
        log: the Route's part of the job's log.
        number: of the Routes whose users are asked for at the same time: each the more seldom the more there are.
    """

    def __init__(self, settings: RouteSettings, condition: Met, log: RouteLog, *, number: int = 1) -> None:
        super().__init__("", log)
        self.every = max(PAUSE, number / MOST_A_SECOND)
        self._condition, self._log = condition, log
        self._probe = _probe(settings, condition.route, condition.subpath)
        window = drain_time(settings.router_reload_interval)
        timeout = window + settings.admission_timeout
        self._users = UsersWatch(
            self._probe,
            condition.side,
            window=window,
            timeout=timeout,
            say=log.say,
            warn=log.warn,
            give_sign=log.give_sign,
        )
        self._record = ProbeRun(self._probe.url, condition.side.value)
        log.record.probes.append(self._record)

    def look(self) -> bool:
        """Ask once, and tell whether the wait is over.

        Raises:
            MaintenanceError: answers of another side keep coming, and are not excused.
        """
        try:
            self.outcome = self._users.look()
        finally:
            _record(self._record, self._probe, self._log)
        if self.outcome:
            self._record.outcome = RECORDED[self.outcome]
        if self.outcome is Outcome.NOT_YET:
            self.give_up()
        return self.outcome is not None

    def give_up(self) -> None:
        """Say whom users meet instead; only warn where that is excused."""
        wanted, excused = self._condition.side, self._condition.excused
        answers = self._probe.answers[-10:]
        fault = f"Users do not meet {wanted.value}: {summarize(answers)}."
        if not excused or any(answer.side is not excused for answer in answers[-5:]):
            front, advice = advice_on_front(answers, wanted)
            raise MaintenanceError(f"{fault} {front}".strip(), advice)
        self._log.warn(f"forced, although: {fault}")


class ReloadedWatch(Watch):
    """Waits until every router's traffic has followed its verdict."""

    def __init__(self, settings: RouteSettings, log: RouteLog) -> None:
        interval = settings.router_reload_interval
        self._seconds = drain_time(interval)
        super().__init__("", log)
        self._sign = SignOfLife(log.give_sign, "the routers to reload", self._seconds)
        self.every, self.outcome = min(1.0, self._seconds), Outcome.UNSEEN
        log.say(f"{self._seconds:g} s: one reload interval ({interval:g} s) and a margin")

    def look(self) -> bool:
        """Tell whether the time is over."""
        return self.waited >= self._seconds


def look_once(settings: RouteSettings, route: Object, log: RouteLog) -> Side | None:
    """Ask once, before a switch, who answers users now: a runner that cannot see the site is better known then."""
    if not settings.probes or not route["spec"].get("host"):
        return None
    probe = _ask(settings, route, 1, log)
    [answer] = probe.answers
    front = f"; in front of it: {answer.front}" if answer.front else ""
    log.say(f"{probe.url} is answered by {answer.side.value} now ({answer.words}{front})")
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
    if not settings.probes or not route["spec"].get("host"):
        return unknown
    probe = _ask(settings, route, FEWEST_UNSEEN, log)
    seen = summarize(probe.answers)
    log.say(f"{probe.url} is answered by {seen}")
    sides = {answer.side for answer in probe.answers}
    statuses = ", ".join(sorted({answer.words for answer in probe.answers}))
    if sides == {Side.APPLICATION}:
        return f"Users of {probe.url} meet another site, neither the page nor the application: it answers {statuses}."
    if sides == {Side.ROUTER}:
        return f"Users of {probe.url} meet neither the page nor the application: the router itself answers {statuses}."
    return f"{unknown} The last answers of {probe.url}: {seen}."


def _ask(settings: RouteSettings, route: Object, times: int, log: RouteLog) -> Probe:
    """Ask that many times, keep the answers for the job's report, and return the probe."""
    probe = _probe(settings, route, settings.subpath)
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
    record.answers += [ProbeAnswer(log.seconds(one.at), one.side.value, one.words) for one in new]


def _probe(settings: RouteSettings, route: Object, subpath: str | None) -> Probe:
    return Probe(public_url(route, subpath), ca=settings.public_ca, address=settings.public_address)

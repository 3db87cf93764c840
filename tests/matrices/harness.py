"""Matrices: many cases of one kind, one after another, with their totals."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from typing import Any

from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.store import now
from tests.matrices.stage import SUBPATH, Stage, Step, Variables, stage

TOTALS = "matrix"  # the name of the property that a test hands its totals over by
STRATEGIES = ("swap", "repoint")

# Plays one case, and says in a word or two how it came out.
Play = Callable[[Stage], str]
Case = tuple[str, Play]


@dataclass
class Totals:
    """What a matrix comes to.

    Attributes:
        matrix: which one.
        cases: how many were played.
        outcomes: how often each way to come out.
        requests: of users meanwhile.
        failures: what did not hold, with the case's name.
    """

    matrix: str
    cases: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    failures: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Return them as plain values, which a worker can send to whoever sums them up."""
        return asdict(self) | {"outcomes": dict(self.outcomes), "failures": len(self.failures)}


@dataclass(frozen=True)
class Scene:
    """What a matrix is played on.

    Attributes:
        job: the one that is disturbed.
        strategy: how the Route is switched.
        subpath: the part of the site; None for the whole Route.
        keep_page: somebody else needs the page too, so that the last `delete` leaves it.
        names: of the Routes.
    """

    job: str
    strategy: str = "swap"
    subpath: str | None = None
    keep_page: bool = True
    names: tuple[str, ...] = (manifests.APPLICATION,)

    def __str__(self) -> str:
        kept = "" if self.keep_page else ", page and all"
        routes = f"{len(self.names)} Routes, " if len(self.names) > 1 else ""
        return f"{self.job}, {routes}{self.strategy}, {'subpath' if self.subpath else 'whole'}{kept}"

    @property
    def variables(self) -> Variables:
        """The pipeline's variables."""
        names = " ".join(self.names)
        return {"ROUTE_NAME": names, "ROUTE_STRATEGY": self.strategy, "SUBPATH": self.subpath}

    @property
    def path(self) -> str:
        """Where users meet the page."""
        return self.subpath or "/"

    def arrange(self, on: Stage) -> None:
        """Run the jobs that come before this one, unless a case before has left all as they made it."""
        if on.is_arranged:
            return
        jobs = ("build-and-deploy", "deploy-route", "delete")
        for job in jobs[: jobs.index(self.job)]:
            if job != "build-and-deploy" or not self.keep_page:
                on.ok(job, self.variables)
        made = {found["metadata"].get("creationTimestamp") for found in on.objects().values()}
        while now() in made:  # of two Routes of one second chance decides which one is older
            time.sleep(0.05)
        on.arranged = on.picture() if self.job == "delete" else None

    def steps(self, on: Stage) -> list[Step]:
        """Return the job's requests when all goes well; the cluster is as before afterwards."""
        self.arrange(on)
        steps = on.steps(self.job, self.variables)
        if self.job != "delete":
            on.ok("delete", self.variables)
        require_as_before(on)
        return steps


def require_as_before(on: Stage) -> None:
    """Hold that the namespace is as it was at first, that users meet the application, and that none was harmed."""
    differs = on.differs()
    assert not differs, "not as before: " + "; ".join(differs)
    served = on.served("/", SUBPATH)
    assert set().union(*served.values()) == {"application"}, f"users meet {served}"
    require_unharmed(on)


def require_unharmed(on: Stage) -> None:
    """Hold that no user got a 5xx, or no answer, since this was asked last."""
    harmed = on.harmed()
    assert not harmed, "; ".join(harmed)


class Matrix:
    """Plays cases on a stage; a case that spoils it fails, and the next one gets a new stage.

    It must be as it was at first, or as it was arranged for the job under test.
    """

    def __init__(self, name: str, build: Callable[[], AbstractContextManager[Stage]]) -> None:
        self.totals = Totals(name)
        self._build = build
        self._open = contextlib.ExitStack()
        self._stage: Stage | None = None

    @property
    def stage(self) -> Stage:
        """The stage, built when it is needed."""
        if self._stage is None:
            self._stage = self._open.enter_context(self._build())
        return self._stage

    def play(self, cases: Iterable[Case]) -> None:
        """Play each case."""
        for name, play in cases:
            self.totals.cases += 1
            try:
                outcome = play(self.stage)
                if self.stage.is_arranged:
                    require_unharmed(self.stage)
                else:
                    require_as_before(self.stage)
            except (AssertionError, TimeoutError) as error:
                outcome = "FAILED"
                self.totals.failures.append(f"{name}: {error or type(error).__name__}")
                self.close()
            self.totals.outcomes[outcome] += 1

    def close(self) -> None:
        """Take the stage down."""
        if self._stage is not None:
            self._stage.relieve()
            self.totals.requests += self._stage.requests
        self._stage = None
        self._open.close()


@contextlib.contextmanager
def matrix(
    name: str, record: Callable[[str, object], None], *, build: Callable[[], AbstractContextManager[Stage]] = stage
) -> Iterator[Matrix]:
    """Yield a matrix on what ``build`` builds; at the end its totals are recorded, and nothing may have failed."""
    it = Matrix(name, build)
    try:
        yield it
    finally:
        it.close()
        record(TOTALS, it.totals.plain())
    failures = it.totals.failures
    assert not failures, f"{len(failures)} of {it.totals.cases} cases failed:\n\n" + "\n\n".join(failures)

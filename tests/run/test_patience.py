"""Hundreds of Routes do not wait one after the other for a cluster that is away."""

from __future__ import annotations

import pytest

from maintenance_ci.errors import ConflictError, ForbiddenError, MaintenanceError, NotNowError, TryAgainError
from maintenance_ci.run import patience as shared
from maintenance_ci.run.patience import SharedPatience


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(shared, "time", clock)
    monkeypatch.setattr("maintenance_ci.waiting.time", clock)
    return clock


class Cluster:
    """Answers each change with what it was told to, and remembers how often it was asked."""

    def __init__(self, error: MaintenanceError | None) -> None:
        self.error, self.asked = error, 0

    def change(self) -> None:
        self.asked += 1
        if self.error:
            raise self.error


def insist(cluster: Cluster, patience: SharedPatience, kind: str = "place", *, even_if_forbidden: bool = False) -> None:
    patience.retry(
        cluster.change,
        "it",
        kind=kind,
        timeout=60.0,
        say=lambda _text: None,
        even_if_forbidden=even_if_forbidden,
    )


@pytest.mark.parametrize(
    "error", [TryAgainError("It is away."), ForbiddenError("It refuses.")], ids=["away", "refused"]
)
def test_one_waits_its_time_and_the_others_do_not_wait_anew(clock: Clock, error: MaintenanceError) -> None:
    cluster, patience = Cluster(error), SharedPatience()
    with pytest.raises(type(error)):
        insist(cluster, patience, even_if_forbidden=True)
    assert clock.now == pytest.approx(1060, abs=2)
    for _ in range(300):
        with pytest.raises(TryAgainError, match="Waited 60 s in vain for it"):
            insist(cluster, patience, even_if_forbidden=True)
    assert clock.now == pytest.approx(1060, abs=2)


def test_each_alone_waits_anew(clock: Clock) -> None:
    """What the others are spared is there to be spared."""
    cluster = Cluster(TryAgainError("It is away."))
    for _ in range(3):
        with pytest.raises(TryAgainError):
            insist(cluster, SharedPatience())
    assert clock.now == pytest.approx(1180, abs=6)


def test_what_was_not_tried_is_known_not_to_have_been_sent(clock: Clock) -> None:
    cluster, patience = Cluster(TryAgainError("It is away.")), SharedPatience()
    with pytest.raises(TryAgainError):
        insist(cluster, patience)
    asked = cluster.asked
    with pytest.raises(NotNowError):
        insist(cluster, patience)
    assert cluster.asked == asked
    clock.now += shared.FRESH + 1
    with pytest.raises(TryAgainError) as failed:
        insist(cluster, patience)
    assert not isinstance(failed.value, NotNowError)
    assert cluster.asked == asked + 1


def test_a_cluster_that_is_back_makes_the_change(clock: Clock) -> None:
    cluster, patience = Cluster(TryAgainError("It is away.")), SharedPatience()
    with pytest.raises(TryAgainError):
        insist(cluster, patience)
    clock.now += shared.FRESH + 1
    cluster.error = None
    insist(cluster, patience)
    cluster.error = TryAgainError("It is away again.")
    began = clock.now
    with pytest.raises(TryAgainError):
        insist(cluster, patience)
    assert clock.now - began == pytest.approx(60, abs=2)


@pytest.mark.parametrize("between", ["another kind", "a long break", "an answer"])
def test_each_begins_anew_where_the_cluster_was_not_away_all_the_time(clock: Clock, between: str) -> None:
    cluster, patience = Cluster(TryAgainError("It is away.")), SharedPatience()
    with pytest.raises(TryAgainError):
        insist(cluster, patience)
    if between == "a long break":
        clock.now += 61
    elif between == "an answer":
        clock.now += shared.FRESH + 1
        answers = iter([ConflictError("Somebody else wrote it.")])

        def change() -> None:
            raise next(answers, TryAgainError("It is away."))

        cluster.change = change  # type: ignore[method-assign]
    began = clock.now
    with pytest.raises(TryAgainError):
        insist(cluster, patience, "remove" if between == "another kind" else "place")
    assert clock.now - began == pytest.approx(60, abs=2)

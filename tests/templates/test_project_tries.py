"""How often, and for how long, a GitLab that does not answer is asked."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from maintenance_ci import waiting
from maintenance_ci.errors import TryAgainError
from maintenance_ci.templates import project as template_project
from maintenance_ci.templates.project import TemplateProject
from tests.tools.misbehaving_server import Respond, head, serving

BUSY = head(503, Content_Length="0")
CALLS: list[Callable[[TemplateProject], object]] = [
    lambda project: project.read("shop.yaml"),
    lambda project: project.paths(),
    lambda project: project.write("shop.yaml", "kind: Route\n", "a message", replaces=None),
]


def hang(peer: socket.socket) -> None:
    """Read all that is sent, and answer nothing."""
    while peer.recv(65536):
        pass


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits, in their proportions, a hundredth of what they are."""
    monkeypatch.setattr(template_project, "TIMEOUT", template_project.TIMEOUT / 100)
    monkeypatch.setattr(template_project, "ALL_TRIES", template_project.ALL_TRIES / 100)
    monkeypatch.setattr(template_project, "PAUSES", tuple(pause / 100 for pause in template_project.PAUSES))


def tries(answer: bytes | Respond, call: Callable[[TemplateProject], object]) -> int:
    """Return how often a GitLab is asked that answers like this, until it is given up."""
    with serving(answer) as (port, requests), pytest.raises(TryAgainError):
        call(TemplateProject(f"http://127.0.0.1:{port}", "7", ref="main", private_token="glpat-t"))
    return len(requests)


@pytest.mark.parametrize("call", CALLS, ids=["read", "list", "write"])
def test_a_gitlab_that_hangs_is_given_up_before_all_tries_could_last_too_long(
    call: Callable[[TemplateProject], object],
) -> None:
    """It was asked four times, each time for as long as one answer may take."""
    assert tries(hang, call) == 1


def test_one_that_is_busy_for_a_moment_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_project, "ALL_TRIES", 60.0)
    assert tries(BUSY, CALLS[0]) == 1 + len(template_project.PAUSES)


def test_no_try_begins_that_could_last_longer_than_all(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(step=4)  # each look at it is four seconds later
    fast = SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda _seconds: None)
    monkeypatch.setattr(waiting, "time", fast)
    tries_begun = []

    def attempt() -> None:
        tries_begun.append(len(tries_begun))
        raise TryAgainError("away")

    with pytest.raises(TryAgainError):
        waiting.retried(attempt, template_project.PAUSES, within=30.0 - 20.0)
    assert len(tries_begun) == 3, "it begins at 0, 4 and 8 s; at 12 s it could last until 32 s"

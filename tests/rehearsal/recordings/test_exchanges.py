"""Routes, Templates, image streams, Leases and the rest: every recorded exchange, and the watch over the Routes."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.rehearsal.recordings.comparison import GENERATED, LEFT_OUT, TIME, Names, differences, load
from tests.rehearsal.recordings.lab import Lab, running_lab
from tests.rehearsal.recordings.replay import Replay

Object = dict[str, Any]
ROUTES = "/apis/route.openshift.io/v1/namespaces/facts/routes"
EXCHANGES: list[Object] = load("exchanges")

# What is not covered, by the titles of the exchanges; one that begins to match has to leave the table.
NOT_COVERED = {
    "discovery of the build group": "webhooks, clone, details and instantiate are not served: no client here asks them",
    "discovery of the image group": "signatures, imports, mappings, layers, secrets and imagetags are not served",
    "discovery of the template group": "template instances and their broker are not served",
}
# The group of these requests is covered whole.
COVERED_GROUPS = ("route.openshift.io", "coordination.k8s.io", "authorization.k8s.io", "/processedtemplates")
# Which Route is older shows in its creationTimestamp, a whole second: the recorder let six pass before the last two,
# and a router that comes back takes the older Route first.
NEXT_SECOND = (
    "empty host: a generated host, silently",
    "the swap 1: create the maintenance Route on the same host",
    "the restore 1: create the original again",
)
# From the first of each pair to the second the recorded router had not come to what was new: its status is missing in
# the answers, or comes behind the next Route in the watch.
ROUTER_IS_LATE = (
    ('capital termination "Edge", to without kind: accepted and normalised', "empty host: a generated host, silently"),
    ("server-side apply: create", "server-side apply: the same again (no change)"),
)
TOKEN = re.compile(r"[a-z0-9]{8}")


@dataclass
class Played:
    """What came of playing the recording back."""

    differences: dict[str, list[str]] = field(default_factory=dict)
    events: list[Object] = field(default_factory=list)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    with running_lab(tmp_path_factory.mktemp("lab")) as lab:
        lab.call(lab.store.create, "namespaces", {"metadata": {"name": "facts"}}, manager="test")
        yield play(lab, Replay(lab))


def play(lab: Lab, replay: Replay) -> Played:
    """Send all of it, with the router as it was."""
    result = Played()
    router = contextlib.ExitStack()
    router.enter_context(lab.router())
    with replay.watching(ROUTES) as result.events:
        for number, recorded in enumerate(EXCHANGES):
            title = recorded["title"]
            if title in dict(ROUTER_IS_LATE):
                router.close()
            if title in NEXT_SECOND:
                time.sleep(1.0)
            mask = mask_token if title == "process a Template" else None
            result.differences[f"{number} {title}"] = replay.exchange(recorded, mask=mask)
            if title in dict(ROUTER_IS_LATE).values():
                router.enter_context(lab.router())
            if title == "delete with a wrong uid precondition":
                # The recorder put the host back here, without writing the request down: the watch shows it.
                patch = {"spec": {"host": "facts.apps.example.test"}}
                replay.send("PATCH", f"{ROUTES}/app", patch, "application/merge-patch+json")
            lab.settle()
        router.close()
    return result


def mask_token(body: Object) -> Object:
    """The processed Template without the generated token, which has to fit its expression."""
    token = body["parameters"][3]["value"]
    assert re.fullmatch("[a-z0-9]{8}", token)
    masked: Object = json.loads(json.dumps(body).replace(json.dumps(token), '"<token>"'))
    return masked


@pytest.mark.parametrize("number", range(len(EXCHANGES)), ids=lambda number: EXCHANGES[number]["title"])
def test_an_exchange(played: Played, number: int) -> None:
    title = EXCHANGES[number]["title"]
    found = played.differences[f"{number} {title}"]
    if title in NOT_COVERED:
        assert found, f"it is covered now: take {title!r} out of the table"
    else:
        assert not found, "\n".join(found)


def test_the_table_is_short_and_leaves_routes_templates_leases_and_reviews_alone() -> None:
    by_title = {recorded["title"]: recorded["request"]["path"] for recorded in EXCHANGES}
    assert len(NOT_COVERED) <= 7
    assert NOT_COVERED.keys() <= by_title.keys()
    assert not [title for title in NOT_COVERED if any(part in by_title[title] for part in COVERED_GROUPS)]


def test_the_comparison_can_fail() -> None:
    """Whatever is changed in a recorded answer is found, but for what is left out on purpose."""
    found = 0
    for recorded in EXCHANGES:
        for path, leaf in leaves(recorded["response"]):
            chance = isinstance(leaf, str) and (TIME.fullmatch(leaf) or GENERATED.search(leaf))
            if LEFT_OUT.isdisjoint(path) and not chance:
                found += 1
                other = changed(recorded["response"], path)
                assert differences(Names().plain(recorded["response"]), Names().plain(other)), path
    assert found > 1000
    assert differences({"a": 1}, {"a": 1, "b": None}) == [".b: only ours"]
    one, other = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
    assert differences(Names().plain([one, one]), Names().plain([one, other])) == ["[1]: recorded '<0>', ours '<1>'"]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Everything in it that has nothing inside, with the way to it."""
    items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    if not items:
        yield path, value
    for key, inside in items:
        yield from leaves(inside, (*path, key))


def changed(value: Any, path: tuple[Any, ...]) -> Any:
    """The value with something else at the end of the path."""
    if not path:
        return "changed"
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = changed(value[path[0]], path[1:])
    return copied


def test_the_watch_saw_the_same_events_in_the_same_order(played: Played) -> None:
    recorded, ours = (
        [names.plain({"type": one["type"], "object": one["object"]}) for one in events]
        for names, events in ((Names(), load("route-watch")), (Names(), played.events))
    )
    told = [[(one["type"], one["object"]["metadata"]["name"]) for one in events] for events in (recorded, ours)]
    assert told[0] == told[1]
    assert differences(without_managed_fields(recorded), without_managed_fields(ours)) == []


def without_managed_fields(events: list[Object]) -> list[Object]:
    """The recorder left them out."""
    for event in events:
        event["object"]["metadata"].pop("managedFields", None)
    return events

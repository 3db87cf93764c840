from __future__ import annotations

from typing import Any

import pytest

from maintenance_ci.rehearsal.controllers.rollout import Counts, limits, plan, template_hash


def spec(
    replicas: int, surge: int | str = "25%", missing: int | str = "25%", kind: str = "RollingUpdate"
) -> dict[str, Any]:
    return {
        "replicas": replicas,
        "strategy": {"type": kind, "rollingUpdate": {"maxSurge": surge, "maxUnavailable": missing}},
    }


@pytest.mark.parametrize(
    ("replicas", "surge", "missing", "expected"),
    [
        (1, "25%", "25%", (1, 0)),
        (4, "25%", "25%", (1, 1)),
        (10, "25%", "25%", (3, 2)),
        (3, 1, 0, (1, 0)),
        (3, 0, 0, (0, 1)),
        (3, "0%", "50%", (0, 1)),
    ],
)
def test_limits(replicas: int, surge: int | str, missing: int | str, expected: tuple[int, int]) -> None:
    assert limits(spec(replicas, surge, missing)) == expected


@pytest.mark.parametrize(
    ("wanted", "new", "old", "expected"),
    [
        # The first rollout.
        (spec(2), Counts("new", 0), [], {"new": 2}),
        # One replica: the new Pod comes first, the old one goes when it is available.
        (spec(1), Counts("new", 0), [Counts("old", 1, 1, 1)], {"new": 1}),
        (spec(1), Counts("new", 1, 1, 0), [Counts("old", 1, 1, 1)], {}),
        (spec(1), Counts("new", 1, 1, 1), [Counts("old", 1, 1, 1)], {"old": 0}),
        (spec(1), Counts("new", 1, 1, 1), [Counts("old", 0)], {}),
        # An old Pod that never became available goes as soon as the new one is.
        (spec(1), Counts("new", 1, 1, 0), [Counts("old", 1, 1, 0)], {}),
        (spec(1), Counts("new", 1, 1, 1), [Counts("old", 1, 1, 0)], {"old": 0}),
        # A third template while the second one hangs: the hanging Pod makes room, the working one stays.
        (spec(1), Counts("c", 0), [Counts("a", 1, 1, 1), Counts("b", 1, 1, 0)], {"b": 0}),
        # Two replicas, one more allowed, none missing.
        (spec(2, 1, 0), Counts("new", 0), [Counts("old", 2, 2, 2)], {"new": 1}),
        (spec(2, 1, 0), Counts("new", 1, 1, 1), [Counts("old", 2, 2, 2)], {"old": 1}),
        (spec(2, 1, 0), Counts("new", 1, 1, 1), [Counts("old", 1, 1, 1)], {"new": 2}),
        # None more allowed, one missing.
        (spec(2, 0, 1), Counts("new", 0), [Counts("old", 2, 2, 2)], {"old": 1}),
        (spec(2, 0, 1), Counts("new", 0), [Counts("old", 1, 1, 1)], {"new": 1}),
        # Fewer and more replicas of the same template.
        (spec(1), Counts("new", 3, 3, 3), [], {"new": 1}),
        (spec(3), Counts("new", 1, 1, 1), [], {"new": 3}),
        (spec(0), Counts("new", 1, 1, 1), [], {"new": 0}),
        # Recreate: first all go, then all come.
        (spec(2, kind="Recreate"), Counts("new", 0), [Counts("old", 2, 2, 2)], {"old": 0}),
        (spec(2, kind="Recreate"), Counts("new", 0), [Counts("old", 0, 1, 1)], {}),
        (spec(2, kind="Recreate"), Counts("new", 0), [Counts("old", 0)], {"new": 2}),
    ],
)
def test_plan(wanted: dict[str, Any], new: Counts, old: list[Counts], expected: dict[str, int]) -> None:
    assert plan(wanted, new, old) == expected


def test_template_hash_is_short_and_depends_on_the_content_alone() -> None:
    first = template_hash({"a": 1, "b": 2})
    assert first == template_hash({"b": 2, "a": 1})
    assert first != template_hash({"a": 1, "b": 3})
    assert len(first) == 10

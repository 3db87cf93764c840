"""When a maintenance was announced to end, and what a pipeline with ``ACTION=end`` leaves as it is. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from maintenance_ci.names import END_ANNOTATION
from maintenance_ci.plan.marks import annotations_of
from maintenance_ci.plan.observed import Phase
from maintenance_ci.settings.force import Force

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from datetime import timedelta
    from typing import Any

    from maintenance_ci.plan.observed import Observed

NOTHING_TO_END = "there is nothing to end: it is not in maintenance"


def announced_end(annotated: Mapping[str, Any] | None) -> datetime | None:
    """Return the end that is noted on an object of ours; None where there is none, or one that nobody can read."""
    try:
        end = datetime.fromisoformat(str(annotations_of(annotated).get(END_ANNOTATION, "")))
        end.astimezone(UTC)
    except (ValueError, OverflowError):  # no time, or one that UTC has not
        return None
    return end if end.tzinfo else None


def why_not_ended(observed: Observed, *, force: Container[Force], now: datetime) -> str | None:
    """Return why a pipeline with ``ACTION=end`` leaves a Route, or a path of it, as it is; None where it ends it.

    Where no end was announced, the pipeline itself says that it is due. A Route that does not exist at all is no
    maintenance that has ended: the check for its trace refuses it.
    """
    if observed.phase is Phase.LIVE:
        return NOTHING_TO_END
    end = announced_end(observed.annotated_route or observed.snapshot.value)
    if end is None or end <= now or Force.EARLY in force:
        return None
    return f"its maintenance ends at {end.isoformat()}, in {span(end - now)}: it goes on; {Force.EARLY} ends it now"


def is_overdue(end: datetime | None, now: datetime) -> bool:
    """Tell whether a maintenance that is still there was to end before."""
    return end is not None and end <= now


def span(duration: timedelta) -> str:
    """Return a duration for people: ``1 d 2 h 3 min``, rounded down."""
    minutes = int(duration.total_seconds()) // 60
    parts = [(minutes // 1440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "less than a minute"

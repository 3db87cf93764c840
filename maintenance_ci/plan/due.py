"""What a pipeline with ``ACTION=end`` leaves as it is: a maintenance that is not there. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.plan.observed import Phase

if TYPE_CHECKING:
    from maintenance_ci.plan.observed import Observed

NOTHING_TO_END = "there is nothing to end: it is not in maintenance"


def why_not_ended(observed: Observed) -> str | None:
    """Return why a maintenance is not ended by itself; None where it is.

    A Route that does not exist at all is no maintenance that has ended: the check for its trace refuses it.
    """
    return NOTHING_TO_END if observed.phase is Phase.LIVE else None

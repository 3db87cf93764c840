"""The original that is there while its maintenance lasts: left by a run of ours, or made again by somebody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.plan.certificates import carry_over_certificates, certificate_of
from maintenance_ci.plan.repoint import without_notes
from maintenance_ci.plan.situation import as_we_applied_it
from maintenance_ci.plan.verdicts import admitting_routers

if TYPE_CHECKING:
    from maintenance_ci.cluster.openshift import Object
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.plan.situation import Situation

# Where the two Routes are that `route_comparison.moved` compares.
THERE_AGAIN = ("in the Route that is there again", "in its maintenance Route")


def waits_since_our_last_run(original: Object | None) -> bool:
    """Tell whether the original is there, not served, as a restore of ours has made it that did not come to its end."""
    return original is not None and as_we_applied_it(original) and not admitting_routers(original)


def shows_page_as_a_whole(found: Situation) -> bool:
    """Tell whether users of the whole Route meet the page by its maintenance Route, as far as the routers say.

    The original may be there again, and wait, or be served elsewhere. While the maintenance Route waits, it is its own:
    a switch was cut short before its end.
    """
    return bool(admitting_routers(found.whole))


def as_mirrored(original: Object, found: Situation) -> Object:
    """Return the original that is to be mirrored; made again without its certificate, it has that one still."""
    others = {"the maintenance Route": found.whole} if found.original and shows_page_as_a_whole(found) else {}
    return without_notes(carry_over_certificates(original, others)[0])


def certified_again(
    original: Object, shown: Object | None, whole: Object | None, kept: Object | None, log: JobLog
) -> Object | None:
    """Return the original that is there with the certificate that would go with its maintenance; None: it has that.

    While the page is shown, the newest one. Where somebody has ended the maintenance by hand, the snapshot's, if the
    Route has none at all. Where the maintenance never began, what the Route has is what somebody wants.
    """
    if shown is None and (whole or certificate_of(original)):
        return None
    certified, note = carry_over_certificates(original, {"the Route in maintenance": shown, "the snapshot": kept})
    if certified == original:
        return None
    log.warn(note or "the Route that is there again has no certificate: it gets the one that it had")
    return certified

"""What a Route in maintenance says: whose maintenance it is, when it is to end, and what users read. Pure.

A pipeline that finds a Route in maintenance may mean two things. One that gives other texts, or another end, speaks of
the maintenance that is there: it stays the pipeline's that began it. One that changes nothing that users read wants
the Route in maintenance for itself: from then on it is its own, and the `delete` of the older one is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maintenance_ci.names import END_ANNOTATION, PIPELINE_ANNOTATION, PIPELINE_URL_ANNOTATION, TEXTS_PIPELINE_ANNOTATION
from maintenance_ci.plan import page_texts
from maintenance_ci.plan.due import announced_end
from maintenance_ci.plan.marks import Object, annotations_of, number_in, pipeline_of
from maintenance_ci.plan.observed import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maintenance_ci.plan.observed import Observed
    from maintenance_ci.settings.variables import RouteSettings

# The annotations that say it.
ANNOUNCED = (PIPELINE_ANNOTATION, PIPELINE_URL_ANNOTATION, END_ANNOTATION, TEXTS_PIPELINE_ANNOTATION)


@dataclass(frozen=True)
class Announcement:
    """What a Route is to say.

    Attributes:
        notes: the annotations, by name, of those that are `ANNOUNCED`.
        headers: what the page is told with each request.
        new_texts: whether users read something else than before, in a maintenance that goes on.
    """

    notes: dict[str, str]
    headers: dict[str, str]
    new_texts: bool = False

    def on(self, route: Mapping[str, Any]) -> Object:
        """Return a Route that says this, and no longer what it said before.

        Raises:
            VariableError: the texts are too many for a Route.
        """
        others = {name: value for name, value in annotations_of(route).items() if name not in ANNOUNCED}
        metadata = {**route["metadata"], "annotations": others | self.notes}
        return page_texts.with_headers({**route, "metadata": metadata}, self.headers)


def announcement(settings: RouteSettings, observed: Observed) -> Announcement:
    """Return what a pipeline announces, with what it leaves as it was announced before.

    What an older pipeline gives, whose job is run again, counts no more.

    Raises:
        VariableError: the texts are more than routers bear.
    """
    annotated = observed.annotated_route
    before = announced_notes(annotated)
    headers_before = page_texts.headers_of(annotated)
    if end_before := announced_end(annotated):
        headers_before |= {page_texts.END: page_texts.end_header(end_before)}
    pipeline = int(settings.ci_pipeline_id or 0)
    newest = max(pipeline_of(annotated) or 0, number_in(before.get(TEXTS_PIPELINE_ANNOTATION)) or 0)
    if annotated is not None and 0 < pipeline < newest:
        return Announcement(before, headers_before)
    headers = _headers(settings, headers_before)
    notes = before | ({END_ANNOTATION: settings.maintenance_end.isoformat()} if settings.maintenance_end else {})
    goes_on = annotated is not None and observed.phase is not Phase.PREPARED
    new_texts = goes_on and headers != headers_before
    if new_texts:
        notes |= {TEXTS_PIPELINE_ANNOTATION: settings.ci_pipeline_id} if pipeline else {}
    elif pipeline > newest:
        notes.pop(PIPELINE_URL_ANNOTATION, None)
        notes |= {PIPELINE_ANNOTATION: settings.ci_pipeline_id}
        notes |= {PIPELINE_URL_ANNOTATION: settings.ci_pipeline_url} if settings.ci_pipeline_url else {}
    return Announcement(notes, headers, new_texts)


def announced_notes(route: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the annotations of a Route that are `ANNOUNCED`."""
    annotations = annotations_of(route)
    return {name: str(annotations[name]) for name in ANNOUNCED if name in annotations}


def _headers(settings: RouteSettings, before: Mapping[str, str]) -> dict[str, str]:
    """Return what the page is told; a pipeline that gives no text at all leaves the texts, and likewise the rest."""
    given = {
        page_texts.END: settings.maintenance_end is not None,
        page_texts.STATUS: settings.maintenance_status is not None,
        page_texts.CRAWLERS: settings.maintenance_crawlers is not None,
    }
    gives_texts = bool(settings.page_texts)
    unchanged = {name: value for name, value in before.items() if not given.get(name, gives_texts)}
    headers = unchanged | page_texts.request_headers(settings)
    page_texts.require_room(headers)
    return headers

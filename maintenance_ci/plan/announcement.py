"""What a Route in maintenance says: whose maintenance it is, when it is to end, and what users read. Pure.

A pipeline that finds a Route in maintenance may mean two things. One that gives other texts, or another end, speaks of
the maintenance that is there: it stays the pipeline's that began it. One that changes nothing that users read wants
the Route in maintenance for itself: from then on it is its own, and the `delete` of the older one is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maintenance_ci.names import END_ANNOTATION, PIPELINE_ANNOTATION, PIPELINE_URL_ANNOTATION, TEXTS_PIPELINE_ANNOTATION
from maintenance_ci.plan.due import announced_end
from maintenance_ci.plan.marks import number_in, pipeline_of
from maintenance_ci.plan.observed import Phase
from maintenance_ci.plan.page_texts import (
    CRAWLERS,
    END,
    STATUS,
    end_header,
    headers_of,
    request_headers,
    require_room,
    with_headers,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maintenance_ci.plan.observed import Observed
    from maintenance_ci.settings.variables import RouteSettings

Object = dict[str, Any]

# The annotations that say it.
NOTED = (PIPELINE_ANNOTATION, PIPELINE_URL_ANNOTATION, END_ANNOTATION, TEXTS_PIPELINE_ANNOTATION)


@dataclass(frozen=True)
class Announcement:
    """What a Route is to say.

    Attributes:
        notes: the annotations, by name, of those that are `NOTED`.
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
        metadata = route["metadata"]
        others = {name: value for name, value in (metadata.get("annotations") or {}).items() if name not in NOTED}
        return with_headers({**route, "metadata": {**metadata, "annotations": others | self.notes}}, self.headers)


def announcement(settings: RouteSettings, observed: Observed) -> Announcement:
    """Return what a pipeline announces, with what it leaves as it was announced before.

    What an older pipeline gives, whose job is run again, counts no more.

    Raises:
        VariableError: the texts are more than routers bear.
    """
    annotated = observed.annotated_route
    before = noted_on(annotated)
    end_before = announced_end(annotated)
    headers_before = headers_of(annotated) | ({END: end_header(end_before)} if end_before else {})
    ours = int(settings.ci_pipeline_id or 0)
    newest = max(pipeline_of(annotated) or 0, number_in(before.get(TEXTS_PIPELINE_ANNOTATION)) or 0)
    if annotated is not None and 0 < ours < newest:
        return Announcement(before, headers_before)
    headers = _headers(settings, headers_before)
    notes = before | ({END_ANNOTATION: settings.maintenance_end.isoformat()} if settings.maintenance_end else {})
    goes_on = annotated is not None and observed.phase is not Phase.PREPARED
    new_texts = goes_on and headers != headers_before
    if new_texts:
        notes |= {TEXTS_PIPELINE_ANNOTATION: settings.ci_pipeline_id} if ours else {}
    elif ours > newest:
        notes.pop(PIPELINE_URL_ANNOTATION, None)
        notes |= {PIPELINE_ANNOTATION: settings.ci_pipeline_id}
        notes |= {PIPELINE_URL_ANNOTATION: settings.ci_pipeline_url} if settings.ci_pipeline_url else {}
    return Announcement(notes, headers, new_texts)


def noted_on(route: Mapping[str, Any] | None) -> dict[str, str]:
    """Return what a Route has noted of pipelines and of the end."""
    annotations = ((route or {}).get("metadata") or {}).get("annotations") or {}
    return {name: str(annotations[name]) for name in NOTED if name in annotations}


def _headers(settings: RouteSettings, before: Mapping[str, str]) -> dict[str, str]:
    """Return what the page is told; a pipeline that gives no text at all leaves the texts, and likewise the rest."""
    given = {
        END: settings.maintenance_end is not None,
        STATUS: settings.maintenance_status is not None,
        CRAWLERS: settings.maintenance_crawlers is not None,
    }
    texts = bool(settings.page_texts)
    kept = {name: value for name, value in before.items() if not given.get(name, texts)}
    headers = kept | request_headers(settings)
    require_room(headers)
    return headers

"""The strategy ``repoint``: the original Route itself is sent to the page, and back, by one patch each. Pure.

The Route never lets go of its host, so that no Route of another namespace can take it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maintenance_ci.names import NOTES, PAGE, ROUTE_ANNOTATION
from maintenance_ci.plan.marks import Object, annotations_of
from maintenance_ci.plan.page_route import maintenance_tls
from maintenance_ci.plan.page_texts import without_headers

if TYPE_CHECKING:
    from collections.abc import Mapping


def repointed(
    original: Mapping[str, Any], notes: Mapping[str, str], certificate: Mapping[str, str] | None = None
) -> Object:
    """Return the original as it is during its maintenance: sent to the page, with our notes, otherwise untouched.

    ``notes`` are the annotations that say which maintenance this is; ``certificate`` is for a passthrough Route, which
    has none.

    Raises:
        MaintenanceError: passthrough, and no certificate.
    """
    metadata, spec = original["metadata"], original["spec"]
    # httpHeaders: the application's Cache-Control would let browsers keep the page.
    sent = {key: value for key, value in spec.items() if key not in ("alternateBackends", "httpHeaders", "tls")}
    sent |= {"to": {"kind": "Service", "name": PAGE, "weight": 100}, "port": {"targetPort": "http"}}
    tls = maintenance_tls(spec.get("tls"), certificate=certificate)
    annotations = {**annotations_of(original), **notes, ROUTE_ANNOTATION: metadata["name"]}
    return {
        **original,
        "metadata": {**metadata, "annotations": annotations},
        "spec": sent | ({"tls": tls} if tls else {}),
    }


def pointed_back(
    live: Mapping[str, Any], restored: Mapping[str, Any], before: Mapping[str, Any] | None = None
) -> Object:
    """Return the live Route with the restored one's spec, labels and annotations, and without our notes.

    Labels and annotations that others wrote meanwhile stay. What the Route had ``before`` its maintenance, and the
    restored one has not, goes: that it differs was accepted.
    """
    metadata, wanted = without_notes(live)["metadata"], restored["metadata"]
    had = (before or {}).get("metadata") or {}
    merged = {
        part: {
            **{key: value for key, value in (metadata.get(part) or {}).items() if key not in (had.get(part) or {})},
            **(wanted.get(part) or {}),
        }
        for part in ("labels", "annotations")
        if metadata.get(part) or wanted.get(part)
    }
    # The server lets nobody change it, and no template knows it.
    subdomain = {"subdomain": live["spec"]["subdomain"]} if "subdomain" in live["spec"] else {}
    return {**live, "metadata": {**metadata, **merged}, "spec": {**subdomain, **restored["spec"]}}


def without_notes(route: Mapping[str, Any]) -> Object:
    """Return the Route without our annotations, and without what it says to the page."""
    route = without_headers(route)
    metadata = route["metadata"]
    annotations = annotations_of(route)
    theirs = {key: value for key, value in annotations.items() if not key.startswith(NOTES)}
    if theirs == annotations:
        return dict(route)
    rest = {key: value for key, value in metadata.items() if key != "annotations"}
    return {**route, "metadata": rest | ({"annotations": theirs} if theirs else {})}


def merge_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> Object:
    """Return the JSON merge patch (RFC 7386) that makes ``new`` of ``old``."""
    patch: Object = {key: None for key in old if key not in new}
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(key), dict):
            if inner := merge_patch(old[key], value):
                patch[key] = inner
        elif key not in old or old[key] != value:
            patch[key] = value
    return patch

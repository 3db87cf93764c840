"""A strategy that no job knows: the page is an alternate backend, and gets all requests. It begins below the line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

# ---
from maintenance_ci import names
from maintenance_ci.plan.strategies import STRATEGIES, Strategy, rewrite

WEIGHTED = "weighted"
PAGE = {"kind": "Service", "name": names.PAGE, "weight": 256}


def weighted(original: Mapping[str, Any], notes: Mapping[str, str], _: Mapping[str, str] | None) -> dict[str, Any]:
    """The original, whose Service gets nothing; the page's Service has a port of the same name."""
    metadata, spec = original["metadata"], original["spec"]
    annotations = {**(metadata.get("annotations") or {}), **notes}
    backends = {"to": {**spec["to"], "weight": 0}, "alternateBackends": [PAGE]}
    return {**original, "metadata": {**metadata, "annotations": annotations}, "spec": {**spec, **backends}}


def register(patch: pytest.MonkeyPatch) -> None:
    """Let the jobs know it."""
    strategy = Strategy("by weight: the page is an alternate backend that gets all requests", rewrite, rewrite=weighted)
    patch.setitem(STRATEGIES, WEIGHTED, strategy)
    patch.setattr(names, "ROUTE_STRATEGIES", (*names.ROUTE_STRATEGIES, WEIGHTED))

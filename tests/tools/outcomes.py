"""What comes of a job: that it succeeded, and what counts of a Route."""

from __future__ import annotations

from typing import Any

from maintenance_ci.rehearsal.apiserver.store import Object
from tests.tools.clusters import Job


def ok(job: Job) -> Job:
    """The job, which must have succeeded."""
    assert job.code == 0, job.log
    return job


def essence(route: Object | None) -> Any:
    """A Route without its status and what only the server writes."""
    assert route is not None
    metadata = {key: route["metadata"].get(key) or {} for key in ("name", "namespace", "labels", "annotations")}
    return metadata, route["spec"]

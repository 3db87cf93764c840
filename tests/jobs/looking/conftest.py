"""The cluster of ``page_up``, for commands that only look."""

from tests.jobs.page_up.conftest import cluster, shared

__all__ = ["cluster", "shared"]

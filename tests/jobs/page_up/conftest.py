"""A cluster with the page for the tests of a module, as it was before each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.jobs.looking.scene import keep_page, restored
from tests.tools.clusters import QUICK, Cluster, running


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    """A cluster in which the page is up, whatever the tests do."""
    with running(QUICK) as cluster:
        keep_page(cluster)
        yield cluster


@pytest.fixture
def cluster(shared: Cluster) -> Iterator[Cluster]:
    with restored(shared):
        yield shared

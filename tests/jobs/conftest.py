"""A cluster with the page's image, for the tests of a module that need no build of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.tools.clusters import QUICK, Cluster, running
from tests.tools.outcomes import ok


@pytest.fixture(scope="module")
def built() -> Iterator[Cluster]:
    """A cluster in which the page was built once, without oc."""
    with running(QUICK) as cluster:
        ok(cluster.run("build-and-deploy"))
        yield cluster

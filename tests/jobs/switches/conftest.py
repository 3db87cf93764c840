"""A stage for the tests of a module, as it was before each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.jobs.switches.scene import as_before, patient_stages
from tests.matrices.harness import Matrix
from tests.matrices.stage import Stage


@pytest.fixture(scope="module")
def stages() -> Iterator[Matrix]:
    with patient_stages() as it:
        yield it


@pytest.fixture
def on(stages: Matrix) -> Iterator[Stage]:
    with as_before(stages) as on:
        yield on

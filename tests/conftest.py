"""What concerns all tests: how many run at once, that each ends, the matrices' totals, and what a failure compared."""

import pytest
from hypothesis import HealthCheck, settings

from tests.tools.clean_environment import clean
from tests.tools.inherited_signals import heeded_by_children

clean()  # before any module of a test, or a library, looks at the environment

from tests.matrices.totals import pytest_terminal_summary  # noqa: E402
from tests.tools.busy_machine import pytest_xdist_auto_num_workers  # noqa: E402
from tests.tools.clusters import cluster, shared  # noqa: E402
from tests.tools.last_net import pytest_runtest_protocol  # noqa: E402

__all__ = ["cluster", "pytest_runtest_protocol", "pytest_terminal_summary", "pytest_xdist_auto_num_workers", "shared"]

heeded_by_children()

# Hypothesis, too, fails what takes long: on a machine that is busy, whatever there is.
settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")

# In a module that holds no tests itself pytest sees to that only where it is told to.
pytest.register_assert_rewrite(
    "tests.tools.misbehaving_server",
    "tests.jobs.lease",
    "tests.jobs.looking",
    "tests.tools.outcomes",
    "tests.jobs.switches",
    "tests.tools.served_routes",
)

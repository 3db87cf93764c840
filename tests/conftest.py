"""What concerns all tests: the totals of the matrices are printed at the end, and what fails says what it compared."""

import pytest

from tests.rehearsal.matrices.totals import pytest_terminal_summary

__all__ = ["pytest_terminal_summary"]

# In a module that holds no tests itself pytest sees to that only where it is told to.
pytest.register_assert_rewrite(
    "tests.misbehaving_server",
    "tests.rehearsal.lease",
    "tests.rehearsal.looking",
    "tests.rehearsal.outcomes",
    "tests.rehearsal.switches",
    "tests.served_routes",
)

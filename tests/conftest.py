"""What concerns all tests: the totals of the matrices are printed at the end."""

from tests.rehearsal.matrices.totals import pytest_terminal_summary

__all__ = ["pytest_terminal_summary"]

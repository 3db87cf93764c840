"""The totals of all matrices, printed when the tests have ended, also those that ran in other processes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.matrices.harness import TOTALS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print a line for each matrix."""
    found = [
        value
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        for name, value in getattr(report, "user_properties", ())
        if name == TOTALS and report.when == "call"
    ]
    if found:
        terminalreporter.section("matrices")
        for line in summary(found):
            terminalreporter.write_line(line)


def summary(found: list[dict[str, Any]]) -> list[str]:
    """Sum up what the tests handed over, by matrix."""
    lines = []
    for name in sorted({totals["matrix"] for totals in found}):
        parts = [totals for totals in found if totals["matrix"] == name]
        outcomes: Counter[str] = sum((Counter(part["outcomes"]) for part in parts), Counter())
        cases, failures, requests = (sum(part[key] for part in parts) for key in ("cases", "failures", "requests"))
        came_out = ", ".join(f"{outcome}: {count}" for outcome, count in sorted(outcomes.items()))
        lines.append(f"{name}: {cases} cases, {failures} failed; {came_out}; {requests} requests of users")
    return lines

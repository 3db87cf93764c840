from __future__ import annotations

from pathlib import Path

import pytest

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.settings.folders import PACKAGE, find
from maintenance_ci.settings.variables import has_checkout


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a chart of somebody's."""
    (tmp_path / "chart").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "chart"


def test_a_checkout_goes_before_the_package(left: Path) -> None:
    assert find("chart") == left
    assert find("docker") == PACKAGE.parent / "docker"


def test_what_a_runner_has_left_is_not_taken_for_a_checkout(left: Path) -> None:
    assert find("chart", checkout=False) == PACKAGE.parent / "chart"


@pytest.mark.parametrize(
    ("strategy", "there"), [({}, True), ("", True), ("fetch", True), ("clone", True), ("none", False), ("Empty", False)]
)
def test_gitlab_says_whether_there_is_a_checkout(strategy: str | dict[str, str], there: bool) -> None:
    assert has_checkout({"GIT_STRATEGY": strategy} if isinstance(strategy, str) else strategy) is there


def test_a_working_folder_that_is_gone_holds_nothing(left: Path) -> None:
    left.rmdir()
    left.parent.rmdir()
    assert find("chart") == PACKAGE.parent / "chart"


@pytest.mark.usefixtures("left")
def test_a_folder_that_is_nowhere_is_named() -> None:
    with pytest.raises(MaintenanceError, match="nowhere is missing"):
        find("nowhere")

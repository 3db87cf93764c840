"""The picture: its layers, and that the file is what its name says."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from matplotlib.image import imread

from maintenance_ci.rehearsal.picture import draw, name_layer
from maintenance_ci.rehearsal.users import Answer
from maintenance_ci.rehearsal.verdict import Phase

if TYPE_CHECKING:
    from pathlib import Path

PAGE = "maintenance-page:v1"


def answer(time: float, served_by: str = "application", status: int | None = 200) -> Answer:
    return Answer(time, "/", False, status, served_by, None if status else "refused", 0.01)


STREAM = [
    *(answer(number / 50) for number in range(500)),
    *(answer(10 + number / 50, PAGE) for number in range(500)),
    answer(20.0, "router", 503),
    answer(20.1, "nobody", None),
]
PHASES = [Phase("application", 0, 9.5, "application"), Phase("maintenance", 10.5, 20, PAGE)]


@pytest.mark.parametrize(
    ("seen", "layer"),
    [
        (answer(0), "application"),
        (answer(0, PAGE), PAGE),
        (answer(0, "router", 302), "router"),
        (answer(0, "router", 503), "503 from the router"),
        (answer(0, "application", 500), "500"),
        (answer(0, "nobody", None), "no answer"),
    ],
)
def test_layers(seen: Answer, layer: str) -> None:
    assert name_layer(seen) == layer


def test_a_png_of_readme_width(tmp_path: Path) -> None:
    draw(STREAM, PHASES, tmp_path / "users.png", "Who answered")
    assert imread(tmp_path / "users.png").shape[:2] == (500, 1200)


def test_the_few_failed_requests_are_seen(tmp_path: Path) -> None:
    """Red pixels where something failed, and none where nothing did."""

    def red(answers: list[Answer]) -> int:
        draw(answers, PHASES, tmp_path / "users.png", "Who answered")
        pixels = imread(tmp_path / "users.png")
        return int(((pixels[..., 0] > 0.7) & (pixels[..., 1] < 0.3) & (pixels[..., 2] < 0.3)).sum())

    assert red(STREAM[:-2]) == 0
    assert red(STREAM) > 50


def test_an_svg(tmp_path: Path) -> None:
    draw(STREAM, PHASES, tmp_path / "users.svg", "Who answered")
    assert ET.parse(tmp_path / "users.svg").getroot().tag.endswith("svg")


def test_no_answers_at_all(tmp_path: Path) -> None:
    draw([], [], tmp_path / "users.png", "Nobody came")
    assert (tmp_path / "users.png").stat().st_size > 1000

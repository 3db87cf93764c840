"""Tables, and the file that keeps them."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from benchmarks.results import HEAD, Table, as_markdown, as_text, publish, with_section

TABLE = Table(
    "Costs", ("what", "seconds", "requests"), [("a job", 1.5, 12), ("another | one", None, 1500)], "Two runs."
)


def test_a_table_in_a_terminal() -> None:
    assert as_text(TABLE).splitlines() == [
        "Costs",
        "  what           seconds  requests",
        "  a job             1.50        12",
        "  another | one              1,500",
        "  Two runs.",
    ]


def test_a_table_in_markdown() -> None:
    assert as_markdown(TABLE).splitlines() == [
        "**Costs**",
        "",
        "| what | seconds | requests |",
        "| :-- | --: | --: |",
        "| a job | 1.50 | 12 |",
        "| another \\| one |  | 1,500 |",
        "",
        "Two runs.",
    ]


def test_a_section_is_replaced_and_the_others_stay() -> None:
    before = "# All\n\nhead\n\n## One\n\nold\n\n### deeper\n\n## Two\n\ntwo \\1\n"
    after = with_section(before, "One", "## One\n\nnew \\g<0>")
    assert after == "# All\n\nhead\n\n## One\n\nnew \\g<0>\n\n## Two\n\ntwo \\1\n"
    assert with_section(after, "Two", "## Two\n\nlast") == "# All\n\nhead\n\n## One\n\nnew \\g<0>\n\n## Two\n\nlast\n"
    assert with_section(after, "On", "## On\n\nmore").endswith("## Two\n\ntwo \\1\n\n## On\n\nmore\n")


def test_the_file_is_begun_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "RESULTS.md"
    for heading in ("One", "Two", "One"):
        publish(heading, [TABLE], argparse.Namespace(markdown=file), introduction="Read this.")
    text = file.read_text()
    assert text.startswith(HEAD)
    assert text.count("## One\n") == text.count("## Two\n") == 1
    assert text.index("## One") < text.index("## Two")
    assert "python -m" in text and "Read this." in text
    assert capsys.readouterr().out.count("Costs") == 3


def test_without_a_file_it_is_only_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    publish("One", [TABLE], argparse.Namespace(markdown=None))
    assert not list(tmp_path.iterdir())

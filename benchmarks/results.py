"""What a benchmark found: printed as tables, and kept as a section of a Markdown file where one is named."""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HEAD = """\
# Results of the benchmarks

Written by the commands themselves; `make bench` writes all sections anew. Each section names its command, which prints
the same tables. A busy machine changes seconds more than ratios, and counts not at all.
"""


@dataclass(frozen=True)
class Table:
    """A table: texts to the left, numbers to the right.

    Attributes:
        title: what it shows.
        head: names of the columns.
        rows: of as many cells; a float is shown with two decimals, None as nothing.
        note: what a reader must know of it.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    note: str = ""


def arguments(description: str) -> argparse.ArgumentParser:
    """Return a parser that knows where the results go."""
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="keep the results as a section of this file")
    return parser


def publish(heading: str, tables: Iterable[Table], given: argparse.Namespace, *, introduction: str = "") -> None:
    """Print the tables; with ``--markdown`` keep them as the section ``heading`` of that file.

    Args:
        heading: of the section.
        tables: what was measured.
        given: what `arguments` made of the command line.
        introduction: what a reader of the file must know first, as Markdown.
    """
    shown = list(tables)
    for table in shown:
        sys.stdout.write(f"{as_text(table)}\n")
    if given.markdown:
        parts = [f"## {heading}", _command(), introduction.strip(), *map(as_markdown, shown)]
        section = "\n\n".join(part for part in parts if part)
        before = given.markdown.read_text() if given.markdown.exists() else HEAD
        given.markdown.write_text(with_section(before, heading, section))


def with_section(text: str, heading: str, section: str) -> str:
    """Return a Markdown text in which ``section`` stands in the place of the one with that heading, or at the end."""
    place = re.compile(rf"^## {re.escape(heading)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if place.search(text):
        return place.sub(lambda _: f"{section}\n\n", text).rstrip("\n") + "\n"
    return f"{text.rstrip()}\n\n{section}\n"


def as_text(table: Table) -> str:
    """Return the table as a terminal shows it."""
    lines = [tuple(table.head), *(tuple(map(_cell, row)) for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    numbers = _numbers(table)
    text = [table.title]
    for line in lines:
        cells = zip(line, widths, numbers, strict=True)
        text.append("  " + "  ".join(c.rjust(w) if right else c.ljust(w) for c, w, right in cells).rstrip())
    return "\n".join([*text, *textwrap.wrap(table.note, 120, initial_indent="  ", subsequent_indent="  "), ""])


def as_markdown(table: Table) -> str:
    """Return the table as Markdown."""
    rule = ["--:" if right else ":--" for right in _numbers(table)]
    rows = [table.head, rule, *([_cell(value).replace("|", "\\|") for value in row] for row in table.rows)]
    lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n\n".join(part for part in (f"**{table.title}**", lines, table.note) if part)


def _numbers(table: Table) -> list[bool]:
    """Tell of each column whether it holds numbers."""
    columns = zip(*table.rows, strict=True) if table.rows else [() for _ in table.head]
    return [any(isinstance(value, int | float) for value in column) for column in columns]


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _command() -> str:
    """Return how the section was made: when, by which command, on what."""
    argv = list(sys.argv[1:])
    if "--markdown" in argv:
        at = argv.index("--markdown")
        del argv[at : at + 2]
    spec = sys.modules["__main__"].__spec__
    module = spec.name.removesuffix(".__main__") if spec else Path(sys.argv[0]).stem
    day = datetime.now(UTC).date().isoformat()
    machine = f"{os.cpu_count()} processor cores, Python {platform.python_version()}"
    return f"`{' '.join(['python -m', module, *argv])}` on {day}, {machine}."

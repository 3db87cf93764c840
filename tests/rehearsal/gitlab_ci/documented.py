"""The examples of README.md and docs/pipeline.md, as the files that a reader would write, and what they would type."""

from __future__ import annotations

import re

from tests.rehearsal.gitlab_ci.ci_project import ROOT

DOCUMENTS = ("README.md", "docs/pipeline.md", "docs/templates.md")
EXAMPLE = re.compile(r"<!-- example: (\S+) -->\n```yaml\n# (\S+)\n(.*?)```\n", re.DOTALL)


def example(name: str, document: str = "docs/pipeline.md") -> dict[str, str]:
    """Return the files of one example, by their paths."""
    found = EXAMPLE.findall((ROOT / document).read_text())
    return {path: text for title, path, text in found if title == name}


def every_example() -> list[str]:
    """Return the text of each file of each example."""
    return [text for document in DOCUMENTS for _, _, text in EXAMPLE.findall((ROOT / document).read_text())]


def tag_command(document: str = "docs/pipeline.md") -> str:
    """Return the command by which a release gets the tag that the examples include it by."""
    (command,) = re.findall(r"^\$ (git tag .+)$", (ROOT / document).read_text(), re.MULTILINE)
    return str(command)

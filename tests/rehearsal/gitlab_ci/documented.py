"""The examples of README.md and docs/pipeline.md, as the files that a reader would write."""

from __future__ import annotations

import re

from tests.rehearsal.gitlab_ci.ci_project import ROOT

DOCUMENTS = ("README.md", "docs/pipeline.md")
EXAMPLE = re.compile(r"<!-- example: (\S+) -->\n```yaml\n# (\S+)\n(.*?)```\n", re.DOTALL)


def example(name: str, document: str = "docs/pipeline.md") -> dict[str, str]:
    """Return the files of one example, by their paths."""
    found = EXAMPLE.findall((ROOT / document).read_text())
    return {path: text for title, path, text in found if title == name}

"""A helm on PATH that is not Helm alone: a wrapper of a team's, or a version manager's."""

from __future__ import annotations

from pathlib import Path

import pytest

from maintenance_ci.errors import CommandError
from maintenance_ci.page.helm import Helm


def helm_that_prints(folder: Path, text: str) -> Helm:
    (folder / "helm").write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
    (folder / "helm").chmod(0o755)
    environment = {"PATH": f"{folder}:/usr/bin:/bin"}
    return Helm("/nonexistent", "web", environment=environment, say=lambda _line: None)


@pytest.mark.parametrize("printed", ["", "helm 3.17.2 (of .tool-versions)\n[]", "[]", "{}", "[7]", '[{"revision": 1}]'])
def test_a_history_that_is_none_is_one_line(tmp_path: Path, printed: str) -> None:
    with pytest.raises(CommandError, match=r"^The output of helm history is no list of revisions\.$") as caught:
        helm_that_prints(tmp_path, printed).upgrade("maintenance-page", tmp_path, {})
    assert "the helm that the job has on PATH" in caught.value.advice


def test_one_that_is_good_is_read(tmp_path: Path) -> None:
    printed = '[{"revision": 3, "updated": "now", "status": "deployed", "chart": "x"}]'
    helm_that_prints(tmp_path, printed).upgrade("maintenance-page", tmp_path, {})

"""The README and the code name the same variables, commands and files."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from maintenance_ci.settings import BuildAndDeploySettings, RouteSettings
from tests.readme import README, table

ROOT = Path(__file__).parent.parent


def read_by_the_jobs() -> set[str]:
    return {name.upper() for model in (BuildAndDeploySettings, RouteSettings) for name in model.model_fields}


def test_every_variable_is_documented_and_the_other_way_round() -> None:
    assert table() == read_by_the_jobs() | {"MAINTENANCE_CI_IMAGE", "PLAN_ONLY"}


def test_the_pipeline_declares_only_variables_that_are_read() -> None:
    pipeline = yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text())
    assert set(pipeline["variables"]) <= table()


def test_every_link_leads_to_a_file() -> None:
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        links = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text())
        assert [link for link in links if not (document.parent / link).exists()] == []
    assert len(re.findall(r"\]\(docs/", README)) >= 4


def test_every_make_target_that_is_named_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"make ([a-z]+(?:-[a-z]+)*)", README + (ROOT / "CONTRIBUTING.md").read_text()))
    assert {"rehearse", "test", "lint"} <= named
    assert [target for target in named if f"\n{target}:" not in makefile] == []

"""The README and the code name the same variables, commands and files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from maintenance_ci.errors import VariableError
from maintenance_ci.plan.strategies import STRATEGIES, SUBPATH
from maintenance_ci.settings.force import Force
from maintenance_ci.settings.rehearsal import RehearsalSettings
from maintenance_ci.settings.types import IMAGE_TAG, MAX_RELOAD, MAX_SECONDS, MIN_RELOAD
from maintenance_ci.settings.variables import BuildAndDeploySettings, RoutesSettings, read_settings, variables_read
from tests.tools.job_variables import GOOD
from tests.tools.readme import README, table

ROOT = Path(__file__).parents[2]
COMPONENT = ROOT / "templates/maintenance/template.yml"
MODELS = (BuildAndDeploySettings, RoutesSettings, RehearsalSettings)


def test_every_variable_is_documented_and_the_other_way_round() -> None:
    assert table() == variables_read(*MODELS) | {
        "MAINTENANCE_CI_IMAGE",
        "PLAN_ONLY",
        "CATALOG_PROJECT",
        "RELEASE_IMAGE",
    }


def row(name: str) -> str:
    """The row of a variable."""
    (found,) = [line for line in README.split("### Variables")[1].splitlines() if re.match(rf"\| [^|]*`{name}`", line)]
    return found


def test_the_limits_of_the_variables_are_documented() -> None:
    longest = {name.upper() for model in MODELS for name in model.model_fields if name.endswith("_timeout")}
    assert len(longest) == 5
    assert [name for name in longest if f"{MAX_SECONDS} at the most" not in row(name)] == []
    assert f"; {MIN_RELOAD} to {MAX_RELOAD}." in row("ROUTER_RELOAD_INTERVAL")
    assert IMAGE_TAG.fullmatch("v" * 63)
    assert not IMAGE_TAG.fullmatch("v" * 64)
    assert "63 characters at the most" in row("IMAGE_TAG")


def test_each_strategy_is_one_of_the_variable_and_of_the_documents() -> None:
    strategies = set(STRATEGIES) - {SUBPATH}
    assert {
        read_settings(RoutesSettings, GOOD | {"ROUTE_STRATEGY": one}).route_strategy for one in strategies
    } == strategies
    offered = re.findall(r"options: \[(swap.*)\]", COMPONENT.read_text())
    assert [set(options.split(", ")) for options in offered] == [strategies, strategies]
    assert [one for one in strategies if f"`{one}`" not in row("ROUTE_STRATEGY")] == []


def test_each_word_of_force_is_documented() -> None:
    assert [word.value for word in Force if f"`{word.value}`" not in row("FORCE")] == []


def test_who_needs_what_leads_to_the_templates_is_documented() -> None:
    needs = row("ROUTE_TEMPLATES_PROJECT").split("|")[2]
    assert "`plan --all`, `export-route --commit`" in needs
    for name in ("REF", "TOKEN"):
        assert "as `ROUTE_TEMPLATES_PROJECT`" in row(f"ROUTE_TEMPLATES_{name}")
    assert "as `ROUTE_TEMPLATES_PROJECT`" in row("ROUTE_TEMPLATE_PATH")


def test_gitlab_over_plain_http_is_refused_and_that_is_documented() -> None:
    step = README.split("1. **The pipeline.**")[1].split("2. **The rights.**")[0]
    assert "`CI_SERVER_URL` is plain http" in step
    with pytest.raises(VariableError, match="CI_SERVER_URL: must be an https:// address"):
        read_settings(RoutesSettings, {"CI_SERVER_URL": "http://gitlab.example.test"})


def test_what_the_token_s_variable_must_be_is_said_alike() -> None:
    for text in (README, (ROOT / ".gitlab-ci.yml").read_text()):
        assert "(masked)" in text
        assert "masked, protected" not in text


def test_the_pipeline_declares_only_variables_that_are_read() -> None:
    pipeline = yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text())
    assert set(pipeline["variables"]) <= table()


def test_every_link_leads_to_a_file() -> None:
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)  # code has other brackets
        links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
        assert [link for link in links if not (document.parent / link).exists()] == []
    assert len(re.findall(r"\]\(docs/", README)) >= 4


def test_every_test_that_a_recipe_names_is_there() -> None:
    text = " ".join((ROOT / "CONTRIBUTING.md").read_text().split("## Recipes")[1].split())
    file, named = "", []
    for path, name in re.findall(r"`((?:tests/\w+/\w+\.py)?)(?:::)?(test_\w+)?`", text):
        file = path or file
        named += [(file, name)] if name else []
    assert len(named) > 10
    assert [one for one in named if f"def {one[1]}(" not in (ROOT / one[0]).read_text()] == []


def test_every_make_target_that_is_named_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"make ([a-z]+(?:-[a-z]+)*)", README + (ROOT / "CONTRIBUTING.md").read_text()))
    assert {"rehearse", "test", "lint"} <= named
    assert [target for target in named if f"\n{target}:" not in makefile] == []

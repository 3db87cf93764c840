"""A version's tag: which project releases the component, how it is tested before, and what the release says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from maintenance_ci import __version__
from tests.tools.gitlab_evaluation import comes_before, pipeline_of
from tests.tools.gitlab_jobs import OURS
from tests.tools.gitlab_pipeline import (
    COMPONENT_TEST,
    PIPELINE,
    ROOT,
    Configuration,
    our_pipeline,
    schema_faults,
    whole_pipeline,
)

RELEASE = ROOT / ".gitlab/release.yml"
NOTES = ".ci/release-notes"
TAG_PUSHED = {
    "CI_PIPELINE_SOURCE": "push",
    "CI_PROJECT_PATH": "ops/maintenance-ci",
    "CATALOG_PROJECT": "ops/maintenance-ci",
    "CI_COMMIT_TAG": __version__,
}


@pytest.fixture
def tagged() -> Configuration:
    return our_pipeline(TAG_PUSHED)


def test_a_tag_in_the_catalog_s_project_tests_the_component_and_releases_it(tagged: Configuration) -> None:
    pipeline = pipeline_of(tagged, "push", TAG_PUSHED)
    assert pipeline is not None
    assert pipeline.name == f"Release {__version__}"
    assert set(pipeline.jobs) == {"component-test", "release"}
    assert comes_before(tagged, "release") == {"component-test"}
    assert tagged["component-test"]["trigger"]["strategy"] == "depend"


@pytest.mark.parametrize(
    "other",
    [
        {"CATALOG_PROJECT": None},
        {"CATALOG_PROJECT": ""},
        {"CATALOG_PROJECT": "ops"},
        {"CI_PROJECT_PATH": "web/maintenance-ci"},
        {"CI_COMMIT_TAG": None},
        {"CI_COMMIT_TAG": ""},
        {"CI_COMMIT_TAG": "0.1"},
        {"CI_COMMIT_TAG": "0.1.0-rc1"},
        {"CI_COMMIT_TAG": "v0.1.0"},
        {"CI_COMMIT_TAG": "0.1.0\n"},
        {"CI_PIPELINE_SOURCE": "web"},
        {"CI_PIPELINE_SOURCE": "schedule"},
    ],
)
def test_nothing_else_releases_anything(other: dict[str, str | None]) -> None:
    """Not a team's copy, not a fork, not a branch, and no maintenance that is started on a tag."""
    known = {name: value for name, value in (TAG_PUSHED | other).items() if value is not None}
    assert our_pipeline(known) == OURS
    assert pipeline_of(OURS, "push", known) is None


def test_gitlab_takes_the_files(tmp_path: Path) -> None:
    for file in (RELEASE, COMPONENT_TEST):
        assert schema_faults(file) == ""
        wrong = tmp_path / file.name
        wrong.write_text(re.sub("^(include|release):", r"\1s: 1\n\1:", file.read_text(), flags=re.MULTILINE))
        assert schema_faults(wrong) != ""


def test_the_component_is_tested_as_others_include_it() -> None:
    """At the tagged commit, by its address: the inputs alone choose the job."""
    text = COMPONENT_TEST.read_text()
    (include,) = yaml.safe_load(text)["include"]
    assert include["component"] == "$CI_SERVER_FQDN/$CI_PROJECT_PATH/maintenance@$CI_COMMIT_SHA"
    child = whole_pipeline(text)
    pipeline = pipeline_of(child, "parent_pipeline", {})
    assert pipeline is not None
    assert set(pipeline.jobs) == {"plan"}
    assert child["plan"]["environment"]["action"] == "access"
    assert child["plan"]["image"] == "$MAINTENANCE_CI_IMAGE"
    assert child["variables"]["MAINTENANCE_CI_IMAGE"] == OURS["variables"]["MAINTENANCE_CI_IMAGE"]
    # Helm, which our own jobs install at last, is not needed to say a version.
    assert child["plan"]["before_script"] == OURS["plan"]["before_script"][:-1]


def test_the_form_of_the_parent_would_keep_the_component_from_starting(tagged: Configuration) -> None:
    """GitLab passes a parent's variables on, the empty ones too, unless it is told not to."""
    assert tagged["component-test"]["trigger"]["forward"] == {"yaml_variables": False}
    child = whole_pipeline(COMPONENT_TEST.read_text())
    form = {name: entry["value"] for name, entry in OURS["variables"].items() if isinstance(entry, dict)}
    assert pipeline_of(child, "parent_pipeline", form) is None


@pytest.mark.parametrize(("tag", "code"), [(__version__, 0), ("9.9.9", 1), (__version__[:-1], 1)])
def test_the_component_s_test_asks_for_the_tag_s_version(tag: str, code: int, tmp_path: Path) -> None:
    (command,) = yaml.safe_load(COMPONENT_TEST.read_text())["plan"]["script"]
    (tmp_path / "maintenance-ci").write_text(f"#!/bin/sh\necho maintenance-ci {__version__}\n")
    (tmp_path / "maintenance-ci").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "CI_COMMIT_TAG": tag}
    assert subprocess.run(["/bin/sh", "-c", command], env=environment, check=False).returncode == code


def notes(project: Path, tag: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([project / NOTES, tag], capture_output=True, text=True, check=False, timeout=20)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What the script reads of a checkout."""
    for name in (NOTES, "CHANGELOG.md", "maintenance_ci/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_the_changelog_the_package_and_the_tag_name_one_version(tagged: Configuration) -> None:
    """As they are in this checkout: so the version that is worked on has its place in the CHANGELOG."""
    done = notes(ROOT, __version__)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in (ROOT / "CHANGELOG.md").read_text()
    assert "### Added" in done.stdout
    (command,) = tagged["release"]["script"]
    assert command == f'{NOTES} "$CI_COMMIT_TAG" > {tagged["release"]["release"]["description"]}'
    assert tagged["release"]["release"]["tag_name"] == "$CI_COMMIT_TAG"


def test_the_notes_are_those_of_the_version_alone(project: Path) -> None:
    changelog = project / "CHANGELOG.md"
    before, after = changelog.read_text().split(f"## {__version__}\n")
    changelog.write_text(f"{before}## {__version__}\n\n- new\n\n## 0.0.9\n{after}")
    assert notes(project, __version__).stdout == "\n- new\n\n"


@pytest.mark.parametrize(
    ("file", "there", "instead"),
    [
        ("CHANGELOG.md", f"## {__version__}\n", f"## Unreleased\n\n## {__version__}\n"),
        ("CHANGELOG.md", f"## {__version__}\n", f"## 9.9.9\n\n## {__version__}\n"),
        ("CHANGELOG.md", f"## {__version__}\n", ""),
        ("maintenance_ci/__init__.py", __version__, "9.9.9"),
        ("maintenance_ci/__init__.py", "__version__", "version"),
    ],
)
def test_another_version_anywhere_is_not_released(project: Path, file: str, there: str, instead: str) -> None:
    changed = project / file
    assert there in changed.read_text()
    changed.write_text(changed.read_text().replace(there, instead))
    done = notes(project, __version__)
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"The tag is {__version__}, " in done.stderr
    assert "Nothing was released." in done.stderr


def test_what_a_catalog_asks_for_is_there() -> None:
    """GitLab's list for a component project: a README, a licence, how to contribute; and the README says how."""
    assert [name for name in ("README.md", "LICENSE", "CONTRIBUTING.md") if not (ROOT / name).is_file()] == []
    section = (
        (ROOT / "README.md").read_text().split("### Publish it as a component of your GitLab")[1].split("\n### ")[0]
    )
    assert set(re.findall(r"`(component-test|release)`", section)) == {"component-test", "release"}
    assert "CATALOG_PROJECT" in PIPELINE.read_text()
    assert f"`{TAG_PUSHED['CATALOG_PROJECT']}`" in section

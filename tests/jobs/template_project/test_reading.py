"""What is read of the template project: files, lists of them, and by which token."""

from __future__ import annotations

from typing import Any

import pytest

from maintenance_ci.errors import ForbiddenError, MaintenanceError
from maintenance_ci.rehearsal.gitlab import refuse
from maintenance_ci.rehearsal.gitlab_project import Commit
from maintenance_ci.templates import project as template_project
from maintenance_ci.templates.project import UnfitFileError
from tests.jobs.template_project.server import CALLS, TEXT, TOKEN, GitLab


def test_names_with_slashes_and_dots_and_other_refs(gitlab: GitLab) -> None:
    assert gitlab.client().read("a b/v1.2/ä%+.yaml") == "odd"
    assert gitlab.client(ref="release/1.0").read("old.yaml") == "old"
    assert gitlab.client().read_if_there("old.yaml") is None
    found = gitlab.client().find("a b/v1.2/ä%+.yaml")
    assert found is not None
    assert gitlab.client().write("a b/v1.2/ä%+.yaml", "ö", "why", replaces=found) == "main"
    assert gitlab.client(ref="release/1.0").write("c/d.e.yaml", "ü", "why", replaces=None) == "release/1.0"
    assert gitlab.project.commits == [
        Commit("main", "a b/v1.2/ä%+.yaml", "why"), Commit("release/1.0", "c/d.e.yaml", "why")
    ]  # fmt: skip
    assert gitlab.client().read("a b/v1.2/ä%+.yaml") == "ö"


def test_files_are_listed_page_by_page_and_no_link_is_followed(gitlab: GitLab) -> None:
    """The embedded GitLab's links lead to another address, as those of one behind a proxy do."""
    many = {f"routes/r{number:03}.yaml": b"" for number in range(250)}
    gitlab.project.branches["main"].update(many)
    assert gitlab.client().paths("routes") == sorted(many)
    assert gitlab.count("/repository/tree") == 3
    assert gitlab.client().paths(recursive=False) == ["shop.yaml"]
    assert len(gitlab.client().paths()) == 252


def test_a_project_without_an_end(gitlab: GitLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_project, "MAX_FILES", 200)
    gitlab.project.branches["main"] = {f"{number:03}": b"" for number in range(200)}
    with pytest.raises(MaintenanceError, match="holds over 200 files"):
        gitlab.client().paths()


def test_a_file_that_can_be_no_template(gitlab: GitLab) -> None:
    gitlab.project.branches["main"]["shop.yaml"] = b"\xff\xfe"
    for call in ("read", "find"):
        with pytest.raises(UnfitFileError, match=r"shop.yaml is not text"):
            CALLS[call](gitlab.client())


@pytest.mark.parametrize("text", [b"<!DOCTYPE html><html>Sign in</html>", b"\xef\xbb\xbf  \n<html>"])
def test_a_page_that_comes_as_a_file_is_no_template(gitlab: GitLab, text: bytes) -> None:
    gitlab.project.branches["main"]["shop.yaml"] = text
    with pytest.raises(
        UnfitFileError, match=r"HTML page instead of the template shop\.yaml: it may be the sign-in page"
    ):
        gitlab.client().read("shop.yaml")


@pytest.mark.parametrize(
    ("token", "answer", "says", "advice"),
    [
        ("job", None, r"shop.yaml in team/templates \(403\): Auth.* job token not allowed from b to templates\.$",
         "In the template project, under Settings > CI/CD > Job token permissions, let this project's jobs in"),
        ("job", refuse(401, "401 Unauthorized"), r"the token \(401\)\.$", "from GitLab 18.3 on"),
        (TOKEN, refuse(403, "403 Forbidden"), r"in team/templates \(403\)\.$", "Give the token the right to read it."),
        (TOKEN, refuse(401, "401 Unauthorized"), r"the token \(401\)\.$", "Check ROUTE_TEMPLATES_TOKEN"),
    ],
)  # fmt: skip
def test_a_token_that_may_not_is_told_what_lacks(
    gitlab: GitLab, token: str, answer: Any, says: str, advice: str
) -> None:
    gitlab.server.fault = answer
    client = gitlab.client(private_token=None, job_token="job") if token == "job" else gitlab.client()
    with pytest.raises(ForbiddenError, match=says) as refused:
        client.read("shop.yaml")
    assert advice in refused.value.advice


def test_a_token_is_chosen(gitlab: GitLab) -> None:
    assert gitlab.client().can_list
    assert not gitlab.client(private_token=None, job_token="job").can_list
    assert gitlab.client(job_token="wrong").read("shop.yaml") == TEXT

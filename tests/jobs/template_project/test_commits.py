"""What is written to the template project: one commit, or none."""

from __future__ import annotations

import pytest
from aiohttp import web

from maintenance_ci.errors import ConflictError, ForbiddenError, MaintenanceError
from maintenance_ci.rehearsal.gitlab import refuse
from maintenance_ci.templates.project import File
from tests.jobs.template_project.server import TEXT, TOKEN, GitLab, only, reset


def test_an_empty_repository_is_filled(gitlab: GitLab) -> None:
    gitlab.project.branches.clear()
    project = gitlab.client()
    with pytest.raises(MaintenanceError, match="404"):
        project.paths()
    assert project.find("shop.yaml") is None
    assert project.write("shop.yaml", TEXT, "why", replaces=None) == "main"
    assert project.read("shop.yaml") == TEXT


@pytest.mark.parametrize(
    ("token", "options", "error", "says"),
    [
        ("glpat-reader", {}, ForbiddenError, "scope of ROUTE_TEMPLATES_TOKEN does not reach"),
        ("glpat-guest", {}, ForbiddenError, "may not write to team/templates"),
        (TOKEN, {"ref": "safe"}, ForbiddenError, "branch safe of team/templates is protected"),
        (TOKEN, {"ref": "v1.0"}, MaintenanceError, "v1.0 is no branch of team/templates"),
    ],
)
def test_a_commit_that_is_refused(
    gitlab: GitLab, token: str, options: dict[str, str], error: type[MaintenanceError], says: str
) -> None:
    gitlab.project.branches["safe"], gitlab.project.protected = {}, {"safe"}
    with pytest.raises(error, match=says):
        gitlab.client(token, **{"ref": "main", **options}).write("new.yaml", TEXT, "why", replaces=None)
    assert gitlab.project.commits == []


def test_somebody_else_was_faster(gitlab: GitLab) -> None:
    project = gitlab.client()
    found = project.find("shop.yaml")
    gitlab.project.branches["main"]["shop.yaml"] = b"theirs"
    with pytest.raises(ConflictError, match="changed by somebody else"):
        project.write("shop.yaml", "ours", "why", replaces=found)
    with pytest.raises(ConflictError, match="changed by somebody else"):
        project.write("shop.yaml", "ours", "why", replaces=None)
    assert project.find("shop.yaml") == File("theirs", gitlab.project.last_commit("main", "shop.yaml"))


@pytest.mark.parametrize("there", [False, True])
def test_an_answer_that_is_lost_is_no_second_commit(gitlab: GitLab, there: bool) -> None:
    project, path = gitlab.client(ref="main"), "shop.yaml" if there else "new.yaml"
    found = project.find(path)
    assert (found is not None) is there

    async def done_and_lost(request: web.Request) -> web.StreamResponse | None:
        if request.method not in ("POST", "PUT"):
            return None
        wanted = await request.json()
        gitlab.project.commit(
            path, wanted["content"].encode(), branch="main", message="why", create=not there, last_commit=None
        )
        return await reset(request)

    gitlab.server.fault = done_and_lost
    assert project.write(path, "new", "why", replaces=found) == "main"
    assert len(gitlab.project.commits) == 1


def test_what_gitlab_says_of_a_commit_is_told(gitlab: GitLab) -> None:
    gitlab.server.fault = only("POST", refuse(400, "PRE-RECEIVE:\n no tickets,  no commits"))
    with pytest.raises(MaintenanceError, match=r"does not take new.yaml .*: PRE-RECEIVE: no tickets, no commits"):
        gitlab.client(ref="main").write("new.yaml", TEXT, "why", replaces=None)

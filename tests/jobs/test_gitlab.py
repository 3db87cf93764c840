"""The embedded GitLab, asked by the real python-gitlab."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

import gitlab
import pytest
import trustme

from maintenance_ci.rehearsal.gitlab import EmbeddedGitLab, JobToken, Project, Token, refuse, sign_in
from maintenance_ci.rehearsal.gitlab_project import Commit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEMPLATE = b"kind: Route\nmetadata:\n  name: app\n"


def projects() -> list[Project]:
    files = {"app.yaml": TEMPLATE, "prod/app.v1.yaml": b"\xff\x00 bytes", "a b/\xe4+%.yaml": b"odd"}
    templates = Project(
        "team/sub/route-templates",
        7,
        {"main": files, "release/1.0": {"app.yaml": b"old"}},
        job_token_allowlist={"team/pipeline"},
    )
    return [templates, Project("other/private", 8, {"main": {"app.yaml": TEMPLATE}})]


TOKENS = [
    Token("personal", frozenset({"team/sub/route-templates"})),
    JobToken("job", frozenset({"team/sub/route-templates", "other/private"}), project="team/pipeline"),
    Token("reader", frozenset({"team/sub/route-templates"}), scopes=frozenset({"read_repository"})),
    Token("lister", frozenset({"team/sub/route-templates"}), scopes=frozenset({"read_api"})),
    Token("guest", frozenset({"team/sub/route-templates"}), pushes=False),
    JobToken("stranger", frozenset({"team/sub/route-templates"}), project="other/pipeline"),
]


def ask(
    tmp_path: Path, question: Callable[[gitlab.Gitlab, EmbeddedGitLab], Any], below: str = "", **credentials: Any
) -> Any:
    """Start a GitLab, and put the question to it from another thread, as python-gitlab blocks."""

    async def main() -> Any:
        ca = trustme.CA()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        ca.issue_cert("127.0.0.1").configure_cert(context)
        ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        server = EmbeddedGitLab(context, projects=projects(), tokens=TOKENS)
        url = await server.start(below=below)
        client = gitlab.Gitlab(url, ssl_verify=str(tmp_path / "ca.pem"), timeout=5, keep_base_url=True, **credentials)
        try:
            return await asyncio.to_thread(question, client, server)
        finally:
            client.session.close()
            await server.stop()

    return asyncio.run(main())


def raw(client: gitlab.Gitlab, project: str | int, path: str, ref: str | None = None) -> Any:
    return client.projects.get(project, lazy=True).files.raw(path, ref=ref)


@pytest.mark.parametrize(
    "credentials", [{"private_token": "personal"}, {"oauth_token": "personal"}, {"job_token": "job"}]
)
@pytest.mark.parametrize("project", ["team/sub/route-templates", 7])
def test_each_kind_of_token_reads_a_file(tmp_path: Path, credentials: dict[str, str], project: str | int) -> None:
    assert ask(tmp_path, lambda client, _: raw(client, project, "app.yaml", ref="main"), **credentials) == TEMPLATE


@pytest.mark.parametrize(
    ("path", "ref", "content"),
    [
        ("prod/app.v1.yaml", "main", b"\xff\x00 bytes"),
        ("a b/\xe4+%.yaml", "main", b"odd"),
        ("app.yaml", "release/1.0", b"old"),
        ("app.yaml", "HEAD", TEMPLATE),
    ],
)
def test_paths_and_refs_are_decoded(tmp_path: Path, path: str, ref: str, content: bytes) -> None:
    assert ask(tmp_path, lambda client, _: raw(client, 7, path, ref), private_token="personal") == content


@pytest.mark.parametrize(
    ("credentials", "project", "path", "status", "message"),
    [
        ({"private_token": "unknown"}, 7, "app.yaml", 401, "401 Unauthorized"),
        ({"private_token": "job"}, 7, "app.yaml", 401, "401 Unauthorized"),
        ({"job_token": "personal"}, 7, "app.yaml", 401, "401 Unauthorized"),
        ({}, 7, "app.yaml", 404, "404 Project Not Found"),
        ({"private_token": "personal"}, 9, "app.yaml", 404, "404 Project Not Found"),
        ({"private_token": "personal"}, "other/private", "app.yaml", 404, "404 Project Not Found"),
        ({"private_token": "personal"}, 7, "missing.yaml", 404, "404 File Not Found"),
        (
            {"job_token": "stranger"},
            7,
            "app.yaml",
            403,
            "403 Forbidden - Authentication by CI/CD job token not allowed from pipeline to route-templates.",
        ),
    ],
)
def test_refusals(
    tmp_path: Path, credentials: dict[str, str], project: str | int, path: str, status: int, message: str
) -> None:
    with pytest.raises(gitlab.GitlabError) as refused:
        ask(tmp_path, lambda client, _: raw(client, project, path, ref="main"), **credentials)
    assert (refused.value.response_code, refused.value.error_message) == (status, message)
    assert isinstance(refused.value, gitlab.GitlabAuthenticationError) == (status == 401)


def test_an_unknown_ref_is_a_missing_commit(tmp_path: Path) -> None:
    with pytest.raises(gitlab.GitlabGetError, match="404 Commit Not Found"):
        ask(tmp_path, lambda client, _: raw(client, 7, "app.yaml", ref="gone"), private_token="personal")


def test_headers_describe_the_blob(tmp_path: Path) -> None:
    def question(client: gitlab.Gitlab, _: EmbeddedGitLab) -> dict[str, str]:
        path = "/projects/team%2Fsub%2Froute-templates/repository/files/app.yaml/raw"
        return dict(client.http_request("get", path, query_data={"ref": "main"}).headers)

    headers = ask(tmp_path, question, private_token="personal")
    assert headers["X-Gitlab-Blob-Id"] == "053f578de302e5d5f6a7828fef342de2e09c74a0"  # as git hash-object says
    assert (headers["X-Gitlab-File-Path"], headers["X-Gitlab-Ref"]) == ("app.yaml", "main")
    assert headers["X-Gitlab-Size"] == str(len(TEMPLATE))


def test_a_file_changed_at_run_time_is_served(tmp_path: Path) -> None:
    def question(client: gitlab.Gitlab, server: EmbeddedGitLab) -> tuple[bytes, list[str]]:
        raw(client, 7, "app.yaml", ref="main")
        server.projects[0].branches["main"]["app.yaml"] = b"new"
        return raw(client, 7, "app.yaml"), server.requests

    content, requests = ask(tmp_path, question, private_token="personal")
    assert content == b"new"
    assert requests == [
        "GET /api/v4/projects/7/repository/files/app.yaml/raw?ref=main",
        "GET /api/v4/projects/7/repository/files/app.yaml/raw",
    ]


def test_a_sign_in_page_comes_as_content(tmp_path: Path) -> None:
    def question(client: gitlab.Gitlab, server: EmbeddedGitLab) -> Any:
        server.fault = sign_in
        return raw(client, 7, "app.yaml", ref="main")

    assert b"<title>Sign in" in ask(tmp_path, question, private_token="personal")


def test_a_fault_answers_in_its_place_and_ends_with_it(tmp_path: Path) -> None:
    def question(client: gitlab.Gitlab, server: EmbeddedGitLab) -> tuple[int | None, bytes]:
        server.fault = refuse(503, "GitLab is not responding")
        with pytest.raises(gitlab.GitlabGetError) as refused:
            raw(client, 7, "app.yaml", ref="main")
        server.fault = None
        return refused.value.response_code, raw(client, 7, "app.yaml", ref="main")

    assert ask(tmp_path, question, private_token="personal") == (503, TEMPLATE)


def test_below_a_path(tmp_path: Path) -> None:
    answer = ask(tmp_path, lambda client, _: raw(client, 7, "app.yaml"), below="/gitlab", private_token="personal")
    assert answer == TEMPLATE


def files(client: gitlab.Gitlab) -> Any:
    return client.projects.get(7, lazy=True).files


def commit(client: gitlab.Gitlab, path: str, branch: str = "main", **more: Any) -> Any:
    data = {"branch": branch, "content": "new ä", "commit_message": "why", **more}
    if "last_commit_id" in more:
        return files(client).update(path, data)
    return files(client).create({"file_path": path, **data})


def test_a_file_is_created_then_updated(tmp_path: Path) -> None:
    def question(client: gitlab.Gitlab, server: EmbeddedGitLab) -> tuple[bytes, list[Commit]]:
        commit(client, "prod/new.v1.yaml")
        found = files(client).get("prod/new.v1.yaml", ref="main")
        assert found.decode() == "new ä".encode()
        commit(client, "prod/new.v1.yaml", content="newer", last_commit_id=found.last_commit_id)
        return raw(client, 7, "prod/new.v1.yaml"), server.projects[0].commits

    content, commits = ask(tmp_path, question, private_token="personal")
    assert content == b"newer"
    assert commits == [Commit("main", "prod/new.v1.yaml", "why")] * 2


@pytest.mark.parametrize(
    ("token", "path", "more", "status", "message"),
    [
        ("personal", "app.yaml", {}, 400, "A file with this name already exists"),
        ("personal", "none.yaml", {"last_commit_id": "x"}, 400, "A file with this name doesn't exist"),
        ("personal", "app.yaml", {"last_commit_id": "x"}, 400, "You are attempting to update a file that has changed"),
        ("personal", "new.yaml", {"branch": "gone"}, 400, "You can only create or edit files when you are on a branch"),
        ("personal", "new.yaml", {"branch": "safe"}, 400, "You are not allowed to push into this branch"),
        ("personal", "new.yaml", {"commit_message": ""}, 400, "commit_message is missing"),
        ("reader", "new.yaml", {}, 403, "insufficient_scope"),
        ("lister", "new.yaml", {}, 403, "insufficient_scope"),
        ("guest", "new.yaml", {}, 403, "403 Forbidden"),
    ],
)
def test_a_commit_is_refused(
    tmp_path: Path, token: str, path: str, more: dict[str, str], status: int, message: str
) -> None:
    def question(client: gitlab.Gitlab, server: EmbeddedGitLab) -> None:
        project = server.projects[0]
        project.branches["safe"], project.protected = {}, {"safe"}
        with pytest.raises(gitlab.GitlabError) as refused:
            commit(client, path, **more)
        assert refused.value.response_code == status
        assert str(refused.value.error_message).startswith(message)
        assert project.commits == []

    ask(tmp_path, question, private_token=token)


def test_a_job_token_reads_raw_files_and_nothing_else(tmp_path: Path) -> None:
    def question(client: gitlab.Gitlab, _: EmbeddedGitLab) -> None:
        project = client.projects.get(7, lazy=True)
        assert raw(client, 7, "app.yaml") == TEMPLATE
        for call in (
            lambda: client.projects.get(7),
            lambda: project.repository_tree(get_all=True),
            lambda: project.files.get("app.yaml", ref="main"),
            lambda: commit(client, "new.yaml"),
        ):
            with pytest.raises(gitlab.GitlabError, match="404 Project Not Found"):
                call()

    ask(tmp_path, question, job_token="job")


@pytest.mark.parametrize(("token", "listed"), [("personal", True), ("lister", True), ("reader", False)])
def test_scopes_of_reading(tmp_path: Path, token: str, listed: bool) -> None:
    def question(client: gitlab.Gitlab, _: EmbeddedGitLab) -> None:
        project = client.projects.get(7, lazy=True)
        assert project.files.get("app.yaml", ref="HEAD").decode() == TEMPLATE
        if listed:
            assert project.repository_tree(get_all=True)
            assert client.projects.get(7).default_branch == "main"
            return
        with pytest.raises(gitlab.GitlabError, match="insufficient_scope"):
            project.repository_tree(get_all=True)

    ask(tmp_path, question, private_token=token)


def test_the_tree(tmp_path: Path) -> None:
    def question(client: gitlab.Gitlab, server: EmbeddedGitLab) -> None:
        tree = client.projects.get(7, lazy=True).repository_tree

        def shown(*arguments: str, **named: Any) -> list[str]:
            return [f"{entry['path']} {entry['type']}" for entry in tree(*arguments, get_all=True, **named)]

        assert shown() == ["a b tree", "app.yaml blob", "prod tree"]
        assert shown("prod") == ["prod/app.v1.yaml blob"]
        assert shown(recursive=True, ref="release/1.0") == ["app.yaml blob"]
        everything = ["a b tree", "a b/\xe4+%.yaml blob", "app.yaml blob", "prod tree", "prod/app.v1.yaml blob"]
        assert shown(recursive=True, per_page=2) == everything  # three pages, at this address
        for ref, folder, words in (
            ("gone", "", "404 Tree Not Found"),
            ("main", "gone", "404 invalid revision or path"),
        ):
            with pytest.raises(gitlab.GitlabError, match=words):
                shown(folder, ref=ref)

    ask(tmp_path, question, private_token="personal")

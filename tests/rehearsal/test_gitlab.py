"""The embedded GitLab, asked by the real python-gitlab."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

import gitlab
import pytest
import trustme

from maintenance_ci.rehearsal.gitlab import EmbeddedGitLab, JobToken, Project, Token, refuse, sign_in

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
    JobToken("stranger", frozenset({"team/sub/route-templates"}), project="other/pipeline"),
]


def ask(tmp_path: Path, question: Callable[[gitlab.Gitlab, EmbeddedGitLab], Any], **credentials: Any) -> Any:
    """Start a GitLab, and put the question to it from another thread, as python-gitlab blocks."""

    async def main() -> Any:
        ca = trustme.CA()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        ca.issue_cert("127.0.0.1").configure_cert(context)
        ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        server = EmbeddedGitLab(context, projects=projects(), tokens=TOKENS)
        url = await server.start()
        client = gitlab.Gitlab(url, ssl_verify=str(tmp_path / "ca.pem"), timeout=5, **credentials)
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

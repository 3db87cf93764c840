"""The template project's adapter: each of its calls, and each way in which GitLab fails one."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from maintenance_ci.errors import ConflictError, ForbiddenError, MaintenanceError, TryAgainError
from maintenance_ci.rehearsal.cluster import TEMPLATE_PROJECT
from maintenance_ci.rehearsal.gitlab import EmbeddedGitLab, JobToken, Project, Token, refuse, sign_in
from maintenance_ci.rehearsal.gitlab_project import Commit
from maintenance_ci.templates import project as template_project
from maintenance_ci.templates.project import File, TemplateProject, UnfitFileError
from tests.tools.clusters import Cluster


@pytest.fixture
def project(shared: Cluster) -> Iterator[TemplateProject]:
    inside, before = shared.inside, shared.inside.gitlab.fault
    yield TemplateProject(
        inside.gitlab.url, TEMPLATE_PROJECT, job_token=inside.job_token, ca=inside.ca_file.read_text()
    )
    inside.gitlab.fault = before


def test_a_token_does_not_follow_a_redirect_to_another_address(shared: Cluster, project: TemplateProject) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.setblocking(False)

        async def redirect(_: web.Request) -> web.StreamResponse:
            raise web.HTTPFound(f"http://127.0.0.1:{elsewhere.getsockname()[1]}/stolen")

        shared.inside.gitlab.fault = redirect
        with pytest.raises(MaintenanceError, match="redirects to another address, which was not followed"):
            project.read("shop.yaml")
        with pytest.raises(BlockingIOError):  # nobody came
            elsewhere.accept()


def test_no_password_of_a_netrc_is_sent(
    shared: Cluster, project: TemplateProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many a runner's home has one, for git or Go; requests sends it, at the latest after a redirect."""
    (tmp_path / ".netrc").write_text("default login somebody password somebodys-password\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    sent: list[tuple[str, str | None]] = []

    async def redirect(request: web.Request) -> web.StreamResponse | None:
        sent.append((request.path_qs, request.headers.get("Authorization")))
        if "again" in request.query:
            return None
        raise web.HTTPFound(str(request.url.update_query(again="1")))

    shared.inside.gitlab.fault = redirect
    assert project.read("shop.yaml")
    assert [("again" in path, authorization) for path, authorization in sent] == [(False, None), (True, None)]


def test_a_file_that_is_too_large(shared: Cluster, project: TemplateProject) -> None:
    files = shared.inside.gitlab.projects[0].branches["main"]
    files["large.yaml"] = b"#" * (template_project.MAX_TEMPLATE + 1)
    files["full.yaml"] = b"#" * template_project.MAX_TEMPLATE
    assert len(project.read("full.yaml")) == template_project.MAX_TEMPLATE
    with pytest.raises(MaintenanceError, match="is over 1048576 bytes"):
        project.read("large.yaml")


@pytest.mark.slow
def test_a_file_that_drips(shared: Cluster, project: TemplateProject) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for _ in range(60):
            await answer.write(b"# still coming\n")
            await asyncio.sleep(1)
        return answer

    shared.inside.gitlab.fault = drip
    with pytest.raises(MaintenanceError, match="takes over 20 s"):
        project.read("shop.yaml")


def test_a_retry_after_of_an_hour_is_not_waited_for(shared: Cluster, project: TemplateProject) -> None:
    async def busy(_: web.Request) -> web.StreamResponse:
        return web.json_response({"message": "later"}, status=429, headers={"Retry-After": "3600"})

    shared.inside.gitlab.fault = busy
    with pytest.raises(MaintenanceError, match="GitLab cannot answer now"):
        project.read("shop.yaml")


TOKEN = "glpat-writer"
TEXT = "kind: Route\n"


class GitLab:
    """An embedded GitLab of the test's own, below a path, in a thread: the client blocks."""

    def __init__(self, server: EmbeddedGitLab, loop: asyncio.AbstractEventLoop, ca: str) -> None:
        self.server, self._loop, self.ca = server, loop, ca
        self.project = server.projects[0]

    def client(self, token: str = TOKEN, **more: Any) -> TemplateProject:
        more = {"private_token": token, "ca": self.ca, **more}
        return TemplateProject(more.pop("url", self.server.url), more.pop("project", "team/templates"), **more)

    def count(self, what: str) -> int:
        return sum(what in request for request in self.server.requests)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.server.stop(), self._loop).result(10)


@pytest.fixture
def gitlab(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitLab]:
    monkeypatch.setattr(template_project, "PAUSES", (0.01, 0.02, 0.03))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    ca, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    files = {"shop.yaml": TEXT.encode(), "a b/v1.2/ä%+.yaml": b"odd"}
    project = Project("team/templates", 7, {"main": files, "release/1.0": {"old.yaml": b"old"}})
    reader = Token("glpat-reader", frozenset({"team/templates"}), scopes=frozenset({"read_repository"}))
    guest = Token("glpat-guest", frozenset({"team/templates"}), pushes=False)
    stranger = JobToken("job", frozenset({"team/templates"}), project="a/b")
    server = EmbeddedGitLab(
        context, projects=[project], tokens=[Token(TOKEN, frozenset({"team/templates"})), reader, guest, stranger]
    )
    asyncio.run_coroutine_threadsafe(server.start(below="/gitlab"), loop).result(10)
    found = GitLab(server, loop, ca.cert_pem.bytes().decode())
    try:
        yield found
    finally:
        found.stop()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


# Each call, with what it answers of the GitLab above.
CALLS: dict[str, Callable[[TemplateProject], object]] = {
    "read": lambda project: project.read("shop.yaml"),
    "list": lambda project: project.paths(),
    "find": lambda project: project.find("shop.yaml"),
    "create": lambda project: project.write("new.yaml", TEXT, "why", replaces=None),
    "update": lambda project: project.write("shop.yaml", "new", "why", replaces=project.find("shop.yaml")),
}
# A write without a ref asks for the project first: for its default branch.
WITHOUT_REF = {"default branch": CALLS["create"]}


def only(method: str, fault: Any) -> Any:
    """Let a fault answer requests of one method alone."""

    async def answer(request: web.Request) -> web.StreamResponse | None:
        found: web.StreamResponse | None = await fault(request) if method in ("", request.method) else None
        return found

    return answer


async def reset(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    await asyncio.sleep(1)
    return web.Response()


async def silence(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(5)
    return web.Response()


async def html(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<!DOCTYPE html><title>A proxy</title>", content_type="text/html")


FAILURES: dict[str, tuple[Any, type[MaintenanceError], str]] = {
    "401": (refuse(401, "401 Unauthorized"), ForbiddenError, "GitLab refuses the token"),
    "403": (refuse(403, "403 Forbidden"), ForbiddenError, r"\(403\)"),
    "404": (
        refuse(404, "404 Project Not Found"),
        MaintenanceError,
        r"is not there, or the token may not see it \(404\)",
    ),
    "429": (refuse(429, "Too many", {"Retry-After": "3600"}), TryAgainError, r"cannot answer now \(HTTP 429\)"),
    "500": (refuse(500, "500 Internal Server Error"), TryAgainError, r"cannot answer now \(HTTP 500\)"),
    "sign-in": (sign_in, MaintenanceError, "HTML page instead of .*: it may be the sign-in page"),
    "html": (html, MaintenanceError, "HTML page"),
    "timeout": (silence, TryAgainError, "cannot be reached"),
    "reset": (reset, TryAgainError, "cannot be reached"),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("call", [*CALLS, *WITHOUT_REF])
def test_each_call_and_each_failure(gitlab: GitLab, call: str, failure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if failure == "timeout":
        monkeypatch.setattr(template_project, "TIMEOUT", 0.3)
    before = {branch: dict(files) for branch, files in gitlab.project.branches.items()}
    fault, error, says = FAILURES[failure]
    gitlab.server.fault = only({"create": "POST", "update": "PUT", "default branch": "GET"}.get(call, ""), fault)
    project = gitlab.client(ref=None if call in WITHOUT_REF else "main")
    do = (CALLS | WITHOUT_REF)[call]
    with pytest.raises(error, match=says) as refused:
        do(project)
    assert (type(refused.value) is TryAgainError) is (error is TryAgainError)
    assert TOKEN not in str(refused.value)
    assert gitlab.project.branches == before
    gitlab.server.fault = None
    assert do(project) is not None  # and once it has passed it is done


@pytest.mark.parametrize("call", CALLS)
def test_what_is_transient_is_tried_again(gitlab: GitLab, call: str) -> None:
    left = [2]

    async def at_first(request: web.Request) -> web.StreamResponse | None:
        left[0] -= 1
        return await refuse(503, "busy")(request) if left[0] >= 0 else None

    gitlab.server.fault = at_first
    assert CALLS[call](gitlab.client(ref="main")) is not None
    assert left[0] < 0


@pytest.mark.parametrize("call", CALLS)
def test_a_connection_that_is_refused(gitlab: GitLab, call: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"https://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(TryAgainError, match="cannot be reached"):
        CALLS[call](gitlab.client(url=url, ref="main"))


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("other", [trustme.CA().cert_pem.bytes().decode(), None], ids=["another", "none"])
def test_a_certificate_of_another_ca(gitlab: GitLab, call: str, other: str | None) -> None:
    with pytest.raises(MaintenanceError, match="The certificate of GitLab cannot be verified"):
        CALLS[call](gitlab.client(ca=other, ref="main"))


def test_a_ca_that_is_given_is_one_more(gitlab: GitLab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The runner hands out the CA of the address that it calls itself, which the jobs need not call."""
    (tmp_path / "system.pem").write_text(gitlab.ca)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))  # as if the system had it
    assert gitlab.client(ca=trustme.CA().cert_pem.bytes().decode()).read("shop.yaml") == TEXT


def test_without_its_path_it_is_not_there(gitlab: GitLab) -> None:
    with pytest.raises(MaintenanceError, match="404"):
        gitlab.client(url=gitlab.server.url.removesuffix("/gitlab")).read("shop.yaml")


@pytest.mark.parametrize("call", CALLS)
def test_a_missing_project(gitlab: GitLab, call: str) -> None:
    with pytest.raises(MaintenanceError, match=r"not there, or the token may not see it \(404\)"):
        CALLS[call](gitlab.client(project="team/gone", ref="main"))


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

"""An embedded GitLab: the one call that the jobs make, answered as a real one answers it.

``GET /api/v4/projects/:id/repository/files/:path/raw``. Statuses, messages and headers are those of GitLab 18.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    import ssl

# Answers in GitLab's place, or returns None to let GitLab answer. It may sleep as long as it likes.
Fault = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


@dataclass
class Project:
    """A private project. Its files may be changed while GitLab runs.

    Attributes:
        path: with its namespace, as in ``team/route-templates``.
        id: its number.
        branches: the files (path to content) of each branch, tag or commit.
        default_branch: what is read where no ``ref`` is asked for.
        job_token_allowlist: paths of the projects whose job tokens may read this one.
    """

    path: str
    id: int
    branches: MutableMapping[str, MutableMapping[str, bytes]]
    default_branch: str = "main"
    job_token_allowlist: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Token:
    """A personal or project access token.

    Attributes:
        value: the secret.
        projects: paths of the projects that its owner may read.
    """

    value: str
    projects: frozenset[str]


@dataclass(frozen=True)
class JobToken(Token):
    """The token of a running job: ``projects`` are those that whoever started the job may read.

    Attributes:
        project: path of the project whose job it is.
    """

    project: str


class EmbeddedGitLab:
    """GitLab on a free port of 127.0.0.1, over TLS. ``requests`` lists what it was asked, as method and path."""

    def __init__(self, ssl_context: ssl.SSLContext, *, projects: Iterable[Project], tokens: Iterable[Token]) -> None:
        self.fault: Fault | None = None
        self.requests: list[str] = []
        self.url = ""
        self._ssl = ssl_context
        self.projects = list(projects)
        self._tokens = {token.value: token for token in tokens}
        self._runner: web.AppRunner | None = None

    async def start(self, host: str = "127.0.0.1") -> str:
        """Start it, and return its URL; ``host`` is a name or address of 127.0.0.1 that the certificate is for."""
        application = web.Application(middlewares=[self._record])
        application.router.add_get("/api/v4/projects/{project}/repository/files/{path}/raw", self._raw)
        application.router.add_get("/users/sign_in", _sign_in_page)
        application.router.add_route("*", "/{anything:.*}", _unknown)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._ssl)
        await site.start()
        self.url = f"https://{host}:{self._runner.addresses[0][1]}"
        return self.url

    async def stop(self) -> None:
        """Stop it; requests under way are cut off."""
        if self._runner is None or self._runner.server is None:
            return
        for connection in self._runner.server.connections:
            # A TLS connection that is closed politely waits for the other side, and may outlive the event loop.
            if connection.transport is not None:
                connection.transport.abort()
        await self._runner.cleanup()

    @web.middleware
    async def _record(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.raw_path}")
        if self.fault is not None and request.path != "/users/sign_in":
            answer = await self.fault(request)
            if answer is not None:
                return answer
        return await handler(request)

    async def _raw(self, request: web.Request) -> web.Response:
        try:
            return self._read(request)
        except _Refusal as refusal:
            return web.json_response({"message": str(refusal)}, status=refusal.status)

    def _read(self, request: web.Request) -> web.Response:
        project = self._find_project(request)
        ref = request.query.get("ref", "HEAD")
        files = project.branches.get(project.default_branch if ref == "HEAD" else ref)
        if files is None:
            raise _Refusal(404, "404 Commit Not Found")
        path = request.match_info["path"]
        if path not in files:
            raise _Refusal(404, "404 File Not Found")
        return _file(path, files, request.query.get("ref", ""))

    def _find_project(self, request: web.Request) -> Project:
        """Return the project asked for, if the request's token may read it."""
        token = self._authenticate(request)
        wanted = request.match_info["project"]
        project = next((one for one in self.projects if wanted in (str(one.id), one.path)), None)
        if project is None or token is None or project.path not in token.projects:
            raise _Refusal(404, "404 Project Not Found")
        if isinstance(token, JobToken) and token.project not in {project.path, *project.job_token_allowlist}:
            source, target = (path.rpartition("/")[2] for path in (token.project, project.path))
            raise _Refusal(
                403, f"403 Forbidden - Authentication by CI/CD job token not allowed from {source} to {target}."
            )
        return project

    def _authenticate(self, request: web.Request) -> Token | None:
        """Return the request's token; None for a request without one. Each kind has headers of its own."""
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        private = request.headers.get("PRIVATE-TOKEN") or (bearer if scheme == "Bearer" else "")
        job = request.headers.get("JOB-TOKEN", "")
        if not private and not job:
            return None
        token = self._tokens.get(private or job)
        if token is None or isinstance(token, JobToken) == bool(private):
            raise _Refusal(401, "401 Unauthorized")
        return token


async def sign_in(request: web.Request) -> web.StreamResponse:
    """A fault: GitLab, or a proxy before it, sends every caller to the sign-in page."""
    raise web.HTTPFound(f"{request.scheme}://{request.host}/users/sign_in")


def refuse(status: int, message: str, headers: dict[str, str] | None = None) -> Fault:
    """Return a fault: every call is answered with this status and message."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"message": message}, status=status, headers=headers)

    return answer


class _Refusal(Exception):  # noqa: N818 - an answer
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _file(path: str, files: Mapping[str, bytes], ref: str) -> web.Response:
    content, name = files[path], path.rpartition("/")[2]
    blob = _sha1(b"blob %d\0%s" % (len(content), content))
    commit = _sha1(repr(sorted(files.items())).encode())
    headers = {
        "Cache-Control": "max-age=0, private, must-revalidate, no-store, no-cache",
        "Content-Disposition": f'inline; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "X-Gitlab-Blob-Id": blob,
        "X-Gitlab-Commit-Id": commit,
        "X-Gitlab-Content-Sha256": hashlib.sha256(content).hexdigest(),
        "X-Gitlab-Encoding": "base64",
        "X-Gitlab-Execute-Filemode": "false",
        "X-Gitlab-File-Name": name,
        "X-Gitlab-File-Path": path,
        "X-Gitlab-Last-Commit-Id": commit,
        "X-Gitlab-Ref": ref,
        "X-Gitlab-Size": str(len(content)),
    }
    return web.Response(body=content, content_type="text/plain", charset="utf-8", headers=headers)


def _sha1(data: bytes) -> str:
    """Hash as git does."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


async def _sign_in_page(_: web.Request) -> web.Response:
    page = (
        '<!DOCTYPE html>\n<html class="html-devise-layout" lang="en">\n<head><title>Sign in · GitLab</title></head>\n'
    )
    return web.Response(text=f"{page}<body><h1>GitLab</h1></body>\n</html>\n", content_type="text/html")


async def _unknown(_: web.Request) -> web.Response:
    return web.json_response({"error": "404 Not Found"}, status=404)

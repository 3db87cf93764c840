"""An embedded GitLab: the calls that the jobs make, answered as a real one answers them.

Below ``/api/v4/projects/:id``: the project, ``/repository/tree``, ``/repository/files/:path`` (GET, POST, PUT) and its
``/raw``. Statuses, messages, headers, and which token may do what, are those of GitLab 18 (lib/api/files.rb,
lib/api/repositories.rb, lib/api/projects.rb, app/services/files).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from maintenance_ci.rehearsal.gitlab_project import (
    API,
    READ_API,
    READ_REPOSITORY,
    JobToken,
    Project,
    RefusedError,
    Token,
)

if TYPE_CHECKING:
    import ssl

__all__ = ["EmbeddedGitLab", "Fault", "JobToken", "Project", "Token", "refuse", "sign_in"]

# Answers in GitLab's place, or returns None to let GitLab answer. It may sleep as long as it likes.
Fault = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


class EmbeddedGitLab:
    """GitLab on a free port of 127.0.0.1, over TLS.

    Attributes:
        fault: answers in its place.
        requests: what it was asked, as method and path.
        projects: what it holds; they may be changed while it runs.
        tokens: those that it knows, by their value.
    """

    def __init__(self, ssl_context: ssl.SSLContext, *, projects: Iterable[Project], tokens: Iterable[Token]) -> None:
        self.fault: Fault | None = None
        self.requests: list[str] = []
        self.url = ""
        self._ssl = ssl_context
        self.projects = list(projects)
        self.tokens = {token.value: token for token in tokens}
        self._runner: web.AppRunner | None = None

    async def start(self, host: str = "127.0.0.1", *, below: str = "") -> str:
        """Start it, and return its URL.

        Args:
            host: a name or address of 127.0.0.1 that the certificate is for.
            below: the path that it is served under, such as ``/gitlab``.
        """
        application = web.Application(middlewares=[self._record])
        project = f"{below}/api/v4/projects/{{project}}"
        file = f"{project}/repository/files/{{path}}"
        for method, path, answer in (
            ("GET", project, self._project),
            ("GET", f"{project}/repository/tree", self._tree),
            ("GET", f"{file}/raw", self._raw),
            ("GET", file, self._file),
            ("POST", file, self._create),
            ("PUT", file, self._update),
        ):
            application.router.add_route(method, path, _refusing(answer))
        application.router.add_get("/users/sign_in", _sign_in_page)
        application.router.add_route("*", "/{anything:.*}", _unknown)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._ssl)
        await site.start()
        self.url = f"https://{host}:{self._runner.addresses[0][1]}{below}"
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
        project = self._find_project(request, READ_REPOSITORY, job_tokens=True)
        path, ref = request.match_info["path"], request.query.get("ref", "HEAD")
        headers = _headers(path, project.read(path, ref), project.last_commit(ref, path), request.query.get("ref", ""))
        body = project.read(path, ref)
        return web.Response(body=body, content_type="text/plain", charset="utf-8", headers=headers)

    async def _file(self, request: web.Request) -> web.Response:
        project = self._find_project(request, READ_REPOSITORY)
        path, ref = request.match_info["path"], request.query.get("ref", "")
        if not ref:
            raise RefusedError(400, {"error": "ref is missing, ref is empty"})
        content = project.read(path, ref)
        found = {
            "file_name": path.rpartition("/")[2],
            "file_path": path,
            "size": len(content),
            "encoding": "base64",
            "content": base64.b64encode(content).decode(),
            "ref": ref,
            "blob_id": _blob_id(content),
            "last_commit_id": project.last_commit(ref, path),
        }
        return web.json_response(found)

    async def _project(self, request: web.Request) -> web.Response:
        project = self._find_project(request, READ_API)
        found = {"id": project.id, "path_with_namespace": project.path, "default_branch": project.default_branch}
        return web.json_response(found)

    async def _tree(self, request: web.Request) -> web.Response:
        query = request.query
        project = self._find_project(request, READ_API)
        recursive = query.get("recursive", "false").lower() == "true"
        entries = project.tree(query.get("ref", "HEAD"), query.get("path", ""), recursive=recursive)
        page, size = int(query.get("page", "1")), min(int(query.get("per_page", "20")), 100)
        shown, following = entries[(page - 1) * size : page * size], str(page + 1) if page * size < len(entries) else ""
        headers = {"X-Page": str(page), "X-Per-Page": str(size), "X-Next-Page": following}
        if following:
            # As a GitLab behind a proxy writes it, which knows another address of itself.
            url = request.url.with_host("gitlab.internal.example.test").update_query(page=following)
            headers["Link"] = f'<{url}>; rel="next"'
        return web.json_response(shown, headers=headers)

    async def _create(self, request: web.Request) -> web.Response:
        return await self._commit(request, create=True)

    async def _update(self, request: web.Request) -> web.Response:
        return await self._commit(request, create=False)

    async def _commit(self, request: web.Request, *, create: bool) -> web.Response:
        project = self._find_project(request, API)
        token = self._authenticate(request)
        if token is None or not token.pushes:
            raise RefusedError(403, {"message": "403 Forbidden"})
        wanted: dict[str, Any] = await request.json()
        missing = [name for name in ("branch", "commit_message", "content") if not wanted.get(name)]
        if missing:
            raise RefusedError(400, {"error": ", ".join(f"{name} is missing" for name in missing)})
        path = request.match_info["path"]
        project.commit(
            path,
            wanted["content"].encode(),
            branch=wanted["branch"],
            message=wanted["commit_message"],
            create=create,
            last_commit=wanted.get("last_commit_id"),
        )
        return web.json_response({"file_path": path, "branch": wanted["branch"]}, status=201 if create else 200)

    def _find_project(self, request: web.Request, scopes: frozenset[str], *, job_tokens: bool = False) -> Project:
        """Return the project asked for, if the request's token may do there what it asks.

        Where a call takes no job tokens, one is not looked at: the caller is a stranger.
        """
        token = self._authenticate(request)
        if isinstance(token, JobToken) and not job_tokens:
            token = None
        wanted = request.match_info["project"]
        project = next((one for one in self.projects if wanted in (str(one.id), one.path)), None)
        if token is not None and not isinstance(token, JobToken) and not token.scopes & scopes:
            words = "The request requires higher privileges than provided by the access token."
            raise RefusedError(
                403, {"error": "insufficient_scope", "error_description": words, "scope": " ".join(sorted(scopes))}
            )
        if project is None or token is None or project.path not in token.projects:
            raise RefusedError(404, {"message": "404 Project Not Found"})
        if isinstance(token, JobToken) and token.project not in {project.path, *project.job_token_allowlist}:
            source, target = (path.rpartition("/")[2] for path in (token.project, project.path))
            words = f"Authentication by CI/CD job token not allowed from {source} to {target}."
            raise RefusedError(403, {"message": f"403 Forbidden - {words}"})
        return project

    def _authenticate(self, request: web.Request) -> Token | None:
        """Return the request's token; None for a request without one. Each kind has headers of its own."""
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        private = request.headers.get("PRIVATE-TOKEN") or (bearer if scheme == "Bearer" else "")
        job = request.headers.get("JOB-TOKEN", "")
        if not private and not job:
            return None
        token = self.tokens.get(private or job)
        if token is None or isinstance(token, JobToken) == bool(private):
            raise RefusedError(401, {"message": "401 Unauthorized"})
        return token


async def sign_in(request: web.Request) -> web.StreamResponse:
    """A fault: GitLab, or a proxy before it, sends every caller to the sign-in page."""
    raise web.HTTPFound(f"{request.scheme}://{request.host}/users/sign_in")


def refuse(status: int, message: str, headers: dict[str, str] | None = None) -> Fault:
    """Return a fault: every call is answered with this status and message."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"message": message}, status=status, headers=headers)

    return answer


def _refusing(
    handler: Callable[[web.Request], Awaitable[web.Response]],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except RefusedError as refusal:
            return web.json_response(refusal.body, status=refusal.status)

    return answer


def _headers(path: str, content: bytes, commit: str, ref: str) -> Mapping[str, str]:
    name = path.rpartition("/")[2]
    return {
        "Cache-Control": "max-age=0, private, must-revalidate, no-store, no-cache",
        "Content-Disposition": f'inline; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "X-Gitlab-Blob-Id": _blob_id(content),
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


def _blob_id(content: bytes) -> str:
    """Hash as git does."""
    return hashlib.sha1(b"blob %d\0%s" % (len(content), content), usedforsecurity=False).hexdigest()


async def _sign_in_page(_: web.Request) -> web.Response:
    page = (
        '<!DOCTYPE html>\n<html class="html-devise-layout" lang="en">\n<head><title>Sign in · GitLab</title></head>\n'
    )
    return web.Response(text=f"{page}<body><h1>GitLab</h1></body>\n</html>\n", content_type="text/html")


async def _unknown(_: web.Request) -> web.Response:
    return web.json_response({"error": "404 Not Found"}, status=404)

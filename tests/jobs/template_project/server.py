"""An embedded GitLab of a test's own, what is asked of it, and how it can fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from maintenance_ci.rehearsal.gitlab import EmbeddedGitLab
from maintenance_ci.templates.project import TemplateProject

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


# Each call, with what it answers of the GitLab above.
CALLS: dict[str, Callable[[TemplateProject], object]] = {
    "read": lambda project: project.read("shop.yaml"),
    "list": lambda project: project.paths(),
    "find": lambda project: project.find("shop.yaml"),
    "create": lambda project: project.write("new.yaml", TEXT, "why", replaces=None),
    "update": lambda project: project.write("shop.yaml", "new", "why", replaces=project.find("shop.yaml")),
}


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

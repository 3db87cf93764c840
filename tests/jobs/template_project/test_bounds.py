"""What bounds the client, whatever GitLab answers: where its token goes, how much it reads, how long it waits."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.rehearsal.cluster import TEMPLATE_PROJECT
from maintenance_ci.templates import project as template_project
from maintenance_ci.templates.project import TemplateProject
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

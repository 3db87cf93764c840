"""Each call of the template project's adapter, and each way in which GitLab fails one."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from maintenance_ci.errors import ForbiddenError, MaintenanceError, TryAgainError
from maintenance_ci.rehearsal.gitlab import refuse, sign_in
from maintenance_ci.templates import project as template_project
from tests.jobs.template_project.server import CALLS, TEXT, TOKEN, GitLab, only, reset

# A write without a ref asks for the project first: for its default branch.
WITHOUT_REF = {"default branch": CALLS["create"]}


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

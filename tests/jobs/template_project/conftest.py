"""A GitLab for each test, with a template project in it."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator

import pytest
import trustme

from maintenance_ci.rehearsal.gitlab import EmbeddedGitLab, JobToken, Project, Token
from maintenance_ci.templates import project as template_project
from tests.jobs.template_project.server import TEXT, TOKEN, GitLab


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

"""Answers that are none of GitLab's API: of a proxy, or of another server."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from maintenance_ci.errors import ForbiddenError, MaintenanceError, TryAgainError
from maintenance_ci.templates import project as template_project
from maintenance_ci.templates.project import TemplateProject
from tests.tools.misbehaving_server import head, serving

Call = Callable[[TemplateProject], object]
READ: Call = lambda project: project.read("shop.yaml")  # noqa: E731 - a table
LIST: Call = lambda project: project.paths()  # noqa: E731
FIND: Call = lambda project: project.find("shop.yaml")  # noqa: E731
WRITE: Call = lambda project: project.write("shop.yaml", "kind: Route\n", "a message", replaces=None)  # noqa: E731


def asked(answer: bytes, call: Call) -> object:
    with serving(answer) as (port, _):
        return call(TemplateProject(f"http://127.0.0.1:{port}", "ops/routes", private_token="glpat-t"))


def answered(status: int, body: str, kind: str = "application/json") -> bytes:
    content = body.encode()
    return head(status, Content_Type=kind, Content_Length=str(len(content))) + content


@pytest.mark.parametrize("call", [LIST, FIND, WRITE], ids=["list", "find", "write"])
@pytest.mark.parametrize("body", ['{"error": "log in first"}', "[1]", '[{"error": "log in first"}]', "null", "7"])
def test_json_of_something_else_is_one_line(body: str, call: Call) -> None:
    with pytest.raises(MaintenanceError, match=r"^GitLab (answered, but not with|does not give) the \w+"):
        asked(answered(200, json.dumps(json.loads(body))), call)


@pytest.mark.parametrize("call", [READ, LIST], ids=["read", "list"])
def test_a_proxy_s_page_says_nothing(call: Call) -> None:
    with pytest.raises(ForbiddenError) as refused:
        asked(answered(403, "\n<html>blocked by policy 7</html>", "text/html"), call)
    assert refused.value.what.endswith("in ops/routes (403).")
    with pytest.raises(ForbiddenError, match="blocked by policy 7"):
        asked(answered(403, "blocked by policy 7", "text/plain"), call)


def test_a_proxy_that_did_not_wait_for_the_request_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_project, "PAUSES", (0.0,))
    with pytest.raises(TryAgainError, match=r"^GitLab cannot answer now \(HTTP 408\)"):
        asked(answered(408, ""), READ)

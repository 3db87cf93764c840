"""Helm 3 and Helm 4 ask the embedded API server what they asked a real one, in the same order, and get the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from maintenance_ci.rehearsal.pinned_helm import HELM_3_VERSION, HELM_VERSION, pinned_helm_path
from tests.rehearsal.recordings.article_chart import NAME, write_chart
from tests.rehearsal.recordings.comparison import load
from tests.rehearsal.recordings.lab import running_lab

Line = tuple[str, str, str, int]
NAMESPACE = "hrec"


def line(method: str, path: str, content_type: str | None, status: int) -> Line:
    """A request as it is compared: the hash of an OpenAPI document is that of other documents here."""
    return method, re.sub(r"(?<=\?hash=).*", "…", unquote(path)), content_type or "", status


@pytest.mark.parametrize("version", [HELM_3_VERSION, HELM_VERSION])
def test_helm_sends_the_recorded_requests_and_gets_the_recorded_answers(tmp_path: Path, version: str) -> None:
    recorded: list[dict[str, Any]] = load("helm-traffic")[f"helm v{version}"]
    chart, helm = str(write_chart(tmp_path)), pinned_helm_path(version)
    with running_lab(tmp_path) as lab:
        lab.call(lab.store.create, "namespaces", {"metadata": {"name": NAMESPACE}}, manager="test")
        for command in (
            ("upgrade", "-i", NAME, chart, "--set-string", "imageTag=v1"),
            ("upgrade", "-i", NAME, chart, "--set-string", "imageTag=v2"),
            ("uninstall", NAME),
        ):
            done = lab.run(helm, *command, namespace=NAMESPACE)
            assert done.returncode == 0, done.stderr
        ours = [line(one.method, one.path, one.content_type, one.status) for one in lab.server.requests]
    assert ours == [line(one["method"], one["path"], one["contentType"], one["status"]) for one in recorded]
    assert {one.user_agent.partition("/")[0] for one in lab.server.requests} == {"Helm"}

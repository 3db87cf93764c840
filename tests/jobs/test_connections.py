"""Whole jobs that reach cluster and GitLab as teams' do: through a proxy, by a kubeconfig, with tokens in files."""

from __future__ import annotations

import base64
import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from maintenance_ci.rehearsal import application_manifests as manifests
from tests.tools.clusters import Cluster, Job
from tests.tools.connect_proxy import ConnectProxy, connect_proxy

Variables = dict[str, str | None]
# What a job is not given that has a KUBECONFIG.
NO_OKD: Variables = {"OKD_URL": None, "OKD_TOKEN": None, "OKD_CA": None}


def port(url: str) -> int:
    return urlsplit(url).port or 0


@pytest.fixture
def proxy(shared: Cluster) -> Iterator[ConnectProxy]:
    """Who alone knows where the cluster and GitLab are."""
    inside = shared.inside
    names = {"api.example.test": port(inside.server.url), "gitlab.example.test": port(inside.gitlab.url)}
    with connect_proxy(names) as proxy:
        yield proxy


THROUGH: Variables = {"OKD_URL": "https://api.example.test:6443", "CI_SERVER_URL": "https://gitlab.example.test"}


def fails(job: Job, code: int, message: str) -> None:
    assert job.code == code, job.log
    assert re.search(message, job.lines[-1]), job.log
    assert "Nothing was changed." in job.lines[-1]
    assert "Traceback" not in job.log


def test_all_that_a_job_asks_goes_through_the_proxy(shared: Cluster, proxy: ConnectProxy) -> None:
    job = shared.run("build-and-deploy", {**THROUGH, "HTTPS_PROXY": proxy.url()})
    assert job.code == 0, job.log
    assert {status for _, status in proxy.tunnels} == {200}
    proxy.tunnels.clear()
    job = shared.run("plan", {**THROUGH, "HTTPS_PROXY": proxy.url()})
    assert job.code == 0, job.log
    assert {target for target, _ in proxy.tunnels} == {"api.example.test:6443", "gitlab.example.test:443"}


FORMS = ["p%40ss%3Aword", "p@ss:word", base64.b64encode(b"user:p@ss:word").decode()]


@pytest.mark.parametrize("job", ["status", "build-and-deploy"])
def test_a_wrong_password_is_named_and_not_shown(
    shared: Cluster, proxy: ConnectProxy, tmp_path: Path, job: str
) -> None:
    variables = {**THROUGH, "https_proxy": proxy.url("user:p%40ss%3Aword"), "REPORT_DIR": str(tmp_path)}
    done = shared.run(job, variables)
    fails(done, 1, r"The proxy http://127\.0\.0\.1:\d+ refuses the user and the password in HTTPS_PROXY")
    assert "Lease" not in done.log, "no request got to the cluster"
    reports = "".join(path.read_text() for path in tmp_path.iterdir())
    assert not [form for form in FORMS if form in done.log + reports]


@pytest.mark.parametrize(
    "bad", ["socks5://user:p%40ss%3Aword@proxy:1080", "https://proxy:3128", "http://user:p ss@proxy"]
)
def test_a_proxy_that_cannot_be_used(shared: Cluster, bad: str) -> None:
    done = shared.run("status", {**THROUGH, "HTTPS_PROXY": bad})
    fails(done, 2, "ERROR: HTTPS_PROXY: must be ")
    assert not [form for form in (*FORMS, "p ss") if form in done.log]


@pytest.fixture
def agent(shared: Cluster, tmp_path: Path) -> dict[str, Any]:
    """The kubeconfig of GitLab's agent: several contexts, none current; one logs in by a program."""
    server = {"server": shared.inside.server.url, "certificate-authority": "ca.pem"}
    (tmp_path / "ca.pem").write_text(f"# Főtanúsítvány\n{shared.inside.ca_file.read_text()}")
    (tmp_path / "login.py").write_text(
        "import json, os\n"
        'status = {"token": os.environ["TOKEN_OF_MINE"]}\n'
        'kind = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}\n'
        "print(json.dumps(kind | {'status': status}))\n"
    )
    (tmp_path / "login").write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} {tmp_path}/login.py\n")
    (tmp_path / "login").chmod(0o755)
    program = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./login", "interactiveMode": "Never"}
    users = {"agent": {"token": shared.inside.token}, "program": {"exec": program}, "nobody": {"token": "nobody"}}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "gitlab", "cluster": server}],
        "users": [{"name": name, "user": user} for name, user in users.items()],
        "contexts": [
            {"name": f"group/project:{name}", "context": {"cluster": "gitlab", "user": name}} for name in users
        ],
    }


def write(folder: Path, config: dict[str, Any]) -> str:
    (folder / "kubeconfig").write_text(json.dumps(config))
    return str(folder / "kubeconfig")


STRANGE: Variables = {"HELM_KUBEAPISERVER": "https://127.0.0.1:1", "HELM_DRIVER": "configmap", "HELM_NAMESPACE": "x"}


def test_a_context_of_the_agent_s(shared: Cluster, tmp_path: Path, agent: dict[str, Any]) -> None:
    """A program that logs in has the job's environment, also where Helm runs it; Helm itself has not."""
    chosen = {"KUBECONFIG": f"/nonexistent:{write(tmp_path, agent)}", "KUBE_CONTEXT": "group/project:program"}
    job = shared.run("build-and-deploy", {**NO_OKD, **chosen, **STRANGE, "TOKEN_OF_MINE": shared.inside.token})
    assert job.code == 0, job.log
    assert shared.inside.token not in job.log
    assert str(tmp_path) not in job.log
    secrets = [one["type"] for one in shared.call(shared.store.list, "secrets", manifests.NAMESPACE)]
    assert "helm.sh/release.v1" in secrets


def test_a_context_that_is_not_chosen(shared: Cluster, tmp_path: Path, agent: dict[str, Any]) -> None:
    place = {**NO_OKD, "KUBECONFIG": write(tmp_path, agent)}
    listed = "its contexts: group/project:agent, group/project:program, group/project:nobody"
    fails(shared.run("status", place), 2, f"KUBE_CONTEXT: is missing, and KUBECONFIG has no current context; {listed}")
    fails(
        shared.run("status", place | {"KUBE_CONTEXT": "x"}), 2, f"KUBE_CONTEXT: is no context of KUBECONFIG; {listed}"
    )
    fails(shared.run("status", place | {"KUBE_CONTEXT": "group/project:nobody"}), 1, "refuses the token")


def test_a_kubeconfig_of_the_home_is_never_read(shared: Cluster, tmp_path: Path, agent: dict[str, Any]) -> None:
    (tmp_path / ".kube").mkdir()
    agent |= {"current-context": "group/project:agent"}
    (tmp_path / ".kube/config").write_text(json.dumps(agent))
    pod: Variables = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "1"}
    home = {**NO_OKD, **pod, "HOME": str(tmp_path)}
    fails(shared.run("status", home | {"KUBECONFIG": ""}), 2, "OKD_URL: is missing")
    fails(
        shared.run("status", home | {"KUBECONFIG": "~/.kube/config"}), 2, "KUBECONFIG: must be the path of a kubeconfig"
    )
    assert shared.run("status", {**pod, "HOME": str(tmp_path), "KUBECONFIG": "/nonexistent"}).code == 0, "OKD_URL wins"


def test_tokens_in_files(shared: Cluster, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{shared.inside.token}\n")
    job = shared.run("plan", {"OKD_TOKEN": str(tmp_path / "token"), "REPORT_DIR": str(tmp_path)})
    assert shared.inside.token not in job.log
    assert shared.inside.token not in (tmp_path / "maintenance-report.json").read_text()
    assert job.code in (0, 1), job.log
    assert "refuses the token" not in job.log
    (tmp_path / "token").write_text("two words")
    fails(
        shared.run("status", {"OKD_TOKEN": str(tmp_path / "token")}), 2, "OKD_TOKEN: names a file that holds no token"
    )

"""An API below a path, as Rancher's ``/k8s/clusters/NAME``: our client, Helm 3 and 4, kubectl in oc's place."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import os
import ssl
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from maintenance_ci.cluster.kubeconfig import write_kubeconfig
from maintenance_ci.cluster.openshift import OpenShift
from maintenance_ci.page.helm import Helm
from maintenance_ci.rehearsal.pinned_helm import HELM_3_VERSION, HELM_VERSION, pinned_helm_path
from maintenance_ci.settings.folders import find
from maintenance_ci.settings.variables import child_environment
from tests.rehearsal.recordings.lab import TOKEN, Lab, running_lab
from tests.tools.small_cluster import NAMESPACE

PREFIX = "/k8s/clusters/c-m-x"
NOT_FORWARDED = {"transfer-encoding", "connection", "content-length", "content-encoding"}


@dataclass
class Front:
    """What forwards to the API what is asked for below the path; all else is 404."""

    url: str
    ca: str
    outside: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with running_lab(tmp_path_factory.mktemp("lab")) as lab, fronted(lab) as front:
        yield front


@contextlib.contextmanager
def fronted(lab: Lab) -> Iterator[Front]:
    authority, tls = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    trusted = ssl.create_default_context(cafile=str(lab.ca))
    front = Front("", authority.cert_pem.bytes().decode())

    class Forward(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not self.path.startswith(f"{PREFIX}/"):
                front.outside.append(self.path)
                self.answer(404, {}, b"")
                return
            behind = http.client.HTTPSConnection(urlsplit(lab.url).netloc, context=trusted, timeout=20)
            with contextlib.closing(behind):
                named = {name: value for name, value in self.headers.items() if name.lower() != "accept-encoding"}
                behind.request(self.command, self.path.removeprefix(PREFIX), body or None, named)
                answer = behind.getresponse()
                self.answer(answer.status, dict(answer.getheaders()), answer.read())

        def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in NOT_FORWARDED:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Forward) as server:
        server.block_on_close, server.daemon_threads = False, True
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        front.url = f"https://127.0.0.1:{server.server_address[1]}{PREFIX}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield front
        finally:
            server.shutdown()
            thread.join()


def kubeconfig(folder: Path, front: Front) -> str:
    return str(write_kubeconfig(folder, url=front.url, token=TOKEN, namespace=NAMESPACE, ca=front.ca))


def test_our_client(front: Front, tmp_path: Path) -> None:
    with contextlib.closing(OpenShift(kubeconfig(tmp_path, front), NAMESPACE, timeout=10)) as client:
        created = client.create("secrets", {"metadata": {"name": "made", "namespace": NAMESPACE}, "data": {}})
        assert client.get("secrets", "made") == created
        assert [one["metadata"]["name"] for one in client.select("secrets")] == ["made"]
        client.delete("secrets", created)
        assert client.get("secrets", "made") is None
    assert not front.outside


@pytest.mark.parametrize("version", [HELM_3_VERSION, HELM_VERSION])
def test_helm(front: Front, tmp_path: Path, version: str) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/helm").symlink_to(pinned_helm_path(version))
    environment = child_environment(tmp_path, {"PATH": str(tmp_path / "tools")})
    helm = Helm(kubeconfig(tmp_path, front), NAMESPACE, environment=environment, say=lambda _line: None)
    helm.upgrade("maintenance-page", find("chart"), {"imageTag": "v1"})
    assert helm.uninstall("maintenance-page") is True
    assert not front.outside


def test_kubectl_as_oc_does(front: Front, tmp_path: Path) -> None:
    environment = {**child_environment(tmp_path, dict(os.environ)), "KUBECONFIG": kubeconfig(tmp_path, front)}
    argv = [Path(sysconfig.get_path("scripts")) / "kubectl", "get", "secrets", "--output", "name"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    assert not front.outside

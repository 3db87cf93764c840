"""Every client through a real proxy with a password: our client, Helm 3 and 4, kubectl in oc's place, python-gitlab."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from maintenance_ci.cluster.kubeconfig import write_kubeconfig
from maintenance_ci.cluster.openshift import OpenShift
from maintenance_ci.errors import CommandError, MaintenanceError, NotReachedError, TryAgainError, VariableError
from maintenance_ci.page.helm import Helm
from maintenance_ci.rehearsal.pinned_helm import HELM_3_VERSION, HELM_VERSION, pinned_helm_path
from maintenance_ci.settings.proxies import proxy_for
from maintenance_ci.settings.variables import child_environment
from maintenance_ci.templates import project as template_project
from maintenance_ci.templates.project import TemplateProject
from tests.rehearsal.recordings.lab import TOKEN, Lab, running_lab
from tests.tools.connect_proxy import PASSWORD, WRITTEN, ConnectProxy, connect_proxy
from tests.tools.misbehaving_server import head, serving
from tests.tools.small_cluster import NAMESPACE

API = "https://api.example.test:6443"
GITLAB = "https://gitlab.example.test"
KUBECTL = Path(sysconfig.get_path("scripts")) / "kubectl"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
def proxy(lab: Lab) -> Iterator[ConnectProxy]:
    with connect_proxy({"api.example.test": urlsplit(lab.url).port or 0}) as proxy:
        yield proxy


def kubeconfig(folder: Path, lab: Lab, environment: dict[str, str]) -> str:
    """As a job makes it of its environment."""
    proxy = proxy_for(API, environment)
    ca = lab.ca.read_text()
    return str(write_kubeconfig(folder, url=API, token=TOKEN, namespace=NAMESPACE, ca=ca, proxy=proxy))


@contextlib.contextmanager
def asking(folder: Path, lab: Lab, **environment: str) -> Iterator[OpenShift]:
    with contextlib.closing(OpenShift(kubeconfig(folder, lab, environment), NAMESPACE, timeout=5)) as client:
        yield client


def test_our_client(lab: Lab, proxy: ConnectProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")  # nobody but us looks at the environment
    monkeypatch.setenv("NO_PROXY", "*")
    with asking(tmp_path, lab, HTTPS_PROXY=proxy.url()) as client:
        assert client.get("services", "nothing") is None
    assert set(proxy.tunnels) == {("api.example.test:6443", 200)}


def helm(version: str, folder: Path, config: str) -> Helm:
    (folder / "tools").mkdir()
    (folder / "tools/helm").symlink_to(pinned_helm_path(version))
    environment = child_environment(folder, {"PATH": str(folder / "tools")})
    return Helm(config, NAMESPACE, environment=environment, say=lambda _line: None)


@pytest.mark.parametrize("version", [HELM_3_VERSION, HELM_VERSION])
def test_helm(lab: Lab, proxy: ConnectProxy, tmp_path: Path, version: str) -> None:
    client = helm(version, tmp_path, kubeconfig(tmp_path, lab, {"https_proxy": proxy.url()}))
    assert client.uninstall("no-such-release") is False
    assert set(proxy.tunnels) == {("api.example.test:6443", 200)}
    proxy.login = b"somebody:else"
    with pytest.raises(CommandError) as caught:
        client.uninstall("no-such-release")
    assert "Proxy Authentication Required" in caught.value.what or "As it is" in caught.value.what
    assert not [form for form in (PASSWORD, WRITTEN) if form in caught.value.what]


def test_kubectl_as_oc_does(lab: Lab, proxy: ConnectProxy, tmp_path: Path) -> None:
    """The real oc has the same client-go."""
    config = kubeconfig(tmp_path, lab, {"ALL_PROXY": proxy.url()})
    environment = {**child_environment(tmp_path, dict(os.environ)), "KUBECONFIG": config}
    argv = [KUBECTL, "get", "--raw", "/version"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    assert set(proxy.tunnels) == {("api.example.test:6443", 200)}


@pytest.mark.parametrize(
    ("login", "message"),
    [
        ("user:p%40ss", r"proxy http://127\.0\.0\.1:\d+ refuses the user and the password in HTTPS_PROXY \(HTTP 407\)"),
        ("", r"proxy http://127\.0\.0\.1:\d+ wants a user and a password, in HTTPS_PROXY \(HTTP 407\)"),
    ],
)
def test_a_wrong_password_is_named(lab: Lab, proxy: ConnectProxy, tmp_path: Path, login: str, message: str) -> None:
    with (
        asking(tmp_path, lab, HTTPS_PROXY=proxy.url(login)) as client,
        pytest.raises(MaintenanceError, match=message) as caught,
    ):
        client.get("services", "nothing")
    assert type(caught.value) is MaintenanceError, "to run the job again does not help"
    error: BaseException | None = caught.value
    while error is not None:  # what a traceback would show
        assert not [form for form in ("p%40ss", "p@ss", "dXNlcjpwQHNz") if form in repr(error)]
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    ("status", "kind"),
    [(403, MaintenanceError), (502, NotReachedError), (503, NotReachedError), (504, NotReachedError)],
)
def test_a_proxy_that_makes_no_way(
    lab: Lab, proxy: ConnectProxy, tmp_path: Path, status: int, kind: type[MaintenanceError]
) -> None:
    proxy.status = status
    with (
        asking(tmp_path, lab, HTTPS_PROXY=proxy.url()) as client,
        pytest.raises(MaintenanceError, match=f"does not connect to the cluster {API}: HTTP {status}") as caught,
    ):
        client.get("services", "nothing")
    assert type(caught.value) is kind


def test_a_proxy_that_is_away(lab: Lab, tmp_path: Path) -> None:
    with (
        asking(tmp_path, lab, HTTPS_PROXY="http://user:p%40ss@127.0.0.1:1") as client,
        pytest.raises(TryAgainError) as caught,
    ):
        client.get("services", "nothing")
    assert "Check HTTPS_PROXY and NO_PROXY" in caught.value.advice
    assert "p%40ss" not in caught.value.what


@contextlib.contextmanager
def gitlab(**environment: str) -> Iterator[tuple[TemplateProject, list[bytes], ConnectProxy]]:
    """A GitLab of which only the proxy knows where it is, and that has one file."""
    authority, tls = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("gitlab.example.test").configure_cert(tls)
    answer = head(200, Content_Type="text/plain", Content_Length="4") + b"text"
    with serving(answer, tls=tls) as (port, requests), connect_proxy({"gitlab.example.test": port}) as proxy:
        given = {name: value.replace("PROXY", proxy.url()) for name, value in environment.items()}
        chosen, ca = proxy_for(GITLAB, given), authority.cert_pem.bytes().decode()
        yield TemplateProject(GITLAB, "1", private_token="glpat-t", ca=ca, proxy=chosen), requests, proxy


def test_gitlab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with gitlab(HTTPS_PROXY="PROXY") as (project, requests, proxy):
        assert project.read("shop.yaml") == "text"
        assert proxy.tunnels == [("gitlab.example.test:443", 200)]
        assert b"Proxy-Authorization" not in requests[0], "the proxy's password is the proxy's alone"


def test_gitlab_behind_a_proxy_with_another_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_project, "PAUSES", ())
    with gitlab(HTTPS_PROXY="PROXY") as (project, requests, proxy):
        proxy.login = b"somebody:else"
        with pytest.raises(MaintenanceError, match=r"refuses the user and the password in HTTPS_PROXY \(HTTP 407\)"):
            project.read("shop.yaml")
        proxy.login, proxy.status = None, 403
        with pytest.raises(MaintenanceError, match=r"does not connect to GitLab: HTTP 403 As it is\.$"):
            project.read("shop.yaml")
        assert not requests


@contextlib.contextmanager
def hanging_up(first: bytes = b"") -> Iterator[str]:
    """A proxy that makes a way to nobody: it ends each connection, after an answer."""

    def respond(peer: socket.socket) -> None:
        peer.sendall(first)

    with serving(respond) as (port, _):
        yield f"http://user:p%40ssword@127.0.0.1:{port}"


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"SSH-2.0-OpenSSH_9\r\n"])
def test_a_proxy_that_was_asked_is_named(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    monkeypatch.setattr(template_project, "PAUSES", ())
    with hanging_up(first) as url, asking(tmp_path, lab, HTTPS_PROXY=url) as client:
        chosen = proxy_for(GITLAB, {"HTTPS_PROXY": url})
        assert chosen
        for ask in (
            lambda: client.get("services", "nothing"),
            lambda: TemplateProject(GITLAB, "1", private_token="glpat-t", proxy=chosen).read("shop.yaml"),
        ):
            with pytest.raises(
                TryAgainError, match=rf"cannot be reached through the proxy {chosen.address} "
            ) as caught:
                ask()
            assert "Check HTTPS_PROXY and NO_PROXY" in caught.value.advice
            assert "ssword" not in caught.value.what


def test_a_proxy_that_shows_a_certificate_of_its_own(lab: Lab, tmp_path: Path) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA(organization_name="proxy").issue_cert("api.example.test").configure_cert(tls)
    with (
        serving(head(503), tls=tls) as (port, requests),
        connect_proxy({"api.example.test": port}) as proxy,
        asking(tmp_path, lab, HTTPS_PROXY=proxy.url()) as client,
        pytest.raises(MaintenanceError, match=f"as the proxy http://127.0.0.1:{proxy.port} lets it through") as caught,
    ):
        client.get("services", "nothing")
    assert "shows certificates of a CA of its own" in caught.value.advice
    assert not requests


def test_a_bundle_of_certificates_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with gitlab() as (project, requests, _):
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.setenv(name, "/nonexistent")
            with pytest.raises(VariableError, match=r"REQUESTS_CA_BUNDLE .*names a file that is not there"):
                project.read("shop.yaml")
            monkeypatch.delenv(name)
        assert not requests


def test_gitlab_that_is_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: without the proxy nobody finds it."""
    monkeypatch.setattr(template_project, "PAUSES", ())
    with gitlab(HTTPS_PROXY="PROXY", NO_PROXY=".example.test") as (project, requests, proxy):
        with pytest.raises(TryAgainError, match="GitLab cannot be reached"):
            project.read("shop.yaml")
        assert not requests
        assert not proxy.tunnels

"""Helm talks to our cluster with our token alone, whatever the job's environment says; Helm 3 and Helm 4."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from maintenance_ci.cluster.kubeconfig import write_kubeconfig
from maintenance_ci.errors import CommandError
from maintenance_ci.page.helm import Helm
from maintenance_ci.rehearsal.pinned_helm import HELM_3_VERSION, HELM_VERSION, pinned_helm_path
from maintenance_ci.settings.folders import find
from maintenance_ci.settings.variables import child_environment, secret_variables
from tests.rehearsal.recordings.lab import TOKEN, Lab, running_lab
from tests.tools.misbehaving_server import head, serving
from tests.tools.small_cluster import NAMESPACE

PAGE = "maintenance-page"
TEXTS = {"imageTag": "v1"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@dataclass
class Job:
    """What a job has: a kubeconfig of ours, a PATH with one Helm, and the variables of whoever set up the runner."""

    lab: Lab
    folder: Path
    variables: dict[str, str]

    def helm(self, environment: Mapping[str, str]) -> Helm:
        ca = self.lab.ca.read_text()
        kubeconfig = write_kubeconfig(self.folder, url=self.lab.url, token=TOKEN, namespace=NAMESPACE, ca=ca)
        return Helm(str(kubeconfig), NAMESPACE, environment=environment, say=lambda _line: None)

    def ours(self) -> Helm:
        return self.helm(child_environment(self.folder, self.variables))

    def block_list(self) -> Helm:
        """As it was: the job's whole environment but for the tokens."""
        return self.helm({name: value for name, value in self.variables.items() if name not in secret_variables()})

    def releases(self) -> list[str]:
        secrets = self.lab.call(self.lab.store.list, "secrets", NAMESPACE)
        return [secret["metadata"]["name"] for secret in secrets if secret["type"] == "helm.sh/release.v1"]


@pytest.fixture(params=[HELM_3_VERSION, HELM_VERSION])
def job(request: pytest.FixtureRequest, lab: Lab, tmp_path: Path) -> Job:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "helm").symlink_to(pinned_helm_path(request.param))
    return Job(lab, tmp_path, {"PATH": str(tools), "HOME": str(tmp_path / "somebody"), "OKD_TOKEN": TOKEN})


def test_our_token_goes_to_no_other_server(job: Job) -> None:
    authority, tls = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(job.folder / "other.pem")
    with serving(head(503), tls=tls) as (port, requests):
        job.variables["HELM_KUBEAPISERVER"] = f"https://127.0.0.1:{port}"
        job.variables["HELM_KUBECAFILE"] = str(job.folder / "other.pem")
        helm = job.ours()
        helm.upgrade(PAGE, find("chart"), TEXTS)
        assert job.releases() == [f"sh.helm.release.v1.{PAGE}.v1"]
        helm.uninstall(PAGE)
        assert not requests

        with pytest.raises(CommandError):
            job.block_list().upgrade(PAGE, find("chart"), TEXTS)
        assert any(f"Bearer {TOKEN}".encode() in request for request in requests), "the twin: there it went"


def make_plugin(folder: Path) -> str:
    """A plugin that Helm 4 cannot load, and Helm 3 lists."""
    (folder / "plugins/strange").mkdir(parents=True)
    (folder / "plugins/strange/plugin.yaml").write_text("name: [no name]\n")
    return str(folder / "plugins")


def make_home(folder: Path) -> str:
    """A home whose kubeconfig leads elsewhere."""
    config = {"current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "none"}}]}
    (folder / "somebody/.kube").mkdir(parents=True)
    (folder / "somebody/.kube/config").write_text(json.dumps(config))
    return str(folder / "somebody")


STRANGE: dict[str, Callable[[Path], str]] = {
    "HELM_KUBETOKEN": lambda _: "another-token",
    "HELM_KUBECONTEXT": lambda _: "no-such-context",
    "HELM_KUBECAFILE": lambda _: "/nonexistent",
    "HELM_KUBETLS_SERVER_NAME": lambda _: "other.example.test",
    "HELM_KUBEASUSER": lambda _: "nobody",
    "HELM_NAMESPACE": lambda _: "default",
    "HELM_DRIVER": lambda _: "configmap",
    "HELM_PLUGINS": make_plugin,
    "HELM_DEBUG": lambda _: "true",
    "HELM_BURST_LIMIT": lambda _: "-2",
    "HELM_MAX_HISTORY": lambda _: "many",
    "HELM_CONFIG_HOME": lambda _: "/proc/1",
    "HELM_CACHE_HOME": lambda _: "/proc/1",
    "XDG_DATA_HOME": lambda _: "/proc/1",
    "KUBECONFIG": lambda _: "/nonexistent",
    "KUBECACHEDIR": lambda _: "/proc/1",
    "HOME": make_home,
    "HTTPS_PROXY": lambda _: "http://127.0.0.1:1",
    "ALL_PROXY": lambda _: "socks5://127.0.0.1:1",
}


def test_nothing_of_the_job_s_environment_changes_what_helm_does(job: Job) -> None:
    job.variables |= {name: value(job.folder) for name, value in STRANGE.items()}
    helm = job.ours()
    helm.upgrade(PAGE, find("chart"), TEXTS)
    assert job.releases() == [f"sh.helm.release.v1.{PAGE}.v1"]
    assert helm.uninstall(PAGE)
    assert not job.releases()


@pytest.mark.parametrize("name", ["HELM_KUBETOKEN", "HELM_KUBECONTEXT", "HELM_KUBECAFILE", "HELM_KUBETLS_SERVER_NAME"])
def test_any_of_these_variables_alone_would_stop_helm(job: Job, name: str) -> None:
    """The twin: what the block-list let through."""
    job.variables[name] = STRANGE[name](job.folder)
    with pytest.raises(CommandError):
        job.block_list().uninstall("no-such-release")


def test_the_driver_would_have_hidden_the_release(job: Job) -> None:
    """Another twin: the release of another driver is not found, and would be left behind."""
    helm = job.ours()
    helm.upgrade(PAGE, find("chart"), TEXTS)
    job.variables["HELM_DRIVER"] = "configmap"
    assert job.block_list().uninstall(PAGE) is False
    assert job.ours().uninstall(PAGE) is True

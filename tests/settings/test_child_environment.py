"""What Helm and oc know of a job's environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from maintenance_ci.settings.variables import child_environment

ALLOWED = dict.fromkeys("PATH TMPDIR TZ LANG LC_ALL LC_CTYPE SSL_CERT_FILE SSL_CERT_DIR".split(), "x")  # noqa: SIM905
OTHERS = """
    HELM_KUBEAPISERVER HELM_KUBETOKEN HELM_KUBECONTEXT HELM_DRIVER HELM_PLUGINS HELM_NAMESPACE HELM_DEBUG
    HELM_BURST_LIMIT KUBECONFIG KUBERC KUBECACHEDIR KUBERNETES_SERVICE_HOST KUBECTL_KUBERC XDG_DATA_HOME
    HTTPS_PROXY https_proxy NO_PROXY ALL_PROXY LD_PRELOAD GODEBUG GIT_SSH_COMMAND PYTHONPATH path LC_ LC_x
    PATHS OKD_URL OKD_TOKEN ROUTE_TEMPLATES_TOKEN CI_JOB_TOKEN GITLAB_CI CI_JOB_JWT_V2 SSL_CERT_FILES
    SSL_CERT_
"""


@pytest.mark.parametrize("name", OTHERS.split())
def test_what_is_not_listed_stays_out(name: str) -> None:
    assert child_environment(Path("/private"), {**ALLOWED, name: "y"}) == {**ALLOWED, "HOME": "/private"}


def test_their_home_is_ours() -> None:
    assert child_environment(Path("/private"), {"HOME": "/home/somebody"}) == {"HOME": "/private"}

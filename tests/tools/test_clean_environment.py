"""Nothing of whoever runs the tests reaches them."""

from __future__ import annotations

import os
import pwd
import re
import tempfile
from pathlib import Path

import pytest

from tests.tools.clean_environment import cleaned

# A word of each kind that a developer's shell, or a runner, holds.
CALLERS = re.findall(
    r"\w+",
    """
    PROJECT ROUTE_NAME ROUTE_STRATEGY PLAN_ONLY FORCE KUBECONFIG KUBE_CONTEXT KUBERNETES_SERVICE_HOST OKD_URL OKD_TOKEN
    HELM_KUBEAPISERVER HELM_PLUGINS HELM_DRIVER GITLAB_CI CI CI_JOB_TOKEN CI_SERVER_URL PYTHON_GITLAB_CFG
    HTTP_PROXY https_proxy ALL_PROXY NO_PROXY SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE NETRC
    PYTHONPATH PYTHONWARNINGS LC_ALL TZ MPLBACKEND NGINX VIRTUAL_ENV XDG_CONFIG_HOME XDG_DATA_HOME
    """,
)


@pytest.mark.parametrize("name", CALLERS)
def test_a_variable_of_the_caller_is_gone(name: str) -> None:
    assert name not in cleaned({name: "garbage", "PATH": "/bin"})
    assert name not in os.environ


def test_what_stays() -> None:
    stays = {
        "PATH": "/bin",
        "TMPDIR": "/var/tmp",
        "PYTEST_XDIST_WORKER": "gw0",
        "PIP_INDEX_URL": "https://pypi.example.test",
    }
    assert cleaned(stays).items() >= stays.items()


def test_pip_alone_knows_the_caller_s_network(tmp_path: Path) -> None:
    (tmp_path / ".config/pip").mkdir(parents=True)
    (tmp_path / ".config/pip/pip.conf").touch()
    own = cleaned({"HOME": str(tmp_path), "HTTPS_PROXY": "http://proxy:3128", "REQUESTS_CA_BUNDLE": "/ca.pem"})
    assert own["PIP_PROXY"] == "http://proxy:3128"
    assert own["PIP_CERT"] == "/ca.pem"
    assert own["PIP_CONFIG_FILE"] == str(tmp_path / ".config/pip/pip.conf")
    assert own["XDG_CACHE_HOME"] == str(tmp_path / ".cache")
    assert cleaned({"HTTPS_PROXY": "", "PIP_CERT": "/own.pem", "SSL_CERT_FILE": "/x"})["PIP_CERT"] == "/own.pem"


def test_a_temporary_folder_with_a_blank_in_its_name_is_not_used() -> None:
    assert "TMPDIR" not in cleaned({"TMPDIR": "/tmp/t m p"})
    assert " " not in tempfile.gettempdir()


def test_the_home_is_the_tests_own() -> None:
    assert Path.home() != Path(pwd.getpwuid(os.getuid()).pw_dir)
    assert Path.home().name.startswith("home-")
    # What libraries write there during the tests (matplotlib's folder) may lie in it.
    read_by_clients = (".kube", ".netrc", ".python-gitlab.cfg", ".config/helm", ".docker")
    assert [name for name in read_by_clients if (Path.home() / name).exists()] == []

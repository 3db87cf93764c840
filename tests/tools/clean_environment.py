"""The tests' own environment: nothing of whoever runs them reaches a job, a client or a tool that a test starts.

A developer's shell may hold KUBECONFIG, PROJECT, HELM_*, proxies, and a home with .netrc, .kube/config or .config/helm:
the same tests must give the same result there, and must never reach another cluster than the embedded one.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

# What stays: where programs and temporary files are, and what pytest and its workers tell each other.
STAYS = {"PATH", "TMPDIR", "TERM", "COLUMNS", "XDG_CACHE_HOME", "GITLAB_CI_LOCAL", "CHROMIUM", "AXE_CORE"}
STAYS_BEGINNING_WITH = ("PYTEST_", "PIP_")
# What pip alone shall know of the caller's network, by the names that pip alone reads.
FOR_PIP = {
    "PIP_PROXY": ("HTTPS_PROXY", "https_proxy"),
    "PIP_CERT": ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"),
}


def cleaned(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of tests, without HOME."""
    theirs = Path(environment.get("HOME") or "/")
    configuration = Path(environment.get("XDG_CONFIG_HOME") or theirs / ".config") / "pip/pip.conf"
    own = {"LANG": "C.UTF-8", "XDG_CACHE_HOME": str(theirs / ".cache")}
    if configuration.is_file():
        own["PIP_CONFIG_FILE"] = str(configuration)
    for name, sources in FOR_PIP.items():
        for source in sources:
            if environment.get(source):
                own.setdefault(name, environment[source])
    stays = {
        name: value for name, value in environment.items() if name in STAYS or name.startswith(STAYS_BEGINNING_WITH)
    }
    if len(environment.get("TMPDIR", "").split()) > 1:  # tests write paths into scripts and configurations
        del stays["TMPDIR"]
    return own | stays


def clean() -> None:
    """Make this process's environment the tests' own, with a home that is removed at the end."""
    own = cleaned(os.environ)
    os.environ.clear()
    os.environ.update(own)
    tempfile.tempdir = None  # where TMPDIR says now
    os.umask(0o022)
    os.environ["HOME"] = tempfile.mkdtemp(prefix="home-")
    atexit.register(shutil.rmtree, os.environ["HOME"], ignore_errors=True)

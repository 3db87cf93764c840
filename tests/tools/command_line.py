"""Commands as a person types them, each as a process of its own."""

from __future__ import annotations

import subprocess
import sys

from tests.tools.clusters import Cluster


def run(cluster: Cluster, *arguments: str, **variables: str | None) -> subprocess.CompletedProcess[str]:
    """Run a command as a person does, its output and its messages apart."""
    place = cluster.workplace({"ROUTE_NAME": None, **variables})
    return subprocess.run(
        [sys.executable, "-m", "maintenance_ci", *arguments],
        cwd=place.folder, env=place.environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

"""The one thing that the OpenShift command line does for us, where it is installed: start a binary build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.cluster import command

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping
    from pathlib import Path


def start_build(
    build_config: str,
    folder: Path,
    *,
    kubeconfig: str,
    namespace: str,
    environment: Mapping[str, str],
    say: Callable[[str], None],
    timeout: float,
    stop: threading.Event | None = None,
) -> None:
    """Build ``folder`` in the cluster, follow its log, and wait for its end.

    ``--wait`` is what makes the exit code tell: with ``--follow`` alone a failed build ends with 0 (recorded with the
    oc of OpenShift 4.21).

    Raises:
        CommandError: the build failed, did not end within ``timeout`` seconds, or ``stop`` was set.
    """
    argv = ["oc", "start-build", build_config, f"--from-dir={folder}", "--follow", "--wait", "--namespace", namespace]
    command.run(argv, environment={**environment, "KUBECONFIG": kubeconfig}, say=say, timeout=timeout, stop=stop)

"""Helm, as the jobs use it: one short method for each verb."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci import command
from maintenance_ci.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

# Seconds for one call of Helm; it waits for nothing but the API server's answers.
TIMEOUT = 120.0


class Helm:
    """Helm against one namespace.

    Args:
        kubeconfig: what Helm finds the cluster and the token by.
        namespace: where the releases are.
        environment: Helm's environment, PATH in it.
        home: a writable folder: Helm's own are under HOME, which a container may not let us write.
        say: gets what Helm prints.

    Raises:
        CommandError: there is no Helm; from each method, too: Helm failed, with its last words.
    """

    def __init__(
        self, kubeconfig: str, namespace: str, *, environment: Mapping[str, str], home: Path, say: Callable[[str], None]
    ) -> None:
        if command.on_path("helm", environment) is None:  # found out now, not when users are switched already
            raise CommandError("There is no helm on PATH.", "Install it where the job runs.")
        self._namespace, self._say = namespace, say
        folders = {f"HELM_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        self._environment = {**environment, **folders, "KUBECONFIG": kubeconfig}

    def upgrade(self, release: str, chart: Path, values: Mapping[str, str]) -> None:
        """Install the release, or upgrade it; ``values`` are taken as strings."""
        settings = [part for name, value in values.items() for part in ("--set-string", f"{name}={value}")]
        self._run("upgrade", "--install", release, str(chart), *settings)

    def uninstall(self, release: str) -> None:
        """Remove the release; one that is not there is no error."""
        self._run("uninstall", release, "--ignore-not-found")

    def _run(self, *arguments: str) -> None:
        argv = ["helm", *arguments, "--namespace", self._namespace]
        try:
            command.run(argv, environment=self._environment, say=self._say, timeout=TIMEOUT)
        except CommandError as error:
            if "another operation" not in error.what:
                raise
            advice = "A Helm was ended half-way: helm uninstall (or helm rollback) the release, then run the job again."
            raise CommandError(error.what, advice) from error

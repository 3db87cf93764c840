"""Building the page's image in the cluster: with ``oc`` where it is installed, by the same upload otherwise."""

from __future__ import annotations

import io
import tarfile
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from maintenance_ci import command, oc
from maintenance_ci.errors import MaintenanceError
from maintenance_ci.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maintenance_ci.openshift import Object, OpenShift
    from maintenance_ci.report import JobLog

ENDED = {"Complete", "Failed", "Error", "Cancelled"}


def build_page(
    cluster: OpenShift,
    build_config: str,
    context: bytes,
    *,
    kubeconfig: str,
    environment: Mapping[str, str],
    timeout: float,
    log: JobLog,
) -> None:
    """Build ``context`` (a gzipped tar of the Dockerfile's folder), showing the build's log.

    Raises:
        MaintenanceError: the build failed, or did not end within ``timeout`` seconds.
    """
    if command.on_path("oc", environment):
        with tempfile.TemporaryDirectory(prefix="maintenance-ci-") as folder:
            with tarfile.open(fileobj=io.BytesIO(context)) as archive:
                archive.extractall(folder)  # noqa: S202 - our own, packed a moment ago
            oc.start_build(
                build_config,
                Path(folder),
                kubeconfig=kubeconfig,
                namespace=cluster.namespace,
                environment=environment,
                say=log.say,
                timeout=timeout,
                stop=threading.Event(),
            )
    else:
        _build_over_the_api(cluster, build_config, context, timeout=timeout, log=log)


def _build_over_the_api(cluster: OpenShift, build_config: str, context: bytes, *, timeout: float, log: JobLog) -> None:
    began = time.monotonic()
    build = cluster.start_binary_build(build_config, context)
    name = build["metadata"]["name"]
    log.say(f"build {name} has the upload ({len(context)} bytes)")
    try:
        for line in cluster.follow_build_log(name, timeout=timeout):
            log.say(line)
    except MaintenanceError as error:  # the log is for people; the Build's phase decides
        log.say(f"the build's log cannot be followed: {error.what}")

    def ended() -> Object | None:
        found = cluster.get("builds", name)
        if found is None:
            raise MaintenanceError(f"The build {name} was deleted while it ran.", "Run the job again.")
        return found if found["status"]["phase"] in ENDED else None

    look = f"Look at it: oc logs build/{name} -n {cluster.namespace}"
    left = max(1.0, timeout - (time.monotonic() - began))
    finished = wait_for(ended, timeout=left, say=log.say, subject=f"build {name}")
    if finished is None:
        raise MaintenanceError(
            f"The build {name} did not end within {timeout:.0f} s.",
            look,
        )
    status = finished["status"]
    if status["phase"] != "Complete":
        reason = status.get("message") or status.get("reason") or "no reason given"
        raise MaintenanceError(
            f"The build {name} ended as {status['phase']}: {reason}",
            look,
        )

"""Building the page's image in the cluster: with ``oc`` where it is installed, by the same upload otherwise."""

from __future__ import annotations

import io
import tarfile
import tempfile
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from maintenance_ci.cluster import command
from maintenance_ci.errors import MaintenanceError
from maintenance_ci.page import build_status, oc
from maintenance_ci.page.build_status import ENDED, WAITING
from maintenance_ci.page.build_watch import BuildWatch, not_begun
from maintenance_ci.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maintenance_ci.cluster.openshift import Object, OpenShift
    from maintenance_ci.log.log import JobLog

# Lines of a build's log that a failure repeats.
LAST_LINES = 5


def build_page(
    cluster: OpenShift,
    build_config: str,
    context: bytes,
    *,
    kubeconfig: str,
    environment: Mapping[str, str],
    timeout: float,
    log: JobLog,
) -> Object:
    """Build ``context`` (a gzipped tar of the Dockerfile's folder), and return the Build, which is Complete.

    The build's log is shown, and what it waits for.

    Raises:
        MaintenanceError: there is no Build, it failed, cannot begin, or did not end within ``timeout`` seconds.
    """
    work = _Work(cluster, build_config, context, time.monotonic() + timeout, timeout, log)
    with_oc, words = command.on_path("oc", environment) is not None, ""
    with BuildWatch(cluster, build_config, log.say) as watch:
        try:
            build = _build_with_oc(work, watch, kubeconfig, environment) if with_oc else _upload(work, watch)
        except MaintenanceError as error:
            build, words = _still_there(work, watch, error), error.what if with_oc else ""
    lines = _follow(work, build) if not with_oc else []
    finished = _end_of(work, build)
    if build_status.phase(finished) != "Complete":
        raise MaintenanceError(*build_status.failure(finished, lines, words, cluster.namespace))
    return finished


@dataclass(frozen=True)
class _Work:
    """One build: what, where, until when (`time.monotonic`), how long that is in seconds."""

    cluster: OpenShift
    build_config: str
    context: bytes
    deadline: float
    timeout: float
    log: JobLog

    @property
    def left(self) -> float:
        """How many seconds are left, one at the least: for a last look."""
        return max(1.0, self.deadline - time.monotonic())


def _build_with_oc(work: _Work, watch: BuildWatch, kubeconfig: str, environment: Mapping[str, str]) -> Object:
    """Let ``oc`` build, and return the Build; its exit code alone is no proof that there is one."""
    with tempfile.TemporaryDirectory(prefix="maintenance-ci-") as folder:
        with tarfile.open(fileobj=io.BytesIO(work.context)) as archive:
            archive.extractall(folder)  # noqa: S202 - our own, packed a moment ago
        oc.start_build(
            work.build_config,
            Path(folder),
            kubeconfig=kubeconfig,
            namespace=work.cluster.namespace,
            environment=environment,
            say=work.log.say,
            timeout=work.timeout,
            stop=watch.over,
        )
    build = watch.build()
    if build is None:
        raise MaintenanceError(
            "oc start-build ended with exit code 0, but made no Build.",
            "Look at the oc that the job has on PATH (without one the job uploads by itself), then run the job again.",
        )
    return build


def _upload(work: _Work, watch: BuildWatch) -> Object:
    """Send the upload from a thread, and return the Build once its Pod has it.

    An upload that is given up, or left behind by a job that is cancelled, ends with the job; the server then cancels
    the Build.
    """
    sent: list[Object] = []
    failed: list[BaseException] = []

    def send() -> None:
        try:
            sent.append(work.cluster.start_binary_build(work.build_config, work.context))
        except BaseException as error:  # noqa: BLE001 - raised below, where it is waited for
            failed.append(error)
        watch.over.set()

    threading.Thread(target=send, name="upload", daemon=True).start()
    watch.over.wait(work.left)
    if failed:
        raise failed[0]
    if not sent:
        raise MaintenanceError(
            f"The build did not begin within {work.timeout:.0f} s.",
            "Run the job again; a BUILD_TIMEOUT gives it longer.",
        )
    work.log.say(f"build {sent[0]['metadata']['name']} has the upload ({len(work.context)} bytes)")
    return sent[0]


def _still_there(work: _Work, watch: BuildWatch, error: MaintenanceError) -> Object:
    """Return the Build that runs, or has ended, although its start failed; raise why where it did not even begin."""
    if watch.error:
        raise watch.error from error
    build = watch.build()
    if build is None:
        raise error
    phase, name = build_status.phase(build), str(build["metadata"]["name"])
    if watch.obstacle and phase in (*WAITING, "Cancelled"):
        why = not_begun(name, watch.obstacle, work.cluster.namespace)
        if phase == "Cancelled":
            what = f"{why.what} It was cancelled: by somebody, or by the server after five minutes."
            raise MaintenanceError(what, why.advice) from error
        raise why from error
    if phase in (*WAITING, "Cancelled"):
        raise error
    if phase not in ENDED:
        work.log.say(f"{error.what} The build {name} goes on.")
    return build


def _follow(work: _Work, build: Object) -> list[str]:
    """Show the Build's log, and return its last lines."""
    last: deque[str] = deque(maxlen=LAST_LINES)
    try:
        for line in work.cluster.follow_build_log(build["metadata"]["name"], timeout=work.left):
            work.log.say(line)
            last.append(line)
    except MaintenanceError as error:  # the log is for people; the Build's phase decides
        work.log.say(f"the build's log cannot be followed: {error.what}")
    return list(last)


def _end_of(work: _Work, build: Object) -> Object:
    """Wait for the Build's end, and return it then."""
    name = build["metadata"]["name"]

    def ended() -> Object | None:
        found = work.cluster.get("builds", name)
        if found is None:
            raise MaintenanceError(f"The build {name} was deleted while it ran.", "Run the job again.")
        return found if build_status.phase(found) in ENDED else None

    finished = wait_for(ended, timeout=work.left, say=work.log.say, subject=f"build {name}")
    if finished is None:
        raise MaintenanceError(
            f"The build {name} did not end within {work.timeout:.0f} s.",
            f"Look at it: oc logs build/{name} -n {work.cluster.namespace}",
        )
    return finished

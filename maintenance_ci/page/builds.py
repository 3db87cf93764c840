"""Building the page's image in the cluster: with ``oc`` where it is installed, by the same upload otherwise.

The server holds an upload back until the build's Pod takes it, for minutes. Meanwhile the Build is looked at.
"""

from __future__ import annotations

import io
import math
import tarfile
import tempfile
import threading
import time
from collections import deque
from concurrent.futures import wait
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from maintenance_ci.cluster import command
from maintenance_ci.errors import ForbiddenError, MaintenanceError, TryAgainError
from maintenance_ci.page import build_status
from maintenance_ci.page.build_status import CONFIG_LABEL, ENDED, POD_LABEL, WAITING
from maintenance_ci.page.pod_troubles import SETTLED, Trouble, may_get_room
from maintenance_ci.waiting import Standing, in_background, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from maintenance_ci.cluster.openshift import Object, OpenShift
    from maintenance_ci.log.log import JobLog

# Seconds between two looks at what a Build waits for.
EVERY = 1.0
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
    with_oc, stop = command.on_path("oc", environment) is not None, threading.Event()
    build = _PageBuild(cluster, build_config, timeout, log)
    send: Callable[[], Object | None] = partial(cluster.start_binary_build, build_config, context)
    if with_oc:
        for_cluster = partial(start_build, build_config, kubeconfig=kubeconfig, namespace=cluster.namespace)
        start = partial(for_cluster, environment=environment, say=log.say, timeout=timeout, stop=stop)
        send = partial(_from_folder, context, start)
    sending = in_background(send)
    try:
        started, printed = build.start(sending, math.inf if with_oc else timeout)
    finally:
        stop.set()
        if with_oc:  # an upload is left behind: it ends with the job, and the server then cancels the Build
            wait([sending])
    if with_oc:
        return build.finish(started, printed)
    log.say(f"build {started['metadata']['name']} has the upload ({len(context)} bytes)")
    return build.finish(started, log_lines=build.follow(started))


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
    """Let ``oc`` build ``folder`` in the cluster, follow the build's log, and wait for its end.

    ``--wait`` is what makes the exit code tell: with ``--follow`` alone a failed build ends with 0 (recorded with the
    oc of OpenShift 4.21).

    Raises:
        CommandError: the build failed, did not end within ``timeout`` seconds, or ``stop`` was set.
    """
    argv = ["oc", "start-build", build_config, f"--from-dir={folder}", "--follow", "--wait", "--namespace", namespace]
    command.run(argv, environment={**environment, "KUBECONFIG": kubeconfig}, say=say, timeout=timeout, stop=stop)


def _from_folder(context: bytes, start: Callable[[Path], None]) -> None:
    """Start a build from a folder with what ``context`` holds."""
    with tempfile.TemporaryDirectory(prefix="maintenance-ci-") as folder:
        with tarfile.open(fileobj=io.BytesIO(context)) as archive:
            archive.extractall(folder)  # noqa: S202 - our own, packed a moment ago
        start(Path(folder))


class _PageBuild:
    """One build: the first of its BuildConfig that was not there before; it has ``timeout`` seconds in all."""

    def __init__(self, cluster: OpenShift, build_config: str, timeout: float, log: JobLog) -> None:
        self._cluster, self._build_config, self._log = cluster, build_config, log
        self._timeout, self._deadline = timeout, time.monotonic() + timeout
        self._obstacle, self._stuck = Trouble(""), Standing(SETTLED)
        self._before: frozenset[str] | None = None
        try:
            self._before = frozenset(build["metadata"]["name"] for build in self._builds())
        except ForbiddenError:  # an upload over the API needs no such right
            log.say("what the build waits for is not shown: the token may not list builds")

    @property
    def _left(self) -> float:
        """How many seconds are left, one at the least: for a last look."""
        return max(1.0, self._deadline - time.monotonic())

    def start(self, sending: Future[Object | None], timeout: float) -> tuple[Object, str]:
        """Wait until the upload has ended. Say meanwhile what the Build waits for, when that changes.

        Returns:
            The Build; and why its upload failed where it goes on, or has ended, nevertheless.

        Raises:
            MaintenanceError: the Build cannot begin, or did not within ``timeout`` seconds; or there is none.
        """
        try:
            return self._wait(sending, timeout), ""
        except MaintenanceError as error:
            return self._started_nevertheless(error), error.what

    def follow(self, build: Object) -> list[str]:
        """Show the Build's log, and return its last lines."""
        last: deque[str] = deque(maxlen=LAST_LINES)
        try:
            for line in self._cluster.follow_build_log(build["metadata"]["name"], timeout=self._left):
                self._log.say(line)
                last.append(line)
        except MaintenanceError as error:  # the log is for people; the Build's phase decides
            self._log.say(f"the build's log cannot be followed: {error.what}")
        return list(last)

    def finish(self, build: Object, printed: str = "", *, log_lines: Sequence[str] = ()) -> Object:
        """Wait for the Build's end, and return it then.

        Raises:
            MaintenanceError: it failed, with the last lines of its log, or else with what oc ``printed``; or it did
                not end in time.
        """
        name, namespace = build["metadata"]["name"], self._cluster.namespace

        def ended() -> Object | None:
            current = self._cluster.get("builds", name)
            if current is None:
                raise MaintenanceError(f"The build {name} was deleted while it ran.", run_again=True)
            return current if build_status.phase(current) in ENDED else None

        finished = wait_for(ended, timeout=self._left, say=self._log.say, subject=f"build {name}")
        if finished is None:
            raise MaintenanceError(
                f"The build {name} did not end within {self._timeout:.0f} s.",
                f"Look at it: oc logs build/{name} -n {namespace}",
            )
        if build_status.phase(finished) != "Complete":
            raise MaintenanceError(*build_status.failure(finished, log_lines, printed, namespace))
        return finished

    def _wait(self, sending: Future[Object | None], timeout: float) -> Object:
        """Wait for the upload's end, and return the Build; look at it meanwhile. One that cannot begin is given up."""
        may_look, deadline = self._before is not None, time.monotonic() + timeout
        while not wait([sending], EVERY).done:
            if time.monotonic() >= deadline:
                raise MaintenanceError(
                    f"The build did not begin within {timeout:.0f} s.",
                    "A longer BUILD_TIMEOUT gives it more time.",
                    run_again=True,
                )
            refusal = None
            try:
                refusal = self._look() if may_look else None
            except TryAgainError:  # the next look may succeed; the upload says itself where the server is away
                pass
            except MaintenanceError as error:  # the build may go well, seen or not
                self._log.say(f"what the build waits for is not shown any more: {error.what}")
                may_look = False
            if refusal:
                raise refusal
        build = sending.result() or self._current()
        if build is None:
            raise MaintenanceError(
                "oc start-build ended with exit code 0, but made no Build.",
                "Look at the oc that the job has on PATH (without one the job uploads itself), then run the job again.",
            )
        return build

    def _look(self) -> MaintenanceError | None:
        """Look at what the Build waits for, say it where it is new, and return why the Build is given up, if it is."""
        builds = self._builds()
        build = build_status.first_new(builds, self._before or ())
        if build is None or build_status.phase(build) not in WAITING:
            return None
        name, namespace = build["metadata"]["name"], self._cluster.namespace
        obstacle = build_status.obstacle(build, builds, self._cluster.select("pods", {POD_LABEL: name}), namespace)
        # The Helm release has the BuildConfig's name.
        page_pods = {"app.kubernetes.io/instance": self._build_config}
        waits = not obstacle.lasting or may_get_room(obstacle.message, self._cluster.select("pods", page_pods))
        if obstacle.message and obstacle != self._obstacle:
            self._log.say(f"build {name} {obstacle.message}")
        self._obstacle = obstacle
        return _not_begun(name, obstacle) if self._stuck.holds(not waits) else None

    def _started_nevertheless(self, error: MaintenanceError) -> Object:
        """Return the Build that runs, or has ended, although its upload failed; raise why where it did not begin."""
        build = self._current()
        if build is None:
            raise error
        phase, name = build_status.phase(build), str(build["metadata"]["name"])
        if phase in (*WAITING, "Cancelled"):
            if not self._obstacle.message:
                raise error
            cancelled = " It was cancelled: by somebody, or by the server after five minutes."
            raise _not_begun(name, self._obstacle, cancelled if phase == "Cancelled" else "") from error
        if phase not in ENDED:
            self._log.say(f"{error.what} The build {name} goes on.")
        return build

    def _current(self) -> Object | None:
        """Return the Build as it is now; None where there is none yet, or none to be seen."""
        return None if self._before is None else build_status.first_new(self._builds(), self._before)

    def _builds(self) -> list[Object]:
        return self._cluster.select("builds", {CONFIG_LABEL: self._build_config})


def _not_begun(name: str, obstacle: Trouble, more: str = "") -> MaintenanceError:
    return MaintenanceError(f"The build {name} {obstacle.message.rstrip('.')}.{more}", obstacle.advice)

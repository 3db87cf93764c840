"""Looking at a Build beside its upload: the server holds that back until the build's Pod takes it, for minutes."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from maintenance_ci.errors import ForbiddenError, MaintenanceError, TryAgainError
from maintenance_ci.page import build_status
from maintenance_ci.page.build_status import CONFIG_LABEL, POD_LABEL, WAITING
from maintenance_ci.page.pod_troubles import may_get_room

if TYPE_CHECKING:
    from collections.abc import Callable

    from maintenance_ci.cluster.openshift import Object, OpenShift

# Seconds between two looks.
EVERY = 1.0
# Seconds that a Build must say that it cannot begin before it is given up: at first its controller tries again soon.
SETTLED = 5.0


class BuildWatch:
    """Watches, in a thread of its own, the first Build of a BuildConfig that was not there before.

    Args:
        cluster: where the BuildConfig is.
        build_config: its name.
        say: gets what the Build waits for, when that changes; from the thread.

    Attributes:
        over: set where the Build is given up; also by whoever knows that the upload has ended.
        error: why it was given up; or what ended the watch.
        obstacle: what the Build was last seen waiting for; empty for nothing.
    """

    def __init__(self, cluster: OpenShift, build_config: str, say: Callable[[str], None]) -> None:
        self.over = threading.Event()
        self.error: Exception | None = None
        self.obstacle = ""
        self._cluster, self._build_config, self._say = cluster, build_config, say
        # Of the Helm release, which has the BuildConfig's name.
        self._page_pods = {"app.kubernetes.io/instance": build_config}
        self._ended = threading.Event()
        self._since: float | None = None
        self._thread = threading.Thread(target=self._run, name="build-watch", daemon=True)
        self._before: frozenset[str] | None = None
        try:
            self._before = frozenset(build["metadata"]["name"] for build in self._builds())
        except ForbiddenError:  # an upload over the API needs no such right
            say("what the build waits for is not shown: the token may not list builds")

    def __enter__(self) -> Self:
        if self._before is not None:
            self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ended.set()

    def build(self) -> Object | None:
        """Return the Build as it is now; None where there is none yet, or none to be seen."""
        return None if self._before is None else build_status.first_new(self._builds(), self._before)

    def _run(self) -> None:
        while not self._ended.wait(EVERY):
            try:
                self._look()
            except TryAgainError:  # the next look may succeed; the upload says itself where the server is away
                continue
            except MaintenanceError as error:  # the build may go well, seen or not
                self._say(f"what the build waits for is not shown any more: {error.what}")
                return
            except Exception as error:  # noqa: BLE001 - raised by whoever waits: nothing ends this thread unseen
                self.error = error
            if self.error:
                self.over.set()
                return

    def _look(self) -> None:
        builds = self._builds()
        build = build_status.first_new(builds, self._before or ())
        if build is None or build_status.phase(build) not in WAITING:
            return
        name = build["metadata"]["name"]
        pods = self._cluster.select("pods", {POD_LABEL: name})
        found = build_status.obstacle(build, builds, pods)
        if found.lasting and may_get_room(found.message, self._cluster.select("pods", self._page_pods)):
            found = found._replace(lasting=False)
        if self._ended.is_set():
            return
        if found.message and found.message != self.obstacle:
            self._say(f"build {name} {found.message}")
        self.obstacle = found.message
        now = time.monotonic()
        self._since = (self._since or now) if found.lasting else None
        if self._since is not None and now - self._since >= SETTLED:
            self.error = not_begun(name, found.message, self._cluster.namespace)

    def _builds(self) -> list[Object]:
        return self._cluster.select("builds", {CONFIG_LABEL: self._build_config})


def not_begun(name: str, message: str, namespace: str) -> MaintenanceError:
    """Return the error of a Build that does not begin, for what it waits for."""
    return MaintenanceError(
        f"The build {name} {message.rstrip('.')}.", build_status.not_begun_advice(name, message, namespace)
    )

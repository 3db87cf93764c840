"""Helm, as the jobs use it: one short method for each verb, and the repair of what a killed Helm left."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from maintenance_ci.cluster import command
from maintenance_ci.errors import CommandError
from maintenance_ci.plan.rights import ROLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

# Seconds for one call of Helm; it waits for nothing but the API server's answers.
TIMEOUT = 120.0
# The end of what Helm 3 and 4 say of a release that is not there; every other error reads otherwise.
NOT_FOUND = "release: not found"
# All that Helm 3 and 4 say where they may not delete an object of the release (recorded on the embedded API).
NOT_DELETED = "failed to delete release"
BUSY = "another operation"  # (install/upgrade/rollback) is in progress
# The state of a release whose Helm was killed: Helm refuses to upgrade it for good (recorded with Helm 3 and 4).
# One that failed, or whose Helm was asked to end (SIGTERM), is "failed": Helm upgrades that.
HALF_MADE = ("pending-install", "uninstalling")
HALF_CHANGED = ("pending-upgrade", "pending-rollback")


class Helm:
    """Helm against one namespace, under its Lease: no other job's Helm runs there.

    Args:
        kubeconfig: what Helm finds the cluster and the token by.
        namespace: where the releases are.
        environment: Helm's whole environment, with PATH, and a HOME of ours: Helm's folders are below it.
        say: gets what Helm prints.

    Raises:
        CommandError: there is no Helm; from each method, too: Helm failed, with the last lines that it printed.
    """

    def __init__(
        self, kubeconfig: str, namespace: str, *, environment: Mapping[str, str], say: Callable[[str], None]
    ) -> None:
        if command.on_path("helm", environment) is None:  # known now, not when users are switched already
            raise CommandError("There is no helm on PATH.", "Install it where the job runs.")
        self._namespace, self._say = namespace, say
        self._environment = {**environment, "KUBECONFIG": kubeconfig}

    def upgrade(self, release: str, chart: Path, values: Mapping[str, str | int], *, in_use: bool = True) -> None:
        """Install the release, or upgrade it, after a Helm that was killed half-way as well.

        Args:
            release: its name.
            chart: the chart's folder.
            values: the chart's, by name: a text stays a text, whatever it looks like.
            in_use: somebody may be using the release now: then nothing of it is removed, whatever state it is in.
        """
        self._repair(release, in_use=in_use)
        settings = [part for name, value in values.items() for part in _setting(name, value)]
        self._run("upgrade", "--install", release, str(chart), *settings)

    def uninstall(self, release: str) -> bool:
        """Remove the release, in whatever state it is, and say whether there was one."""
        try:
            # Not with --ignore-not-found: it takes a refusal, or a server that is away, for "not found" as well.
            self._run("uninstall", release)
        except CommandError as error:
            if NOT_DELETED in error.output:
                error.advice = f"The token may lack the right for one of its objects: apply {ROLE} again, then retry."
            if NOT_FOUND not in error.output:
                raise
            self._say(f"There is no release {release}.")
            return False
        return True

    def _repair(self, release: str, *, in_use: bool) -> None:
        """Repair a release whose Helm was killed, so that it can be upgraded again.

        What was half installed or half removed is removed, unless somebody uses it. Otherwise Helm "rolls back" to the
        very revision that it was busy with: that makes what is missing, and leaves alone what is there. An older
        revision would bring back the image of its time, which the image trigger has replaced since: Helm 4 stops at
        that conflict, and with Helm 3 the Pods roll, twice, in front of users.
        """
        last = self._last_revision(release)
        if last is None or last["status"] not in HALF_MADE + HALF_CHANGED:
            return
        self._say(
            f"Release {release} is {last['status']} in revision {last['revision']}, since {last['updated']}: "
            "a Helm was killed (or somebody's runs now, and may overwrite what this job does). It is repaired first."
        )
        if last["status"] in HALF_MADE and not in_use:
            self.uninstall(release)
            return
        try:
            self._run("rollback", release, str(last["revision"]))
        except CommandError as error:  # the release is "failed" now, and can be upgraded: to what is asked for anyway
            self._say(f"{error.what} The upgrade is tried anyway.")

    def _last_revision(self, release: str) -> dict[str, Any] | None:
        """Return the release's last revision, or None when there is no such release."""
        argv = ["helm", "history", release, "--max", "1", "--output", "json", "--namespace", self._namespace]
        try:
            printed = command.output(argv, environment=self._environment, timeout=TIMEOUT)
        except CommandError as error:
            if NOT_FOUND not in error.output:
                raise
            return None
        try:
            last = json.loads(printed)[-1]
            return {"revision": "?", "updated": "an unknown time", **last, "status": str(last["status"])}
        except (ValueError, LookupError, TypeError):
            raise CommandError(
                "The output of helm history is no list of revisions.",
                "Look at the helm that the job has on PATH: it must be Helm 3 or 4, and print nothing of its own.",
            ) from None

    def _run(self, *arguments: str) -> None:
        argv = ["helm", *arguments, "--namespace", self._namespace]
        try:
            command.run(argv, environment=self._environment, say=self._say, timeout=TIMEOUT)
        except CommandError as error:
            if BUSY in error.output:
                error.advice = "Somebody's Helm changes the release now, or it cannot be repaired: run the job again."
            raise


def _setting(name: str, value: str | int) -> tuple[str, str]:
    """Return the flag that gives the chart one value."""
    return ("--set-string", f"{name}={value}") if isinstance(value, str) else ("--set", f"{name}={json.dumps(value)}")

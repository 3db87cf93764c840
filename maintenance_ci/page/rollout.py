"""Waiting until the page's Pods run, and giving up early what does not come by itself."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from maintenance_ci.errors import ConflictError, ForbiddenError, MaintenanceError
from maintenance_ci.names import MANAGED_BY, PAGE
from maintenance_ci.page.image import deadline_passed, page_troubles, pods_refused, rollout_lacks
from maintenance_ci.page.pod_troubles import SETTLED, Trouble, may_get_room, pod_troubles, refusal_advice
from maintenance_ci.waiting import Standing, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from maintenance_ci.cluster.openshift import Object, OpenShift

POD_LABELS = {"app.kubernetes.io/instance": PAGE}
# The Deployment's annotation by which its controller is asked to try again.
ASKED = f"{MANAGED_BY}/asked-again"


class Rollout:
    """One wait for the page's Deployment.

    Args:
        cluster: where it is.
        say: gets what keeps the Pods from running, when that changes.
    """

    def __init__(self, cluster: OpenShift, say: Callable[[str], None]) -> None:
        self._cluster, self._say = cluster, say
        self._lacking, self._reasons = "nothing was seen yet", "its Pods say nothing"
        self._stuck = Standing(SETTLED)
        self._asked = False
        self._late_before: bool | None = None

    def wait(self, digest: str, timeout: float) -> None:
        """Wait until all Pods of the page run the image ``digest``.

        Raises:
            MaintenanceError: they do not within ``timeout`` seconds, or something lasting stands in the way.
        """

        def complete() -> bool | None:
            deployment = self._cluster.get("deployments", PAGE)
            lacking = rollout_lacks(deployment, digest)
            if not lacking:
                return True
            pods = self._cluster.select("pods", POD_LABELS)
            self._lacking = lacking
            self._judge([*self._refusals(deployment, pods), *page_troubles(pods, digest)])
            return None

        if not wait_for(complete, timeout=timeout, say=self._say, subject="the rollout of the page", every=1.0):
            raise MaintenanceError(
                f"The page is not ready within {timeout:.0f} s: {self._lacking} ({self._reasons}).",
                f"Look at it: oc describe deployment/{PAGE} -n {self._cluster.namespace}, then run the job again.",
            )

    def require_pods_allowed(self) -> None:
        """Refuse to go on where the cluster refuses the page's Pods; Pods that it takes are not waited for.

        Raises:
            MaintenanceError: it refuses them, for longer than a moment.
        """

        def allowed() -> bool | None:
            deployment = self._cluster.get("deployments", PAGE)
            if not pods_refused(deployment):
                return True
            self._lacking = "not all of its Pods are made"
            self._judge(self._refusals(deployment, self._cluster.select("pods", POD_LABELS)))
            return None

        # A Pod that ends has its grace period to do so; the wait for the rollout looks again.
        wait_for(allowed, timeout=12 * SETTLED, say=self._say, subject="room for the page's Pod")

    def _refusals(self, deployment: Object | None, pods: list[Object]) -> list[Trouble]:
        """Return what the Deployment itself says of why it does not get on."""
        refusal, late = _refusal(deployment, pods), deadline_passed(deployment)
        if self._late_before is None:  # it is about an earlier try; whether this one gets on is not known yet
            self._late_before = late is not None
        if refusal and deployment:
            self._ask_again(deployment)
        return refusal + ([Trouble(late, lasting=not self._late_before)] if late else [])

    def _ask_again(self, deployment: Object) -> None:
        """Let the controller try again now, once: after a refusal it may wait up to a quarter of an hour.

        The Deployment's annotations are its ReplicaSet's, and a change of that one is looked at at once.
        """
        if not self._asked:
            self._asked = True
            annotations = {ASKED: datetime.now(UTC).isoformat(timespec="seconds")}
            with contextlib.suppress(ConflictError):  # then its controller looks at it anyway
                self._cluster.patch("deployments", deployment, {"metadata": {"annotations": annotations}})

    def _judge(self, troubles: list[Trouble]) -> None:
        """Say what is new; end the job for what is lasting, once it has lasted."""
        reasons = messages_of(troubles) or self._reasons
        if reasons != self._reasons:
            self._say(f"{self._lacking} ({reasons})")
        self._reasons = reasons
        lasting = [trouble for trouble in troubles if trouble.lasting]
        if self._stuck.holds(bool(lasting)):
            advice = lasting[0].advice or "Correct the page or its image, then run the job again."
            raise MaintenanceError(
                f"The page cannot run: {messages_of(lasting)}.".replace("..", "."),
                f"{advice} Look at it: oc describe deployment/{PAGE} -n {self._cluster.namespace}",
            )


def why_page_does_not_run(cluster: OpenShift) -> str:
    """Return what the cluster says of why no Pod of the page serves; empty where it says nothing, or not to us."""
    try:
        deployment, pods = cluster.get("deployments", PAGE), cluster.select("pods", POD_LABELS)
    except ForbiddenError:
        return ""
    if deployment and deployment["spec"].get("replicas") == 0:
        return "its Deployment is scaled to 0"
    return messages_of(troubles_of(deployment, pods))


def troubles_of(deployment: Object | None, pods: list[Object]) -> list[Trouble]:
    """Return what keeps a Deployment's Pods from serving, as it says itself, and as they do."""
    return [*_refusal(deployment, pods), *(trouble for pod in pods for trouble in pod_troubles(pod))]


def _refusal(deployment: Object | None, pods: list[Object]) -> list[Trouble]:
    """Return why the cluster refuses to make the page's Pods, if it does."""
    if not (refused := pods_refused(deployment)):
        return []
    advice = refusal_advice(refused, "PAGE_RESOURCES")
    return [Trouble(f"the cluster refuses a Pod of it: {refused}", not may_get_room(refused, pods), advice)]


def messages_of(troubles: Iterable[Trouble]) -> str:
    """Return the troubles as one line."""
    return "; ".join(trouble.message for trouble in troubles)

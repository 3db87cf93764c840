"""The page, as a rehearsal on a real cluster finds it, installs it and leaves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maintenance_ci.names import PAGE
from maintenance_ci.page.helm import Helm
from maintenance_ci.page.image import image_digest
from maintenance_ci.plan.marks import labels_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from maintenance_ci.cluster.openshift import OpenShift

# The labels by which Helm knows the Secrets of its releases.
RELEASE_LABELS = {"owner": "helm", "name": PAGE}
# The chart's value by which all its objects get the label of a rehearsal's run.
RUN_VALUE = "rehearsal"


@dataclass(frozen=True)
class Fingerprint:
    """What tells whether the page is as it was.

    Attributes:
        revision: of the Helm release, the newest; None where there is none.
        latest: the digest of the image that ``latest`` is; None where there is none.
        image: of the Deployment; None where there is none.
        generation: of the Deployment: what anybody wanted of it.
    """

    revision: int | None
    latest: str | None
    image: str | None
    generation: int | None

    def __str__(self) -> str:
        revision = f"revision {self.revision}" if self.revision else "no Helm release"
        return f"{revision}, latest is {self.latest or 'no image'}, its Deployment runs {self.image or 'none'}"


NO_PAGE = Fingerprint(None, None, None, None)


def fingerprint(cluster: OpenShift) -> Fingerprint:
    """Read what the page is now."""
    releases = cluster.select("secrets", RELEASE_LABELS)
    revisions = [int(labels_of(one).get("version") or 0) for one in releases]
    deployment = cluster.get("deployments", PAGE)
    containers = deployment["spec"]["template"]["spec"]["containers"] if deployment else []
    return Fingerprint(
        max(revisions, default=None),
        image_digest(cluster.get("imagestreams", PAGE), "latest"),
        containers[0].get("image") if containers else None,
        deployment["metadata"].get("generation") if deployment else None,
    )


class RehearsalHelm(Helm):
    """Helm for the jobs of a rehearsal: it labels what it installs with the id of the ``run``, and keeps it.

    Attributes:
        keeps: whether the page stays: until the last round is over, and always where it was there before.
    """

    def __init__(
        self, kubeconfig: str, namespace: str, run: str, *, environment: Mapping[str, str], say: Callable[[str], None]
    ) -> None:
        super().__init__(kubeconfig, namespace, environment=environment, say=say)
        self._run_id = run
        self.keeps = True

    def upgrade(self, release: str, chart: Path, values: Mapping[str, str | int], *, in_use: bool = True) -> None:
        """Install or upgrade the release, with the label of the run on each of its objects."""
        keeps, self.keeps = self.keeps, False  # what is half installed or half removed has to go first
        try:
            super().upgrade(release, chart, {**values, RUN_VALUE: self._run_id}, in_use=in_use)
        finally:
            self.keeps = keeps

    def uninstall(self, release: str) -> bool:
        """Remove the release, unless it is to stay."""
        if self.keeps:
            self._say(f"the rehearsal keeps the release {release}")
            return False
        return super().uninstall(release)

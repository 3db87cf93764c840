"""A Route of a test's own on the stage, with its template and its certificates."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.store import Object
from tests.matrices.stage import Stage
from tests.tools.clusters import Job
from tests.tools.site import Site


class OwnSite(Site):
    """A Route of the test's own, whose jobs run inside of this process."""

    def __init__(self, on: Stage, name: str, **spec: Any) -> None:
        super().__init__(on.cluster, name, **spec)
        self.on = on

    def run(self, job: str, **variables: str | None) -> Job:
        return self.on.run(job, {"ROUTE_NAME": self.name, **variables})

    @property
    def live(self) -> Object:
        found = self.cluster.find("routes", self.name)
        assert found is not None
        return found

    def edit(self, **spec: Any) -> None:
        """Let somebody else write the Route's spec."""
        live = copy.deepcopy(self.live)
        live["spec"] |= spec
        self.cluster.call(self.cluster.store.update, "routes", live, manager="somebody")

    @property
    def template(self) -> Object:
        found: Object = yaml.safe_load(self.cluster.inside.gitlab.projects[0].branches["main"][f"{self.name}.yaml"])
        return found

    @template.setter
    def template(self, manifest: Object) -> None:
        self.cluster.inside.gitlab.projects[0].branches["main"][f"{self.name}.yaml"] = manifests.template(manifest)


@contextlib.contextmanager
def own_site(on: Stage, name: str, **spec: Any) -> Iterator[OwnSite]:
    """A Route with its template, both gone at the end."""
    site = OwnSite(on, name, **spec)
    try:
        yield site
    finally:
        on.cluster.call(on.cluster.store.delete, "routes", manifests.NAMESPACE, name)
        del on.cluster.inside.gitlab.projects[0].branches["main"][f"{name}.yaml"]


def certificate(on: Stage, host: str, *, days_old: int) -> dict[str, str]:
    """Certificate and key, of an authority that users trust, valid since so many days."""
    since = datetime.now(UTC) - timedelta(days=days_old)
    issued = on.cluster.inside._ca.issue_cert(host, not_before=since)
    text = issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()
    return {"certificate": text[0].decode(), "key": text[1].decode()}

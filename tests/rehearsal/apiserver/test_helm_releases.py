"""A release's whole life with Helm 3 and Helm 4, the real controllers around it: what goes well, and what does not."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from maintenance_ci.rehearsal.pinned_helm import HELM_3_VERSION, HELM_VERSION, pinned_helm_path
from maintenance_ci.settings.folders import find
from tests.rehearsal.recordings.article_chart import NAME, write_chart
from tests.rehearsal.recordings.lab import Lab, running_lab
from tests.tools.small_cluster import NAMESPACE, PAGE, page

Object = dict[str, Any]
VERSIONS = (HELM_3_VERSION, HELM_VERSION)


@dataclass
class Holder:
    """Holds the next write of a Deployment in the server, until its client is gone."""

    armed: bool = False
    held: threading.Event = field(default_factory=threading.Event)

    @property
    def middleware(self) -> Any:
        @web.middleware
        async def hold(request: web.Request, handler: Handler) -> web.StreamResponse:
            if self.armed and request.method == "PATCH" and "/deployments/" in request.path:
                self.armed = False
                self.held.set()
                await asyncio.Event().wait()  # the handler is cancelled when the client hangs up
            return await handler(request)

        return hold


@dataclass
class Helm:
    """One version of Helm, the article's chart and a lab."""

    version: str
    lab: Lab
    holder: Holder
    chart: str

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.lab.run(pinned_helm_path(self.version), *arguments, namespace=NAMESPACE)

    def upgrade(self, tag: str = "v1", chart: str = "") -> subprocess.CompletedProcess[str]:
        return self("upgrade", "-i", NAME, chart or self.chart, "--set-string", f"imageTag={tag}")

    def done(self, *arguments: str) -> str:
        result = self(*arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def status(self) -> tuple[int, str]:
        """The last revision, and its status."""
        release = json.loads(self.done("status", NAME, "-o", "json"))
        return release["version"], release["info"]["status"]

    def deployment(self) -> Object:
        found: Object = self.lab.call(self.lab.store.get, "deployments", NAMESPACE, NAME)
        return found

    def image(self) -> str:
        return str(self.deployment()["spec"]["template"]["spec"]["containers"][0]["image"])


@pytest.fixture(params=VERSIONS)
def helm(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Helm]:
    holder = Holder()
    with running_lab(tmp_path, middlewares=[holder.middleware]) as lab:
        secret = {"metadata": {"name": "docker-registry-secret", "namespace": NAMESPACE}}
        lab.call(lab.store.create, "secrets", secret, manager="test")
        yield Helm(request.param, lab, holder, str(write_chart(tmp_path)))


def test_a_release_from_its_install_to_its_end(helm: Helm) -> None:
    assert helm.upgrade().returncode == 0
    assert helm.upgrade("v2").returncode == 0
    assert helm.deployment()["metadata"]["labels"]["version"] == "v2"
    [release] = json.loads(helm.done("list", "-o", "json"))
    assert (release["name"], release["revision"], release["status"]) == (NAME, "2", "deployed")
    helm.done("rollback", NAME, "1")
    assert helm.status() == (3, "deployed")
    assert helm.deployment()["metadata"]["labels"]["version"] == "v1"
    assert "uninstalled" in helm.done("uninstall", NAME)
    assert json.loads(helm.done("list", "-o", "json")) == []
    kinds = ("services", "deployments", "buildconfigs", "imagestreams", "networkpolicies")
    assert [helm.lab.call(helm.lab.store.list, kind, NAMESPACE) for kind in kinds] == [[]] * len(kinds)


def test_a_killed_upgrade_leaves_the_release_pending_until_it_is_rolled_back(helm: Helm) -> None:
    assert helm.upgrade().returncode == 0
    helm.holder.armed = True
    killed = subprocess.Popen(
        [pinned_helm_path(helm.version), "upgrade", "-i", NAME, helm.chart, "--set-string", "imageTag=v2"],
        env=helm.lab.environment(NAMESPACE),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert helm.holder.held.wait(timeout=30)
    finally:
        killed.kill()
        killed.wait()
    assert helm.status() == (2, "pending-upgrade")
    for _ in range(2):
        refused = helm.upgrade("v3")
        assert refused.returncode == 1
        assert "another operation (install/upgrade/rollback) is in progress" in refused.stderr
    helm.done("rollback", NAME)
    assert helm.status() == (3, "deployed")
    assert helm.upgrade("v3").returncode == 0
    assert helm.deployment()["metadata"]["labels"]["version"] == "v3"


def test_upgrades_after_the_image_trigger(helm: Helm) -> None:
    """Helm 4 meets the trigger's field every time; Helm 3 writes over it, and the Pods roll for nothing (measured)."""
    assert helm.upgrade().returncode == 0
    reference = build_and_tag(helm)
    before = helm.deployment()["metadata"]["generation"]
    for _ in range(3):
        done = helm.upgrade()
        helm.lab.settle()
        if helm.version == HELM_VERSION:
            assert done.returncode == 1
            assert 'conflict with "openshift-controller-manager" using apps/v1' in done.stderr
            assert ".image" in done.stderr
            assert helm.deployment()["metadata"]["generation"] == before
        else:
            assert done.returncode == 0, done.stderr
            assert helm.deployment()["metadata"]["generation"] > before
            before = helm.deployment()["metadata"]["generation"]
        assert helm.image() == reference


def test_a_chart_that_keeps_the_live_image_upgrades_after_the_trigger(helm: Helm) -> None:
    chart = str(find("chart"))
    assert helm.upgrade(chart=chart).returncode == 0
    reference = build_and_tag(helm)
    before = helm.deployment()["metadata"]["generation"]
    for _ in range(3):
        done = helm.upgrade(chart=chart)
        assert done.returncode == 0, done.stderr
        helm.lab.settle()
        assert helm.image() == reference
        assert helm.deployment()["metadata"]["generation"] == before


def build_and_tag(helm: Helm) -> str:
    """Build the page and pin it as `latest`, which the trigger follows; returns the image's reference."""
    assert NAME == PAGE
    helm.lab.do(helm.lab.cluster.build(page("hello")))
    reference: str = helm.lab.call(helm.lab.cluster.tag_latest)
    helm.lab.settle()
    assert helm.image() == reference
    return reference

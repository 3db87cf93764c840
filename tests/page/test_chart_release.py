"""The chart as a release on an API server, by the real Helm."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import re
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
import yaml

from maintenance_ci.cluster.kubeconfig import write_kubeconfig
from maintenance_ci.rehearsal.apiserver.rights import User
from maintenance_ci.rehearsal.apiserver.server import ApiServer
from maintenance_ci.rehearsal.apiserver.store import Store
from maintenance_ci.rehearsal.tools import helm_path
from tests.page.test_chart import CHART, NATIVE, container


@dataclass
class Release:
    """The chart as a release on an API server, handled by Helm with the rights of docs/service-account.yaml alone."""

    store: Store
    environment: dict[str, str]

    async def helm(self, *arguments: str | Path) -> tuple[int | None, str]:
        """Run Helm to its end; returns its exit code and all that it printed."""
        child = await asyncio.create_subprocess_exec(
            helm_path(), *arguments, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output, _ = await child.communicate()
        return child.returncode, output.decode()

    async def upgrade(self, tag: str, chart: Path = CHART) -> tuple[int | None, str]:
        return await self.helm("upgrade", "-i", "maintenance-page", chart, "--set-string", f"imageTag={tag}")

    def deployment(self) -> Any:
        return self.store.get("deployments", "web", "maintenance-page")

    def pin(self, image: str) -> None:
        """Write the image as the image trigger does."""
        deployment = copy.deepcopy(self.deployment())
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] = image
        self.store.update("deployments", deployment, manager="openshift-controller-manager")


@contextlib.asynccontextmanager
async def release(folder: Path) -> AsyncIterator[Release]:
    ca = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(tls)
    store = Store()
    store.create("namespaces", {"metadata": {"name": "web"}}, manager="test")
    role = (CHART.parent / "docs/service-account.yaml").read_text()
    rules = next(document["rules"] for document in yaml.safe_load_all(role) if document["kind"] == "Role")
    server = ApiServer(store, {"token": User("system:serviceaccount:web:maintenance-ci", roles={"web": rules})}, tls)
    await server.start()
    certificate = ca.cert_pem.bytes().decode()
    kubeconfig = write_kubeconfig(folder, url=server.url, token="token", namespace="web", ca=certificate)
    try:
        yield Release(store, {"KUBECONFIG": str(kubeconfig), "HOME": str(folder)})
    finally:
        await server.stop()


PINNED = f"image-registry.openshift-image-registry.svc:5000/web/maintenance-page@sha256:{'1' * 64}"


def test_an_upgrade_keeps_the_image_that_the_trigger_wrote(tmp_path: Path) -> None:
    async def story() -> None:
        async with release(tmp_path) as page:
            code, output = await page.upgrade("v1")
            assert code == 0, output
            assert container({"Deployment": page.deployment()})["image"] == "maintenance-page:latest"
            # A server of 1.36, built from source: its version is "v0.0.0-master+$Format:%H$" (recorded).
            assert container({"Deployment": page.deployment()})["lifecycle"]["preStop"] == NATIVE
            page.pin(PINNED)
            before = page.deployment()
            code, output = await page.upgrade("v2")
            assert code == 0, output
            after = page.deployment()
            assert after["metadata"]["labels"]["app.kubernetes.io/version"] == "v2"
            assert after["spec"] == before["spec"]
            assert after["metadata"]["generation"] == before["metadata"]["generation"]
            page.pin(PINNED.replace("1" * 64, "2" * 64))
            assert (await page.upgrade("v2"))[0] == 0, "the trigger's next image belongs to the trigger again"
            code, output = await page.helm("uninstall", "maintenance-page")
            assert code == 0, output
            assert not any(page.store.list(plural, "web") for plural in ("deployments", "services", "secrets"))

    asyncio.run(story())


def test_without_the_lookup_it_does_not(tmp_path: Path) -> None:
    chart = Path(shutil.copytree(CHART, tmp_path / "chart"))
    helpers = chart / "templates/_helpers.tpl"
    helpers.write_text(re.sub(r"lookup .*? }}", "dict }}", helpers.read_text()))

    async def story() -> None:
        async with release(tmp_path) as page:
            code, output = await page.upgrade("v1", chart)
            assert code == 0, output
            page.pin(PINNED)
            code, output = await page.upgrade("v2", chart)
            failed = code != 0 and 'conflict with "openshift-controller-manager"' in output  # Helm 4
            assert failed or container({"Deployment": page.deployment()})["image"] != PINNED  # Helm 3

    asyncio.run(story())

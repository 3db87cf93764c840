"""The chart as a release on an API server, by the real Helm."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import re
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from maintenance_ci.cluster.kubeconfig import write_kubeconfig
from maintenance_ci.plan.rights import BUDGETS, CHART_KINDS
from maintenance_ci.rehearsal.apiserver import kinds
from maintenance_ci.rehearsal.apiserver.catalogue import RESOURCES
from maintenance_ci.rehearsal.apiserver.rights import Rule, User
from maintenance_ci.rehearsal.apiserver.server import ApiServer
from maintenance_ci.rehearsal.apiserver.store import Store
from maintenance_ci.rehearsal.pinned_helm import HELM_3_VERSION, HELM_VERSION, pinned_helm_path
from tests.page.test_chart import CHART, container
from tests.page.test_chart_availability import NATIVE

ROLE = CHART.parent / "docs/service-account.yaml"
PREVIOUS_ROLE = Path(__file__).parents[1] / "jobs/previous_role.yaml"


@dataclass
class Release:
    """The chart as a release on an API server, handled by Helm with the rights of docs/service-account.yaml alone."""

    store: Store
    environment: dict[str, str]
    version: str

    async def helm(self, *arguments: str | Path) -> tuple[int | None, str]:
        """Run Helm to its end; returns its exit code and all that it printed."""
        child = await asyncio.create_subprocess_exec(
            pinned_helm_path(self.version),
            *arguments,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, _ = await child.communicate()
        return child.returncode, output.decode()

    async def upgrade(self, tag: str, chart: Path = CHART, *more: str) -> tuple[int | None, str]:
        return await self.helm("upgrade", "-i", "maintenance-page", chart, "--set-string", f"imageTag={tag}", *more)

    def left(self) -> list[str]:
        """What is there of the release."""
        plurals = [plural for _, plural in (*CHART_KINDS, BUDGETS)] + ["secrets"]
        return [plural for plural in plurals if self.store.list(plural, "web")]

    def deployment(self) -> Any:
        return self.store.get("deployments", "web", "maintenance-page")

    def pin(self, image: str) -> None:
        """Write the image as the image trigger does."""
        deployment = copy.deepcopy(self.deployment())
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] = image
        self.store.update("deployments", deployment, manager="openshift-controller-manager")


def rules_of(role: Path) -> list[Rule]:
    """The rules of the only Role in a file."""
    (only,) = (one for one in yaml.safe_load_all(role.read_text()) if one["kind"] == "Role")
    return list(only["rules"])


@contextlib.asynccontextmanager
async def release(folder: Path, *, version: str = HELM_VERSION, role: Path = ROLE) -> AsyncIterator[Release]:
    ca = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(tls)
    store = Store()
    store.create("namespaces", {"metadata": {"name": "web"}}, manager="test")
    rules = rules_of(role)
    server = ApiServer(store, {"token": User("system:serviceaccount:web:maintenance-ci", roles={"web": rules})}, tls)
    await server.start()
    certificate = ca.cert_pem.bytes().decode()
    kubeconfig = write_kubeconfig(folder, url=server.url, token="token", namespace="web", ca=certificate)
    try:
        yield Release(store, {"KUBECONFIG": str(kubeconfig), "HOME": str(folder)}, version)
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


def test_without_the_lookup_an_upgrade_fails_or_loses_that_image(tmp_path: Path) -> None:
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


VERSIONS = {"helm 3": HELM_3_VERSION, "helm 4": HELM_VERSION}
# Values as values.yaml, README and docs/ show them.
EXAMPLES = {
    "default": {},
    "one replica": {"replicas": 1},
    "without a budget": {"podDisruptionBudget": {"enabled": False}},
    "a share": {"replicas": 4, "podDisruptionBudget": {"maxUnavailable": "50%"}},
    "zones": {"spreadOver": ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]},
    "one family": {"ipFamilyPolicy": "SingleStack", "spreadOver": []},
    "quota": {"resources": {"limits": {"cpu": "100m"}}, "buildResources": {"limits": {"memory": "64Mi"}}},
    "registry": {"dockerRegistry": "registry.example.test/team"},
    "base": {"base": {"kind": "ImageStreamTag", "name": "nginx:1.30", "namespace": "shared", "pullSecret": "mirror"}},
    "no drain": {"drainSeconds": 0},
}


def require_strict(rendered: str) -> None:
    """Hold that no object has a field that its kind has not: Helm 3 does not ask the server for that."""
    for document in yaml.safe_load_all(rendered):
        plural = next(one.plural for one in RESOURCES.values() if one.kind == document["kind"])
        assert kinds.unknown_fields(plural, document, Store()) == []


def flags(values: dict[str, Any]) -> list[str]:
    return [part for name, value in values.items() for part in ("--set-json", f"{name}={json.dumps(value)}")]


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_a_strict_server_takes_the_chart_with_all_documented_values(tmp_path: Path, version: str) -> None:
    """One release goes from each example to the next: what is installed can be upgraded, too."""

    async def story() -> None:
        async with release(tmp_path, version=VERSIONS[version]) as page:
            for name, values in EXAMPLES.items():
                code, output = await page.upgrade("v1", CHART, *flags(values))
                assert code == 0, (name, output)
                rendered = await page.helm("template", "page", CHART, "--set-string=imageTag=v1", *flags(values))
                require_strict(rendered[1])
                code, output = await page.helm("lint", "--strict", CHART, "--set-string=imageTag=v1", *flags(values))
                assert code == 0, (name, output)
                budget = values.get("podDisruptionBudget", {}).get("enabled", True)
                assert bool(page.store.list("poddisruptionbudgets", "web")) == budget
                service = page.store.get("services", "web", "maintenance-page")["spec"]
                # A cluster of IPv4 alone notes the wish, and gives one address.
                assert service["ipFamilyPolicy"] == values.get("ipFamilyPolicy", "PreferDualStack")
                assert (service["ipFamilies"], len(service["clusterIPs"])) == (["IPv4"], 1)
            assert (await page.helm("uninstall", "maintenance-page"))[0] == 0
            assert page.left() == []

    asyncio.run(story())


@pytest.mark.parametrize(
    ("template", "right", "wrong"),
    [
        ("poddisruptionbudget.yaml", "  maxUnavailable:", "  maxUnavailble:"),
        ("deployment.yaml", "topologySpreadConstraints:", "topologySpreadConstraint:"),
        ("deployment.yaml", "maxSkew:", "maxskew:"),
        ("service.yaml", "ipFamilyPolicy:", "ipFamiliesPolicy:"),
    ],
)
def test_a_strict_server_refuses_a_field_that_is_none(tmp_path: Path, template: str, right: str, wrong: str) -> None:
    chart = Path(shutil.copytree(CHART, tmp_path / "chart"))
    file = chart / "templates" / template
    assert right in file.read_text()
    file.write_text(file.read_text().replace(right, wrong))

    async def story() -> None:
        async with release(tmp_path) as page:
            code, output = await page.upgrade("v1", chart)
            assert code != 0
            assert "unknown field" in output
            assert wrong.strip(" :") in output

    asyncio.run(story())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_role_that_names_no_budgets(tmp_path: Path, version: str) -> None:
    """Without the value Helm cannot install; with it, it installs, upgrades and uninstalls, and needs no such right."""
    without = flags({"podDisruptionBudget": {"enabled": False}})

    async def story() -> None:
        async with release(tmp_path, version=VERSIONS[version], role=PREVIOUS_ROLE) as page:
            code, output = await page.upgrade("v1")
            assert code != 0
            assert "poddisruptionbudgets" in output
            for tag in ("v1", "v2"):
                code, output = await page.upgrade(tag, CHART, *without)
                assert code == 0, output
            code, output = await page.helm("uninstall", "maintenance-page")
            assert code == 0, output
            assert page.left() == []

    asyncio.run(story())

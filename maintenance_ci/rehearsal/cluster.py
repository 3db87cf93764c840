"""The embedded OpenShift: API server, controllers, Pods, router and GitLab, on the loopback, in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import socket
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import trustme
import yaml

from maintenance_ci.cluster.kubeconfig import write_kubeconfig
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.kinds import Platform
from maintenance_ci.rehearsal.apiserver.rights import User
from maintenance_ci.rehearsal.apiserver.server import ApiServer
from maintenance_ci.rehearsal.apiserver.store import Store
from maintenance_ci.rehearsal.builds.builds import Builds
from maintenance_ci.rehearsal.builds.images import ImageStore
from maintenance_ci.rehearsal.controllers.deployments import Deployments
from maintenance_ci.rehearsal.controllers.disruptions import Disruptions
from maintenance_ci.rehearsal.controllers.endpoints import EndpointSlices
from maintenance_ci.rehearsal.controllers.garbage import GarbageCollector
from maintenance_ci.rehearsal.controllers.image_imports import ImageImports
from maintenance_ci.rehearsal.controllers.image_triggers import ImageTriggers
from maintenance_ci.rehearsal.controllers.replicasets import ReplicaSets
from maintenance_ci.rehearsal.controllers.tokens import Tokens
from maintenance_ci.rehearsal.gitlab import EmbeddedGitLab, JobToken, Project
from maintenance_ci.rehearsal.pods.kubelet import Kubelet
from maintenance_ci.rehearsal.processes import removed_even_when_killed
from maintenance_ci.rehearsal.router.other_tenant import OtherTenant
from maintenance_ci.rehearsal.router.router import Router, check_reload_interval
from maintenance_ci.rehearsal.trouble import Trouble, Troubles
from maintenance_ci.settings.folders import find

if TYPE_CHECKING:
    from collections.abc import Coroutine

ADMIN = "system:admin"
PIPELINE = f"system:serviceaccount:{manifests.NAMESPACE}:maintenance-ci"
START_TIMEOUT = 120.0  # seconds for the application's Pod to be ready
PIPELINE_PROJECT, TEMPLATE_PROJECT = "ops/maintenance", "ops/route-templates"


@dataclass(frozen=True)
class Options:
    """How the cluster behaves.

    Attributes:
        reload_interval: seconds between two reloads of the router, at the least; 5 as on a real one, 0.2 to 120.
        replicas: of the router; each reloads at moments of its own.
        allow_wildcards: the router admits wildcard Routes.
        overlooks_freed_hosts: with ``allow_wildcards``, the router does not look again at a Route that waits for a host
            when that becomes free, only when the Route itself changes.
        idle_close_on_response: the router's reloads leave idle connections open until their next answer.
        busy: another tenant changes a Route every second, so that the router always waits out its interval.
        image_trigger_delay: seconds until the image trigger acts.
        knows_http_headers: Routes have ``spec.httpHeaders``; an API of before OpenShift 4.14 drops it, and warns.
        troubles: what goes wrong, at which request.
    """

    reload_interval: float = 5.0
    replicas: int = 1
    allow_wildcards: bool = False
    overlooks_freed_hosts: bool = False
    idle_close_on_response: bool = False
    busy: bool = True
    image_trigger_delay: float = 0.0
    knows_http_headers: bool = True
    troubles: tuple[Trouble, ...] = ()

    def __post_init__(self) -> None:
        check_reload_interval(self.reload_interval)


class EmbeddedOpenShift:
    """A cluster with an application, ``shop``, and its Route. Use it with ``async with``: nothing is left behind.

    Attributes:
        folder: holds everything that the cluster keeps on disk; removed at the end.
        store: the objects.
        images: the images, and the registry outside of the cluster.
        server: the API server.
        router: the router.
        gitlab: the GitLab that holds the Routes' templates.
        troubles: what goes wrong between the jobs and the two.
        token: of the pipeline's service account, with the Role of ``docs/service-account.yaml``, and no other right.
        admin_token: may do everything.
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        self.token, self.admin_token, self.job_token = (secrets.token_urlsafe(32) for _ in range(3))
        self._stack = contextlib.AsyncExitStack()
        self._ca = trustme.CA()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="rehearsal-")))
        self._stack.enter_context(removed_even_when_killed(self.folder))
        self.ca_file = self.folder / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.ca_file))

        self.store = Store(Platform(knows_http_headers=self.options.knows_http_headers))
        self.images = ImageStore(self._subfolder("images"))
        builds = Builds(self.store, self.images, self._subfolder("builds"))
        self.troubles = Troubles(self.store, builds, manifests.NAMESPACE, self.options.troubles)
        self.kubelet = Kubelet(self.store, self.images, self._subfolder("pods"), _free_subnet())
        self.server = ApiServer(
            self.store,
            self._users(),
            self._server_tls("127.0.0.1", "api.example.test"),
            builds=builds,
            pods=self.kubelet,
            middlewares=[self.troubles.in_cluster],
        )
        self._stack.push_async_callback(builds.stop)
        self._stack.push_async_callback(self.kubelet.stop)
        await self._started(self.server.start("127.0.0.1", 0), self.server.stop)

        templates = Project(
            TEMPLATE_PROJECT, 1, {"main": dict(manifests.TEMPLATES)}, job_token_allowlist={PIPELINE_PROJECT}
        )
        job_token = JobToken(self.job_token, frozenset({TEMPLATE_PROJECT}), PIPELINE_PROJECT)
        self.gitlab = EmbeddedGitLab(
            self._server_tls("127.0.0.1", "gitlab.example.test"), projects=[templates], tokens=[job_token]
        )
        self.gitlab.fault = self.troubles.in_gitlab
        await self._started(self.gitlab.start(), self.gitlab.stop)

        for plural, manifest in manifests.objects():
            self.store.create(plural, manifest, manager="rehearsal")
        for controller in (
            Deployments(self.store),
            ReplicaSets(self.store),
            EndpointSlices(self.store),
            Disruptions(self.store),
            ImageTriggers(self.store, self.options.image_trigger_delay),
            ImageImports(self.store, self.images),
            GarbageCollector(self.store),
            Tokens(self.store, self.ca_file.read_text()),
        ):
            self._run(controller.run())
        self._run(self.kubelet.run())
        await self._application_ready()
        self.router = Router(
            self.store,
            directory=self._subfolder("router"),
            certificate=self._router_certificate(),
            reload_interval=self.options.reload_interval,
            replicas=self.options.replicas,
            allow_wildcards=self.options.allow_wildcards,
            overlooks_freed_hosts=self.options.overlooks_freed_hosts,
            idle_close_on_response=self.options.idle_close_on_response,
        )
        await self._started(self.router.start(), self.router.stop)
        self._run(self.router.run())
        if self.options.busy:
            self._run(OtherTenant(self.store, manifests.OTHER_NAMESPACE).run())

    async def healthy(self) -> None:
        """Raise what ended one of the cluster's parts, if anything did."""
        for task in self._tasks:
            if task.done():
                await task

    async def _application_ready(self) -> None:
        """Wait until the application's Pod is ready: users who come before it would be answered 503."""
        async with asyncio.timeout(START_TIMEOUT):
            while not any(
                endpoint["conditions"].get("ready")
                for found in self.store.list("endpointslices", manifests.NAMESPACE)
                for endpoint in found["endpoints"]
            ):
                await self.healthy()
                await asyncio.sleep(0.02)

    def job_variables(self) -> dict[str, str]:
        """Return the variables of a pipeline's job, as GitLab and the project's settings give them."""
        return {
            "PROJECT": manifests.NAMESPACE,
            "OKD_URL": self.server.url,
            "OKD_TOKEN": self.token,
            "OKD_CA": str(self.ca_file),
            "ROUTE_TEMPLATES_PROJECT": TEMPLATE_PROJECT,
            "CI_SERVER_URL": self.gitlab.url,
            "CI_SERVER_TLS_CA_FILE": str(self.ca_file),
            "CI_JOB_TOKEN": self.job_token,
            "PUBLIC_CA": str(self.ca_file),
            "PUBLIC_ADDRESS": f"http://127.0.0.1:{self.router.http_port} https://127.0.0.1:{self.router.https_port}",
            "CI_PIPELINE_ID": "1",
            "CI_PIPELINE_URL": f"{self.gitlab.url}/{PIPELINE_PROJECT}/-/pipelines/1",
        }

    def admin_kubeconfig(self) -> Path:
        """Write a kubeconfig that may do everything, and return its path."""
        return write_kubeconfig(
            self.folder,
            url=self.server.url,
            token=self.admin_token,
            namespace=manifests.NAMESPACE,
            ca=self.ca_file.read_text(),
        )

    def client_tls(self) -> ssl.SSLContext:
        """Return what verifies the certificates of the cluster's servers."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def _users(self) -> dict[str, User]:
        role = next(
            document
            for document in yaml.safe_load_all(find("docs/service-account.yaml").read_text())
            if document["kind"] == "Role"
        )
        return {
            self.admin_token: User(ADMIN, cluster_admin=True),
            self.token: User(PIPELINE, roles={manifests.NAMESPACE: role["rules"]}),
        }

    def _server_tls(self, *names: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._ca.issue_cert(*names).configure_cert(context)
        return context

    def _router_certificate(self) -> Path:
        path = self.folder / "router.pem"
        path.touch(mode=0o600)
        self._ca.issue_cert("*.apps.example.test").private_key_and_cert_chain_pem.write_to_path(str(path))
        return path

    def _subfolder(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir()
        return folder

    async def _started(self, start: Coroutine[None, None, object], stop: object) -> None:
        self._stack.push_async_callback(stop)  # type: ignore[arg-type]
        await start

    def _run(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.append(task)
        self._stack.push_async_callback(_cancelled, task)


def _free_subnet() -> str:
    """Return a subnet of the loopback on which no other rehearsal runs Pods."""
    while True:
        subnet = f"127.{random.randint(1, 254)}.{random.randint(0, 254)}"  # noqa: S311 - no secret
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((f"{subnet}.1", manifests.PORT))
            return subnet


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task

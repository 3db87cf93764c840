"""A Route of a test's own, its template, its users, and its certificates."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
from http.client import HTTPResponse
from typing import Any, NamedTuple

from maintenance_ci.names import page_route_name
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.store import Object
from tests.tools.clusters import Cluster, Job
from tests.tools.outcomes import essence, ok


class Seen(NamedTuple):
    """What one user saw: who answered, under which certificate."""

    status: int
    served_by: str
    certificate: str


class Site:
    """A Route of a test's own, with its template, and its users."""

    def __init__(self, cluster: Cluster, name: str, *, host: str = "", service: str = "shop", **spec: Any) -> None:
        self.cluster, self.name = cluster, name
        self.host = host or f"{name}.apps.example.test"
        manifest = manifests.route(name, self.host, service=service)
        manifest["metadata"]["labels"] = {"app": service}
        manifest["metadata"]["annotations"] = {"haproxy.router.openshift.io/hsts_header": "max-age=60"}
        merged = manifest["spec"] | spec
        manifest["spec"] = {field: value for field, value in merged.items() if value is not None}
        cluster.do(self._serve(manifest))
        cluster.inside.gitlab.projects[0].branches["main"][f"{name}.yaml"] = manifests.template(manifest)
        self.before = essence(cluster.find("routes", name))

    async def _serve(self, manifest: Object) -> None:
        self.cluster.store.create("routes", manifest, manager="team")
        await self.cluster.inside.router.next_reload()

    def run(self, job: str, **variables: str | None) -> Job:
        return self.cluster.run(job, {"ROUTE_NAME": self.name, **variables})

    def begin(self, **variables: str | None) -> Job:
        return ok(self.run("deploy-route", **variables))

    def end(self, **variables: str | None) -> Job:
        return ok(self.run("delete", **variables))

    @property
    def maintenance(self) -> Object:
        found = self.cluster.find("routes", page_route_name(self.name, None))
        assert found is not None
        return found

    def is_back(self) -> bool:
        """Whether the Route is as it was, and nothing of ours is left of it."""
        left = {name for name in self.cluster.routes() if name.startswith(f"{self.name}-maintenance")}
        secrets = self.cluster.call(self.cluster.store.list, "secrets", manifests.NAMESPACE)
        left |= {one["metadata"]["name"] for one in secrets if one["metadata"]["name"].startswith(f"{self.name}-main")}
        return not left and essence(self.cluster.find("routes", self.name)) == self.before

    def ask(self, path: str = "/", *, host: str = "", plain: bool = False, trust: str = "") -> Seen:
        """Ask as a user does, on a new connection."""
        router, host = self.cluster.inside.router, host or self.host
        with contextlib.ExitStack() as stack:
            port = router.http_port if plain else router.https_port
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            certificate = ""
            if not plain:
                context = ssl.create_default_context(cadata=trust) if trust else self.cluster.inside.client_tls()
                encrypted = stack.enter_context(context.wrap_socket(connection, server_hostname=host))
                certificate = ssl.DER_cert_to_PEM_cert(encrypted.getpeercert(binary_form=True) or b"")
                connection = encrypted
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = HTTPResponse(connection)
            answer.begin()
            served_by = answer.getheader("X-Maintenance-Page") or answer.getheader("X-Served-By") or "nobody"
            return Seen(answer.status, served_by, certificate)

    def who(self, *paths: str, **where: Any) -> list[str]:
        """Who answers, path by path; each answers with 200."""
        seen = [self.ask(path, **where) for path in paths or ("/",)]
        assert {one.status for one in seen} == {200}
        return [one.served_by for one in seen]


def own_certificate(cluster: Cluster, *names: str) -> dict[str, str]:
    """Certificate and key that the users trust."""
    issued = cluster.inside._ca.issue_cert(*names)
    certificate, key = issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()
    return {"certificate": certificate.decode(), "key": key.decode()}


def add_secret(cluster: Cluster, name: str, pair: dict[str, str]) -> None:
    data = {
        field: base64.b64encode(text.encode()).decode()
        for field, text in (("tls.crt", pair["certificate"]), ("tls.key", pair["key"]))
    }
    manifest = {"metadata": {"name": name, "namespace": manifests.NAMESPACE}, "type": "kubernetes.io/tls", "data": data}
    cluster.call(cluster.store.create, "secrets", manifest, manager="team")

"""An application that speaks TLS itself: a server outside of the cluster, as Service ``secure``."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator

from aiohttp import web

from maintenance_ci.rehearsal import application_manifests as manifests
from tests.tools.clusters import Cluster

POD = "127.0.62.1"  # where it listens


@contextlib.asynccontextmanager
async def secure_application(cluster: Cluster, context: ssl.SSLContext) -> AsyncIterator[None]:
    """Let it serve with the certificate of ``context``; its Service is not taken away at the end."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=request.path, headers={"X-Served-By": "secure"})

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, POD, 0, ssl_context=context).start()
    port = {"name": "http", "port": runner.addresses[0][1], "protocol": "TCP"}
    metadata = {"name": "secure", "namespace": manifests.NAMESPACE}
    labels = {"kubernetes.io/service-name": "secure"}
    endpoints = [{"addresses": [POD], "conditions": {"ready": True}}]
    store = cluster.store
    store.create("services", {"metadata": metadata, "spec": {"ports": [port]}}, manager="team")
    slices = {"addressType": "IPv4", "endpoints": endpoints, "ports": [port]}
    store.create("endpointslices", {"metadata": metadata | {"labels": labels}, **slices}, manager="team")
    try:
        yield
    finally:
        await runner.cleanup()

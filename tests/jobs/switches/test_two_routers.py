"""A router of another IngressController, which never served the Route."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator

import pytest

from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.trouble import Trouble
from tests.jobs.switches.own_site import own_site
from tests.matrices.stage import SHOWN, Stage

TLS = {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"}


@contextlib.contextmanager
def a_router_that_admits_nothing(on: Stage) -> Iterator[None]:
    """Another IngressController's, which sees every Route, and serves none."""
    refusal = {"type": "Admitted", "status": "False", "reason": "RouteNotAdmitted", "message": "not mine"}

    async def refuse() -> None:
        while True:
            for route in on.cluster.store.list("routes", manifests.NAMESPACE):
                ingress = (route.get("status") or {}).get("ingress") or []
                if not any(one["routerName"] == "internal" for one in ingress):
                    mine = {"host": route["spec"]["host"], "routerName": "internal", "conditions": [refusal]}
                    told = route | {"status": {"ingress": [*ingress, mine]}}
                    on.cluster.store.update("routes", told, manager="internal", subresource="status")
            await asyncio.sleep(0.02)

    async def begin() -> asyncio.Task[None]:
        return asyncio.create_task(refuse())

    task = on.cluster.do(begin())
    try:
        yield
    finally:
        on.cluster.call(task.cancel)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["swap", "repoint"])
def test_a_router_that_never_served_it_is_no_hindrance(on: Stage, strategy: str) -> None:
    with own_site(on, f"one-of-two-{strategy}", tls=TLS) as site, a_router_that_admits_nothing(on):
        on.cluster.do(asyncio.sleep(0.2))
        assert [one["routerName"] for one in site.live["status"]["ingress"]] == ["default", "internal"]
        site.begin(ROUTE_STRATEGY=strategy)
        assert site.who() == [SHOWN]
        site.end()
        assert site.is_back()


@pytest.mark.slow
def test_a_router_that_never_served_it_is_no_hindrance_after_a_switch_that_was_cut_short(on: Stage) -> None:
    with own_site(on, "one-of-two-killed", tls=TLS) as site, a_router_that_admits_nothing(on):
        time.sleep(1.1)  # of two Routes of one second chance decides which one is older, and is served
        on.befall(Trouble("kill", method="DELETE", path=f"/routes/{site.name}$", client="ours"))
        assert on.run_process("deploy-route", {"ROUTE_NAME": site.name}).code == -9
        on.relieve()
        assert site.maintenance
        site.end()
        assert site.is_back()

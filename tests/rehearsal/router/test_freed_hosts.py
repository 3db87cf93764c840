"""A router that allows wildcards does not look again at a Route that waits for a host, unless that Route changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.rehearsal.router.small_router import NAMESPACE, Cluster, client, next_second, run

if TYPE_CHECKING:
    from pathlib import Path

SERVED, NOBODY = (200, "maintenance-page:v1"), (503, "router")


@pytest.mark.parametrize(
    ("wildcards", "overlooks", "served"),
    [(True, True, NOBODY), (True, False, SERVED), (False, True, SERVED)],
)
def test_a_waiting_route_when_its_host_becomes_free(
    tmp_path: Path, wildcards: bool, overlooks: bool, served: tuple[int, str]
) -> None:
    async def story(cluster: Cluster) -> None:
        cluster.add_route("shop", "shop")
        settings = {"allow_wildcards": wildcards, "overlooks_freed_hosts": overlooks}
        async with cluster.routed(**settings) as router, client(cluster, router) as ask:
            await next_second()
            cluster.add_route("page", "page")
            router.look()
            await router.followed()  # a second look: the status that it has just written is a change of the Route
            assert cluster.admitted("page")["reason"] == "HostAlreadyClaimed"
            cluster.delete_route("shop")
            await router.next_reload()
            await router.followed()
            assert await ask() == served

            waiting = cluster.store.get("routes", NAMESPACE, "page")
            metadata = waiting["metadata"] | {"annotations": {"touched": "now"}}
            cluster.store.update("routes", {**waiting, "metadata": metadata}, manager="test")
            await router.followed()
            assert await ask() == SERVED

    run(tmp_path, story)

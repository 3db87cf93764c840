"""Other tenants of the cluster, who keep its router busy."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.apiserver.store import Store

Object = dict[str, Any]


class OtherTenant:
    """Another team on the same router, which creates or deletes a Route every ``period`` seconds.

    A router with such tenants always has a reload behind it and one ahead: what changes has to wait for the next one.
    """

    NAME = "blue-green"

    def __init__(self, store: Store, namespace: str = "other-team", period: float = 1.0) -> None:
        self.namespace = namespace
        self.period = period
        self._store = store

    async def run(self) -> None:
        """Create and delete the Route in turn until cancelled."""
        while True:
            if self._store.find("routes", self.namespace, self.NAME):
                self._store.delete("routes", self.namespace, self.NAME)
            else:
                self._store.create("routes", self._route(), manager=self.namespace)
            await asyncio.sleep(self.period)

    def _route(self) -> Object:
        return {
            "metadata": {"name": self.NAME, "namespace": self.namespace},
            "spec": {"host": f"{self.NAME}.apps.example.test", "to": {"kind": "Service", "name": self.NAME}},
        }

"""What the API server asks of whoever runs the builds and the Pods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

Object = dict[str, Any]


class BuildService(Protocol):
    """Runs binary builds and hands out their logs."""

    async def instantiate_binary(
        self, namespace: str, buildconfig_name: str, query: Mapping[str, str], archive: bytes
    ) -> Object:
        """Start a build of a BuildConfig from a gzipped tar, return the Build once it runs; raises ``ApiError``."""

    def log(self, namespace: str, build_name: str, follow: bool) -> AsyncIterator[bytes]:
        """The lines of a build's log, with ``follow`` until it ends; raises ``ApiError`` before the first one."""


class PodLogs(Protocol):
    """Knows what Pods have printed."""

    def container_log(self, namespace: str, pod: str) -> str:
        """What the Pod's container has printed until now; raises ``ApiError``."""

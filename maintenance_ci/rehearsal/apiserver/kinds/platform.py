"""What an administrator sets for the whole cluster, and what the rules of a kind may look up in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

Object = dict[str, Any]


@dataclass(frozen=True)
class Platform:
    """The cluster's settings."""

    subdomain: str = "apps.example.test"  # generated hosts of Routes end with it
    registry: str = "image-registry.openshift-image-registry.svc:5000"  # the internal one, as image references name it
    knows_http_headers: bool = True  # spec.httpHeaders of Routes: OpenShift 4.14 and later


class Cluster(Protocol):
    """What the rules of a kind may ask."""

    platform: Platform

    def find(self, plural: str, namespace: str, name: str) -> Object | None:
        """The object, or None."""

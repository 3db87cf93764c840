"""Routes as a server has them, and what of them is their owner's."""

from __future__ import annotations

from typing import Any

from maintenance_ci.plan.page_route import is_passthrough
from maintenance_ci.rehearsal.apiserver import kinds
from maintenance_ci.rehearsal.apiserver.store import Object, Store
from tests.tools.certificates import issued


def store_for(manifest: Object) -> Store:
    """A store that takes the Route: with the Secret that it may name, which the API looks for."""
    store = Store()
    external = (manifest["spec"].get("tls") or {}).get("externalCertificate")
    if external:
        metadata = {"name": external["name"], "namespace": manifest["metadata"]["namespace"]}
        data = {"tls.crt": "", "tls.key": ""}
        store.create("secrets", {"metadata": metadata, "type": "kubernetes.io/tls", "data": data}, manager="test")
    return store


def live(manifest: Object) -> Object:
    """The Route as a server has it, which knows each of its fields."""
    store = store_for(manifest)
    assert kinds.unknown_fields("routes", manifest, store) == []
    return store.create("routes", manifest, manager="test")


def meant(route: Object) -> tuple[Any, Any, Any]:
    """What its owner wants of a Route."""
    metadata = route["metadata"]
    return metadata.get("labels") or {}, metadata.get("annotations") or {}, route["spec"]


def certificate_for(route: Object) -> dict[str, str] | None:
    """What a passthrough Route needs to show the page."""
    return issued(2026) if is_passthrough(route["spec"].get("tls")) else None

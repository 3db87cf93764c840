"""The namespace of the recordings, and objects in it as a client creates them."""

from __future__ import annotations

from typing import Any

from maintenance_ci.rehearsal.apiserver.store import Object, Store

NAMESPACE = "facts"


def create(plural: str, name: str, store: Store | None = None, **content: Any) -> Object:
    obj = {"metadata": {"name": name, "namespace": NAMESPACE}, **content}
    return (store or Store()).create(plural, obj, manager="python-requests")

"""Lists in pages: ``limit`` and ``continue``, as pure functions.

A continue token says after which key, and at which version, a list goes on, in the form of Kubernetes' own
(k8s.io/apiserver, pkg/storage/continue.go). Clients take it for opaque.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.apiserver import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Object = dict[str, Any]

# Stands in a token for whatever version is the newest: what is left of a list whose version is forgotten.
NEWEST = -1


@dataclass(frozen=True)
class Token:
    """Where a list goes on: at the first key that is not before ``start``, as of ``version``."""

    version: int
    start: str

    def encode(self) -> str:
        """Return the token as a client gets it."""
        text = json.dumps({"v": "meta.k8s.io/v1", "rv": self.version, "start": self.start}, separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Token:
        """Read what a client sends back; raises ``ApiError`` 400."""
        try:
            token = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            return cls(int(token["rv"]), str(token["start"]))
        except (ValueError, KeyError, TypeError) as error:
            raise errors.bad_request(f"invalid continue token: continue key is not valid: {error}") from error


@dataclass(frozen=True)
class Page:
    """A part of a list.

    Attributes:
        objects: those that fit, ``limit`` at the most.
        end: the key of the last object that was looked at; empty where there is nothing after it. What comes after it
            may not fit: a page with a selector may lead to an empty one (as etcd's do).
        left: how many objects come after it, whether they fit or not.
    """

    objects: Sequence[Object]
    end: str = ""
    left: int = 0


def key_of(obj: Object) -> str:
    """Return what orders a list: ``NAMESPACE/NAME``, or the name alone of what has no namespace."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace", "")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def take_page(objects: Sequence[Object], fits: Callable[[Object], bool], *, start: str = "", limit: int = 0) -> Page:
    """Return the first ``limit`` objects that fit (0: all), of those whose key is not before ``start``.

    ``objects`` are in the order of their keys.
    """
    taken: list[Object] = []
    for at, obj in enumerate(objects):
        if key_of(obj) < start or not fits(obj):
            continue
        taken.append(obj)
        left = len(objects) - at - 1
        if len(taken) == limit and left:
            return Page(taken, key_of(obj), left)
    return Page(taken)

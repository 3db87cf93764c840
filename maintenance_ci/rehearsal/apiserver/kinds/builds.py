"""BuildConfigs: one build at a time, five finished ones of each sort kept, the number of the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .platform import Cluster

Object = dict[str, Any]


def set_defaults(config: Object) -> None:
    """Builds of one BuildConfig run one after the other."""
    given = config.get("spec") or {}
    # The order in which the real server writes a BuildConfig.
    spec = {"runPolicy": given.get("runPolicy") or "Serial"} | {k: v for k, v in given.items() if k != "runPolicy"}
    for name in ("source", "strategy", "output", "resources", "postCommit"):
        spec[name] = spec.get(name) or {}
    spec.setdefault("nodeSelector", None)
    if not spec.get("triggers"):
        spec.pop("triggers", None)
    config["spec"] = spec


def prepare(config: Object, old: Object | None, _cluster: Cluster) -> None:
    """Keep five builds of each outcome, and the number of the last one."""
    spec = config["spec"]
    spec.setdefault("successfulBuildsHistoryLimit", 5)
    spec.setdefault("failedBuildsHistoryLimit", 5)
    last = ((old or {}).get("status") or {}).get("lastVersion", 0)
    status = config.get("status") or {}
    config["status"] = {**status, "lastVersion": max(last, status.get("lastVersion", 0))}

"""BuildConfigs: one build at a time, five finished ones of each sort kept, the number of the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.apiserver.kinds.platform import Cluster

Object = dict[str, Any]


def set_defaults(config: Object) -> None:
    """Builds of one BuildConfig run one after the other."""
    given = config.get("spec") or {}
    parts = {name: given.get(name) or {} for name in ("source", "strategy", "output", "resources", "postCommit")}
    rest = {name: value for name, value in given.items() if name not in (*parts, "runPolicy", "nodeSelector")}
    if not rest.get("triggers"):
        rest.pop("triggers", None)
    # In the order in which the real server writes a BuildConfig.
    policy = {"runPolicy": given.get("runPolicy") or "Serial"}
    config["spec"] = policy | parts | {"nodeSelector": given.get("nodeSelector")} | rest


def prepare(config: Object, old: Object | None, _cluster: Cluster) -> None:
    """Keep five builds of each outcome, and the number of the last one."""
    spec = config["spec"]
    for name in ("successfulBuildsHistoryLimit", "failedBuildsHistoryLimit"):
        spec[name] = spec.pop(name, 5)
    last = ((old or {}).get("status") or {}).get("lastVersion", 0)
    status = config.get("status") or {}
    config["status"] = {**status, "lastVersion": max(last, status.get("lastVersion", 0))}

"""Deployments, ReplicaSets and Pods: the defaults of a Pod's specification, and a selector that never changes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.apiserver.errors import Cause, invalid_value

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.apiserver.kinds.platform import Cluster

Object = dict[str, Any]


def set_pod_defaults(pod: Object) -> None:
    """The defaults of a Pod."""
    _set_pod_spec_defaults(pod.setdefault("spec", {}))


def set_deployment_defaults(deployment: Object) -> None:
    """One replica, rolled over by a quarter at a time, ten old revisions kept, ten minutes to get on."""
    spec = deployment.setdefault("spec", {})
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    _set_pod_spec_defaults(spec.setdefault("template", {}).setdefault("spec", {}))
    strategy = spec["strategy"] = spec.get("strategy") or {}
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy["rollingUpdate"] = strategy.get("rollingUpdate") or {}
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)


def set_replica_set_defaults(replica_set: Object) -> None:
    """One replica."""
    spec = replica_set.setdefault("spec", {})
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    _set_pod_spec_defaults(spec.setdefault("template", {}).setdefault("spec", {}))


def _set_pod_spec_defaults(spec: Object) -> None:
    for container in spec.get("initContainers", []) + spec.get("containers", []):
        _set_container_defaults(container)
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")


def _set_container_defaults(container: Object) -> None:
    for port in container.get("ports", []):
        port.setdefault("protocol", "TCP")
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    container.setdefault("imagePullPolicy", _pull_policy(container.get("image", "")))
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(name):
            _set_probe_defaults(container[name])


def _pull_policy(image: str) -> str:
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    latest = "@" not in image and tag in ("", "latest")
    return "Always" if latest else "IfNotPresent"


def _set_probe_defaults(probe: Object) -> None:
    if "httpGet" in probe:
        probe["httpGet"].setdefault("path", "/")
        probe["httpGet"].setdefault("scheme", "HTTP")
    for name, value in (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)):
        probe.setdefault(name, value)


def prepare(workload: Object, old: Object | None, _cluster: Cluster) -> None:
    """A new one has a status that says nothing yet."""
    if old is not None:
        return
    if workload["kind"] == "Pod":
        workload["status"] = {"phase": "Pending", "qosClass": _quality_of_service(workload["spec"])}
    else:
        workload["status"] = {"replicas": 0} if workload["kind"] == "ReplicaSet" else {}


def _quality_of_service(spec: Object) -> str:
    """Who goes last when memory is short: who has limits for everything, then who has asked for something."""
    resources = [container["resources"] for container in spec.get("initContainers", []) + spec.get("containers", [])]
    if not any(one.get("requests") or one.get("limits") for one in resources):
        return "BestEffort"
    limited = all({"cpu", "memory"} <= (one.get("limits") or {}).keys() for one in resources)
    asked = all((one.get("requests") or one.get("limits")) == one.get("limits") for one in resources)
    return "Guaranteed" if limited and asked else "Burstable"


def terminating(pod: Object, grace: int | None, now: str) -> Object | None:
    """The Pod as it is while it ends, or None where it goes at once: it never came to a node, and nothing runs.

    ``grace`` is in seconds, the Pod's own unless given. The first call begins the end; later ones may only shorten it.
    """
    metadata = pod["metadata"]
    if not pod["spec"].get("nodeName"):
        return None
    before = metadata.get("deletionGracePeriodSeconds")
    seconds = pod["spec"]["terminationGracePeriodSeconds"] if grace is None else grace
    if before is not None and seconds >= before:
        return pod
    end = (datetime.fromisoformat(now) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    marks = {"deletionTimestamp": end, "deletionGracePeriodSeconds": seconds}
    if before is None:
        marks["generation"] = metadata["generation"] + 1
    return {**pod, "metadata": {**metadata, **marks}}


def validate(deployment: Object, old: Object | None) -> list[Cause]:
    """The selector matches the Pods of the template, and stays as it is."""
    spec = deployment["spec"]
    wanted = (spec.get("selector") or {}).get("matchLabels") or {}
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    causes = []
    if not wanted.items() <= labels.items():
        shown = "{" + ",".join(f'"{key}":"{value}"' for key, value in labels.items()) + "}"
        detail = "`selector` does not match template `labels`"
        causes.append(Cause("FieldValueInvalid", f"Invalid value: {shown}: {detail}", "spec.template.metadata.labels"))
    if old is not None and spec.get("selector") != old["spec"].get("selector"):
        causes.append(invalid_value("spec.selector", str(wanted), "field is immutable"))
    if not (spec["template"]["spec"].get("containers")):
        causes.append(Cause("FieldValueRequired", "Required value", "spec.template.spec.containers"))
    return causes

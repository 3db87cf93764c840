"""EndpointSlices: for every Service with a selector, the addresses and ports of its Pods."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.controllers.level import by_owner, controlled_by, is_ready, keep_level

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.apiserver.store import Object, Store

MANAGER = "kube-controller-manager"
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}


class EndpointSlices:
    """Keeps one slice for each Service, and one more where its Pods resolve a named port to different numbers."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def run(self) -> None:
        """Run until cancelled."""
        await keep_level(self._store, ("services", "pods", "endpointslices"), self.reconcile)

    def reconcile(self) -> None:
        """Look at every Service once, and remove the slices of those that are gone."""
        services = [one for one in self._store.list("services") if one["spec"].get("selector")]
        slices = by_owner(self._store.list("endpointslices"))
        pods = _by_namespace(self._store.list("pods"))
        for service in services:
            metadata = service["metadata"]
            self._reconcile(service, slices.get(metadata["uid"], []), pods.get(metadata["namespace"], []))
        present = {service["metadata"]["uid"] for service in services}
        for one in self._store.list("endpointslices"):
            owners = {owner["uid"] for owner in one["metadata"].get("ownerReferences", [])}
            if MANAGED_BY.items() <= one["metadata"].get("labels", {}).items() and not owners & present:
                self._store.delete("endpointslices", one["metadata"]["namespace"], one["metadata"]["name"])

    def _reconcile(self, service: Object, known: list[Object], pods: list[Object]) -> None:
        namespace = service["metadata"]["namespace"]
        # Who is in a slice keeps its place, who is new comes last (recorded).
        places = [endpoint["targetRef"]["uid"] for one in known for endpoint in one["endpoints"]]
        last = len(places)
        pods = sorted(pods, key=lambda pod: places.index(uid) if (uid := pod["metadata"]["uid"]) in places else last)
        wanted = slices_of(service, pods)
        # A slice keeps its ports where it can, so that a rollout does not turn two slices over.
        for body in wanted:
            one = next((one for one in known if one["ports"] == body["ports"]), known[0] if known else None)
            if one is None:
                self._store.create("endpointslices", body, manager=MANAGER)
                continue
            known.remove(one)
            changed = body | {"metadata": one["metadata"] | {"labels": body["metadata"]["labels"]}}
            if one != {**one, **changed}:
                self._store.update("endpointslices", changed, manager=MANAGER)
        for one in known:
            self._store.delete("endpointslices", namespace, one["metadata"]["name"])


def _by_namespace(objects: list[Object]) -> dict[str, list[Object]]:
    found: dict[str, list[Object]] = {}
    for one in objects:
        found.setdefault(one["metadata"]["namespace"], []).append(one)
    return found


def slices_of(service: Object, pods: list[Object]) -> list[Object]:
    """What the slices of a Service hold, one for each set of ports; one without endpoints where there is no Pod."""
    by_ports: dict[str, list[Object]] = {}
    for pod in pods:
        labels = pod["metadata"].get("labels", {})
        if service["spec"]["selector"].items() <= labels.items() and (pod.get("status") or {}).get("podIP"):
            by_ports.setdefault(json.dumps(_ports(service, pod)), []).append(pod)
    if not by_ports:
        return [_slice(service, _ports(service, {"spec": {"containers": []}}), [])]
    return [_slice(service, json.loads(ports), members) for ports, members in sorted(by_ports.items())]


def _slice(service: Object, ports: list[Object], pods: list[Object]) -> Object:
    metadata = service["metadata"]
    return {
        "metadata": {
            "generateName": f"{metadata['name']}-",
            "namespace": metadata["namespace"],
            "labels": {**metadata.get("labels", {}), **MANAGED_BY, SERVICE_NAME: metadata["name"]},
            "ownerReferences": controlled_by(service),
        },
        "addressType": "IPv4",
        "endpoints": [_endpoint(service, pod) for pod in pods],
        "ports": ports,
    }


def _endpoint(service: Object, pod: Object) -> Object:
    metadata = pod["metadata"]
    terminating = "deletionTimestamp" in metadata
    serving = is_ready(pod)
    ready = bool(service["spec"].get("publishNotReadyAddresses")) or (serving and not terminating)
    reference = {"kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}
    endpoint: Object = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "targetRef": reference,
    }
    if "nodeName" in pod["spec"]:
        endpoint["nodeName"] = pod["spec"]["nodeName"]
    return endpoint


def _ports(service: Object, pod: Object) -> list[Object]:
    """The Service's ports, as numbers of this Pod; a name that no container of it has is left out."""
    ports = []
    for port in service["spec"].get("ports", []):
        number = _number(port["targetPort"], pod)
        if number is not None:
            ports.append({"name": port.get("name", ""), "protocol": port["protocol"], "port": number})
    return ports


def _number(target: int | str, pod: Object) -> int | None:
    if isinstance(target, int) or target.isdigit():
        return int(target)
    named: list[Any] = [port for container in pod["spec"]["containers"] for port in container.get("ports", [])]
    return next((int(port["containerPort"]) for port in named if port.get("name") == target), None)

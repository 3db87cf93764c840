"""Which endpoints serve a Route, and how much each of them gets, as pure functions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Object = dict[str, Any]
SlicesByService = dict[tuple[str, str], list[Object]]

# The biggest weight that HAProxy takes for a server.
MAX_WEIGHT = 256


@dataclass(frozen=True)
class Server:
    """One endpoint of a backend."""

    name: str
    address: str
    port: int
    weight: int = 1


def group_slices(endpoint_slices: Iterable[Object]) -> SlicesByService:
    """Return the EndpointSlices by namespace and Service."""
    found: SlicesByService = defaultdict(list)
    for one in endpoint_slices:
        service = (one["metadata"].get("labels") or {}).get("kubernetes.io/service-name", "")
        found[(one["metadata"]["namespace"], service)].append(one)
    return found


def find_servers(route: Object, slices: SlicesByService) -> list[Server]:
    """Return the ready endpoints of a Route's Services, weighted.

    The weight of a Service is shared out among its endpoints. ``spec.port.targetPort`` selects endpoints by the name or
    the number of their port; without it every port is taken, as OpenShift's router does.
    """
    spec, namespace = route["spec"], route["metadata"]["namespace"]
    wanted = str(spec.get("port", {}).get("targetPort", ""))
    services = {service["name"]: service for service in [spec["to"], *spec.get("alternateBackends", [])]}
    endpoints = [
        (service, list(_endpoints(name, slices.get((namespace, name), ()), wanted)))
        for name, service in services.items()
    ]
    shares = {service["name"]: _weight(service) / len(found) for service, found in endpoints if found}
    top = max(shares.values(), default=0)
    if not top:
        return [Server(*endpoint, weight=0) for _, found in endpoints for endpoint in found]
    if len(shares) == 1:
        return [Server(*endpoint) for _, found in endpoints for endpoint in found]
    return [
        Server(*endpoint, weight=_scale(shares[service["name"]] / top))
        for service, found in endpoints
        for endpoint in found
    ]


def _endpoints(service: str, slices: Iterable[Object], wanted: str) -> Iterable[tuple[str, str, int]]:
    for one in slices:
        ports = [
            port["port"]
            for port in one.get("ports") or []
            if port.get("protocol", "TCP") == "TCP" and wanted in ("", port.get("name"), str(port["port"]))
        ]
        for endpoint in one.get("endpoints") or []:
            if (endpoint.get("conditions") or {}).get("ready", True) is not False:
                pod = (endpoint.get("targetRef") or {}).get("name", "")
                address = endpoint["addresses"][0]
                yield from ((f"pod:{pod}:{service}:{address}:{port}", address, port) for port in ports)


def _weight(service: Object) -> int:
    weight = service.get("weight")
    return 100 if weight is None else int(weight)


def _scale(share: float) -> int:
    """Return HAProxy's weight for a share of the biggest one; only a share of nothing becomes 0."""
    return max(1, round(share * MAX_WEIGHT)) if share else 0

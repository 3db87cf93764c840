"""By what users, and a person, reach an application: the addresses of Routes, the ports of Services. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from maintenance_ci.names import PAGE
from maintenance_ci.plan.page_route import weighted_services
from maintenance_ci.plan.verdicts import admitting_routers, refusals

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

# What is not quoted in a path, besides letters, digits and -._~ (RFC 3986, 3.3): the router compares paths literally.
AS_WRITTEN = "/%!$&'()*+,;=:@"


def public_url(route: Mapping[str, Any], path: str | None = None) -> str:
    """Return where users ask for a Route, or for ``path`` of its host: by https where the Route has TLS.

    The host of a Route that has only ``spec.subdomain`` is the one that its router made up, by the Route's status.
    """
    spec = route["spec"]
    scheme = "https" if spec.get("tls") else "http"
    ingresses = (route.get("status") or {}).get("ingress") or [{}]
    host = spec.get("host") or ingresses[0].get("host") or "(no host)"
    return f"{scheme}://{host}{quote(path or spec.get('path') or '/', safe=AS_WRITTEN)}"


def other_ways(
    originals: Iterable[Mapping[str, Any]], routes: Iterable[Mapping[str, Any]], own_names: Container[str]
) -> list[str]:
    """Return a line for each Service of the originals that users reach by other Routes, too, with their addresses.

    These users do not meet the page. A Route that every router refuses leads nowhere, and is not named; no Route of
    another namespace can lead to these Services.

    Args:
        originals: the Routes whose users are sent to the page.
        routes: of the namespace.
        own_names: of the originals and of their maintenance Routes, which do not count.
    """
    others = sorted(
        (route for route in routes if route["metadata"]["name"] not in own_names and not _is_refused(route)),
        key=lambda route: str(route["metadata"]["name"]),
    )
    lines = []
    services = {service for original in originals for service in _reached(original)}
    for service in sorted(services - {PAGE}):
        ways = [f"Route {one['metadata']['name']} ({public_url(one)})" for one in others if service in _reached(one)]
        if ways:
            lines.append(f"Service {service} is also reached by {', '.join(ways)}")
    return lines


def _is_refused(route: Mapping[str, Any]) -> bool:
    """Tell whether routers have judged a Route, and none serves it."""
    return bool(refusals(route)) and not admitting_routers(route)


def _reached(route: Mapping[str, Any]) -> set[str]:
    return {service for service, weight in weighted_services(route) if weight > 0}


def service_port(
    ports: Sequence[Mapping[str, Any]], target: str | int | None, endpoint_ports: Iterable[Mapping[str, Any]] = ()
) -> int | None:
    """Return the port of a Service that leads to where the router sends a Route's requests; None where it has no port.

    The router compares ``spec.port.targetPort`` of the Route, as text, with the name and the number of each endpoint's
    port (openshift/router, pkg/router/template/template_helper.go, endpointsForAlias), never with the Service's own
    number, and UDP it leaves out. Without a ``targetPort``, or where nothing fits, it is the first port.

    Args:
        ports: the Service's ``spec.ports``.
        target: the Route's ``spec.port.targetPort``; None for any.
        endpoint_ports: of the Service's EndpointSlices; they have the numbers of the ports that the Service itself
            knows by their names in the Pods alone.
    """
    tcp = [port for port in ports if port.get("protocol", "TCP") != "UDP"]
    numbers = {(one.get("name") or "", str(one.get("port"))) for one in endpoint_ports}

    def is_meant(port: Mapping[str, Any]) -> bool:
        name, wanted = port.get("name") or "", str(target)
        return wanted in (name, str(port.get("targetPort") or port["port"])) or (name, wanted) in numbers

    meant = next((port for port in tcp if target not in (None, "") and is_meant(port)), None)
    first = meant or next(iter(tcp), None)
    return int(first["port"]) if first else None


def needs_endpoints(ports: Iterable[Mapping[str, Any]], target: str | int | None) -> bool:
    """Tell whether only endpoints can say which port is meant: the Route has a number, the Service the Pods' names."""
    return str(target).isdigit() and not all(str(port.get("targetPort") or 0).isdigit() for port in ports)

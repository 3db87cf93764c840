"""HAProxy's configuration from Routes and EndpointSlices, as pure functions.

It is arranged as in OpenShift's own router: one backend for each Route, and map files that find it by host and path.
Timeouts, balancing and health checks have that router's defaults.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Object = dict[str, Any]

# The biggest weight that HAProxy takes for a server.
MAX_WEIGHT = 256

# Relative names: HAProxy runs in the directory that holds these files.
CONFIG = "haproxy.cfg"
HTTPS_MAP, HTTP_MAP, REDIRECT_MAP = "https.map", "http.map", "redirect.map"

# Who answered is told to the rehearsal's users by a header, as the application and the maintenance page do.
_ERROR_HEADERS = 'hdr X-Served-By router hdr Cache-Control "private, max-age=0, no-cache, no-store" hdr Pragma no-cache'
_ERRORS = {
    400: "Bad request",
    408: "Request time-out",
    500: "Internal error",
    502: "Bad gateway",
    503: "Application is not available",
    504: "Gateway time-out",
}

_HEAD = """\
global
  nbthread 1
  maxconn 4000
  hard-stop-after 60s
  ssl-default-bind-options ssl-min-ver TLSv1.2

defaults
  mode http
  maxconn 2000
  timeout connect 5s
  timeout client 30s
  timeout client-fin 1s
  timeout server 30s
  timeout server-fin 1s
  timeout http-request 10s
  timeout http-keep-alive 300s
  timeout tunnel 1h
{errors}

frontend public
  bind 127.0.0.1:{http_port}
  http-request del-header Proxy
  http-request set-header Host %[req.hdr(Host),lower]
  acl to_https base,map_reg({redirect_map}) -m found
  http-request redirect code 302 location https://%[req.hdr(Host),field(1,:)]:{https_port}%[pathq] if to_https
  use_backend %[base,map_reg({http_map})]
  default_backend nothing

frontend public_ssl
  bind 127.0.0.1:{https_port} ssl crt "{certificate}" no-alpn
  http-request del-header Proxy
  http-request set-header Host %[req.hdr(Host),lower]
  use_backend %[base,map_reg({https_map})]
  default_backend nothing

backend nothing
"""

_FORWARDED = """\
  option redispatch
  option forwardfor
  timeout check 5s
  http-request add-header X-Forwarded-Host %[req.hdr(Host)]
  http-request add-header X-Forwarded-Port %[dst_port]
  http-request add-header X-Forwarded-Proto http if !{ ssl_fc }
  http-request add-header X-Forwarded-Proto https if { ssl_fc }
  http-request add-header Forwarded for=%[src];host=%[req.hdr(Host)];proto=%[req.hdr(X-Forwarded-Proto)]"""


@dataclass(frozen=True)
class Frontends:
    """Where the router listens on 127.0.0.1, and its own certificate (PEM file: key and chain)."""

    http_port: int
    https_port: int
    certificate: Path


@dataclass(frozen=True)
class Server:
    """One endpoint of a backend."""

    name: str
    address: str
    port: int
    weight: int = 1


def generate(routes: Iterable[Object], endpoint_slices: Iterable[Object], frontends: Frontends) -> dict[str, str]:
    """Return HAProxy's files by name: the configuration and its maps. ``routes`` are the admitted ones."""
    routes = sorted(routes, key=lambda route: (route["metadata"]["namespace"], route["metadata"]["name"]))
    slices = list(endpoint_slices)
    head = _HEAD.format(
        errors="\n".join(
            f'  http-error status {status} content-type text/plain string "{text}\\n" {_ERROR_HEADERS}'
            for status, text in _ERRORS.items()
        ),
        http_port=frontends.http_port,
        https_port=frontends.https_port,
        certificate=frontends.certificate,
        https_map=HTTPS_MAP,
        http_map=HTTP_MAP,
        redirect_map=REDIRECT_MAP,
    )
    return {
        CONFIG: "\n".join([head, *(_backend(route, find_servers(route, slices)) for route in routes)]),
        HTTPS_MAP: _map(route for route in routes if "tls" in route["spec"]),
        HTTP_MAP: _map(route for route in routes if "tls" not in route["spec"] or _insecure_policy(route) == "Allow"),
        REDIRECT_MAP: _map(route for route in routes if _insecure_policy(route) == "Redirect"),
    }


def route_pattern(host: str, path: str, *, wildcard: bool = False) -> str:
    """Return the regular expression for host, optional port and path; the path matches by whole segments.

    It is matched against the lower-cased Host header followed by the path as sent. No space is left in it: that would
    end the key of a map entry.
    """
    name = _escape(host.lower())
    if wildcard and "." in host:
        name = rf"[^.]*{_escape(host.lower()[host.index('.') :])}"
    bare = path.rstrip("/")
    rest = ".*" if bare and path.endswith("/") else "(/.*)?"
    return rf"^{name}\.?(:[0-9]+)?{_escape(path if bare else '')}{rest}$"


def find_servers(route: Object, endpoint_slices: Iterable[Object]) -> list[Server]:
    """Return the ready endpoints of a Route's Services, weighted.

    The weight of a Service is shared out among its endpoints. ``spec.port.targetPort`` selects endpoints by the name or
    the number of their port; without it every port is taken, as OpenShift's router does.
    """
    spec, namespace = route["spec"], route["metadata"]["namespace"]
    wanted = str(spec.get("port", {}).get("targetPort", ""))
    services = {service["name"]: service for service in [spec["to"], *spec.get("alternateBackends", [])]}
    slices = [one for one in endpoint_slices if one["metadata"]["namespace"] == namespace]
    endpoints = [(service, list(_endpoints(service["name"], slices, wanted))) for service in services.values()]
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
        if (one["metadata"].get("labels") or {}).get("kubernetes.io/service-name") != service:
            continue
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


def _insecure_policy(route: Object) -> str:
    return str(route["spec"].get("tls", {}).get("insecureEdgeTerminationPolicy") or "None")


def _backend_name(route: Object) -> str:
    prefix = {"edge": "be_edge_http", "reencrypt": "be_secure"}.get(
        route["spec"].get("tls", {}).get("termination"), "be_http"
    )
    return f"{prefix}:{route['metadata']['namespace']}:{route['metadata']['name']}"


def _map(routes: Iterable[Object]) -> str:
    """Return a map file: the first match counts, so longer paths come first, and wildcards last."""
    entries = []
    for route in routes:
        spec = route["spec"]
        wildcard, path = spec.get("wildcardPolicy") == "Subdomain", spec.get("path", "")
        key = route_pattern(spec["host"], path, wildcard=wildcard)
        entries.append((wildcard, spec["host"], -len(path), f"{key} {_backend_name(route)}\n"))
    return "".join(line for *_, line in sorted(entries))


def _backend(route: Object, servers: list[Server]) -> str:
    spec = route["spec"]
    annotations: Mapping[str, str] = route["metadata"].get("annotations") or {}
    balance = "roundrobin" if spec.get("alternateBackends") else "random"
    chosen = annotations.get("haproxy.router.openshift.io/balance", "")
    if chosen in ("roundrobin", "leastconn", "source", "random"):
        balance = chosen
    lines = [f"backend {_backend_name(route)}", _FORWARDED, f"  balance {balance}"]
    timeout = annotations.get("haproxy.router.openshift.io/timeout", "")
    if re.fullmatch(r"[1-9]\d*(us|ms|s|m|h|d)?", timeout):
        lines.append(f"  timeout server {timeout}")
    # As OpenShift's router: a single endpoint is not checked, there is nowhere else to send a request to.
    check = " check inter 5s" if len(servers) > 1 else ""
    tls = " ssl verify none" if spec.get("tls", {}).get("termination") == "reencrypt" else ""
    lines += [f"  server {one.name} {one.address}:{one.port} weight {one.weight}{tls}{check}" for one in servers]
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return "".join(rf"\x{ord(char):02x}" if char.isspace() else re.escape(char) for char in text)

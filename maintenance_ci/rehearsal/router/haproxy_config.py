"""HAProxy's configuration from Routes and EndpointSlices, as pure functions.

It is arranged as in OpenShift's own router: one backend for each Route, and map files that find it by host and path.
HTTPS connections meet a frontend that reads no more than the name of the server that is asked for (SNI): those of
passthrough Routes go to the Pods as they are, all others to a second frontend, over a Unix socket, which ends TLS.
Timeouts, balancing, health checks and the size of the buffers have that router's defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.router.backends import (
    allowlist_file,
    authority_file,
    backend,
    backend_name,
    destination_ca,
)
from maintenance_ci.rehearsal.router.route_annotations import allowlist, escape_pattern
from maintenance_ci.rehearsal.router.route_fields import (
    domain_of,
    insecure_policy_of,
    is_wildcard,
    key_of,
    path_of,
    termination_of,
    tls_of,
)
from maintenance_ci.rehearsal.router.servers import find_servers, group_slices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

Object = dict[str, Any]

# Relative names: HAProxy runs in the directory that holds these files.
CONFIG = "haproxy.cfg"
HTTPS_MAP, HTTP_MAP, REDIRECT_MAP, PASSTHROUGH_MAP = "https.map", "http.map", "redirect.map", "passthrough.map"
CERTIFICATES = "certificates.list"
TLS_SOCKET = "tls.sock"

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
  tune.bufsize 32768
  tune.maxrewrite 8192
  ssl-default-bind-options ssl-min-ver TLSv1.2

defaults
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
  mode http
  bind 127.0.0.1:{http_port}
{idle_close}  http-request del-header Proxy
  http-request set-header Host %[req.hdr(Host),lower]
  acl to_https base,map_reg_int({redirect_map}) -m bool
  http-request redirect code 302 location https://%[req.hdr(Host),field(1,:)]:{https_port}%[pathq] if to_https
  use_backend %[base,map_reg({http_map})]
  default_backend nothing

frontend public_ssl
  mode tcp
  bind 127.0.0.1:{https_port}
  tcp-request inspect-delay 5s
  tcp-request content accept if {{ req.ssl_hello_type 1 }}
  acl to_pod req.ssl_sni,lower,map_reg({passthrough_map}) -m found
  use_backend %[req.ssl_sni,lower,map_reg({passthrough_map})] if to_pod
  default_backend be_sni

backend be_sni
  mode tcp
  server fe_sni unix@{tls_socket} send-proxy

frontend fe_sni
  mode http
  bind unix@{tls_socket} mode 600 accept-proxy ssl crt "{certificate}" crt-list {certificates} no-alpn
{idle_close}  http-request del-header Proxy
  http-request set-header Host %[req.hdr(Host),lower]
  use_backend %[base,map_reg({https_map})]
  default_backend nothing

backend nothing
  mode http
"""


@dataclass(frozen=True)
class Frontends:
    """What users meet.

    Attributes:
        http_port: on 127.0.0.1.
        https_port: on 127.0.0.1.
        certificate: the router's own, for Routes without one: a PEM file with key and chain.
        idle_close_on_response: at a reload idle connections are kept, and closed with the next answer, which still is
            the old configuration's (``idleConnectionTerminationPolicy: Deferred``); otherwise they are closed at once
            (``Immediate``, OpenShift's default).
    """

    http_port: int
    https_port: int
    certificate: Path
    idle_close_on_response: bool = False


def generate(routes: Iterable[Object], endpoint_slices: Iterable[Object], frontends: Frontends) -> dict[str, str]:
    """Return HAProxy's files by name: configuration, maps, certificates. ``routes`` are the admitted ones."""
    routes = sorted(routes, key=lambda route: (route["metadata"]["namespace"], route["metadata"]["name"]))
    slices = group_slices(endpoint_slices)
    ended_here = [route for route in routes if termination_of(route) in ("edge", "reencrypt")]
    plain = [route for route in routes if not termination_of(route)]
    passed_through = [route for route in routes if termination_of(route) == "passthrough"]
    unencrypted = plain + [route for route in ended_here if insecure_policy_of(route) == "Allow"]
    return {
        CONFIG: "\n".join([_head(frontends), *(backend(route, find_servers(route, slices)) for route in routes)]),
        HTTPS_MAP: _map(ended_here, _route_key, backend_name),
        HTTP_MAP: _map(unencrypted, _route_key, backend_name),
        REDIRECT_MAP: _map(routes, _route_key, lambda route: str(int(insecure_policy_of(route) == "Redirect"))),
        PASSTHROUGH_MAP: _map(passed_through, _sni_key, backend_name),
        CERTIFICATES: "".join(sorted(map(_certificate_line, filter(_certificate, ended_here)), reverse=True)),
        **{_certificate_file(route): _certificate(route) for route in ended_here if _certificate(route)},
        **{authority_file(route): text for route in ended_here if (text := destination_ca(route))},
        **{allowlist_file(route): "\n".join(listed) + "\n" for route in routes if (listed := allowlist(route))},
    }


def route_pattern(host: str, path: str, *, wildcard: bool = False) -> str:
    """Return the regular expression for host, optional port and path; the path matches by whole segments.

    It is matched against the lower-cased Host header followed by the path as sent. No space is left in it: that would
    end the key of a map entry.
    """
    bare = path.rstrip("/")
    rest = ".*" if bare and path.endswith("/") else "(/.*)?"
    name = _host_pattern(host, wildcard=wildcard)
    return rf"^{name}\.?(:[0-9]+)?{escape_pattern(path if bare else '')}{rest}$"


def _host_pattern(host: str, *, wildcard: bool) -> str:
    host = host.lower()
    if wildcard and "." in host:
        return rf"[^.]*{escape_pattern(host[host.index('.') :])}"
    return escape_pattern(host)


def _head(frontends: Frontends) -> str:
    return _HEAD.format(
        errors="\n".join(
            f'  http-error status {status} content-type text/plain string "{text}\\n" {_ERROR_HEADERS}'
            for status, text in _ERRORS.items()
        ),
        http_port=frontends.http_port,
        https_port=frontends.https_port,
        certificate=frontends.certificate,
        idle_close="  option idle-close-on-response\n" if frontends.idle_close_on_response else "",
        https_map=HTTPS_MAP,
        http_map=HTTP_MAP,
        redirect_map=REDIRECT_MAP,
        passthrough_map=PASSTHROUGH_MAP,
        certificates=CERTIFICATES,
        tls_socket=TLS_SOCKET,
    )


def _map(routes: Iterable[Object], key: Callable[[Object], str], value: Callable[[Object], str]) -> str:
    """Return a map file: the first match counts, so longer paths come first, and wildcards last."""
    entries = []
    for route in routes:
        order = is_wildcard(route), route["spec"]["host"], -len(path_of(route))
        entries.append((*order, f"{key(route)} {value(route)}\n"))
    return "".join(line for *_, line in sorted(entries))


def _route_key(route: Object) -> str:
    return route_pattern(route["spec"]["host"], path_of(route), wildcard=is_wildcard(route))


def _sni_key(route: Object) -> str:
    return f"^{_host_pattern(route['spec']['host'], wildcard=is_wildcard(route))}$"


def _certificate_line(route: Object) -> str:
    host = route["spec"]["host"].lower()
    name = f"*.{domain_of(host)}" if is_wildcard(route) else host
    return f"{_certificate_file(route)} {name}\n"


def _certificate(route: Object) -> str:
    """Return certificate, key and chain, or nothing where the Route has none of its own."""
    tls = tls_of(route)
    if not tls.get("certificate"):
        return ""
    return "".join(f"{tls[field].strip()}\n" for field in ("certificate", "key", "caCertificate") if tls.get(field))


def _certificate_file(route: Object) -> str:
    return f"certificates/{key_of(route)}.pem"

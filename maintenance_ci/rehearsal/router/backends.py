"""One Route's part of HAProxy's configuration, as pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.router import route_annotations
from maintenance_ci.rehearsal.router.route_fields import key_of, termination_of, tls_of

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.router.servers import Server

Object = dict[str, Any]

_FORWARDED = """\
  option redispatch
  option forwardfor
  timeout check 5s
  http-request add-header X-Forwarded-Host %[req.hdr(Host)]
  http-request add-header X-Forwarded-Port %[dst_port]
  http-request add-header X-Forwarded-Proto http if !{ ssl_fc }
  http-request add-header X-Forwarded-Proto https if { ssl_fc }
  http-request add-header Forwarded for=%[src];host=%[req.hdr(Host)];proto=%[req.hdr(X-Forwarded-Proto)]"""


def destination_ca(route: Object) -> str:
    """Return the certificates that vouch for the Pods of a reencrypt Route, or nothing."""
    return str(tls_of(route).get("destinationCACertificate") or "")


def authority_file(route: Object) -> str:
    """Return the name of the file that holds them."""
    return f"authorities/{key_of(route)}.pem"


def allowlist_file(route: Object) -> str:
    """Return the name of the file that holds the addresses that may come in."""
    return f"allowlists/{key_of(route)}.txt"


def backend_name(route: Object) -> str:
    """Return the backend's name, as OpenShift's router gives it."""
    prefix = {"edge": "be_edge_http", "reencrypt": "be_secure", "passthrough": "be_tcp"}
    return f"{prefix.get(termination_of(route), 'be_http')}:{key_of(route)}"


def backend(route: Object, servers: list[Server]) -> str:
    """Return the section of the configuration that serves one Route."""
    lines = [f"backend {backend_name(route)}"]
    if route_annotations.allowlist(route):
        lines += [f"  acl allowlist src -f {allowlist_file(route)}", "  tcp-request content reject if !allowlist"]
    if termination_of(route) == "passthrough":
        lines += _tcp_lines(route)
        # There is no cookie by which anybody could be meant to stay with a server of weight 0.
        servers = [one for one in servers if one.weight]
    else:
        lines += _http_lines(route)
    # As OpenShift's router: a single endpoint is not checked, there is nowhere else to send a request to.
    check = " check inter 5s" if len(servers) > 1 else ""
    options = f"{_server_tls(route)}{check}"
    lines += [f"  server {one.name} {one.address}:{one.port} weight {one.weight}{options}" for one in servers]
    return "\n".join(lines) + "\n"


def _tcp_lines(route: Object) -> list[str]:
    lines = [
        "  mode tcp",
        f"  balance {route_annotations.balance(route, 'source')}",
        "  hash-type consistent",
        "  timeout check 5s",
    ]
    if tunnel := route_annotations.timeout(route, "timeout-tunnel", "timeout"):
        lines.append(f"  timeout tunnel {tunnel}")
    return lines


def _http_lines(route: Object) -> list[str]:
    lines = ["  mode http", _FORWARDED, f"  balance {route_annotations.balance(route, 'random')}"]
    if server := route_annotations.timeout(route, "timeout"):
        lines.append(f"  timeout server {server}")
    if tunnel := route_annotations.timeout(route, "timeout-tunnel"):
        lines.append(f"  timeout tunnel {tunnel}")
    if rewritten := route_annotations.rewrite(route):
        lines.append("  http-request replace-path '{}' '{}'".format(*rewritten))
    lines += _header_lines(route)
    if hsts := route_annotations.hsts_header(route):
        lines.append(f"  http-response set-header Strict-Transport-Security '{hsts}'")
    return lines


def _header_lines(route: Object) -> list[str]:
    """Return what the Route itself does to headers; a value is a format of HAProxy's, within a word in quotes."""
    lists = (route["spec"].get("httpHeaders") or {}).get("actions") or {}
    lines = []
    for direction in ("request", "response"):
        for one in lists.get(direction) or []:
            action, name = one["action"], one["name"].replace("'", r"'\''")
            if action["type"] == "Delete":
                lines.append(f"  http-{direction} del-header '{name}'")
            else:
                value = action["set"]["value"].replace("'", r"'\''")
                lines.append(f"  http-{direction} set-header '{name}' '{value}'")
    return lines


def _server_tls(route: Object) -> str:
    if termination_of(route) != "reencrypt":
        return ""
    return f" ssl verify required ca-file {authority_file(route)}" if destination_ca(route) else " ssl verify none"

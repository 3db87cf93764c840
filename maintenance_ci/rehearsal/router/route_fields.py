"""What stands in a Route, with the defaults filled in."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def tls_of(route: Object) -> Object:
    """Return ``spec.tls``; plain HTTP: empty."""
    return route["spec"].get("tls") or {}


def termination_of(route: Object) -> str:
    """Return ``edge``, ``reencrypt``, ``passthrough``, or nothing for plain HTTP."""
    return str(tls_of(route).get("termination") or "")


def insecure_policy_of(route: Object) -> str:
    """Return what becomes of plain HTTP on a Route with TLS: ``None``, ``Allow`` or ``Redirect``."""
    return str(tls_of(route).get("insecureEdgeTerminationPolicy") or "None")


def is_wildcard(route: Object) -> bool:
    """Say whether the Route claims all hosts of its host's domain."""
    return bool(route["spec"].get("wildcardPolicy") == "Subdomain")


def path_of(route: Object) -> str:
    """Return the path, or nothing for all paths."""
    return str(route["spec"].get("path") or "")


def domain_of(host: str) -> str:
    """Return what comes after the host's first label, in lower case."""
    return host.lower().partition(".")[2]


def key_of(route: Object) -> str:
    """Return ``NAMESPACE:NAME``, as OpenShift's router has it in the names of backends and files."""
    return f"{route['metadata']['namespace']}:{route['metadata']['name']}"

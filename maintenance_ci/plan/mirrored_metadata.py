"""Which annotations and labels of a Route its maintenance Route takes over: pure.

The rule: what says how users meet the host is kept, what says how the router treats the application is not, and neither
is what others know their objects by. An annotation that is not named here is not kept.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from maintenance_ci.names import MANAGED_BY_LABEL, NOTES
from maintenance_ci.settings.addresses import read_network

if TYPE_CHECKING:
    from collections.abc import Mapping

# Without it the router sets a cookie that keeps users with one Pod. The page has no sessions, and the site might not
# want its visitors to have a cookie: a maintenance Route always switches it off.
DISABLE_COOKIES = "haproxy.router.openshift.io/disable_cookies"

_ROUTER = "haproxy.router.openshift.io/"
# All annotations that openshift/router reads (images/router/haproxy/conf/haproxy-config.template, August 2026).
ROUTER_ANNOTATIONS: Mapping[str, tuple[bool, str]] = {
    f"{_ROUTER}hsts_header": (True, "browsers hold the host to it"),
    f"{_ROUTER}ip_allowlist": (True, "who must not see the application must not see its host"),
    f"{_ROUTER}ip_whitelist": (True, "as ip_allowlist, by its old name"),
    f"{_ROUTER}rate-limit-connections": (True, "it limits clients, whatever answers them"),
    f"{_ROUTER}rate-limit-connections.concurrent-tcp": (True, "as above"),
    f"{_ROUTER}rate-limit-connections.rate-http": (True, "as above"),
    f"{_ROUTER}rate-limit-connections.rate-tcp": (True, "as above"),
    f"{_ROUTER}balance": (False, "how requests are spread over the application's Pods"),
    f"{_ROUTER}pod-concurrent-connections": (False, "what one Pod of the application can bear"),
    f"{_ROUTER}timeout": (False, "how long the application may think"),
    f"{_ROUTER}timeout-tunnel": (False, "how long its WebSockets may be silent"),
    f"{_ROUTER}rewrite-target": (False, "a path that the application knows; the page answers on every path"),
    f"{_ROUTER}set-forwarded-headers": (False, "what the application is told of its client; the page does not ask"),
    f"{_ROUTER}h1-adjust-case": (False, "for an application that minds the case of header names"),
    DISABLE_COOKIES: (False, "always set, whatever the original says"),
    "router.openshift.io/cookie_name": (False, "of the cookie that is switched off"),
    "router.openshift.io/cookie-same-site": (False, "of the same cookie"),
    "router.openshift.io/haproxy.health.check.interval": (False, "how often the application's Pods are looked at"),
    "router.openshift.io/pool-size": (False, "how many spare servers the router keeps for the application"),
}
# Annotations of others, who act upon a Route's host, by their names or by what their names begin with.
CERTIFICATE_ANNOTATIONS: Mapping[str, str] = {
    "kubernetes.io/tls-acme": "an ACME controller renews the host's certificate",
    "cert-manager.io/": "cert-manager does",
    "cert-utils-operator.redhat-cop.io/certs-from-secret": "cert-utils copies it from a Secret",
}
HOST_ANNOTATIONS: Mapping[str, str] = {
    **CERTIFICATE_ANNOTATIONS,
    "external-dns.alpha.kubernetes.io/": "external-dns would take the host out of the DNS with the original",
    "route.openshift.io/allow-non-dns-compliant-host": "without it the API refuses a host with a long label",
}
# Annotations in which tools keep what is about one object alone, besides those by whose names they label. Of
# cert-manager's the second was once even a private key.
TOOL_ANNOTATIONS = (
    "acme.openshift.io/",
    "kubectl.kubernetes.io/",
    "meta.helm.sh/",
    "openshift.io/host.generated",
    "cert-manager.io/certificate-revision",
    "cert-manager.io/next-private-key",
)
ALLOW_LISTS = (f"{_ROUTER}ip_allowlist", f"{_ROUTER}ip_whitelist")

# By these labels deployment tools know their objects; on ours they would be a lie, and get it pruned.
TRACKING_LABELS = (
    "app.kubernetes.io/instance",
    MANAGED_BY_LABEL,
    "applyset.kubernetes.io/part-of",
    "argocd.argoproj.io/",
    "helm.sh/",
    "helm.toolkit.fluxcd.io/",
    "kustomize.toolkit.fluxcd.io/",
    "objectset.rio.cattle.io/",
    "olm.",
    "template.openshift.io/",
)

MAX_LABEL_VALUE = 63  # Kubernetes' limit
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


def mirrored_annotations(annotations: Mapping[str, str] | None) -> dict[str, str]:
    """Return those annotations of the original that belong to its host, and the one that forbids cookies."""
    mirrored = {name: value for name, value in (annotations or {}).items() if _is_mirrored(name)}
    return mirrored | {DISABLE_COOKIES: "true"}


def _is_mirrored(name: str) -> bool:
    known, _ = ROUTER_ANNOTATIONS.get(name, (False, ""))
    return known or (_named_by(name, HOST_ANNOTATIONS) and not is_bookkeeping(name))


def is_bookkeeping(annotation: str) -> bool:
    """Tell whether an annotation is a tool's own note on one object, or ours."""
    tracked = is_tracking_label(annotation) or annotation.startswith(NOTES)
    return tracked or _named_by(annotation, TOOL_ANNOTATIONS)


def left_out_annotations(annotations: Mapping[str, str] | None) -> dict[str, str]:
    """Return the annotations of the original that `mirrored_annotations` leaves out, without tools' bookkeeping."""
    left = {name: value for name, value in (annotations or {}).items() if not _is_mirrored(name)}
    return {name: value for name, value in left.items() if name != DISABLE_COOKIES and not is_bookkeeping(name)}


def unreadable_allow_lists(annotations: Mapping[str, str] | None) -> list[str]:
    """Return the names of the allow-lists that hold what is no IP address or network.

    The router drops such a list as a whole, so that it lets everybody in (recorded on OpenShift 4.21: a comma, a name,
    300.1.1.1, a network of /33). Addresses are separated by white space.
    """
    listed = {name: (annotations or {}).get(name, "") for name in ALLOW_LISTS}
    return [name for name, value in listed.items() if not all(_is_address(part) for part in value.split())]


def _is_address(text: str) -> bool:
    """Tell whether the router takes a text for an IP address or a network."""
    try:
        read_network(text)
    except ValueError:
        return False
    return True


def is_certificate_annotation(name: str) -> bool:
    """Tell whether a controller writes certificates into a Route with this annotation."""
    return _named_by(name, CERTIFICATE_ANNOTATIONS)


def mirrored_labels(labels: Mapping[str, str] | None) -> dict[str, str]:
    """Return the labels of the original, which router shards may select on, without those of tools and of ours."""
    return {
        name: value
        for name, value in (labels or {}).items()
        if not is_tracking_label(name) and not name.startswith(NOTES)
    }


def is_tracking_label(name: str) -> bool:
    """Tell whether a deployment tool knows its objects by this label."""
    return _named_by(name, TRACKING_LABELS)


def _named_by(name: str, table: Mapping[str, str] | tuple[str, ...]) -> bool:
    return any(name == entry or (entry.endswith(("/", ".")) and name.startswith(entry)) for entry in table)


def label_value(text: str) -> str:
    """Return ``text`` as a label's value: itself where it can be one, or its beginning and 8 digits of its SHA-256."""
    if _LABEL_VALUE.fullmatch(text):
        return text
    digits = hashlib.sha256(text.encode()).hexdigest()[:8]
    plain = re.sub(r"[^-A-Za-z0-9_.]", "-", text[: MAX_LABEL_VALUE - 1 - len(digits)]).strip("-_.")
    return f"{plain}-{digits}" if plain else digits

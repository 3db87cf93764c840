"""Routes: defaults, the generated host, the rules, and the right to a host of one's own choice.

Defaults and messages were recorded on a real OpenShift 4.21.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.apiserver.errors import (
    Cause,
    forbidden_value,
    invalid_number,
    invalid_value,
    required_value,
    unsupported_value,
)
from maintenance_ci.rehearsal.apiserver.kinds import fields, http_headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from maintenance_ci.rehearsal.apiserver.kinds.platform import Cluster

Object = dict[str, Any]

HOST_GENERATED = "openshift.io/host.generated"
TERMINATIONS = ("edge", "passthrough", "reencrypt")
MAX_OTHER_BACKENDS = 3
INSECURE_POLICIES = ("None", "Allow", "Redirect")
CERTIFICATE_FIELDS = ("caCertificate", "certificate", "destinationCACertificate", "key")
TLS_SECRET = "kubernetes.io/tls"  # noqa: S105 - a type
# Lets a host have a label of more than 63 characters.
LONG_LABELS = "route.openshift.io/allow-non-dns-compliant-host"
# In the order of the real server's answers.
TLS_FIELDS = (
    "termination",
    "certificate",
    "key",
    "caCertificate",
    "destinationCACertificate",
    "insecureEdgeTerminationPolicy",
    "externalCertificate",
)
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
NO_HOST_RIGHT = "you do not have permission to set the host field of the route"
NO_CERTIFICATE_RIGHT = "you do not have permission to set certificate fields on the route"

_TARGET = {"kind": None, "name": None, "weight": None}
_FIELDS: dict[str, Any] = {
    "apiVersion": None,
    "kind": None,
    "metadata": None,
    "status": None,
    "spec": {
        "host": None,
        "subdomain": None,
        "path": None,
        "to": _TARGET,
        "alternateBackends": [_TARGET],
        "port": {"targetPort": None},
        "tls": dict.fromkeys(TLS_FIELDS),
        "wildcardPolicy": None,
        "httpHeaders": http_headers.FIELDS,
    },
}


def set_defaults(route: Object) -> None:
    """Targets are Services of weight 100; the termination is edge, and may begin with a capital; no wildcard."""
    for name in route.keys() - _FIELDS.keys():
        del route[name]
    spec = route.setdefault("spec", {}) or {}
    spec = {key: spec[key] for key in _FIELDS["spec"] if spec.get(key) not in (None, "")}
    spec["to"] = _target_with_defaults(spec.get("to") or {})
    if "alternateBackends" in spec:
        spec["alternateBackends"] = [_target_with_defaults(target) for target in spec["alternateBackends"]]
    tls = spec.get("tls")
    if tls is not None:
        spec["tls"] = tls = {key: tls[key] for key in _FIELDS["spec"]["tls"] if tls.get(key) not in (None, "")}
        # openshift/library-go, pkg/route/defaulting: these spellings, and no other.
        if "termination" not in tls and "destinationCACertificate" not in tls:
            spec["tls"] = tls = {"termination": "edge", **tls}
        if tls.get("termination") in ("Edge", "Passthrough", "Reencrypt"):
            tls["termination"] = tls["termination"].lower()
    spec.setdefault("wildcardPolicy", "None")
    route["spec"] = {key: spec[key] for key in _FIELDS["spec"] if key in spec}
    route.setdefault("status", {})


def _target_with_defaults(target: Object) -> Object:
    weight = 100 if target.get("weight") is None else target["weight"]
    return {"kind": target.get("kind") or "Service", "name": target.get("name", ""), "weight": weight}


def prepare(route: Object, old: Object | None, cluster: Cluster) -> None:
    """Give a new Route without host a generated one; an update that leaves the host out keeps it.

    What the server's version does not know is dropped.
    """
    spec, metadata = route["spec"], route["metadata"]
    if not cluster.platform.knows_http_headers:
        spec.pop("httpHeaders", None)
    if spec.get("host") or spec.get("subdomain") or spec["wildcardPolicy"] == "Subdomain":
        return
    if old is not None and old["spec"].get("host"):
        route["spec"] = {"host": old["spec"]["host"], **spec}
    else:
        host = f"{metadata['name']}-{metadata['namespace']}.{cluster.platform.subdomain}"
        route["spec"] = {"host": host, **spec}
        metadata["annotations"] = {**metadata.get("annotations", {}), HOST_GENERATED: "true"}


def validate(route: Object, _old: Object | None) -> list[Cause]:
    """What is wrong with a Route."""
    spec = route["spec"]
    annotations = route["metadata"].get("annotations") or {}
    causes = _validate_host(spec.get("host", ""), long_labels=annotations.get(LONG_LABELS) == "true")
    causes += _validate_path(spec)
    if not spec["to"]["name"]:
        causes.append(required_value("spec.to.name"))
    others = spec.get("alternateBackends", [])
    # Not recorded, nor is that of the port: as openshift/library-go has it.
    if len(others) > MAX_OTHER_BACKENDS:
        causes.append(required_value("spec.alternateBackends", "cannot specify more than 3 alternate backends"))
    for field, target in [("spec.to", spec["to"])] + [
        (f"spec.alternateBackends[{index}]", target) for index, target in enumerate(others)
    ]:
        if not 0 <= target["weight"] <= 256:  # the limits of HAProxy's server weights
            detail = "weight must be an integer between 0 and 256"
            causes.append(invalid_number(f"{field}.weight", target["weight"], detail))
        if target["kind"] != "Service":
            causes.append(unsupported_value(f"{field}.kind", target["kind"], ["Service"]))
    if spec["wildcardPolicy"] not in ("None", "Subdomain"):
        causes.append(unsupported_value("spec.wildcardPolicy", spec["wildcardPolicy"], ["None", "Subdomain"]))
    if "port" in spec and spec["port"].get("targetPort") in (None, "", 0):
        causes.append(required_value("spec.port.targetPort"))
    causes += http_headers.validate(spec)
    return causes + (_validate_tls(spec["tls"]) if spec.get("tls") is not None else [])


def validate_references(route: Object, cluster: Cluster) -> list[Cause]:
    """What is wrong with the Secret that a Route names. Not recorded: as openshift/library-go has it.

    The real server also asks whether the router may read the Secret; here it may.
    """
    name = secret_name(route)
    if not name:
        return []
    secret = cluster.find("secrets", route["metadata"]["namespace"], name)
    return external_certificate_faults(name, secret)


def external_certificate_faults(name: str, secret: Object | None) -> list[Cause]:
    """What is wrong with the Secret of that name, as both API server and router word it."""
    field = "spec.tls.externalCertificate"
    if secret is None:
        return [Cause("FieldValueNotFound", f'Not found: "secrets \\"{name}\\" not found"', field)]
    if secret.get("type") != TLS_SECRET:
        return [invalid_value(field, name, f'secret of type "{TLS_SECRET}" required')]
    return []


def secret_name(route: Object) -> str:
    """The name of the Secret that holds the Route's certificate, or nothing."""
    external = (route["spec"].get("tls") or {}).get("externalCertificate") or {}
    return str(external.get("name") or "")


def _validate_host(host: str, *, long_labels: bool) -> list[Cause]:
    if not host:
        return []
    causes = []
    labels = host.split(".")
    if len(host) > 253 or not all(LABEL.fullmatch(label) for label in labels):
        causes.append(invalid_value("spec.host", host, "host must conform to DNS 952 subdomain conventions"))
    for label in labels:
        if not LABEL.fullmatch(label):
            causes.append(invalid_value("spec.host", label, LABEL_RULE))
        if len(label) > 63 and not long_labels:
            causes.append(invalid_value("spec.host", label, "must be no more than 63 characters"))
    return causes


def _validate_path(spec: Object) -> list[Cause]:
    path = spec.get("path", "")
    if path and not path.startswith("/"):
        return [invalid_value("spec.path", path, "path must begin with /")]
    if path and (spec.get("tls") or {}).get("termination") == "passthrough":
        return [invalid_value("spec.path", path, "passthrough termination does not support paths")]
    return []


def _validate_tls(tls: Object) -> list[Cause]:
    termination = tls.get("termination", "")
    causes = []
    if termination not in TERMINATIONS:
        return [unsupported_value("spec.tls.termination", termination, TERMINATIONS)]
    if termination == "edge" and tls.get("destinationCACertificate"):
        detail = "edge termination does not support destination certificates"
        redacted = "redacted destination ca certificate data"
        causes.append(invalid_value("spec.tls.destinationCACertificate", redacted, detail))
    external = (tls.get("externalCertificate") or {}).get("name")
    if external and termination == "passthrough":
        detail = "passthrough termination does not support certificates"
        causes.append(invalid_value("spec.tls.externalCertificate", external, detail))
    elif external and tls.get("certificate"):
        detail = "cannot specify both tls.certificate and tls.externalCertificate"
        causes.append(invalid_value("spec.tls.externalCertificate", external, detail))
    if termination == "passthrough":
        for field, name in (
            ("certificate", "certificate"),
            ("key", "key"),
            ("caCertificate", "ca certificate"),
            ("destinationCACertificate", "destination ca certificate"),
        ):
            if tls.get(field):
                detail = "passthrough termination does not support certificates"
                causes.append(invalid_value(f"spec.tls.{field}", f"redacted {name} data", detail))
    policy = tls.get("insecureEdgeTerminationPolicy", "None")
    allowed = ("None", "Redirect") if termination == "passthrough" else INSECURE_POLICIES
    if policy not in allowed:
        listed = ", ".join(allowed)
        detail = f"invalid value for InsecureEdgeTerminationPolicy option, acceptable values are {listed}, or empty"
        causes.append(invalid_value("spec.tls.insecureEdgeTerminationPolicy", policy, detail))
    return causes


def check_rights(new: Object, old: Object | None, allowed: Callable[[str, str], bool]) -> list[Cause]:
    """What needs the right to ``routes/custom-host``: a host or a certificate of one's own, on create and on change.

    On create it is the verb ``create``. On update a host needs ``update``, a certificate either of the two, and taking
    all certificates away needs neither.
    """
    if old is None:
        return _check_new(new["spec"], allowed)
    before, after = old["spec"], new["spec"]
    host = after.get("host") or before.get("host")
    host_changed = host != before.get("host")
    certificates = _certificates(after)
    # Nobody knows whether what stands in a Secret is still the same.
    certificates_changed = any(certificates.values()) and (
        certificates != _certificates(before) or bool(certificates["externalCertificate"])
    )
    if not (host_changed or certificates_changed) or allowed("update", "routes/custom-host"):
        return []
    if host_changed:
        return [invalid_value("spec.host", str(host), NO_HOST_RIGHT)]
    if allowed("create", "routes/custom-host"):
        return []
    changed = [
        field
        for field, value in certificates.items()
        if value != _certificates(before)[field] or (value and field == "externalCertificate")
    ]
    return [invalid_value(f"spec.tls.{field}", certificates[field], NO_CERTIFICATE_RIGHT) for field in changed]


def _check_new(spec: Object, allowed: Callable[[str, str], bool]) -> list[Cause]:
    host, certificates = spec.get("host"), any(_certificates(spec).values())
    if not (host or certificates) or allowed("create", "routes/custom-host"):
        return []
    if host:
        return [forbidden_value("spec.host", NO_HOST_RIGHT)]
    return [forbidden_value("spec.tls", NO_CERTIFICATE_RIGHT)]


def _certificates(spec: Object) -> dict[str, str]:
    tls = spec.get("tls") or {}
    given = {field: tls.get(field) or "" for field in CERTIFICATE_FIELDS}
    return given | {"externalCertificate": secret_name({"spec": spec})}


def unknown_fields(route: Object, cluster: Cluster) -> list[str]:
    """The fields, as paths, that a Route does not have."""
    known = _FIELDS
    if not cluster.platform.knows_http_headers:
        known = {**_FIELDS, "spec": {name: one for name, one in _FIELDS["spec"].items() if name != "httpHeaders"}}
    return sorted(fields.unknown(route, known))

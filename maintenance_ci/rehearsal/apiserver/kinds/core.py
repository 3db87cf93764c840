"""The small kinds of Kubernetes itself: Services, Secrets, Namespaces, NetworkPolicies, Leases."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.apiserver.errors import (
    Cause,
    invalid_number,
    invalid_value,
    required_value,
    unsupported_value,
)

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.apiserver.kinds.platform import Cluster

Object = dict[str, Any]

SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
IP_FAMILY_POLICIES = ("SingleStack", "PreferDualStack", "RequireDualStack")
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
LABEL_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


def validate_metadata(obj: Object) -> list[Cause]:
    """Names are DNS subdomains of at most 253 characters, label values at most 63."""
    metadata = obj["metadata"]
    name, causes = metadata["name"], []
    # Names that another name is built into (NAME:TAG, sha256:…) have a colon.
    if not SUBDOMAIN.fullmatch(name) and ":" not in name:
        causes.append(invalid_value("metadata.name", name, SUBDOMAIN_RULE))
    if len(name) > 253:
        causes.append(invalid_value("metadata.name", name, "must be no more than 253 bytes"))
    for value in metadata.get("labels", {}).values():
        if len(value) > 63:
            causes.append(invalid_value("metadata.labels", value, "must be no more than 63 bytes"))
        if not LABEL_VALUE.fullmatch(value):
            causes.append(invalid_value("metadata.labels", value, LABEL_VALUE_RULE))
    return causes


def set_secret_defaults(secret: Object) -> None:
    """``stringData`` is written into ``data``; the type is Opaque unless given."""
    data = secret.get("data") or {}
    for key, text in (secret.pop("stringData", None) or {}).items():
        data[key] = base64.b64encode(text.encode()).decode()
    if data:
        secret["data"] = data
    secret["type"] = secret.get("type") or "Opaque"


def validate_secret(secret: Object, old: Object | None) -> list[Cause]:
    """The data is base64; the type never changes."""
    causes = []
    for key, value in secret.get("data", {}).items():
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, TypeError):
            causes.append(invalid_value(f"data[{key}]", "redacted", "illegal base64 data"))
    if old is not None and secret["type"] != old["type"]:
        causes.append(invalid_value("type", secret["type"], "field is immutable"))
    return causes


def set_service_defaults(service: Object) -> None:
    """A ClusterIP Service whose ports are TCP and lead to the same number."""
    spec = service.setdefault("spec", {})
    for port in spec.get("ports", []):
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    spec.setdefault("sessionAffinity", "None")
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("internalTrafficPolicy", "Cluster")


def prepare_service(service: Object, old: Object | None, _cluster: Cluster) -> None:
    """Give a Service its address, for good."""
    spec = service["spec"]
    if old is not None and "clusterIP" in old["spec"]:
        kept = ("clusterIP", "clusterIPs", "ipFamilies")
        spec |= {key: old["spec"][key] for key in kept if key in old["spec"]}
        spec.setdefault("ipFamilyPolicy", old["spec"]["ipFamilyPolicy"])
    elif spec.get("clusterIP") == "None":
        spec["clusterIPs"] = ["None"]
    else:
        # 172.30.0.0/16 is what OpenShift installs with; nothing listens there: the router goes to the Pods.
        low = uuid.UUID(service["metadata"]["uid"]).int & 0xFFFF
        spec["clusterIP"] = spec.get("clusterIP") or f"172.30.{low >> 8}.{low & 0xFF}"
        spec["clusterIPs"] = [spec["clusterIP"]]
    # This cluster has IPv4 alone: who prefers both families gets the one, and keeps the wish.
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    service.setdefault("status", {"loadBalancer": {}})


def validate_service(service: Object, _old: Object | None) -> list[Cause]:
    """Who requires both IP families is refused by a cluster that has one (Kubernetes, registry/core/service)."""
    policy = service["spec"]["ipFamilyPolicy"]
    if policy not in IP_FAMILY_POLICIES:
        return [unsupported_value("spec.ipFamilyPolicy", policy, IP_FAMILY_POLICIES)]
    if policy == "RequireDualStack":
        detail = "this cluster is not configured for dual-stack services"
        return [invalid_value("spec.ipFamilyPolicy", policy, detail)]
    return []


def set_namespace_defaults(namespace: Object) -> None:
    """Every namespace carries its name as a label."""
    metadata = namespace["metadata"]
    metadata["labels"] = {**metadata.get("labels", {}), "kubernetes.io/metadata.name": metadata["name"]}
    namespace.setdefault("spec", {"finalizers": ["kubernetes"]})


def prepare_namespace(namespace: Object, _old: Object | None, _cluster: Cluster) -> None:
    """A namespace is active from its first moment on."""
    namespace.setdefault("status", {"phase": "Active"})


def set_network_policy_defaults(policy: Object) -> None:
    """A policy is about incoming traffic unless it says more."""
    spec = policy.setdefault("spec", {})
    spec.setdefault("podSelector", {})
    spec.setdefault("policyTypes", ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    for rule in spec.get("ingress", []) + spec.get("egress", []):
        for port in rule.get("ports", []):
            port.setdefault("protocol", "TCP")


def validate_lease(lease: Object, _old: Object | None) -> list[Cause]:
    """The duration is positive, the number of transitions is not negative."""
    spec = lease.get("spec") or {}
    causes = []
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if duration is not None and duration <= 0:
        causes.append(invalid_number("spec.leaseDurationSeconds", duration, "must be greater than 0"))
    if transitions is not None and transitions < 0:
        causes.append(invalid_number("spec.leaseTransitions", transitions, "must be greater than or equal to 0"))
    if spec.get("holderIdentity") == "":
        causes.append(required_value("spec.holderIdentity", "must not be empty"))
    return causes

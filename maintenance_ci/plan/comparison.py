"""Two Routes beside each other: what one would do otherwise than the other. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from maintenance_ci.plan.certificates import CERTIFICATE_FIELDS, with_termination
from maintenance_ci.plan.marks import annotations_of, labels_of
from maintenance_ci.plan.mirrored_metadata import is_tracking_label, mirrored_labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maintenance_ci.plan.marks import Object

# Fields whose values are shown. A header for the application may be a password, a misspelt field a key.
SHOWN = re.compile(
    r"(labels|annotations)\..+|spec\.(host|path|wildcardPolicy|port\.targetPort|backends\.\d+\.(kind|name|weight)"
    r"|tls\.(termination|insecureEdgeTerminationPolicy|externalCertificate\.name))"
)
SIDES = ("in the template", "in the cluster")
# What `kubectl apply` keeps of the file that it was given, to know next time which fields have been removed from it.
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# Annotations that the router acts upon: without them the application is not reached as before.
ROUTER_PREFIXES = ("haproxy.router.openshift.io/", "router.openshift.io/", "kubernetes.io/tls-acme")


def keep_bookkeeping(restored: Object, original: Mapping[str, Any]) -> Object:
    """Return the restored Route with what the original had besides: what other tools noted on it, and no router reads.

    A template rarely holds these labels and annotations, and `differences` does not ask for them.
    """
    bookkeeping = {
        "labels": {key: value for key, value in labels_of(original).items() if is_tracking_label(key)},
        "annotations": {
            key: value for key, value in annotations_of(original).items() if not key.startswith(ROUTER_PREFIXES)
        },
    }
    metadata = restored["metadata"]
    merged = {
        part: {**had, **(metadata.get(part) or {})} for part, had in bookkeeping.items() if had or metadata.get(part)
    }
    if LAST_APPLIED in bookkeeping["annotations"]:  # a template's is from the day of its export
        merged["annotations"][LAST_APPLIED] = bookkeeping["annotations"][LAST_APPLIED]
    return {**restored, "metadata": {**metadata, **merged}}


def differences(restored: Mapping[str, Any], live: Mapping[str, Any]) -> list[str]:
    """Return what a restored Route would do otherwise than the live one; certificates are no difference.

    Compared are the spec, with the server's defaults, the labels (router shards select on them) and the annotations
    that the router acts upon. Each line names the field, and both values where they cannot be secret.
    """
    new, old = _meaning(restored), _meaning(live)
    return _unlike(new, old, sorted(new.keys() | old.keys()))


def moved(restored: Mapping[str, Any], maintenance: Mapping[str, Any], sides: tuple[str, str] = SIDES) -> list[str]:
    """Return how a restored Route would miss the place that its maintenance Route holds: host, path, TLS or none."""
    faults = _unlike(_meaning(restored), _meaning(maintenance), ("spec.host", "spec.path"), sides)
    if (restored["spec"].get("tls") is None) != (maintenance["spec"].get("tls") is None):
        faults.append("spec.tls is there on one side only")
    return faults


def _unlike(
    template: Mapping[str, object],
    live: Mapping[str, object],
    fields: Iterable[str],
    sides: tuple[str, str] = SIDES,
) -> list[str]:
    """Return a line for each of the flat ``fields`` whose two values are not equal, and on which side each is."""
    return [
        f"{field} is {_shown(template.get(field))} {sides[0]}, {_shown(live.get(field))} {sides[1]}"
        if SHOWN.fullmatch(field)
        else f"{field} is not the same {sides[0]} and {sides[1]}"
        for field in fields
        if template.get(field) != live.get(field)
    ]


def _meaning(route: Mapping[str, Any]) -> dict[str, object]:
    """Return a Route as flat ``{field: value}``, with the server's defaults, without certificates and bookkeeping."""
    spec, tls = _given(route["spec"]), route["spec"].get("tls")
    spec.pop("subdomain", None)
    backends = [spec.pop("to", None), *spec.pop("alternateBackends", [])]
    spec["backends"] = {str(i): {"kind": "Service", "weight": 100} | _given(b) for i, b in enumerate(backends)}
    if tls is not None:
        # The API says of the policy: None, or empty, serves no plain HTTP.
        complete = {"insecureEdgeTerminationPolicy": "None"} | _given(with_termination(tls))
        spec["tls"] = {key: value for key, value in complete.items() if key not in CERTIFICATE_FIELDS}
    annotations = {key: val for key, val in annotations_of(route).items() if key.startswith(ROUTER_PREFIXES)}
    defaults = {"path": "", "wildcardPolicy": "None"}
    return _flat({"spec": defaults | spec, "labels": mirrored_labels(labels_of(route)), "annotations": annotations})


def _given(fields: Mapping[str, Any] | None) -> Object:
    """Return the fields that have a value: to the server an empty one is none."""
    return {key: value for key, value in (fields or {}).items() if value not in (None, "", {}, [])}


def _flat(value: object, prefix: str = "") -> dict[str, object]:
    if not isinstance(value, dict):
        return {prefix: None if value in ("", []) else value}
    return {
        field: leaf
        for key, inner in value.items()
        for field, leaf in _flat(inner, f"{prefix}.{key}" if prefix else str(key)).items()
    }


def _shown(value: object) -> str:
    return "absent" if value is None else repr(value)

"""The certificates of Routes: which is the newest, and for which hosts one is. Pure.

A Route's certificate is written by people, by templates, and by ACME controllers behind everybody's back. Of several
the one whose validity began last is right. Certificate, key and CA are one thing, never mixed from two sources.

Python's ``ssl`` reads a certificate only out of a connection, so what is needed of X.509 (RFC 5280, section 4.1) is
read here: the DER elements on the way to the validity and to the names, nothing else.
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from maintenance_ci.errors import MaintenanceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maintenance_ci.plan.marks import Object

# What belongs together; of the same origin, or none of it.
PAIR = ("certificate", "key", "caCertificate")
# What vouches for the application's Pods: no matter of the host, and unknown to a maintenance Route.
DESTINATION_CA = "destinationCACertificate"
CERTIFICATE_FIELDS = (*PAIR, DESTINATION_CA)
TLS_SECRET = "kubernetes.io/tls"  # noqa: S105 - a type

_LEAF = re.compile(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_TIME = re.compile(r"\d{14}Z", re.ASCII)
# DER's tags, and the identifier 2.5.29.17 of subjectAltName.
_VERSION, _EXTENSIONS, _UTC_TIME, _GENERALIZED_TIME, _DNS_NAME = 0xA0, 0xA3, 0x17, 0x18, 0x82
_SUBJECT_ALT_NAME = b"\x55\x1d\x11"


def not_before(certificate: str) -> datetime:
    """Return when the validity of a PEM text's first certificate, the host's own, begins.

    Raises:
        ValueError: there is none that can be read.
    """
    _, _, _, (_, validity), *_ = _fields(certificate)
    (tag, content), *_ = _elements(validity)
    text = content.decode("ascii")
    if tag == _UTC_TIME:  # two digits for a year between 1950 and 2049
        text = ("19" if text >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("no time")
    if not _TIME.fullmatch(text):
        raise ValueError("no time as RFC 5280 writes it")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def host_names(certificate: str) -> list[str]:
    """Return the DNS names, wildcards among them, that a PEM text's first certificate is for.

    Raises:
        ValueError: there is none that can be read.
    """
    names = []
    for _, content in (field for field in _fields(certificate) if field[0] == _EXTENSIONS):
        ((_, extensions),) = _elements(content)
        for _, extension in _elements(extensions):
            (_, identifier), *_, (_, value) = _elements(extension)
            if identifier == _SUBJECT_ALT_NAME:
                ((_, general_names),) = _elements(value)
                names += [name.decode("latin-1") for tag, name in _elements(general_names) if tag == _DNS_NAME]
    return names


def newest(candidates: Iterable[Mapping[str, Any]]) -> Object:
    """Return the certificate, its key and its CA of the TLS configuration whose certificate's validity began last.

    One without a key, which no router serves, is older than any other; so is one that cannot be read. Of equals the
    first counts. Where no configuration has a certificate the result is empty.
    """
    pairs = [_pair(tls) for tls in candidates]
    return max((pair for pair in pairs if pair), key=_age, default={})


def with_termination(tls: Mapping[str, Any]) -> Object:
    """Return TLS as the server completes it: without nulls, the termination in small letters, ``edge`` where none is.

    Unless there is a destination CA, which edge does not take (openshift/library-go, route/defaulting).
    """
    given = {key: value for key, value in tls.items() if value is not None}
    termination = str(given.get("termination") or ("" if given.get(DESTINATION_CA) else "edge"))
    return given | {"termination": termination.lower()}


def carry_over_certificates(
    route: Mapping[str, Any], others: Mapping[str, Mapping[str, Any] | None]
) -> tuple[Object, str]:
    """Return a restored Route with the newest certificate, and a note where that is not the Route's own.

    An ACME controller may have renewed a certificate since the template was written; a template that is applied without
    certificates empties them (recorded on OpenShift 4.21). A template that leaves TLS to the application is taken as it
    is; one that names a Secret (``externalCertificate``) gets at most the destination CA, which no Secret holds.

    Args:
        route: as its template, or its snapshot, has it.
        others: Routes that may have another, by the name that the note gives them. Of equals the first counts.
    """
    tls = _tls(route)
    termination = str(tls.get("termination", "")).lower()
    if termination not in ("edge", "reencrypt"):
        return dict(route), ""
    own, sources = _pair(tls), {name: _tls(other) for name, other in others.items()}
    secret = (tls.get("externalCertificate") or {}).get("name")
    carried = {} if secret else newest([own, *sources.values()])
    authorities = [text for one in (tls, *sources.values()) if (text := one.get(DESTINATION_CA))]
    if termination == "reencrypt" and authorities:
        carried |= {DESTINATION_CA: authorities[0]}
    note = ""
    if own and carried and own != _pair(carried):
        source = next(name for name, other in sources.items() if _pair(other) == _pair(carried))
        note = f"the certificate of {source} is newer than the restored one's, and is kept"
    policies = {field: value for field, value in tls.items() if field not in CERTIFICATE_FIELDS}
    return {**route, "spec": {**route["spec"], "tls": policies | carried}}, note


def certificate_of(route: Mapping[str, Any]) -> Object:
    """Return a Route's own certificate, with its key and CA; empty where it has none."""
    return _pair(_tls(route))


def passthrough_certificate(secret: Mapping[str, Any] | None, *, name: str, host: str) -> Object:
    """Return the fields ``certificate`` and ``key`` out of a Secret, for a Route that has none of its own.

    Whether the two belong together is the router's to say.

    Raises:
        MaintenanceError: the Secret is not there, holds no certificate with its key, or one for other hosts.
    """
    advice = f"Check PASSTHROUGH_CERTIFICATE_SECRET: oc create secret tls {name} --cert=… --key=…"
    if secret is None:
        raise MaintenanceError(f"The Secret {name}, with the certificate for {host}, is not there.", advice)
    data = secret.get("data") or {}
    try:
        certificate, key = (base64.b64decode(data[field], validate=True).decode() for field in ("tls.crt", "tls.key"))
        names = host_names(certificate)
    except (KeyError, ValueError):
        certificate = key = ""
    if secret.get("type") != TLS_SECRET or not certificate or "PRIVATE KEY-----" not in key:
        raise MaintenanceError(f"The Secret {name} is no {TLS_SECRET} with a certificate and its key.", advice)
    if not any(_covers(pattern, host) for pattern in names):
        raise MaintenanceError(
            f"The certificate of the Secret {name} is for {', '.join(names) or 'no host'}, not for {host}.", advice
        )
    return {"certificate": certificate, "key": key}


def _covers(pattern: str, host: str) -> bool:
    """Tell whether a certificate's name covers a host: a wildcard stands for one label (RFC 6125)."""
    pattern, host = pattern.lower(), host.lower()
    return pattern == host or (pattern.startswith("*.") and pattern[2:] == host.partition(".")[2])


def _tls(route: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return ((route or {}).get("spec") or {}).get("tls") or {}


def _pair(tls: Mapping[str, Any]) -> Object:
    return {field: tls[field] for field in PAIR if tls.get(field)}


def _age(pair: Mapping[str, str]) -> tuple[bool, datetime]:
    certificate = pair.get("certificate", "")
    # The key may stand in the field of the certificate, too.
    complete = bool(certificate) and ("key" in pair or "PRIVATE KEY-----" in certificate)
    try:
        return complete, not_before(certificate)
    except ValueError:
        return complete, datetime.min.replace(tzinfo=UTC)


def _fields(certificate: str) -> list[tuple[int, bytes]]:
    """Return what a certificate's issuer signed, without the version: serial, algorithm, issuer, validity, …"""
    leaf = _LEAF.search(certificate)
    if not leaf:
        raise ValueError("no certificate")
    ((_, content),) = _elements(base64.b64decode("".join(leaf[1].split()), validate=True))
    (_, signed), *_ = _elements(content)
    fields = _elements(signed)
    return fields[1:] if fields and fields[0][0] == _VERSION else fields


def _elements(content: bytes) -> list[tuple[int, bytes]]:
    """Return tag and content of each DER element; raises ValueError where they do not add up."""
    elements = []
    while content:
        tag, length = content[:2]
        start = 2
        if length > 0x80:  # so many bytes say how long it is
            start += length - 0x80
            length = int.from_bytes(content[2:start], "big")
        elif length == 0x80:
            raise ValueError("DER knows no element without a length")
        if len(content) < start + length:
            raise ValueError("an element is cut off")
        elements.append((tag, content[start : start + length]))
        content = content[start + length :]
    return elements

"""What the router makes of a Route's certificates: why it would not serve them, as a pure function.

The API server takes any text for a certificate; only the router reads it. The checks, their order and their words are
those of openshift/router (its extended validation). Where that one shows what Go's parser has to say of damaged data,
``x509: malformed certificate`` stands for all of it.
"""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import MD5, SHA1
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from maintenance_ci.rehearsal.apiserver.kinds.routes import external_certificate_faults, secret_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

Object = dict[str, Any]

FIELDS = ("certificate", "key", "caCertificate", "destinationCACertificate")

# Stands in a Route, in memory, where the Secret that it names is none.
FAULT = "externalCertificateFault"

_BLOCK = re.compile(r"-----BEGIN ([^\n-]+)-----\n.*?\n-----END \1-----", re.DOTALL)
_KNOWN_BLOCKS = re.compile(r"((RSA |ECDSA |EC )?PRIVATE KEY|((RSA|DSA|ECDSA) )?PUBLIC KEY|CERTIFICATE)")


def with_secret(route: Object, find: Callable[[str, str, str], Object | None]) -> Object:
    """Return the Route as the router serves it: with certificate and key of the Secret that it names, in memory alone.

    ``find`` looks up an object by plural, namespace and name.
    """
    name = secret_name(route)
    if not name:
        return route
    secret = find("secrets", route["metadata"]["namespace"], name)
    faults = external_certificate_faults(name, secret)
    data = (secret or {}).get("data") or {}
    certificate, key = (
        base64.b64decode(data.get(field, "")).decode(errors="replace") for field in ("tls.crt", "tls.key")
    )
    read = {FAULT: f"{faults[0].field}: {faults[0].message}"} if faults else {"certificate": certificate, "key": key}
    return {**route, "spec": {**route["spec"], "tls": {**route["spec"]["tls"], **read}}}


def find_fault(route: Object) -> str:
    """Return why the router refuses a Route's certificates, in its words, or an empty string."""
    tls = route["spec"].get("tls") or {}
    texts = tuple(tls.get(field) or "" for field in FIELDS)
    return _find_fault(*texts) if any(texts) else ""


# A router judges all its Routes at each change of one.
@lru_cache(maxsize=1024)
def _find_fault(certificate: str, key: str, ca: str, destination_ca: str) -> str:
    faults = [
        *_told("caCertificate", "ca certificate", lambda: _check_authorities(ca, "CA certificate")),
        *_told("certificate", "certificate", lambda: _check_certificate(certificate, ca)),
        *_told("key", "key", lambda: _check_blocks(key)),
        *_check_pair(certificate, key),
        *_told(
            "destinationCACertificate",
            "destination ca certificate",
            lambda: _check_authorities(destination_ca, "destination CA certificate"),
        ),
    ]
    return faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]" if faults else ""


class _Block(NamedTuple):
    kind: str
    text: str


class _FaultError(Exception):
    """A text is not what it should be."""


def _told(field: str, what: str, check: Callable[[], None]) -> Iterator[str]:
    try:
        check()
    except _FaultError as fault:
        yield _invalid(field, f"redacted {what} data", str(fault))


def _invalid(field: str, value: str, detail: str) -> str:
    return f'spec.tls.{field}: Invalid value: "{value}": {detail}'


def _check_authorities(text: str, what: str) -> None:
    if not text:
        return
    try:
        _parse(text)
    except _FaultError as fault:
        raise _FaultError(f"failed to parse {what}: {fault}") from fault
    _check_blocks(text)


def _check_certificate(text: str, authorities: str) -> None:
    if not text:
        return
    certificates = _parse(text)
    _check_signatures(certificates)
    if authorities:
        try:
            issuers = _parse(authorities)
        except _FaultError:
            return  # told of the field caCertificate already
        if not any(_issued(certificates[0], issuer) for issuer in issuers):
            raise _FaultError("error verifying certificate: x509: certificate signed by unknown authority")
    _check_blocks(text)


def _check_pair(certificate: str, key: str) -> Iterator[str]:
    """Check that certificate and key belong together; the key may also stand in the field of the certificate."""
    if not certificate:
        return
    own_keys, public = _divided(certificate)
    keys = [*own_keys, *_blocks(key)]
    if not keys:
        yield _invalid("key", "", "no key specified")
        return
    yield from _told("key", "key", lambda: _check_kinds(keys, "PRIVATE KEY"))
    yield from _told("certificate", "certificate", lambda: _check_kinds(public, "CERTIFICATE"))
    yield from _told("key", "key", lambda: _check_match(public, keys))


def _divided(text: str) -> tuple[list[_Block], list[_Block]]:
    """Return the private keys of a text, and what is public; there may be more in it."""
    blocks = list(_blocks(text))
    private = [block for block in blocks if "PRIVATE KEY" in block.kind]
    return private, [block for block in blocks if block.kind in ("PUBLIC KEY", "CERTIFICATE")]


def _check_kinds(blocks: list[_Block], expected: str) -> None:
    if not blocks:
        raise _FaultError("the PEM content cannot be null")
    for block in blocks:
        if expected not in block.kind:
            raise _FaultError(f"field contains invalid types {block.kind}, expecting only {expected}")


def _check_match(public: list[_Block], keys: list[_Block]) -> None:
    certificate = next((block for block in public if block.kind == "CERTIFICATE"), None)
    if certificate is None:
        raise _FaultError("tls: failed to find any PEM data in certificate input")
    own = _parse(certificate.text)[0].public_key()
    try:
        private = _private_key(next(block for block in keys if "PRIVATE KEY" in block.kind))
    except (_FaultError, StopIteration) as error:
        raise _FaultError("tls: failed to parse private key") from error
    spki = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if private.public_key().public_bytes(*spki) != own.public_bytes(*spki):
        raise _FaultError("tls: private key does not match public key")


def _check_blocks(text: str) -> None:
    for block in _blocks(text):
        if not _KNOWN_BLOCKS.fullmatch(block.kind):
            raise _FaultError(f"unrecognized PEM block {block.kind}")
        if "PRIVATE KEY" in block.kind:
            _private_key(block)


def _check_signatures(certificates: list[x509.Certificate]) -> None:
    """Refuse what HAProxy would refuse to start with; nobody looks at the signature of a self-signed certificate."""
    for one in certificates:
        if one.issuer != one.subject and isinstance(one.signature_hash_algorithm, SHA1 | MD5):
            name = one.signature_hash_algorithm.name.upper()
            raise _FaultError(f"router does not support CA-signed certs using {name}")


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return certificate == issuer
    return True


def _parse(text: str) -> list[x509.Certificate]:
    """Return the certificates of a PEM text; whatever else is in it is passed over."""
    blocks = [block for block in _blocks(text) if block.kind == "CERTIFICATE"]
    if not blocks:
        raise _FaultError("data does not contain any valid RSA or ECDSA certificates")
    try:
        return [x509.load_pem_x509_certificate(block.text.encode()) for block in blocks]
    except ValueError as error:
        raise _FaultError("x509: malformed certificate") from error


def _private_key(block: _Block) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(block.text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _FaultError(f"block {block.kind} is not valid") from error


def _blocks(text: str) -> Iterator[_Block]:
    """Yield the PEM blocks of a text; the parameters of an elliptic curve stand in its keys once more."""
    for found in _BLOCK.finditer(text.replace("\r\n", "\n")):
        if found[1] != "EC PARAMETERS":
            yield _Block(found[1], found[0])

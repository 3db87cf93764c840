"""Certificates for tests, made by ``cryptography``."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOST = "shop.apps.example.test"


@functools.cache
def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_text() -> str:
    return _key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def certificate(
    not_before: datetime, names: Iterable[str] = (HOST,), *, serial: int = 1, common_name: str = "test"
) -> x509.Certificate:
    """A self-signed certificate; without ``names`` it has no subjectAltName at all."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(_key().public_key())
        .serial_number(serial)
        .not_valid_before(not_before)
        .not_valid_after(not_before + timedelta(days=90))
    )
    alternatives = [x509.DNSName(one) for one in names]
    if alternatives:
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(_key(), hashes.SHA256())


@functools.cache
def issued(year: int, host: str = HOST) -> dict[str, str]:
    """The fields of a Route with a certificate that is valid from a year on."""
    made = certificate(datetime(year, 1, 1, tzinfo=UTC), [host])
    return {"certificate": made.public_bytes(Encoding.PEM).decode(), "key": f"{key_text()}# of {year}\n"}

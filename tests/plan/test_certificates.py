from __future__ import annotations

import base64
import ssl
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.plan.certificates import (
    carry_over_certificates,
    host_names,
    newest,
    not_before,
    passthrough_certificate,
)
from tests.tools.certificates import HOST, certificate, issued, key_text

OLD, NEW = issued(2024), issued(2026)
# Before 2050 the time is written with two digits for the year, from then on with four.
TIMES = st.datetimes(datetime(1950, 1, 1), datetime(9990, 1, 1)).map(lambda time: time.replace(microsecond=0))
LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
# Of at most 64 bytes, as X.520 has it, and `cryptography`.
SUBJECTS = st.text("äb ", min_size=1, max_size=32)
NAMES = st.builds("{}{}.example.test".format, st.sampled_from(["", "*."]), LABELS)


def encoded(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag]) + (bytes([size]) if size < 0x80 else bytes([0x80 | len(length)]) + length) + content


def pem(der: bytes) -> str:
    return ssl.DER_cert_to_PEM_cert(der)


def first_version(made: x509.Certificate) -> bytes:
    """The same as a certificate of version 1: the field of the version is left out, as are the extensions."""
    signed = made.tbs_certificate_bytes
    start = 2 if signed[1] < 0x80 else 2 + (signed[1] & 0x7F)
    content = signed[start:]
    assert content[:5] == b"\xa0\x03\x02\x01\x02"  # [0] INTEGER 2: version 3
    # A signature over something else: nobody looks at it here.
    algorithm = made.public_bytes(Encoding.DER)[2:][len(signed) + 2 :]
    return encoded(0x30, encoded(0x30, content[5:]) + algorithm)


@settings(max_examples=50, deadline=None)
@given(time=TIMES, names=st.lists(NAMES, max_size=5), serial=st.integers(1, 2**158), subject=SUBJECTS)
def test_a_certificate_is_read_as_cryptography_reads_it(
    time: datetime, names: list[str], serial: int, subject: str
) -> None:
    made = certificate(time, names, serial=serial, common_name=subject)
    text = made.public_bytes(Encoding.PEM).decode()
    assert not_before(text) == made.not_valid_before_utc == time.replace(tzinfo=UTC)
    assert host_names(text) == names
    assert host_names(f"a comment\r\n{text}{issued(2024)['certificate']}") == names


@settings(max_examples=30, deadline=None)
@given(time=TIMES)
def test_a_certificate_of_version_1_has_no_version(time: datetime) -> None:
    plain = first_version(certificate(time, []))
    read = x509.load_der_x509_certificate(plain)
    assert read.version is x509.Version.v1
    assert not_before(pem(plain)) == read.not_valid_before_utc
    assert host_names(pem(plain)) == []


DER = ssl.PEM_cert_to_DER_cert(OLD["certificate"])


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, len(DER) - 1), byte=st.integers(0, 255), cut=st.booleans())
def test_what_is_damaged_is_read_or_refused_and_nothing_else(place: int, byte: int, cut: bool) -> None:
    damaged = DER[:place] if cut else DER[:place] + bytes([byte]) + DER[place + 1 :]
    for read in (not_before, host_names):
        try:
            read(pem(damaged))
        except ValueError:
            continue


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=60), text=st.text(max_size=60))
def test_what_is_no_certificate_is_refused(content: bytes, text: str) -> None:
    block = "-----BEGIN CERTIFICATE-----{}-----END CERTIFICATE-----"
    for one in (pem(content), text, block.format(text)):
        with pytest.raises(ValueError):
            not_before(one)


def valid_from(time: bytes) -> str:
    """As little of a certificate as its time needs."""
    validity = encoded(0x30, encoded(0x17, time))
    return pem(encoded(0x30, encoded(0x30, encoded(0x02, b"\x01") + encoded(0x30, b"") * 2 + validity)))


@pytest.mark.parametrize(
    "time", [b"20260101000000Z", b"2601010000Z", b"260101000000+0100", b"26010100000 Z", b"991301000000Z", b""]
)
def test_a_time_that_rfc_5280_does_not_know(time: bytes) -> None:
    assert not_before(valid_from(b"260101000000Z")) == datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError):
        not_before(valid_from(time))


UNREADABLE = {"certificate": "C", "key": "K"}
WITHOUT_KEY = {"certificate": issued(2030)["certificate"]}


def test_the_newest_wins_and_brings_its_own_key() -> None:
    with_ca = OLD | {"caCertificate": "CA"}
    assert newest([with_ca, NEW]) == newest([NEW, with_ca]) == NEW
    assert newest([with_ca, UNREADABLE]) == with_ca
    assert newest([UNREADABLE, {}, {"termination": "edge"}]) == UNREADABLE
    assert newest([]) == newest([{"termination": "edge", "destinationCACertificate": "D"}]) == {}


def test_one_without_a_key_is_no_candidate_where_there_is_another() -> None:
    assert newest([WITHOUT_KEY, OLD]) == OLD
    assert newest([WITHOUT_KEY]) == WITHOUT_KEY
    bundle = {"certificate": NEW["certificate"] + NEW["key"]}
    assert newest([OLD, bundle]) == bundle


def test_of_equals_the_first_counts() -> None:
    assert newest([NEW | {"caCertificate": "CA"}, NEW]) == NEW | {"caCertificate": "CA"}
    assert newest([UNREADABLE, {"certificate": "D"}]) == UNREADABLE


def route(**tls: Any) -> dict[str, Any]:
    return {"metadata": {"name": "shop"}, "spec": {"host": HOST, "tls": tls}}


def carried(restored: dict[str, Any], **others: dict[str, Any] | None) -> tuple[Any, str]:
    result, note = carry_over_certificates(restored, others)
    assert {**result, "spec": None} == {**restored, "spec": None}
    return result["spec"].get("tls"), note


def test_certificates_that_the_template_lacks_are_carried_over() -> None:
    kept = {"termination": "Edge", "insecureEdgeTerminationPolicy": "Redirect"}
    live = route(termination="edge", **OLD, caCertificate="CA")
    assert carried(route(**kept), live=live) == (kept | OLD | {"caCertificate": "CA"}, "")
    assert carried(route(**kept), snapshot=live, maintenance=route(termination="edge", **NEW)) == (kept | NEW, "")
    assert carried(route(**kept), snapshot=live, maintenance=None) == (kept | OLD | {"caCertificate": "CA"}, "")


def test_a_newer_one_wins_over_the_template_s_and_that_is_said() -> None:
    template = route(termination="edge", **OLD, caCertificate="CA")
    tls, note = carried(template, live=None, maintenance=route(termination="edge", **NEW))
    assert tls == {"termination": "edge"} | NEW
    assert note == "the certificate of maintenance is newer than the restored one's, and is kept"
    assert carried(route(termination="edge", **NEW), live=route(termination="edge", **OLD)) == (
        {"termination": "edge"} | NEW,
        "",
    )
    assert carried(route(termination="edge", **NEW), live=route(termination="edge", **NEW))[1] == ""


@pytest.mark.parametrize(
    "restored",
    [
        route(termination="edge", externalCertificate={"name": "shop-tls"}),
        route(termination="passthrough"),
        {"metadata": {"name": "shop"}, "spec": {"host": HOST}},
        {"metadata": {"name": "shop"}, "spec": {"host": HOST, "tls": None}},
    ],
)
def test_where_no_certificate_belongs_none_is_carried_over(restored: dict[str, Any]) -> None:
    live = route(termination="reencrypt", **NEW, destinationCACertificate="D")
    assert carry_over_certificates(restored, {"live": live}) == (restored, "")


def test_a_certificate_in_a_secret_keeps_the_destination_ca_beside_it() -> None:
    restored = route(termination="reencrypt", externalCertificate={"name": "shop-tls"})
    live = route(termination="reencrypt", **NEW, destinationCACertificate="D")
    carried, note = carry_over_certificates(restored, {"live": live})
    assert carried["spec"]["tls"] == restored["spec"]["tls"] | {"destinationCACertificate": "D"}
    assert note == ""


def test_where_there_is_nothing_to_carry_over_the_template_stays() -> None:
    for restored in (route(termination="edge"), route(termination="edge", **UNREADABLE)):
        for other in (None, route(termination="edge"), {"metadata": {}, "spec": {"host": HOST}}):
            assert carry_over_certificates(restored, {"live": other}) == (restored, "")


def test_a_destination_ca_is_the_applications_alone() -> None:
    live = route(termination="reencrypt", **OLD, destinationCACertificate="D")
    assert carried(route(termination="edge"), live=live)[0] == {"termination": "edge"} | OLD
    maintenance = route(termination="edge", **NEW)
    both = carried(route(termination="reencrypt"), maintenance=maintenance, snapshot=live)[0]
    assert both == {"termination": "reencrypt", "destinationCACertificate": "D"} | NEW
    own = route(termination="reencrypt", destinationCACertificate="mine")
    assert carried(own, maintenance=maintenance, snapshot=live)[0]["destinationCACertificate"] == "mine"


def secret(certificate: str = OLD["certificate"], key: str = OLD["key"], **more: Any) -> dict[str, Any]:
    data = {
        "tls.crt": base64.b64encode(certificate.encode()).decode(),
        "tls.key": base64.b64encode(key.encode()).decode(),
    }
    return {"metadata": {"name": "shop-tls"}, "type": "kubernetes.io/tls", "data": data} | more


@pytest.mark.parametrize("names", [[HOST], ["o.example.test", HOST.upper()], ["*.apps.example.test"]])
def test_a_certificate_out_of_a_secret(names: list[str]) -> None:
    text = certificate(datetime(2026, 1, 1, tzinfo=UTC), names).public_bytes(Encoding.PEM).decode()
    found = passthrough_certificate(secret(text), name="shop-tls", host=HOST)
    assert found == {"certificate": text, "key": OLD["key"]}


@pytest.mark.parametrize(
    "names", [["o.example.test"], ["*.example.test"], ["apps.example.test"], ["*shop.apps.example.test"], []]
)
def test_a_certificate_for_other_hosts(names: list[str]) -> None:
    text = certificate(datetime(2026, 1, 1, tzinfo=UTC), names).public_bytes(Encoding.PEM).decode()
    with pytest.raises(MaintenanceError, match=f"not for {HOST}"):
        passthrough_certificate(secret(text), name="shop-tls", host=HOST)


@pytest.mark.parametrize(
    "broken",
    [
        None,
        secret(type="Opaque"),
        secret(data=None),
        secret(data={"tls.crt": secret()["data"]["tls.crt"]}),
        secret(data=secret()["data"] | {"tls.crt": "%"}),
        secret(data=secret()["data"] | {"tls.key": base64.b64encode(b"\xff").decode()}),
        secret(certificate="none"),
        secret(key=""),
        secret(key="none"),
    ],
)
def test_a_secret_that_will_not_do(broken: dict[str, Any] | None) -> None:
    with pytest.raises(MaintenanceError, match="Secret shop-tls") as refused:
        passthrough_certificate(broken, name="shop-tls", host=HOST)
    assert key_text().splitlines()[1] not in str(refused.value)

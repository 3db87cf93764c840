"""Tokens and certificates as teams give them."""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import Encoding

from maintenance_ci.settings.credentials import MAX_CERTIFICATES, MAX_TOKEN, read_certificates, read_token
from maintenance_ci.settings.variables import RouteSettings, read_settings, secrets_given
from tests.tools.certificates import certificate, key_text
from tests.tools.job_variables import GOOD

FIRST, SECOND = (trustme.CA().cert_pem.bytes().decode() for _ in range(2))
EXPIRED = certificate(datetime(2001, 1, 1, tzinfo=UTC)).public_bytes(Encoding.PEM).decode()


def count(pem: str) -> int:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem)
    return len(context.get_ca_certs(binary_form=True)) or pem.count("BEGIN CERTIFICATE")


def trusted(pem: str) -> str:
    """As ``openssl x509 -trustout`` writes it: what it is trusted for follows (here: nothing, an empty SEQUENCE)."""
    content = base64.b64encode(ssl.PEM_cert_to_DER_cert(pem) + b"\x30\x00").decode()
    return f"-----BEGIN TRUSTED CERTIFICATE-----\n{content}\n-----END TRUSTED CERTIFICATE-----\n"


PLAIN = ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(FIRST))
BUNDLES: dict[str, tuple[bytes, int]] = {
    "as it is": (FIRST.encode(), 1),
    "a comment with accents": (f"# Főtanúsítvány\n{FIRST}".encode(), 1),
    "a comment in Latin-1": (b"# Zertifikat f\xfcr die Beh\xf6rde\n" + FIRST.encode(), 1),
    "a comment in Latin-2": (b"# F\xf5tan\xfas\xedtv\xe1ny\n" + FIRST.encode(), 1),
    "a BOM": (b"\xef\xbb\xbf" + FIRST.encode(), 1),
    "UTF-16": (FIRST.encode("utf-16"), 1),
    "CRLF": (FIRST.replace("\n", "\r\n").encode(), 1),
    "blank lines": (FIRST.replace("\n", "\n\n").encode(), 1),
    "indented": (FIRST.replace("\n", "\n    ").encode(), 1),
    "in one line": (FIRST.replace("\n", " ").encode(), 1),
    "line breaks of JSON": (FIRST.replace("\n", "\\n").encode(), 1),
    "several": ((FIRST + SECOND).encode(), 2),
    "one twice": ((FIRST + SECOND + FIRST).encode(), 2),
    "a key beside it": ((key_text() + FIRST).encode(), 1),
    "TRUSTED": (trusted(FIRST).encode(), 1),
    "openssl s_client": (f"depth=1 CN = x\n---\n 0 s:CN=x\n   i:CN=y\n{FIRST}---\nServer certificate\n".encode(), 1),
    "X509": (FIRST.replace(" CERTIFICATE", " X509 CERTIFICATE").encode(), 1),
    "expired": (EXPIRED.encode(), 1),
}


@pytest.mark.parametrize("how", BUNDLES)
def test_bundles_in_a_file(tmp_path: Path, how: str) -> None:
    content, certificates = BUNDLES[how]
    (tmp_path / "ca.pem").write_bytes(content)
    pem = read_certificates(f"{tmp_path}/ca.pem\n")
    assert count(pem) == certificates
    assert pem.isascii()
    assert "PRIVATE" not in pem
    assert pem.startswith(PLAIN) or how == "expired"


@pytest.mark.parametrize("how", [how for how in BUNDLES if how != "UTF-16"])
@pytest.mark.parametrize("variable", ["OKD_CA", "PUBLIC_CA", "CI_SERVER_TLS_CA_FILE"])
def test_bundles_as_text(how: str, variable: str) -> None:
    content, certificates = BUNDLES[how]
    value = os.fsdecode(content)  # as os.environ has it: what is no UTF-8 becomes half characters
    settings = read_settings(RouteSettings, GOOD | {variable: value})
    assert count(getattr(settings, variable.lower())) == certificates


def fifo(folder: Path) -> str:
    os.mkfifo(folder / "fifo")
    return str(folder / "fifo")


def written(content: bytes) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        (folder / "file").write_bytes(content)
        return str(folder / "file")

    return write


def large(folder: Path) -> str:
    with (folder / "large").open("wb") as file:
        file.truncate(100_000_000)
    return str(folder / "large")


BROKEN = FIRST.replace("\n", "\nAAAA", 1)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda _: "/nonexistent", "path of a file that holds them: names a file that is not there"),
        (lambda _: "x" * 300, "path of a file that holds them: names a file that is not there"),
        (str, "names something that is no plain file"),
        (fifo, "names something that is no plain file"),
        (lambda _: "/dev/zero", "names something that is no plain file"),
        (lambda _: "/proc/self/mem", "or cannot be read"),
        (large, f"names a file of more than {MAX_CERTIFICATES} bytes"),
        (written(b""), "holds no certificate"),
        (written(b"\x30\x82\x01\x00"), "holds no certificate"),
        (lambda _: key_text(), "holds no certificate"),
        (lambda _: FIRST.partition("-----END")[0], "holds no certificate"),
        (lambda _: FIRST + SECOND.partition("-----END")[0], "holds a certificate whose end is missing"),
        (lambda _: FIRST.partition("-----END")[0] + SECOND, "holds a certificate whose end is missing"),
        (lambda _: FIRST + BROKEN, "its number 2, that cannot be read"),
        (lambda _: "-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----", "its number 1, that cannot be read"),
        (lambda _: "-----BEGIN CERTIFICATE-----" * 100_000, "holds no certificate"),
    ],
)
def test_what_holds_no_certificate(tmp_path: Path, value: Callable[[Path], str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_certificates(value(tmp_path))


TOKEN = "sha256~" + "a" * 43


@pytest.mark.parametrize("around", ["{}", "{}\n", "{}\r\n", " {} ", "\n{}\t\n", "\ufeff{}\n"])
@pytest.mark.parametrize("variable", ["OKD_TOKEN", "ROUTE_TEMPLATES_TOKEN", "CI_JOB_TOKEN"])
def test_tokens_as_text_and_in_a_file(tmp_path: Path, around: str, variable: str) -> None:
    (tmp_path / "token").write_text(around.format(TOKEN))
    for value in (around.format(TOKEN), str(tmp_path / "token"), f"{tmp_path}/token\n"):
        environment = GOOD | {variable: value}
        settings = read_settings(RouteSettings, environment)
        assert getattr(settings, variable.lower()).get_secret_value() == TOKEN
        assert TOKEN not in repr(settings)
        assert TOKEN in secrets_given(environment), "it is masked, too"
        assert str(tmp_path / "token") not in secrets_given(environment)


def test_a_token_may_hold_a_slash() -> None:
    assert read_token("ab/cd+ef==") == "ab/cd+ef=="


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda _: "two words", "must be a token"),
        (lambda _: f"{TOKEN}\n{TOKEN}", "must be a token"),
        (lambda _: "tökén", "must be a token"),
        (lambda _: "$OTHER_TOKEN", "not the name of another variable: GitLab did not fill that in"),
        (lambda _: f'"{TOKEN}"', "must be a token without quotes around it"),
        (lambda _: "/nonexistent", "names a file that is not there"),
        (str, "names something that is no plain file"),
        (fifo, "names something that is no plain file"),
        (large, f"names a file of more than {MAX_TOKEN} bytes"),
        (written(b"a" * (MAX_TOKEN + 1)), f"names a file of more than {MAX_TOKEN} bytes"),
        (written(b""), "names a file that holds no token"),
        (written(b"two words"), "names a file that holds no token"),
        (written(b"one\ntwo\n"), "names a file that holds no token"),
        (written(b"a\0b"), "names a file that holds no token"),
    ],
)
def test_what_is_no_token(tmp_path: Path, value: Callable[[Path], str], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read_token(value(tmp_path))
    assert TOKEN not in str(caught.value)


def test_the_longest_token(tmp_path: Path) -> None:
    assert read_token(written(b"a" * MAX_TOKEN)(tmp_path)) == "a" * MAX_TOKEN

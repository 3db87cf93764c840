"""Why a certificate is refused: OpenSSL's own reason, for the cluster and for GitLab, and what helps."""

from __future__ import annotations

import contextlib
import ipaddress
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
import urllib3.connection
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from maintenance_ci.cluster.kubeconfig import write_kubeconfig
from maintenance_ci.cluster.openshift import OpenShift
from maintenance_ci.errors import MaintenanceError, TryAgainError
from maintenance_ci.templates import project as template_project
from maintenance_ci.templates import session as gitlab_session
from maintenance_ci.templates.project import TemplateProject
from tests.tools.misbehaving_server import head, serving

NOW = datetime.now(UTC)


def tls_of(pem: bytes, folder: Path) -> ssl.SSLContext:
    (folder / "pair.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pair.pem")
    return context


def pair_of(leaf: trustme.LeafCert) -> bytes:
    return leaf.private_key_and_cert_chain_pem.bytes()


def made(*, name: str = "leaf", by: tuple[Any, Any] | None = None, authority: bool = False) -> tuple[Any, Any]:
    """A key and a certificate for 127.0.0.1 without any extension that OpenSSL's strict mode asks for."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer_key, issuer = by or (key, None)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(address, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    return key, certificate


def written(key: Any, certificate: Any) -> bytes:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return bytes(private + certificate.public_bytes(Encoding.PEM))


# The server's pair, and the CA that is given, if any.
Scene = tuple[bytes, str | None]
OURS = trustme.CA()


def pem_of(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


def expired() -> Scene:
    return pair_of(OURS.issue_cert("127.0.0.1", not_after=NOW - timedelta(days=1))), pem_of(OURS)


def too_new() -> Scene:
    return pair_of(OURS.issue_cert("127.0.0.1", not_before=NOW + timedelta(days=1))), pem_of(OURS)


def other_name() -> Scene:
    return pair_of(OURS.issue_cert("127.0.0.2")), pem_of(OURS)


def other_ca() -> Scene:
    return pair_of(OURS.issue_cert("127.0.0.1")), pem_of(trustme.CA())


def no_ca() -> Scene:
    return pair_of(OURS.issue_cert("127.0.0.1")), None


def intermediate_alone() -> Scene:
    below = OURS.create_child_ca()
    return pair_of(below.issue_cert("127.0.0.1")), pem_of(below)


def self_signed() -> Scene:
    return written(*made()), None


def self_signed_another_given() -> Scene:
    return written(*made()), pem_of(OURS)


def without_what_is_asked_for() -> Scene:
    root = made(name="root", authority=True)
    return written(*made(by=root)), root[1].public_bytes(Encoding.PEM).decode()


SCENES: list[tuple[Callable[[], Scene], str, str]] = [
    (expired, "certificate has expired", "Have it renewed"),
    (too_new, "certificate is not yet valid", "Check the clock"),
    (other_name, "IP address mismatch, certificate is not valid for '127.0.0.1'", "Give an address in ADDRESS"),
    (other_ca, "unable to get local issuer certificate", "Give its CA in CA: the one there did not issue it."),
    (intermediate_alone, "unable to get issuer certificate", "Give its CA in CA: the one there is an intermediate"),
    (no_ca, "unable to get local issuer certificate", "Give its CA in CA."),
    (self_signed, "self-signed certificate", "Give its CA in CA."),
    (self_signed_another_given, "self-signed certificate", "Give its CA in CA: the one there did not issue it."),
    (without_what_is_asked_for, r"(Missing Authority Key Identifier|CA cert does not include key usage)", "made anew"),
]
CLUSTER = {"CA": "OKD_CA (or in KUBECONFIG)", "ADDRESS": "OKD_URL (or in KUBECONFIG)"}
GITLAB = {"CA": "CI_SERVER_TLS_CA_FILE", "ADDRESS": "CI_SERVER_URL"}


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let both clients be as strict as they are from Python 3.13 on."""
    monkeypatch.setattr(template_project, "PAUSES", ())
    makers = ((urllib3.connection, "create_urllib3_context"), (gitlab_session.ssl, "create_default_context"))
    for module, name in makers:
        make = getattr(module, name)

        def make_strict(*arguments: Any, make: Callable[..., ssl.SSLContext] = make, **named: Any) -> ssl.SSLContext:
            context = make(*arguments, **named)
            context.verify_flags |= ssl.VERIFY_X509_STRICT
            return context

        monkeypatch.setattr(module, name, make_strict)


def ask_cluster(folder: Path, port: int, ca: str | None) -> object:
    config = write_kubeconfig(folder, url=f"https://127.0.0.1:{port}", token="t", namespace="web", ca=ca)
    with contextlib.closing(OpenShift(str(config), "web", timeout=5)) as client:
        return client.get("services", "shop")


def ask_gitlab(_folder: Path, port: int, ca: str | None) -> object:
    return TemplateProject(f"https://127.0.0.1:{port}", "1", private_token="glpat-t", ca=ca).read("shop.yaml")


CLIENTS = [
    (ask_cluster, CLUSTER, r"^The certificate of the cluster https://127.0.0.1:\d+ cannot be verified: "),
    (ask_gitlab, GITLAB, "^The certificate of GitLab cannot be verified: "),
]


@contextlib.contextmanager
def server(folder: Path, pair: bytes, answer: bytes = b"") -> Iterator[tuple[int, list[bytes]]]:
    with serving(answer or head(503), tls=tls_of(pair, folder)) as served:
        yield served


@pytest.mark.parametrize(("ask", "names", "what"), CLIENTS)
@pytest.mark.parametrize(("scene", "reason", "advice"), SCENES)
def test_the_reason_and_what_helps(
    tmp_path: Path,
    ask: Callable[[Path, int, str | None], object],
    names: dict[str, str],
    what: str,
    scene: Callable[[], Scene],
    reason: str,
    advice: str,
) -> None:
    pair, ca = scene()
    with server(tmp_path, pair) as (port, requests), pytest.raises(MaintenanceError, match=what + reason) as caught:
        ask(tmp_path, port, ca)
    assert not requests, "the token is not sent"
    assert type(caught.value) is MaintenanceError, "to run the job again does not help"
    for short, name in names.items():
        advice = advice.replace(f"in {short}", f"in {name}")
    assert advice in caught.value.advice
    assert ("CA in" in caught.value.advice) == ("issuer" in reason or "self" in reason), "another CA helps there alone"


@pytest.mark.parametrize(("ask", "names", "what"), CLIENTS)
def test_a_good_certificate(
    tmp_path: Path, ask: Callable[[Path, int, str | None], object], names: dict[str, str], what: str
) -> None:
    """The twin: it gets as far as an answer."""
    pair = pair_of(OURS.issue_cert("127.0.0.1"))
    with server(tmp_path, pair) as (port, requests), pytest.raises(TryAgainError, match=r"503"):
        ask(tmp_path, port, pem_of(OURS))
    assert requests


@pytest.mark.parametrize(("ask", "names", "what"), CLIENTS)
def test_what_is_no_tls(
    tmp_path: Path, ask: Callable[[Path, int, str | None], object], names: dict[str, str], what: str
) -> None:
    with serving(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (port, _), pytest.raises(TryAgainError) as caught:
        ask(tmp_path, port, None)
    assert "cannot be reached (SSL" in caught.value.what
    assert ": wrong version number)" in caught.value.what or ": record layer failure)" in caught.value.what

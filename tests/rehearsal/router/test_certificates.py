"""Routes' certificates: what the router refuses, in its words, and what it serves."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from maintenance_ci.rehearsal.router.certificates import find_fault
from tests.rehearsal.router.small_router import (
    ADMITTED,
    HOST,
    NAMESPACE,
    PAGE,
    Cluster,
    Connection,
    client,
    next_second,
    run,
)

if TYPE_CHECKING:
    from pathlib import Path

CA, OTHER_CA = trustme.CA(), trustme.CA()
LEAF, OTHER_LEAF = CA.issue_cert(HOST), CA.issue_cert("else.apps.example.test")


def pem(blob: trustme.Blob) -> str:
    return blob.bytes().decode()


CERTIFICATE, KEY, AUTHORITY = pem(LEAF.cert_chain_pems[0]), pem(LEAF.private_key_pem), pem(CA.cert_pem)
EXPIRED = CA.issue_cert(HOST, not_after=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
DAMAGED = CERTIFICATE.replace(CERTIFICATE.splitlines()[3], "A" * 64)


@pytest.mark.parametrize(
    "tls",
    [
        {},
        {"certificate": CERTIFICATE, "key": KEY},
        {"certificate": CERTIFICATE.replace("\n", "\r\n"), "key": KEY.replace("\n", "\r\n")},
        {"certificate": f"a comment\n{CERTIFICATE}{AUTHORITY}", "key": KEY},
        {"certificate": CERTIFICATE + KEY},
        {
            "certificate": CERTIFICATE,
            "key": "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + KEY,
        },
        {"certificate": CERTIFICATE, "key": KEY, "caCertificate": AUTHORITY},
        {"certificate": pem(EXPIRED.cert_chain_pems[0]), "key": pem(EXPIRED.private_key_pem)},
        {"destinationCACertificate": AUTHORITY},
    ],
)
def test_certificates_that_are_served(tls: dict[str, str]) -> None:
    assert find_fault({"spec": {"tls": tls}}) == ""


CERTIFICATE_FIELD = 'spec.tls.certificate: Invalid value: "redacted certificate data": '
KEY_FIELD = 'spec.tls.key: Invalid value: "redacted key data": '
DESTINATION_FIELD = 'spec.tls.destinationCACertificate: Invalid value: "redacted destination ca certificate data": '
NO_CONTENT = "the PEM content cannot be null"
NO_CONTENT_FOR_KEY = "tls: failed to find any PEM data in certificate input"
NO_CERTIFICATE = "data does not contain any valid RSA or ECDSA certificates"


@pytest.mark.parametrize(
    ("tls", "fault"),
    [
        ({"certificate": CERTIFICATE}, 'spec.tls.key: Invalid value: "": no key specified'),
        (
            {"certificate": "nonsense", "key": "nonsense"},
            f'[{CERTIFICATE_FIELD}{NO_CERTIFICATE}, spec.tls.key: Invalid value: "": no key specified]',
        ),
        (
            {"certificate": CERTIFICATE, "key": KEY + CERTIFICATE},
            f"{KEY_FIELD}field contains invalid types CERTIFICATE, expecting only PRIVATE KEY",
        ),
        (
            {"certificate": "nonsense", "key": KEY},
            f"[{CERTIFICATE_FIELD}{NO_CERTIFICATE}, {CERTIFICATE_FIELD}{NO_CONTENT}, {KEY_FIELD}{NO_CONTENT_FOR_KEY}]",
        ),
        (
            {"certificate": DAMAGED, "key": KEY},
            f"[{CERTIFICATE_FIELD}x509: malformed certificate, {KEY_FIELD}x509: malformed certificate]",
        ),
        (
            {"certificate": CERTIFICATE, "key": pem(OTHER_LEAF.private_key_pem)},
            f"{KEY_FIELD}tls: private key does not match public key",
        ),
        (
            {"certificate": CERTIFICATE, "key": KEY.replace(KEY.splitlines()[1], "A" * 64)},
            f"[{KEY_FIELD}block EC PRIVATE KEY is not valid, {KEY_FIELD}tls: failed to parse private key]",
        ),
        (
            {"certificate": CERTIFICATE, "key": KEY, "caCertificate": pem(OTHER_CA.cert_pem)},
            f"{CERTIFICATE_FIELD}error verifying certificate: x509: certificate signed by unknown authority",
        ),
        (
            {"certificate": CERTIFICATE + "-----BEGIN THING-----\nAAAA\n-----END THING-----\n", "key": KEY},
            f"{CERTIFICATE_FIELD}unrecognized PEM block THING",
        ),
        (
            {"destinationCACertificate": "nonsense"},
            f"{DESTINATION_FIELD}failed to parse destination CA certificate: {NO_CERTIFICATE}",
        ),
    ],
)
def test_certificates_that_are_refused(tls: dict[str, str], fault: str) -> None:
    assert find_fault({"spec": {"tls": tls}}) == fault


def test_a_routes_own_certificate_is_served_for_its_host_alone(tmp_path: Path) -> None:
    own = {"termination": "edge", "certificate": CERTIFICATE, "key": KEY}

    async def story(cluster: Cluster) -> None:
        CA.configure_trust(context := cluster.client_tls())
        cluster.client_tls = lambda: context  # type: ignore[method-assign]
        cluster.add_route("own", "shop", tls=own)
        cluster.add_route("plain", "page", host="plain.apps.example.test")
        async with cluster.routed() as router:
            certificates = {}
            for host in (HOST, "plain.apps.example.test"):
                async with Connection.opened(cluster, router, host) as connection:
                    certificates[host] = connection.certificate
                    assert "200 ok" in await connection.ask(host)
            assert certificates.pop(HOST) == ssl.PEM_cert_to_DER_cert(CERTIFICATE)
            router_own = cluster.certificate.read_text()
            default = router_own[router_own.index("-----BEGIN CERT") :].split("-----END CERTIFICATE-----")[0]
            assert list(certificates.values()) == [ssl.PEM_cert_to_DER_cert(f"{default}-----END CERTIFICATE-----\n")]
            # Taken away again: the router's own certificate, and no private key is left on disk.
            (file,) = cluster.files("certificates/*.pem")
            assert file.stat().st_mode & 0o077 == 0
            cluster.update_route("own", tls={"termination": "edge"})
            await router.next_reload()
            async with Connection.opened(cluster, router) as connection:
                assert connection.certificate in certificates.values()
            assert not file.exists()

    run(tmp_path, story)


def test_a_route_with_a_broken_certificate_is_refused_and_yet_holds_its_host(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        cluster.add_route("shop", "shop")
        async with cluster.routed() as router, client(cluster, router) as ask:
            assert await ask() == (200, "application")
            await next_second()
            cluster.add_route("page", "page")
            cluster.update_route("shop", tls={"termination": "edge", "certificate": DAMAGED, "key": KEY})
            await router.next_reload()
            assert cluster.admitted("shop") == {
                "type": "Admitted",
                "status": "False",
                "reason": "ExtendedValidationFailed",
                "message": f"[{CERTIFICATE_FIELD}x509: malformed certificate, {KEY_FIELD}x509: malformed certificate]",
            }
            assert cluster.admitted("page")["reason"] == "HostAlreadyClaimed"
            assert await ask() == (503, "router")

            # Repaired, it is served again; deleted, it lets the other one in.
            cluster.update_route("shop", tls={"termination": "edge"})
            await router.next_reload()
            assert cluster.admitted("shop") == ADMITTED
            assert await ask() == (200, "application")
            cluster.delete_route("shop")
            await router.next_reload()
            await asyncio.sleep(0)
            assert await ask() == (200, PAGE)

    run(tmp_path, story)


def secret(issued: trustme.LeafCert) -> dict[str, object]:
    pair = {"tls.crt": pem(issued.cert_chain_pems[0]), "tls.key": pem(issued.private_key_pem)}
    data = {field: base64.b64encode(text.encode()).decode() for field, text in pair.items()}
    return {"metadata": {"name": "shop-tls", "namespace": NAMESPACE}, "type": "kubernetes.io/tls", "data": data}


def test_a_certificate_in_a_secret_is_followed(tmp_path: Path) -> None:
    renewed = CA.issue_cert(HOST)

    async def story(cluster: Cluster) -> None:
        CA.configure_trust(context := cluster.client_tls())
        cluster.client_tls = lambda: context  # type: ignore[method-assign]
        made = cluster.store.create("secrets", secret(LEAF), manager="test")
        cluster.add_route("shop", "shop", tls={"termination": "edge", "externalCertificate": {"name": "shop-tls"}})
        async with cluster.routed() as router, client(cluster, router) as ask:
            async with Connection.opened(cluster, router) as connection:
                assert connection.certificate == ssl.PEM_cert_to_DER_cert(CERTIFICATE)
            cluster.store.update("secrets", made | {"data": secret(renewed)["data"]}, manager="test")
            await router.next_reload()
            async with Connection.opened(cluster, router) as connection:
                assert connection.certificate == ssl.PEM_cert_to_DER_cert(pem(renewed.cert_chain_pems[0]))
            # It stands nowhere but in the router's files.
            assert cluster.store.get("routes", NAMESPACE, "shop")["spec"]["tls"].keys() == {
                "termination",
                "externalCertificate",
            }
            await next_second()
            cluster.add_route("page", "page")
            cluster.store.delete("secrets", NAMESPACE, "shop-tls")
            await router.next_reload()
            assert cluster.admitted("shop") == {
                "type": "Admitted",
                "status": "False",
                "reason": "ExternalCertificateValidationFailed",
                "message": 'spec.tls.externalCertificate: Not found: "secrets \\"shop-tls\\" not found"',
            }
            assert cluster.admitted("page")["reason"] == "HostAlreadyClaimed"
            assert (await ask())[0] == 503

    run(tmp_path, story)


def test_a_name_too_long_for_the_file_of_its_certificate_ends_the_router(tmp_path: Path) -> None:
    most = 255 - len(f"{NAMESPACE}:.pem")

    async def story(cluster: Cluster) -> None:
        own = {"termination": "edge", "certificate": CERTIFICATE, "key": KEY}
        cluster.add_route("a" * most, "shop", tls=own)
        async with contextlib.AsyncExitStack() as stack:
            router = await stack.enter_async_context(cluster.routed())
            cluster.add_route("b" * (most + 1), "shop", host="else.apps.example.test", tls=own)
            with pytest.raises(OSError, match="File name too long"):
                await router.run()
            with pytest.raises(OSError, match="File name too long"):
                await stack.aclose()

    run(tmp_path, story)

"""Where TLS ends: at the router (edge), at both (reencrypt), in the Pod (passthrough), nowhere; and wildcards."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tests.rehearsal.router.small_router import (
    ADMITTED,
    HOST,
    PAGE,
    Cluster,
    Connection,
    client,
    next_second,
    run,
)

if TYPE_CHECKING:
    from pathlib import Path

SHOP, NOBODY = (200, "application"), (503, "router")


def pod_tls(ca: trustme.CA, name: str = HOST) -> ssl.SSLContext:
    """Return what a Pod that speaks TLS itself answers with."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert(name).configure_cert(context)
    return context


@pytest.mark.parametrize(
    ("tls", "https", "http"),
    [
        (None, NOBODY, SHOP),
        ({"termination": "edge"}, SHOP, NOBODY),
        ({"termination": "edge", "insecureEdgeTerminationPolicy": "None"}, SHOP, NOBODY),
        ({"termination": "edge", "insecureEdgeTerminationPolicy": "Allow"}, SHOP, SHOP),
        ({"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"}, SHOP, 302),
    ],
)
def test_what_is_served_on_which_port(
    tmp_path: Path, tls: dict[str, str] | None, https: tuple[int, str], http: tuple[int, str] | int
) -> None:
    async def story(cluster: Cluster) -> None:
        cluster.add_route("shop", "shop", tls=tls)
        async with cluster.routed() as router, client(cluster, router) as ask:
            if http == 302:
                assert await ask("/a?b", tls=False) == (302, f"https://{HOST}:{router.https_port}/a?b")
            else:
                assert await ask("/a?b", tls=False) == http
            assert await ask("/a?b") == https

    run(tmp_path, story)


@pytest.mark.parametrize(
    ("trusted", "expected"), [("its own", SHOP), ("another", NOBODY), ("none", SHOP)], ids=["right", "wrong", "none"]
)
def test_reencrypt_verifies_the_pod_where_the_route_names_a_ca(
    tmp_path: Path, trusted: str, expected: tuple[int, str]
) -> None:
    async def story(cluster: Cluster) -> None:
        pods, other = trustme.CA(), trustme.CA()
        tls: dict[str, Any] = {"termination": "reencrypt", "insecureEdgeTerminationPolicy": "Allow"}
        if trusted != "none":
            ca = pods if trusted == "its own" else other
            tls["destinationCACertificate"] = ca.cert_pem.bytes().decode()
        headers = {"X-Served-By": "application"}
        async with cluster.backend("secure", "127.0.61.3", headers, pod_tls(pods)):
            cluster.add_route("secure", "secure", tls=tls)
            async with cluster.routed() as router, client(cluster, router) as ask:
                assert await ask() == expected

    run(tmp_path, story)


def test_reencrypt_does_not_reach_a_pod_that_speaks_plain_http(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        cluster.add_route("shop", "shop", tls={"termination": "reencrypt"})
        async with cluster.routed() as router, client(cluster, router) as ask:
            assert await ask() == NOBODY

    run(tmp_path, story)


@pytest.mark.parametrize("policy", ["None", "Redirect"])
def test_passthrough_hands_the_connection_to_the_pod(tmp_path: Path, policy: str) -> None:
    async def story(cluster: Cluster) -> None:
        headers = {"X-Served-By": "application"}
        async with cluster.backend("secure", "127.0.61.3", headers, pod_tls(cluster.ca)):
            tls = {"termination": "passthrough", "insecureEdgeTerminationPolicy": policy}
            cluster.add_route("through", "secure", tls=tls)
            cluster.add_route("edge", "page", host="edge.apps.example.test")
            async with cluster.routed() as router, client(cluster, router) as ask:
                assert cluster.admitted("through") == ADMITTED
                assert await ask("/x") == SHOP
                assert await ask("/x", host="edge.apps.example.test") == (200, PAGE)
                redirected = (302, f"https://{HOST}:{router.https_port}/x")
                assert await ask("/x", tls=False) == (redirected if policy == "Redirect" else NOBODY)
                certificates = set()
                for host in (HOST, "edge.apps.example.test"):
                    async with Connection.opened(cluster, router, host) as connection:
                        certificates.add(connection.certificate)
                assert len(certificates) == 2

                # The maintenance page has no certificate of its own: put behind passthrough it cannot answer.
                cluster.update_route("through", to={"kind": "Service", "name": "page"})
                await router.next_reload()
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    async with Connection.opened(cluster, router):
                        pass

    run(tmp_path, story)


@pytest.mark.parametrize("allowed", [True, False])
def test_a_wildcard_route_is_served_for_any_host_of_its_domain_where_that_is_allowed(
    tmp_path: Path, allowed: bool
) -> None:
    async def story(cluster: Cluster) -> None:
        cluster.add_route("any", "shop", host="wildcard.apps.example.test", wildcardPolicy="Subdomain")
        await next_second()
        cluster.add_route("one", "page", host="one.apps.example.test")
        cluster.add_route("foreign", "page", namespace="other", host="foreign.apps.example.test")
        async with cluster.routed(allow_wildcards=allowed) as router, client(cluster, router) as ask:
            assert await ask(host="one.apps.example.test") == (200, PAGE)
            foreign = cluster.admitted("foreign", "other")
            if allowed:
                assert cluster.admitted("any") == ADMITTED
                for host in ("some.apps.example.test", "wildcard.apps.example.test", "foreign.apps.example.test"):
                    assert await ask(host=host) == SHOP
                assert foreign["reason"] == "HostAlreadyClaimed"
                assert foreign["message"] == "a route in another namespace holds host foreign.apps.example.test"
            else:
                assert cluster.admitted("any") == {
                    "type": "Admitted",
                    "status": "False",
                    "reason": "RouteNotAdmitted",
                    "message": "wildcard routes are not allowed",
                }
                assert await ask(host="some.apps.example.test") == NOBODY
                assert foreign == ADMITTED

    run(tmp_path, story)

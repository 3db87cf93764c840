"""The annotations that the router honours: what they come to, and what users see of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from maintenance_ci.rehearsal.router import route_annotations
from tests.rehearsal.router.small_router import HOST, PAGE, Cluster, browser, run

if TYPE_CHECKING:
    from pathlib import Path


def route(path: str = "", termination: str = "edge", **annotations: str) -> dict[str, Any]:
    """Make a Route; underscores in the names of annotations stand for themselves, double ones for a hyphen."""
    given = {f"haproxy.router.openshift.io/{name.replace('__', '-')}": text for name, text in annotations.items()}
    return {"metadata": {"annotations": given}, "spec": {"path": path, "tls": {"termination": termination}}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [("90s", "90s"), ("5", "5"), ("500ms", "500ms"), ("30d", "2147483647ms"), ("2147483648", "2147483647ms")]
    + [(text, "") for text in ("", "0s", "-1", "1.5s", "1w", " 1s", "1s\n  bind :1", "\u0661s")],
)
def test_timeouts(given: str, expected: str) -> None:
    assert route_annotations.timeout(route(timeout=given), "timeout") == expected
    assert route_annotations.timeout(route(timeout=given), "timeout-tunnel") == ""
    assert route_annotations.timeout(route(timeout="3s", timeout__tunnel="4s"), "timeout-tunnel", "timeout") == "4s"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("192.0.2.1", ["192.0.2.1"]),
        ("192.0.2.1  192.0.2.9/24 2001:db8::/32", ["192.0.2.1", "192.0.2.9/24", "2001:db8::/32"]),
        ("192.0.2.1 somewhere 192.0.2.256 192.0.2.0/255.255.255.0 fe80::1%eth0", ["192.0.2.1"]),
        ("somewhere", []),
        (" 192.0.2.1", []),
        ("", []),
    ],
)
def test_allowlists(given: str, expected: list[str]) -> None:
    assert route_annotations.allowlist(route(ip_allowlist=given)) == expected
    assert route_annotations.allowlist(route(ip_whitelist=given)) == expected
    assert route_annotations.allowlist(route(ip_allowlist="192.0.2.7", ip_whitelist=given)) == ["192.0.2.7"]


@pytest.mark.parametrize(
    ("value", "honoured"),
    [
        ("max-age=31536000", True),
        ('max-age="1"', True),
        ("max-age=1;includeSubDomains;preload", True),
        ("includesubdomains; MAX-AGE = 1", True),
        ("", False),
        ("max-age=", False),
        ("includeSubDomains", False),
        ("max-age=1;", False),
        ("max-age=1; other", False),
        ("max-age=1\n  http-response deny", False),
    ],
)
def test_hsts(value: str, honoured: bool) -> None:
    for termination in ("edge", "reencrypt"):
        assert route_annotations.hsts_header(route("", termination, hsts_header=value)) == (value if honoured else "")
    for termination in ("", "passthrough"):
        assert route_annotations.hsts_header(route("", termination, hsts_header=value)) == ""


@pytest.mark.parametrize(
    ("path", "target", "expected"),
    [
        ("/shop", "/", (r"^/shop/?(.*)$", r"/\1")),
        ("/shop", "/new", (r"^/shop(.*)$", r"/new\1")),
        ("", "/new", (r"^(.*)$", r"/new\1")),
        ("/a b'c", "/", (r"^/a\x20b\x27c/?(.*)$", r"/\1")),
        ("/shop", "/100%", (r"^/shop(.*)$", r"/100%%\1")),
        ("/shop", "/100%%", (r"^/shop(.*)$", r"/100%%\1")),
        ("/shop", "", None),
        ("/shop", "new", None),
        ("/shop", "/a'b", None),
        ("/shop", "/a\nb", None),
    ],
)
def test_rewrites(path: str, target: str, expected: tuple[str, str] | None) -> None:
    assert route_annotations.rewrite(route(path, rewrite__target=target)) == expected


@pytest.mark.parametrize("name", ["ip_allowlist", "ip_whitelist"])
def test_only_listed_addresses_come_in(tmp_path: Path, name: str) -> None:
    async def story(cluster: Cluster) -> None:
        listed = {name: "127.0.0.7 127.9.0.0/16"}
        cluster.add_route("shop", "shop", annotations=listed)
        cluster.add_route("plain", "shop", annotations=listed, host="plain.apps.example.test", tls=None)
        cluster.add_route("open", "page", annotations={name: "nobody"}, host="open.apps.example.test")
        async with cluster.routed() as router:
            for source, comes_in in {"127.0.0.7": True, "127.9.1.1": True, "127.0.0.1": False}.items():
                async with browser(cluster, router, source) as get:
                    assert (await get(host="open.apps.example.test")).who == (200, PAGE)
                    for where in ({"host": HOST}, {"host": "plain.apps.example.test", "tls": False}):
                        if comes_in:
                            assert (await get(**where)).who == (200, "application")
                        else:
                            with pytest.raises(aiohttp.ServerDisconnectedError):
                                await get(**where)

    run(tmp_path, story)


def test_hsts_is_sent_by_routes_that_have_it(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        hsts = {"hsts_header": "max-age=31536000;includeSubDomains"}
        allow = {"termination": "edge", "insecureEdgeTerminationPolicy": "Allow"}
        cluster.add_route("shop", "shop", annotations=hsts, tls=allow)
        cluster.add_route("without", "shop", host="without.apps.example.test")
        cluster.add_route("plain", "shop", annotations=hsts, host="plain.apps.example.test", tls=None)
        async with cluster.routed() as router, browser(cluster, router) as get:
            header = "Strict-Transport-Security"
            assert (await get()).headers[header] == "max-age=31536000;includeSubDomains"
            assert header not in (await get(host="without.apps.example.test")).headers
            assert header not in (await get(host="plain.apps.example.test", tls=False)).headers

    run(tmp_path, story)


def test_the_path_is_rewritten(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        for name, target in (("root", "/"), ("deep", "/new/place"), ("none", "")):
            cluster.add_route(name, "shop", annotations={"rewrite-target": target}, path=f"/{name}")
        async with cluster.routed() as router, browser(cluster, router) as get:
            for asked, seen in {
                "/root": "/",
                "/root/": "/",
                "/root/a/b?c=/root": "/a/b",
                "/deep": "/new/place",
                "/deep/a": "/new/place/a",
                "/none/a": "/none/a",
            }.items():
                assert (await get(asked)).body == seen

    run(tmp_path, story)


def test_a_slow_answer_runs_into_the_routes_timeout(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        cluster.add_route("hasty", "shop", annotations={"timeout": "200ms"})
        cluster.add_route("patient", "shop", annotations={"timeout": "soon"}, host="patient.apps.example.test")
        async with cluster.routed() as router, browser(cluster, router) as get:
            assert (await get("/?sleep=0.6")).who == (504, "router")
            assert (await get("/?sleep=0.6", host="patient.apps.example.test")).who == (200, "application")

    run(tmp_path, story)


def test_who_is_asked_next_is_the_routes_choice(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        both = [{"kind": "Service", "name": "page", "weight": 100}]
        for name, balance in (("turns", ""), ("same", "source"), ("odd", "by mood")):
            host = f"{name}.apps.example.test"
            cluster.add_route(name, "shop", annotations={"balance": balance}, host=host, alternateBackends=both)
        async with cluster.routed() as router, browser(cluster, router) as get:
            for name, answering in {"turns": 2, "odd": 2, "same": 1}.items():
                seen = {(await get(host=f"{name}.apps.example.test")).who for _ in range(8)}
                assert len(seen) == answering

    run(tmp_path, story)

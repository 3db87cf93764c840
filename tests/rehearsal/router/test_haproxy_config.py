"""HAProxy's files: what they say, and that a real HAProxy takes them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import trustme

from maintenance_ci.rehearsal import tools
from maintenance_ci.rehearsal.router.haproxy_config import Frontends, generate, route_pattern
from maintenance_ci.rehearsal.router.servers import Server, find_servers, group_slices

Object = dict[str, Any]
HOST = "app.example.test"


def route(name: str = "app", annotations: Object | None = None, **spec: Any) -> Object:
    to = {"kind": "Service", "name": "app", "weight": 100}
    metadata = {"name": name, "namespace": "web", "annotations": annotations or {}}
    return {"metadata": metadata, "spec": {"host": HOST, "to": to, **spec}}


def endpoint_slice(service: str, *addresses: str, ready: bool | None = True, namespace: str = "web") -> Object:
    return {
        "metadata": {
            "name": f"{service}-x",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": service},
        },
        "endpoints": [
            {"addresses": [one], "conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": f"pod-{one}"}}
            for one in addresses
        ],
        "ports": [
            {"name": "http", "port": 8080, "protocol": "TCP"},
            {"name": "admin", "port": 9000, "protocol": "TCP"},
        ],
    }


def edge(policy: str | None = None) -> Object:
    return {"termination": "edge"} | ({"insecureEdgeTerminationPolicy": policy} if policy else {})


@pytest.mark.parametrize(
    ("path", "served", "not_served"),
    [
        ("", ["", "/", "/foo"], []),
        ("/", ["", "/", "/foo"], []),
        ("/foo", ["/foo", "/foo/", "/foo/bar"], ["/", "/foobar", "/foo.html", "/x/foo", "/FOO"]),
        ("/foo/", ["/foo/", "/foo/bar"], ["/foo", "/foobar"]),
        ("/a b.c", ["/a b.c"], ["/a bxc"]),
    ],
)
def test_paths_match_by_whole_segments(path: str, served: list[str], not_served: list[str]) -> None:
    pattern = route_pattern("App.Example.test", path)
    assert not re.search(r"\s", pattern)
    for host in (HOST, f"{HOST}:8443", f"{HOST}."):
        assert [one for one in served if not re.match(pattern, host + one)] == []
        assert [one for one in not_served if re.match(pattern, host + one)] == []
    assert not re.match(pattern, f"xapp.example.test{path}")
    assert not re.match(pattern, f"appXexample.test{path}")


def test_a_wildcard_matches_one_label() -> None:
    pattern = route_pattern("any.example.test", "", wildcard=True)
    assert re.match(pattern, "shop.example.test/x")
    assert not re.match(pattern, "a.shop.example.test/x")


@pytest.mark.parametrize(
    ("port", "ports"),
    [(None, {8080, 9000}), ("http", {8080}), ("admin", {9000}), (8080, {8080}), ("9000", {9000}), ("none", set())],
)
def test_the_target_port_selects_by_name_or_number(port: str | int | None, ports: set[int]) -> None:
    spec: Object = {} if port is None else {"port": {"targetPort": port}}
    assert {
        one.port for one in find_servers(route(**spec), group_slices([endpoint_slice("app", "127.0.9.1")]))
    } == ports


def test_only_ready_endpoints_of_the_service_in_the_namespace() -> None:
    slices = [
        endpoint_slice("app", "127.0.9.1"),
        endpoint_slice("app", "127.0.9.2", ready=False),
        endpoint_slice("app", "127.0.9.3", ready=None),
        endpoint_slice("page", "127.0.9.4"),
        endpoint_slice("app", "127.0.9.5", namespace="other"),
    ]
    servers = find_servers(route(port={"targetPort": "http"}), group_slices(slices))
    assert servers == [
        Server("pod:pod-127.0.9.1:app:127.0.9.1:8080", "127.0.9.1", 8080),
        Server("pod:pod-127.0.9.3:app:127.0.9.3:8080", "127.0.9.3", 8080),
    ]


@pytest.mark.parametrize(
    ("weights", "expected"),
    [((100, 100), [128, 128, 256]), ((300, 50), [256, 256, 85]), ((100, 0), [256, 256, 0]), ((0, 0), [0, 0, 0])],
)
def test_a_services_weight_is_shared_out_among_its_endpoints(weights: tuple[int, int], expected: list[int]) -> None:
    both = [{"name": name, "weight": weight} for name, weight in zip(("app", "new"), weights, strict=True)]
    slices = [endpoint_slice("app", "127.0.9.1", "127.0.9.2"), endpoint_slice("new", "127.0.9.3")]
    servers = find_servers(
        route(to=both[0], alternateBackends=both[1:], port={"targetPort": "http"}), group_slices(slices)
    )
    assert [one.weight for one in servers] == expected


def files(*routes: Object, slices: tuple[Object, ...] = ()) -> dict[str, str]:
    return generate(routes, slices, Frontends(8080, 8443, Path("/router.pem")))


@pytest.mark.parametrize(
    ("tls", "https", "http", "redirect"),
    [
        ({}, "", "be_http:web:app", "0"),
        ({"tls": edge()}, "be_edge_http:web:app", "", "0"),
        ({"tls": edge("None")}, "be_edge_http:web:app", "", "0"),
        ({"tls": edge("Allow")}, "be_edge_http:web:app", "be_edge_http:web:app", "0"),
        ({"tls": edge("Redirect")}, "be_edge_http:web:app", "", "1"),
        ({"tls": {"termination": "reencrypt"}}, "be_secure:web:app", "", "0"),
        ({"tls": {"termination": "passthrough"}}, "", "", "0"),
        ({"tls": {"termination": "passthrough", "insecureEdgeTerminationPolicy": "Redirect"}}, "", "", "1"),
    ],
)
def test_which_frontend_serves(tls: Object, https: str, http: str, redirect: str) -> None:
    found = files(route(**tls))
    assert [found[name].partition(" ")[2].strip() for name in ("https.map", "http.map", "redirect.map")] == [
        https,
        http,
        redirect,
    ]
    passed_through = tls.get("tls", {}).get("termination") == "passthrough"
    assert found["passthrough.map"] == (r"^app\.example\.test$ be_tcp:web:app" + "\n" if passed_through else "")


def test_a_deeper_route_without_a_redirect_is_not_redirected() -> None:
    routes = route("a", tls=edge("Redirect")), route("b", path="/open", tls=edge("Allow"))
    assert [line[-1] for line in files(*routes)["redirect.map"].splitlines()] == ["0", "1"]


def test_the_longest_path_is_found_first() -> None:
    routes = [route(name, path=path, tls=edge()) for name, path in (("a", ""), ("b", "/x/y"), ("c", "/x"))]
    assert re.findall(r":web:(.)$", files(*routes)["https.map"], re.MULTILINE) == ["b", "c", "a"]


def test_a_single_endpoint_is_not_checked() -> None:
    one, two = endpoint_slice("app", "127.0.9.1"), endpoint_slice("app", "127.0.9.1", "127.0.9.2")
    port = {"targetPort": "http"}
    assert "check inter" not in files(route(port=port), slices=(one,))["haproxy.cfg"]
    assert files(route(port=port), slices=(two,))["haproxy.cfg"].count("check inter 5s") == 2


def test_a_passthrough_backend_has_no_server_without_weight() -> None:
    both = [{"name": "app", "weight": 0}, {"name": "new", "weight": 5}]
    spec = {"to": both[0], "alternateBackends": both[1:], "port": {"targetPort": "http"}}
    slices = endpoint_slice("app", "127.0.9.1"), endpoint_slice("new", "127.0.9.2")
    for termination, count in (("edge", 2), ("passthrough", 1)):
        config = files(route(**spec, tls={"termination": termination}), slices=slices)["haproxy.cfg"]
        assert config.count("  server pod:") == count


ANNOTATIONS = {
    f"haproxy.router.openshift.io/{name}": value
    for name, value in {
        "ip_allowlist": " ".join(f"192.0.2.{number}" for number in range(200)) + " 2001:db8::/32",
        "hsts_header": 'max-age="31536000"; includeSubDomains;preload',
        "rewrite-target": "/a%20b%",
        "timeout": "99999999999d",
        "timeout-tunnel": "5us",
        "balance": "source",
    }.items()
}


def test_a_real_haproxy_takes_it(tmp_path: Path) -> None:
    certificate = tmp_path / "router.pem"
    issued = trustme.CA().issue_cert(HOST)
    issued.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    own_certificate = {
        "certificate": issued.cert_chain_pems[0].bytes().decode(),
        "key": issued.private_key_pem.bytes().decode(),
    }
    routes = [
        route("app", tls=edge("Redirect")),
        route("odd", path="/a b#ü\t%20", tls=edge("Allow")),
        route("plain", {"haproxy.router.openshift.io/balance": "leastconn"}, host="plain.example.test"),
        route("any", wildcardPolicy="Subdomain"),
        route("secure", host="secure.example.test", tls={"termination": "reencrypt"}),
        route("both", host="both.example.test", alternateBackends=[{"name": "app", "weight": 3}]),
        route("through", host="through.example.test", tls={"termination": "passthrough"}),
        route("own", ANNOTATIONS, host="own.example.test", path="/it's", tls=edge() | own_certificate),
    ]
    slices = [endpoint_slice("app", "127.0.9.1", "127.0.9.2")]
    for name, text in generate(routes, slices, Frontends(1, 2, certificate)).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    argv = [str(tools.haproxy_path()), "-c", "-f", "haproxy.cfg"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")

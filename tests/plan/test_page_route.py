from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.names import PAGE, page_route_name
from maintenance_ci.plan.mirrored_metadata import DISABLE_COOKIES, ROUTER_ANNOTATIONS, label_value
from maintenance_ci.plan.page_route import backend_services, maintenance_tls, maintenance_values, routes_beside
from maintenance_ci.settings.types import MAX_ROUTE_NAME
from maintenance_ci.templates.rendering import render_page_route

TEMPLATE = (Path(__file__).parents[2] / "route-templates/maintenance-route.yaml.j2").read_text()
ORIGINAL: dict[str, Any] = {
    "metadata": {
        "name": "shop",
        "namespace": "web",
        "labels": {"app": "shop", "shard": "public", "app.kubernetes.io/managed-by": "Helm"},
        "annotations": {
            "kubernetes.io/tls-acme": "true",
            "haproxy.router.openshift.io/timeout": "60s",
            "haproxy.router.openshift.io/ip_allowlist": "192.0.2.0/24",
            "meta.helm.sh/release-name": "shop",
        },
    },
    "spec": {
        "host": "shop.apps.example.test",
        "to": {"kind": "Service", "name": "shop"},
        "tls": {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect", "certificate": "C\nD", "key": "K"},
    },
}


CERTIFICATE = {"certificate": "C", "key": "K"}


def mirror(original: dict[str, Any], **options: Any) -> dict[str, Any]:
    given = {"route_name": "shop", "subpath": None, "strategy": "swap"} | options
    return render_page_route(TEMPLATE, maintenance_values(original, **given))


def render(**options: Any) -> dict[str, Any]:
    return mirror(ORIGINAL, **options)


def changed(**spec: Any) -> dict[str, Any]:
    return ORIGINAL | {"spec": ORIGINAL["spec"] | spec}


def annotated(**annotations: str) -> dict[str, Any]:
    return ORIGINAL | {"metadata": ORIGINAL["metadata"] | {"annotations": annotations}}


def test_it_keeps_host_tls_and_acme_and_leads_to_the_page() -> None:
    route = render(announced_notes={"maintenance-ci/pipeline": "42"})
    assert route["metadata"]["name"] == "shop-maintenance-page"
    assert route["metadata"]["namespace"] == "web"
    assert route["spec"]["host"] == "shop.apps.example.test"
    assert route["spec"]["tls"] == ORIGINAL["spec"]["tls"]
    assert route["spec"]["to"]["name"] == "maintenance-page"
    annotations = route["metadata"]["annotations"]
    assert annotations["kubernetes.io/tls-acme"] == "true"
    assert annotations["haproxy.router.openshift.io/ip_allowlist"] == "192.0.2.0/24"
    assert annotations["maintenance-ci/route"] == "shop"
    assert annotations["maintenance-ci/pipeline"] == "42"


def test_what_belongs_to_the_application_or_to_other_tools_is_left_out() -> None:
    metadata = render()["metadata"]
    assert "haproxy.router.openshift.io/timeout" not in metadata["annotations"]
    assert "meta.helm.sh/release-name" not in metadata["annotations"]
    assert metadata["labels"] == {
        "app": "shop",
        "shard": "public",
        "app.kubernetes.io/managed-by": "maintenance-ci",
        "maintenance-ci/route": "shop",
    }


def test_a_subpath_is_a_route_of_its_own() -> None:
    route = render(subpath="/checkout")
    assert route["spec"]["path"] == "/checkout"
    assert route["metadata"]["name"] == page_route_name("shop", "/checkout")
    names = {page_route_name("shop", path) for path in (None, "/a", "/a/b", "/a-b", "/A")}
    assert len(names) == 5
    assert max(len(page_route_name("x" * MAX_ROUTE_NAME, path)) for path in (None, "/a")) == 253


def test_a_path_of_the_original_is_kept() -> None:
    assert mirror(changed(path="/app"))["spec"]["path"] == "/app"
    assert mirror(changed(path="/app"), subpath="/app/cart")["spec"]["path"] == "/app/cart"
    assert "path" not in render()["spec"]


def test_a_wildcard_stays_one() -> None:
    assert mirror(changed(wildcardPolicy="Subdomain"))["spec"]["wildcardPolicy"] == "Subdomain"
    assert render()["spec"]["wildcardPolicy"] == "None"


def test_values_cannot_break_out_of_the_template() -> None:
    hostile = '🙏 \u2028 "\n  host: evil.example.test # {{ 1 }}'
    route = mirror(annotated(**{"kubernetes.io/tls-acme": hostile}))
    assert route["metadata"]["annotations"]["kubernetes.io/tls-acme"] == hostile


@pytest.mark.parametrize(
    "name",
    [
        "kubernetes.io/tls-acme",
        "cert-manager.io/issuer-name",
        "external-dns.alpha.kubernetes.io/ttl",
        "route.openshift.io/allow-non-dns-compliant-host",
        "haproxy.router.openshift.io/hsts_header",
        "haproxy.router.openshift.io/ip_whitelist",
        "haproxy.router.openshift.io/rate-limit-connections",
        "haproxy.router.openshift.io/rate-limit-connections.rate-http",
    ],
)
def test_annotations_of_the_host_are_kept(name: str) -> None:
    assert mirror(annotated(**{name: "1"}))["metadata"]["annotations"][name] == "1"


@pytest.mark.parametrize(
    "name",
    [
        "haproxy.router.openshift.io/rewrite-target",
        "haproxy.router.openshift.io/set-forwarded-headers",
        "haproxy.router.openshift.io/not-known-yet",
        "router.openshift.io/cookie_name",
        "cert-manager.io/next-private-key",
        "cert-managers.io/x",
        "kubectl.kubernetes.io/last-applied-configuration",
        "argocd.argoproj.io/tracking-id",
        "openshift.io/host.generated",
    ],
)
def test_annotations_of_the_application_and_of_tools_are_not(name: str) -> None:
    assert name not in mirror(annotated(**{name: "1"}))["metadata"]["annotations"]


def test_every_annotation_of_the_table_has_a_reason() -> None:
    for name, (kept, reason) in ROUTER_ANNOTATIONS.items():
        assert reason
        found = mirror(annotated(**{name: "1"}))["metadata"]["annotations"].get(name)
        assert found == ("1" if kept else "true" if name == DISABLE_COOKIES else None)


def test_headers_of_the_application_are_left_out() -> None:
    password = {"name": "Authorization", "action": {"type": "Set", "set": {"value": "Basic cGFzcw=="}}}
    policy = {"name": "Content-Security-Policy", "action": {"type": "Set", "set": {"value": "style-src 'none'"}}}
    route = mirror(changed(httpHeaders={"actions": {"request": [password], "response": [policy]}}))
    assert "httpHeaders" not in route["spec"]
    assert "cGFzcw" not in str(route)


def test_a_long_name_stays_exact_and_its_label_is_shortened() -> None:
    long = "r" * MAX_ROUTE_NAME
    plain = changed(tls={"termination": "edge"}) | {"metadata": ORIGINAL["metadata"] | {"annotations": {}}}
    metadata = mirror(plain, route_name=long)["metadata"]
    assert metadata["name"] == f"{long}-maintenance-page"
    assert metadata["annotations"]["maintenance-ci/route"] == long
    assert len(metadata["labels"]["maintenance-ci/route"]) == 63
    assert metadata["labels"]["maintenance-ci/route"] == label_value(long)


@pytest.mark.parametrize(
    "original",
    [
        changed(tls={"termination": "edge", **CERTIFICATE}),
        changed(tls={"termination": "edge", "externalCertificate": {"name": "shop-tls"}}),
        changed(tls={"termination": "edge"}),  # tls-acme: it will have one
    ],
)
def test_a_name_too_long_for_the_routers_file_of_its_certificate_is_refused(original: dict[str, Any]) -> None:
    most = 255 - len("web:-maintenance-page.pem")
    mirror(original, route_name="r" * most)
    with pytest.raises(MaintenanceError, match=r"too long for the router's file of it \(256 characters"):
        mirror(original, route_name="r" * (most + 1))
    mirror(changed(tls=None), route_name="r" * MAX_ROUTE_NAME)


def test_the_mirror_of_a_maintenance_route_is_the_original_s() -> None:
    whole = render(announced_notes={"maintenance-ci/pipeline": "42"})
    assert whole["metadata"]["annotations"]["maintenance-ci/pipeline"] == "42"
    part = mirror(whole, subpath="/cart", strategy="subpath")
    assert part == render(subpath="/cart", strategy="subpath")
    assert "maintenance-ci/pipeline" not in part["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("tls", "expected"),
    [
        (None, None),
        ({"termination": "edge"}, {"termination": "edge"}),
        (
            {"termination": "reencrypt", "certificate": "C", "destinationCACertificate": "D"},
            {"termination": "edge", "certificate": "C"},
        ),
    ],
)
def test_tls_ends_at_the_router(tls: dict[str, str] | None, expected: dict[str, str] | None) -> None:
    assert maintenance_tls(tls) == expected


@pytest.mark.parametrize("termination", ["passthrough", "Passthrough"])
def test_passthrough_is_refused_without_a_certificate(termination: str) -> None:
    tls = {"termination": termination, "insecureEdgeTerminationPolicy": "Redirect"}
    with pytest.raises(MaintenanceError, match="passthrough") as refused:
        mirror(changed(tls=tls))
    assert "PASSTHROUGH_CERTIFICATE_SECRET" in refused.value.advice
    assert mirror(changed(tls=tls), certificate=CERTIFICATE)["spec"]["tls"] == {
        "termination": "edge",
        "insecureEdgeTerminationPolicy": "Redirect",
        **CERTIFICATE,
    }
    with pytest.raises(MaintenanceError, match="does not see its paths"):
        mirror(changed(tls=tls), certificate=CERTIFICATE, subpath="/a")


def test_a_certificate_of_its_own_is_not_replaced_by_one_for_passthrough() -> None:
    other = {"certificate": "other", "key": "other"}
    assert mirror(ORIGINAL, certificate=other)["spec"]["tls"] == ORIGINAL["spec"]["tls"]
    assert maintenance_tls(None, certificate=other) is None


@pytest.mark.parametrize(
    "template",
    [
        TEMPLATE.replace("host | toyaml", '"evil.example.test" | toyaml'),
        TEMPLATE.replace("name | toyaml", '"other" | toyaml'),
        TEMPLATE.replace("namespace | toyaml", '"other" | toyaml'),
        TEMPLATE.replace("{{ labels | toyaml }}", "{app.kubernetes.io/managed-by: maintenance-ci}"),
        TEMPLATE.replace("{{ annotations | toyaml }}", "{}"),
        TEMPLATE.replace("wildcard_policy | toyaml", '"Subdomain" | toyaml'),
        TEMPLATE.replace("weight: 100", "weight: 100\n  alternateBackends: [{kind: Service, name: shop}]"),
        TEMPLATE.replace("tls: {{ tls | toyaml }}", "tls: {termination: passthrough}"),
        TEMPLATE.replace("tls: {{ tls | toyaml }}", "wrong: {{ tls | toyaml }}"),
        "kind: Secret",
        "- a list",
        "a: [",
        "",
        "{{ nobody }}",
    ],
)
def test_a_template_that_changes_what_it_must_keep_is_refused(template: str) -> None:
    assert template != TEMPLATE
    with pytest.raises(MaintenanceError):
        render_page_route(template, maintenance_values(ORIGINAL, route_name="shop", subpath=None, strategy="swap"))


def test_all_backends_count() -> None:
    spec = {"to": {"kind": "Service", "name": "a"}, "alternateBackends": [{"kind": "Service", "name": "b"}]}
    assert backend_services({"spec": spec}) == {"a", "b"}


def test_what_is_a_team_s_to_change_may_be_changed() -> None:
    template = TEMPLATE.replace("{{ annotations | toyaml }}", "{{ dict(annotations, team='web') | toyaml }}")
    template = template.replace("tls: {{ tls | toyaml }}", "tls: {termination: edge, certificate: mine, key: mine}")
    values = maintenance_values(ORIGINAL, route_name="shop", subpath=None, strategy="swap")
    route = render_page_route(template, values)
    assert route["metadata"]["annotations"]["team"] == "web"
    assert route["spec"]["tls"]["certificate"] == "mine"


def test_what_other_routes_of_the_host_go_on_serving() -> None:
    def on(name: str, path: str = "", host: str = "h.example.test", service: str = "app") -> dict[str, Any]:
        spec = {"host": host, "to": {"kind": "Service", "name": service}} | ({"path": path} if path else {})
        return {"metadata": {"name": name}, "spec": spec}

    shown = on("shop-maintenance-page", service=PAGE)
    others = [
        on("shop"), on("api", "/api"), on("deep", "/api/v2"), on("other", "/api", host="o.example.test"),
        on("shop-maintenance-page-1a2b3c4d", "/cart", service=PAGE), shown,
    ]  # fmt: skip
    leaving = {"shop", "shop-maintenance-page"}
    assert routes_beside(shown, others, leaving) == ["/api (Route api)", "/api/v2 (Route deep)"]
    assert routes_beside(on("part", "/api", service=PAGE), others, leaving) == ["/api/v2 (Route deep)"]
    assert routes_beside(on("part", "/ap", service=PAGE), others, leaving) == []

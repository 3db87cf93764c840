"""Every form of a Route goes into maintenance and comes back, and its users meet the page in its place.

The clusters are shared, and the page stays up in them, held by a Route of nobody's: each test has a host of its own.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import trustme

from maintenance_ci.names import page_route_name
from maintenance_ci.plan.mirrored_metadata import label_value
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.selectors import label_matcher
from maintenance_ci.settings.types import MAX_ROUTE_NAME
from tests.tools.clusters import QUICK, Cluster, running
from tests.tools.outcomes import essence, ok
from tests.tools.secure_application import secure_application
from tests.tools.site import Seen, Site, add_secret, own_certificate

PAGE, APPLICATION = "maintenance-page:v1", "application"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster in which the page is up, whatever the tests do; the router allows wildcards."""
    with running(replace(QUICK, allow_wildcards=True)) as cluster:
        ok(cluster.run("build-and-deploy"))
        keeper = manifests.route("keeper", "keeper.apps.example.test", service="maintenance-page")
        cluster.call(cluster.store.create, "routes", keeper, manager="somebody")
        yield cluster


def wildcard(cluster: Cluster, name: str) -> tuple[Site, list[str]]:
    """A wildcard Route, and some of its hosts."""
    domain = f"{name}.example.test"
    tls = {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"} | own_certificate(cluster, f"*.{domain}")
    site = Site(cluster, name, host=f"wildcard.{domain}", wildcardPolicy="Subdomain", tls=tls)
    return site, [f"{host}.{domain}" for host in ("wildcard", "a", "b")]


@pytest.mark.slow
def test_a_wildcard(cluster: Cluster) -> None:
    site, hosts = wildcard(cluster, "tenants")
    site.begin()
    assert [site.who("/", "/cart/1", host=host) for host in hosts] == [[PAGE, PAGE]] * 3
    assert site.maintenance["spec"]["wildcardPolicy"] == "Subdomain"
    site.end()
    assert [site.who(host=host) for host in hosts] == [[APPLICATION]] * 3
    assert site.is_back()


@pytest.mark.slow
def test_a_path_of_a_wildcard(cluster: Cluster) -> None:
    site, hosts = wildcard(cluster, "customers")
    site.begin(SUBPATH="/cart")
    assert [site.who("/", "/cart/1", host=host) for host in hosts] == [[APPLICATION, PAGE]] * 3
    site.end(SUBPATH="/cart")
    assert [site.who("/cart/1", host=host) for host in hosts] == [[APPLICATION]] * 3
    assert site.is_back()


@pytest.mark.slow
def test_a_route_with_a_path_of_its_own_beside_others_of_its_host(cluster: Cluster) -> None:
    host = "paths.apps.example.test"
    root, part = Site(cluster, "paths", host=host), Site(cluster, "paths-app", host=host, path="/app")
    paths = ("/", "/app", "/app/cart/1", "/application")

    refused = part.run("deploy-route", SUBPATH="/cart")
    assert refused.code == 1
    assert "SUBPATH is not below /app" in refused.lines[-1]
    part.begin(SUBPATH="/app/cart")
    assert root.who(*paths) == [APPLICATION, APPLICATION, PAGE, APPLICATION]
    part.end(SUBPATH="/app/cart")
    part.begin()
    assert root.who(*paths) == [APPLICATION, PAGE, PAGE, APPLICATION]
    root.begin()
    assert root.who(*paths) == [PAGE] * 4
    part.end()
    assert root.who(*paths) == [PAGE, APPLICATION, APPLICATION, PAGE]
    root.end()
    assert root.who(*paths) == [APPLICATION] * 4
    assert root.is_back()
    assert part.is_back()


@pytest.mark.slow
def test_plain_http(cluster: Cluster) -> None:
    site = Site(cluster, "plain", tls=None)
    assert site.who(plain=True) == [APPLICATION]
    site.begin()
    assert site.who(plain=True) == [PAGE]
    assert "tls" not in site.maintenance["spec"]
    site.end()
    assert site.who(plain=True) == [APPLICATION]
    assert site.is_back()


@pytest.mark.parametrize("policy", ["None", "Allow", "Redirect"])
@pytest.mark.slow
def test_what_becomes_of_plain_http_is_the_originals_choice(cluster: Cluster, policy: str) -> None:
    site = Site(
        cluster, f"policy-{policy.lower()}", tls={"termination": "edge", "insecureEdgeTerminationPolicy": policy}
    )
    before = site.ask(plain=True)
    site.begin()
    during = site.ask(plain=True)
    assert site.who() == [PAGE]
    assert during.status == before.status == {"None": 503, "Allow": 200, "Redirect": 302}[policy]
    assert during.served_by == (PAGE if policy == "Allow" else before.served_by)
    site.end()
    assert site.is_back()


def test_a_certificate_in_a_secret(cluster: Cluster) -> None:
    pair = own_certificate(cluster, "external.apps.example.test")
    add_secret(cluster, "external-tls", pair)
    tls = {"termination": "edge", "externalCertificate": {"name": "external-tls"}}
    site = Site(cluster, "external", tls=tls)
    seen = [site.ask()]
    site.begin()
    seen.append(site.ask())
    assert site.maintenance["spec"]["tls"] == tls
    site.end()
    seen.append(site.ask())
    assert [one.served_by for one in seen] == [APPLICATION, PAGE, APPLICATION]
    assert {one.certificate for one in seen} == {pair["certificate"]}
    assert site.is_back()


@pytest.mark.slow
def test_a_certificate_and_its_authority(cluster: Cluster) -> None:
    ca = trustme.CA()
    authority = ca.cert_pem.bytes().decode()
    issued = ca.issue_cert("own.apps.example.test")
    pair = {
        "certificate": issued.cert_chain_pems[0].bytes().decode(),
        "key": issued.private_key_pem.bytes().decode(),
        "caCertificate": authority,
    }
    site = Site(cluster, "own", tls={"termination": "edge", **pair})
    # The runner of the pipeline does not trust it: it waits instead.
    site.begin()
    assert site.maintenance["spec"]["tls"] == {"termination": "edge", **pair}
    assert site.who(trust=authority) == [PAGE]
    done = site.end()
    assert site.who(trust=authority) == [APPLICATION]
    assert site.is_back()
    assert "PRIVATE KEY" not in done.log


@pytest.fixture(scope="module")
def secure(cluster: Cluster) -> Iterator[str]:
    """An application that speaks TLS itself, as Service ``secure``; the CA of its certificate is handed out."""
    ca = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("passed.apps.example.test", "secure.web.svc").configure_cert(context)
    serving = secure_application(cluster, context)
    cluster.do(serving.__aenter__())
    try:
        yield ca.cert_pem.bytes().decode()
    finally:
        cluster.do(serving.__aexit__(None, None, None))


@pytest.mark.slow
def test_reencrypt_becomes_edge_and_reencrypt_again(cluster: Cluster, secure: str) -> None:
    tls = {"termination": "reencrypt", "insecureEdgeTerminationPolicy": "Redirect", "destinationCACertificate": secure}
    site = Site(cluster, "reencrypt", service="secure", tls=tls)
    assert site.who() == ["secure"]
    site.begin()
    assert site.who() == [PAGE]
    assert site.maintenance["spec"]["tls"] == {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"}
    site.end()
    assert site.who() == ["secure"]
    assert site.is_back()


@pytest.mark.slow
def test_passthrough_needs_a_certificate(cluster: Cluster, secure: str) -> None:
    site = Site(cluster, "passed", service="secure", tls={"termination": "passthrough"})
    assert site.who(trust=secure) == ["secure"]
    refused = site.run("deploy-route")
    assert refused.code == 1
    assert "its certificate is in the application" in refused.lines[-1]
    assert site.is_back()

    add_secret(cluster, "passed-tls", own_certificate(cluster, "other.apps.example.test"))
    refused = site.run("deploy-route", PASSTHROUGH_CERTIFICATE_SECRET="passed-tls")
    assert refused.code == 1
    assert "is for other.apps.example.test, not for passed.apps.example.test" in refused.lines[-1]
    assert site.is_back()

    pair = own_certificate(cluster, site.host)
    cluster.call(cluster.store.delete, "secrets", manifests.NAMESPACE, "passed-tls")
    add_secret(cluster, "passed-tls", pair)
    done = site.begin(PASSTHROUGH_CERTIFICATE_SECRET="passed-tls")
    assert site.ask() == Seen(200, PAGE, pair["certificate"])
    assert "PRIVATE KEY" not in done.log
    refused = site.run("deploy-route", SUBPATH="/cart")
    assert refused.code == 1
    assert "is passthrough outside of its maintenance: it has no paths. Nothing was changed." in refused.lines[-1]
    site.end()
    assert site.who(trust=secure) == ["secure"]
    assert site.is_back()


@pytest.mark.slow
def test_several_paths_begin_and_end_on_their_own(cluster: Cluster) -> None:
    site, paths = Site(cluster, "parts"), ("/", "/cart", "/pay/now")
    selector = label_matcher(f"maintenance-ci/route={site.name}")

    def ours() -> set[str]:
        found = cluster.call(cluster.store.list, "routes", manifests.NAMESPACE)
        return {route["metadata"]["name"] for route in found if selector(route)}

    site.begin(SUBPATH="/cart")
    site.begin(SUBPATH="/pay")
    assert site.who(*paths) == [APPLICATION, PAGE, PAGE]
    assert ours() == {page_route_name(site.name, path) for path in ("/cart", "/pay")}
    site.end(SUBPATH="/cart")
    assert site.who(*paths) == [APPLICATION, APPLICATION, PAGE]
    site.begin()
    assert site.who(*paths) == [PAGE] * 3
    assert ours() == {page_route_name(site.name, path) for path in (None, "/pay")}
    site.begin(SUBPATH="/cart")
    assert ours() == {page_route_name(site.name, path) for path in (None, "/pay", "/cart")}
    site.end(SUBPATH="/pay")
    assert site.who(*paths) == [PAGE] * 3
    site.end()
    assert site.who(*paths) == [APPLICATION, PAGE, APPLICATION]
    site.end(SUBPATH="/cart")
    assert site.who(*paths) == [APPLICATION] * 3
    assert ours() == set()
    assert site.is_back()


@pytest.mark.slow
def test_a_maintenance_route_is_not_put_into_maintenance(cluster: Cluster) -> None:
    site = Site(cluster, "twice")
    site.begin(SUBPATH="/cart")
    ours = page_route_name(site.name, "/cart")
    refused = cluster.run("deploy-route", {"ROUTE_NAME": ours, "SUBPATH": "/cart/x"})
    assert refused.code == 1
    assert f"Route {ours} is the maintenance Route of twice" in refused.lines[-1]
    site.end(SUBPATH="/cart")
    assert site.is_back()


@pytest.mark.slow
def test_the_longest_name(cluster: Cluster) -> None:
    site = Site(cluster, "r" * MAX_ROUTE_NAME, host="long.apps.example.test")
    site.begin(SUBPATH="/cart")
    site.begin()
    assert site.who("/", "/cart") == [PAGE] * 2
    metadata = site.maintenance["metadata"]
    assert metadata["annotations"]["maintenance-ci/route"] == site.name
    assert metadata["labels"]["maintenance-ci/route"] == label_value(site.name)
    site.end()
    assert site.who("/", "/cart") == [APPLICATION, PAGE]
    site.end(SUBPATH="/cart")
    assert site.is_back()


def test_a_name_that_would_break_the_router_is_refused(cluster: Cluster) -> None:
    pair = own_certificate(cluster, "broken.apps.example.test")
    site = Site(cluster, "b" * MAX_ROUTE_NAME, host="broken.apps.example.test", tls={"termination": "edge", **pair})
    refused = site.run("deploy-route", SUBPATH="/cart")
    assert refused.code == 1
    assert "is too long for the router's file" in refused.lines[-1]
    assert site.is_back()
    assert site.who() == [APPLICATION]


@pytest.mark.slow
def test_what_users_meet_of_the_host_is_kept(cluster: Cluster) -> None:
    site = Site(cluster, "kept")
    live = cluster.find("routes", site.name)
    assert live is not None
    metadata = live["metadata"] | {"labels": {"app": "kept", "shard": "public", "helm.sh/chart": "kept-1"}}
    metadata["annotations"] |= {
        "haproxy.router.openshift.io/rewrite-target": "/new",
        "haproxy.router.openshift.io/ip_allowlist": "127.0.0.0/8",
    }
    changed = cluster.call(cluster.store.update, "routes", {**live, "metadata": metadata}, manager="team")
    files = cluster.inside.gitlab.projects[0].branches["main"]
    files["kept.yaml"] = manifests.template({key: changed[key] for key in ("apiVersion", "kind", "spec")} | {
        "metadata": {key: changed["metadata"][key] for key in ("name", "labels", "annotations")}
    })  # fmt: skip
    site.before = essence(changed)
    site.begin()
    made = site.maintenance["metadata"]
    assert {key: value for key, value in made["annotations"].items() if not key.startswith("maintenance-ci/")} == {
        "haproxy.router.openshift.io/hsts_header": "max-age=60",
        "haproxy.router.openshift.io/ip_allowlist": "127.0.0.0/8",
        "haproxy.router.openshift.io/disable_cookies": "true",
    }
    assert made["labels"]["shard"] == "public"
    assert "helm.sh/chart" not in made["labels"]
    assert site.who("/any/path") == [PAGE]
    site.end()
    assert site.is_back()


FORMS: dict[str, dict[str, Any]] = {
    "path": {"path": "/app"},
    "plain": {"tls": None},
    "external": {"tls": {"termination": "edge", "externalCertificate": {"name": "repointed-tls"}}},
    "reencrypt": {"service": "secure", "tls": {"termination": "reencrypt"}},
    "passthrough": {"service": "secure", "tls": {"termination": "passthrough"}},
    "wildcard": {"wildcardPolicy": "Subdomain"},
}


@pytest.fixture(scope="module")
def repointed_tls(cluster: Cluster) -> str:
    """The name of a Secret with a certificate for the hosts of the next test."""
    add_secret(cluster, "repointed-tls", own_certificate(cluster, "*.apps.example.test"))
    return "repointed-tls"


@pytest.mark.parametrize(
    "form", ["passthrough", *(pytest.param(form, marks=pytest.mark.slow) for form in FORMS if form != "passthrough")]
)
def test_every_form_is_repointed_and_pointed_back(cluster: Cluster, secure: str, repointed_tls: str, form: str) -> None:
    spec = dict(FORMS[form])
    if form == "reencrypt":
        spec["tls"] = spec["tls"] | {"destinationCACertificate": secure}
    site, path = Site(cluster, f"repointed-{form}", **spec), "/app/x"
    site.begin(ROUTE_STRATEGY="repoint", PASSTHROUGH_CERTIFICATE_SECRET=repointed_tls)
    assert site.who(path, plain=form == "plain") == [PAGE]
    assert cluster.find("routes", page_route_name(site.name, None)) is None
    # Its good template brings it back: nobody needs the snapshot.
    cluster.call(cluster.store.delete, "secrets", manifests.NAMESPACE, f"{site.name}-maintenance-snapshot")
    assert "the cluster accepts what it renders" in site.end().log
    application = "secure" if "service" in spec else APPLICATION
    if form != "passthrough":  # whose certificate is for another host
        assert site.who(path, plain=form == "plain") == [application]
    assert site.is_back()

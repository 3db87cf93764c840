"""The probe against the real HAProxy, the real page and the application, through each kind of Route."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import trustme

from maintenance_ci.plan.route_access import public_url
from maintenance_ci.plan.steps import Side
from maintenance_ci.plan.verdicts import drain_time
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.cluster import Options
from maintenance_ci.run.probe import Answer, Outcome, Probe
from maintenance_ci.settings.variables import RouteSettings, read_settings
from tests.tools.clusters import Cluster, running
from tests.tools.watching import watched

PAGE = "maintenance-page"
ALLOWLIST = "haproxy.router.openshift.io/ip_allowlist"
WINDOW = drain_time(0.3)
Object = dict[str, Any]


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    """A cluster with the page up; tests make Routes of their own."""
    with running(Options(reload_interval=0.3, busy=False, allow_wildcards=True)) as cluster:
        assert cluster.run("build-and-deploy").code == 0
        yield cluster


def probe_of(cluster: Cluster, route: Object, path: str | None = None, **other: Any) -> Probe:
    """A probe as a job makes it, from its variables."""
    router = cluster.inside.router
    address = f"http://127.0.0.1:{router.http_port} https://127.0.0.1:{router.https_port}"
    variables = {"ROUTE_NAME": "shop", "PUBLIC_ADDRESS": address, "PUBLIC_CA": str(cluster.inside.ca_file)}
    settings = read_settings(RouteSettings, cluster.inside.job_variables() | variables)
    return Probe(public_url(route, path), **{"ca": settings.public_ca, "address": settings.public_address} | other)


def create(cluster: Cluster, name: str, service: str = manifests.APPLICATION, **spec: Any) -> Object:
    """A Route on a host of its own; fields that are None are left out."""
    manifest = manifests.route(name, f"{name}.apps.example.test", service=service)
    manifest["spec"] = {key: value for key, value in {**manifest["spec"], **spec}.items() if value is not None}
    cluster.call(cluster.store.create, "routes", manifest, manager="test")
    cluster.do(cluster.inside.router.next_reload())
    return manifest


def change(cluster: Cluster, name: str, annotations: dict[str, str] | None = None, **spec: Any) -> None:
    route = cluster.find("routes", name)
    assert route is not None
    metadata = {**route["metadata"], "annotations": annotations or {}}
    changed = {**route, "metadata": metadata, "spec": {**route["spec"], **spec}}
    cluster.call(cluster.store.update, "routes", changed, manager="test")


def to(service: str) -> Object:
    return {"kind": "Service", "name": service, "weight": 100}


def own_tls(ca: trustme.CA, host: str) -> Object:
    issued = ca.issue_cert(host)
    certificate, key = issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()
    return {"termination": "edge", "certificate": certificate.decode(), "key": key.decode()}


def wait(probe: Probe, wanted: Side, window: float = WINDOW, timeout: float = 10.0) -> tuple[Outcome, list[str]]:
    return watched(probe, wanted, window=window, timeout=timeout)


def told(answer: Answer) -> tuple[Side, str]:
    return answer.side, answer.description


def test_application_page_and_router_are_told_apart(shared: Cluster) -> None:
    probe = probe_of(shared, create(shared, "one"))
    assert told(probe.ask()) == (Side.APPLICATION, "200")
    change(shared, "one", to=to(PAGE))
    assert wait(probe, Side.PAGE)[0] is Outcome.SEEN
    assert told(probe.ask()) == (Side.PAGE, "200")
    change(shared, "one", to=to("nothing-behind-it"))
    assert wait(probe, Side.ROUTER)[0] is Outcome.SEEN
    assert told(probe.ask()) == (Side.ROUTER, "503")
    change(shared, "one", to=to(manifests.APPLICATION))
    assert wait(probe, Side.APPLICATION)[0] is Outcome.SEEN
    shared.call(shared.store.delete, "routes", manifests.NAMESPACE, "one")
    assert wait(probe, Side.ROUTER)[0] is Outcome.SEEN


def test_a_switch_that_does_not_come(shared: Cluster) -> None:
    probe = probe_of(shared, create(shared, "stays"))
    outcome, said = wait(probe, Side.PAGE, timeout=1.5)
    assert outcome is Outcome.NOT_YET
    assert {answer.side for answer in probe.answers} == {Side.APPLICATION}
    assert said[-1].endswith("x the application (200)")


def test_a_part_of_the_site(shared: Cluster) -> None:
    route = create(shared, "parts")
    create(shared, "parts-checkout", PAGE, host=route["spec"]["host"], path="/checkout")
    assert told(probe_of(shared, route, "/checkout").ask()) == (Side.PAGE, "200")
    assert told(probe_of(shared, route, "/checkouts").ask()) == (Side.APPLICATION, "200")
    assert told(probe_of(shared, route).ask()) == (Side.APPLICATION, "200")


@pytest.mark.parametrize(("allowed", "outcome"), [("192.0.2.7", Outcome.UNSEEN), ("127.0.0.0/8", Outcome.SEEN)])
def test_an_allow_list(shared: Cluster, allowed: str, outcome: Outcome) -> None:
    name = f"listed-{allowed.split('.')[0]}"
    probe = probe_of(shared, create(shared, name, PAGE))
    change(shared, name, annotations={ALLOWLIST: allowed})
    shared.do(shared.inside.router.next_reload())
    ended, said = wait(probe, Side.PAGE)
    assert ended is outcome
    if outcome is Outcome.UNSEEN:
        assert said[-1].startswith(f"the runner cannot see https://{name}.apps.example.test/ (")
        assert {answer.description for answer in probe.answers} <= {"closed without an answer", "connection reset"}


def test_certificates(shared: Cluster) -> None:
    """The router's own is for apps.example.test; a Route's own is found by the name that TLS asks for (SNI)."""
    ours = create(shared, "certified")
    stranger, own = trustme.CA(), "own.example.test"
    its_own = create(shared, "own", host=own, tls=own_tls(stranger, own))
    without = create(shared, "without", host="without.example.test")
    trusted = stranger.cert_pem.bytes().decode()

    assert probe_of(shared, ours).ask().side is Side.APPLICATION
    assert probe_of(shared, its_own, ca=trusted).ask().side is Side.APPLICATION
    for wrong in (probe_of(shared, ours, ca=trusted), probe_of(shared, its_own), probe_of(shared, ours, ca=None)):
        side, words = told(wrong.ask())
        assert side is Side.UNSEEN
        assert words.startswith("certificate verify failed: ")
    side, words = told(probe_of(shared, without).ask())
    assert side is Side.UNSEEN
    assert "certificate verify failed: Hostname mismatch" in words


def test_a_route_without_tls_is_asked_by_http(shared: Cluster) -> None:
    plain = create(shared, "plain", tls=None)
    probe = probe_of(shared, plain)
    assert probe.url == "http://plain.apps.example.test/"
    assert probe.ask().side is Side.APPLICATION
    nowhere = {"spec": {**plain["spec"], "host": "nowhere.apps.example.test"}}
    assert told(probe_of(shared, nowhere).ask()) == (Side.ROUTER, "503")


def test_the_router_s_redirect_to_https_is_no_answer_of_a_side(shared: Cluster) -> None:
    edge = create(shared, "redirected")
    asked_plainly = {"spec": {**edge["spec"], "tls": None}}
    assert told(probe_of(shared, asked_plainly).ask()) == (Side.UNSEEN, "redirect to https")
    assert told(probe_of(shared, edge).ask()) == (Side.APPLICATION, "200")


def test_a_wildcard_route_is_asked_at_its_own_host(shared: Cluster) -> None:
    route = create(shared, "any", PAGE, host="x.wild.example.test", wildcardPolicy="Subdomain", tls=None)
    assert told(probe_of(shared, route).ask()) == (Side.PAGE, "200")


def test_a_certificate_that_breaks_with_the_switch_is_not_taken_for_success(shared: Cluster) -> None:
    probe = probe_of(shared, create(shared, "breaks"))
    assert probe.ask().side is Side.APPLICATION
    change(shared, "breaks", to=to(PAGE), tls=own_tls(trustme.CA(), "breaks.apps.example.test"))
    outcome, said = wait(probe, Side.PAGE)
    assert outcome is Outcome.UNSEEN
    assert "certificate verify failed" in said[-1]


@pytest.mark.slow
def test_all_replicas_of_a_busy_router_are_met() -> None:
    """Between their reloads users meet both sides in turn: one answer proves nothing, a row of a drain time does."""
    window = drain_time(2.0)
    with running(Options(replicas=2, reload_interval=2.0)) as cluster:
        assert cluster.run("build-and-deploy").code == 0
        router = cluster.inside.router
        probe = probe_of(cluster, create(cluster, "switched"))
        turns = 0
        for service, wanted in [(PAGE, Side.PAGE), (manifests.APPLICATION, Side.APPLICATION)] * 2:
            before, first = [len(reloads) for reloads in router.reloads_by_replica], len(probe.answers)
            change(cluster, "switched", to=to(service))
            assert wait(probe, wanted, window=window, timeout=20)[0] is Outcome.SEEN
            heard = probe.answers[first:]
            followed = [reloads[count] for reloads, count in zip(router.reloads_by_replica, before, strict=True)]
            assert max(followed) < heard[-1].at
            assert len(heard) > window / 0.5
            assert {probe.ask().side for _ in range(30)} == {wanted}
            turns += sum(one.side is wanted and next_one.side is not wanted for one, next_one in pairwise(heard))
        assert turns, "the replicas never were apart: this has shown nothing"

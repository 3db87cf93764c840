"""Both strategies, in and out: what users meet, what is left of the Route, and how `delete` tells them apart."""

from __future__ import annotations

import copy
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
import trustme

from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.rights import User
from maintenance_ci.rehearsal.trouble import Trouble
from tests.jobs.switches.own_site import certificate, own_site
from tests.jobs.switches.scene import WHOLE, live, meanwhile
from tests.matrices.stage import SHOWN, Stage, Variables, changes
from tests.tools.outcomes import essence
from tests.tools.secure_application import secure_application

SWAP: Variables = {"ROUTE_STRATEGY": "swap"}
REPOINT: Variables = {"ROUTE_STRATEGY": "repoint"}
CUSTOM_HOST = "routes/custom-host"
EDGE = {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"}


@pytest.mark.parametrize(
    "variables", [pytest.param(SWAP, marks=pytest.mark.slow, id="swap"), pytest.param(REPOINT, id="repoint")]
)
def test_in_and_out_nobody_meets_an_error(on: Stage, variables: Variables) -> None:
    before = live(on)
    with on.cluster.users("/", "/cart") as answers:
        on.ok("deploy-route", variables)
        assert on.crowd.served_by() == {SHOWN}
        on.ok("delete", {"ROUTE_STRATEGY": None})
    assert {answer.status for answer in answers} == {200}
    assert {(answer.served_by, answer.kept_alive) for answer in answers} == {
        (who, kept) for who in (SHOWN, "application") for kept in (True, False)
    }
    after = live(on)
    assert essence(after) == essence(before)
    same = after["metadata"]["uid"] == before["metadata"]["uid"]
    assert same == (variables is REPOINT)


@pytest.mark.slow
def test_a_repointed_route_is_one_object_throughout(on: Stage) -> None:
    before = live(on)
    on.ok("deploy-route", REPOINT)
    during = live(on)
    assert during["metadata"]["uid"] == before["metadata"]["uid"]
    assert during["metadata"]["creationTimestamp"] == before["metadata"]["creationTimestamp"]
    assert during["spec"]["to"]["name"] == "maintenance-page"
    assert during["spec"]["tls"] == before["spec"]["tls"]
    assert on.cluster.find("routes", WHOLE) is None
    on.ok("delete", REPOINT)
    assert live(on)["metadata"]["uid"] == before["metadata"]["uid"]


BACKENDS: dict[str, Any] = {
    "to": {"kind": "Service", "name": "shop", "weight": 80},
    "alternateBackends": [{"kind": "Service", "name": "shop", "weight": 20}],
    "port": {"targetPort": 8080},
}
FORMS: dict[str, dict[str, Any]] = {
    "backends": BACKENDS,
    "plain-backends": {**BACKENDS, "tls": None},
    "no-port": {"port": None},
    "reencrypt": {"service": "secure", "tls": {"termination": "reencrypt", "insecureEdgeTerminationPolicy": "None"}},
}


@pytest.fixture
def secure(on: Stage) -> Iterator[str]:
    """An application that speaks TLS itself, as Service ``secure``; the CA of its certificate is handed out."""
    ca = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("secure.web.svc").configure_cert(context)
    serving = secure_application(on.cluster, context)
    on.cluster.do(serving.__aenter__())
    yield ca.cert_pem.bytes().decode()
    on.cluster.do(serving.__aexit__(None, None, None))
    for plural in ("services", "endpointslices"):
        if on.cluster.find(plural, "secure"):  # the slice may go with its Service
            on.cluster.call(on.cluster.store.delete, plural, manifests.NAMESPACE, "secure")


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("strategy", ["swap", "repoint"])
def test_what_the_router_acts_upon_comes_back(on: Stage, secure: str, form: str, strategy: str) -> None:
    spec = dict(FORMS[form])
    if form == "reencrypt":
        spec["tls"] = spec["tls"] | {"destinationCACertificate": secure}
    with own_site(on, f"{form}-{strategy}", **spec) as site:
        application = site.who(plain=form.startswith("plain"))
        uid = site.live["metadata"]["uid"]
        site.begin(ROUTE_STRATEGY=strategy)
        assert site.who(plain=form.startswith("plain")) == [SHOWN]
        shown = site.live if strategy == "repoint" else site.maintenance
        assert "alternateBackends" not in shown["spec"]
        assert "destinationCACertificate" not in shown["spec"].get("tls", {})
        site.end()
        assert site.who(plain=form.startswith("plain")) == application
        assert site.is_back()
        assert (site.live["metadata"]["uid"] == uid) == (strategy == "repoint")


@pytest.mark.slow
def test_a_template_that_says_the_least_brings_all_back(on: Stage) -> None:
    """What it leaves out is what a server fills in: the patch must not take it away."""
    with own_site(on, "least") as site:
        template = site.template
        template["spec"] = {key: template["spec"][key] for key in ("host", "port", "tls")} | {"to": {"name": "shop"}}
        site.template = template
        site.begin(ROUTE_STRATEGY="repoint")
        site.end()
        assert site.is_back()


@pytest.fixture
def no_custom_host(on: Stage) -> Iterator[None]:
    """The token has no right to a Route's host and certificates."""
    inside = on.cluster.inside
    users = inside.server.users
    assert isinstance(users, dict)
    plain = users[inside.token]
    rules = [rule for rule in plain.roles[manifests.NAMESPACE] if CUSTOM_HOST not in rule["resources"]]
    users[inside.token] = User(plain.name, roles={manifests.NAMESPACE: rules})
    yield
    users[inside.token] = plain


@pytest.mark.slow
@pytest.mark.usefixtures("no_custom_host")
def test_repoint_needs_no_right_to_hosts(on: Stage) -> None:
    refused = on.run("deploy-route", SWAP)
    assert refused.code == 1
    assert CUSTOM_HOST in refused.log
    assert on.differs() == []
    on.ok("deploy-route", REPOINT)
    assert on.crowd.served_by() == {SHOWN}
    on.ok("delete", REPOINT)


@pytest.mark.slow
@pytest.mark.usefixtures("no_custom_host")
def test_repoint_needs_no_right_to_hosts_where_the_template_has_an_older_certificate(on: Stage) -> None:
    """It is not the one that comes back."""
    host, tls = "older.apps.example.test", {"termination": "edge"}
    new = tls | certificate(on, host, days_old=1)
    with own_site(on, "older", tls=new) as site:
        template = site.template
        template["spec"]["tls"] = tls | certificate(on, host, days_old=80)
        site.template = template
        site.begin(ROUTE_STRATEGY="repoint")
        ended = site.end()
        assert "cannot be used" not in ended.log
        assert site.live["spec"]["tls"] == new
        assert site.is_back()


@pytest.mark.usefixtures("no_custom_host")
def test_repointing_a_reencrypt_route_needs_the_right_to_hosts(on: Stage, secure: str) -> None:
    tls = {"termination": "reencrypt", "destinationCACertificate": secure}
    with own_site(on, "guarded", service="secure", tls=tls) as site:
        refused = site.run("deploy-route", ROUTE_STRATEGY="repoint")
        assert refused.code == 1
        assert CUSTOM_HOST in refused.log
        assert "Nothing was changed." in refused.log
        assert site.is_back()


@pytest.mark.slow
@pytest.mark.parametrize(("used", "given"), [("swap", "repoint"), ("repoint", "swap")])
def test_the_other_strategy_confirms_the_one_that_was_used(on: Stage, used: str, given: str) -> None:
    on.ok("deploy-route", {"ROUTE_STRATEGY": used})
    before = on.picture()
    again = on.ok("deploy-route", {"ROUTE_STRATEGY": given})
    assert f"in maintenance already ({used})" in again.log
    assert changes(before, on.picture()) == []
    on.ok("delete", {"ROUTE_STRATEGY": given})


@pytest.mark.parametrize("strategy", ["repoint", pytest.param("swap", marks=pytest.mark.slow)])
def test_a_certificate_that_was_renewed_meanwhile_stays(on: Stage, strategy: str) -> None:
    host = f"renewed-{strategy}.apps.example.test"
    old, new = certificate(on, host, days_old=80), certificate(on, host, days_old=1)
    tls = {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"}
    with own_site(on, f"renewed-{strategy}", tls=tls) as site:
        site.edit(tls=tls | old)  # which the template does not know
        began = site.begin(ROUTE_STRATEGY=strategy)
        holder = copy.deepcopy(site.live if strategy == "repoint" else site.maintenance)
        assert holder["spec"]["tls"] == tls | old
        holder["spec"]["tls"] = tls | new
        on.cluster.call(on.cluster.store.update, "routes", holder, manager="acme")
        ended = site.end()
        assert site.live["spec"]["tls"] == tls | new
        assert "PRIVATE KEY" not in began.log + ended.log
        site.edit(tls=tls)
        assert site.is_back()


@pytest.mark.parametrize("strategy", ["repoint", pytest.param("swap", marks=pytest.mark.slow)])
def test_the_templates_state_comes_back_where_that_was_accepted(on: Stage, strategy: str) -> None:
    with own_site(on, f"accepted-{strategy}", tls=EDGE) as site:
        live = copy.deepcopy(site.live)
        live["metadata"]["annotations"] |= {"haproxy.router.openshift.io/timeout": "5s", "team": "noted"}
        live["metadata"]["labels"]["shard"] = "a"
        on.cluster.call(on.cluster.store.update, "routes", live, manager="somebody")
        accepted: Variables = {"ROUTE_STRATEGY": strategy, "ACCEPT_ROUTE_DIFFERENCES": "true"}
        began = site.begin(**accepted)
        assert "delete will restore the template's state" in began.log
        site.end(**accepted)
        assert site.live["metadata"]["annotations"].pop("team") == "noted"
        assert set(site.live["metadata"]["annotations"]) - {"team"} == set(site.before[0]["annotations"])
        assert site.live["metadata"]["labels"] == site.before[0]["labels"]


OUR_PATCH = Trouble("rewrite", method="PATCH", path="routes/shop$", client="ours")


def forget_the_writer(on: Stage) -> None:
    """Take away what `rewrite` noted on the Route."""
    written = copy.deepcopy(live(on))
    del written["metadata"]["annotations"]["rehearsal/written-by"]
    on.cluster.call(on.cluster.store.update, "routes", written, manager="somebody-else")


def test_a_route_that_somebody_writes_meanwhile_is_not_repointed(on: Stage) -> None:
    on.befall(OUR_PATCH)
    refused = on.run("deploy-route", REPOINT)
    assert on.relieve() == 1
    assert refused.code == 1, refused.log
    assert "The cluster refuses a change" in refused.log
    assert "It was rolled back" in refused.lines[-1]
    assert live(on)["metadata"]["annotations"].keys() > {"rehearsal/written-by"}
    assert [line for line in changes(on.before, on.picture()) if "routes/shop" not in line] == []
    on.ok("deploy-route", REPOINT)
    on.ok("delete", REPOINT)
    assert "rehearsal/written-by" in live(on)["metadata"]["annotations"]
    forget_the_writer(on)


@pytest.mark.slow
def test_what_somebody_writes_into_a_repointed_route_stays(on: Stage) -> None:
    on.ok("deploy-route", REPOINT)
    on.befall(OUR_PATCH)
    done = on.ok("delete", REPOINT)  # which looks again: users wait for their application
    assert on.relieve() == 1
    assert "the object has been modified" in done.log
    assert "Looking again." in done.log
    assert "rehearsal/written-by" in live(on)["metadata"]["annotations"]
    forget_the_writer(on)


@pytest.mark.slow
def test_a_status_that_is_written_meanwhile_is_no_hindrance(on: Stage) -> None:
    def write_status() -> None:
        current = copy.deepcopy(live(on))
        current["status"]["ingress"][0]["conditions"][0]["lastTransitionTime"] = "2026-01-01T00:00:00Z"
        on.cluster.call(on.cluster.store.update, "routes", current, manager="a-router", subresource="status")

    hold = Trouble("delay", "0.5", method="PATCH", path="routes/shop$", client="ours")
    first = len(on.cluster.inside.server.requests)
    done = meanwhile(on, hold, write_status, "deploy-route", REPOINT)
    assert done.code == 0, done.log
    patches = [
        one
        for one in on.cluster.inside.server.requests[first:]
        if (one.method, one.path.endswith("routes/shop")) == ("PATCH", True)
    ]
    assert len(patches) == 2, "the first one was not refused"
    on.ok("delete", REPOINT)

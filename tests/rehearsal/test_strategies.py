"""Both strategies, in and out: what users meet, what is left of the Route, and how `delete` tells them apart."""

from __future__ import annotations

import contextlib
import copy
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme
import yaml

from maintenance_ci.maintenance_route import maintenance_name
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.rights import User
from maintenance_ci.rehearsal.apiserver.store import Object
from maintenance_ci.rehearsal.trouble import Trouble
from tests.rehearsal.conftest import Job
from tests.rehearsal.matrices.harness import Matrix, require_as_before
from tests.rehearsal.matrices.stage import LIMITS, SHOWN, Stage, Variables, changes, stage
from tests.rehearsal.outcomes import essence
from tests.rehearsal.secure_application import secure_application
from tests.rehearsal.site import Site

SWAP: Variables = {"ROUTE_STRATEGY": "swap"}
REPOINT: Variables = {"ROUTE_STRATEGY": "repoint"}
WHOLE = maintenance_name("shop", None)
CUSTOM_HOST = "routes/custom-host"


# What is shortened for faults, and is too short for a job that is to succeed on a machine that is busy.
HASTE = ("maintenance_ci.admission.SEEN_TIMEOUT", "maintenance_ci.template_project.TIMEOUT")


@contextlib.contextmanager
def patient_stages(build: Callable[[], contextlib.AbstractContextManager[Stage]] = stage) -> Iterator[Matrix]:
    """A stage for the tests of a module, and another one after a test that failed; its jobs have their own patience."""
    it = Matrix("", build)
    with pytest.MonkeyPatch.context() as patch:
        for limit in HASTE:
            patch.delitem(LIMITS, limit, raising=False)  # already gone where a test has a stage of its own
        try:
            yield it
        finally:
            it.close()


@contextlib.contextmanager
def as_before(stages: Matrix) -> Iterator[Stage]:
    """Hold that all is as before after the body, and that no user was harmed."""
    on = stages.stage
    try:
        yield on
        on.relieve()
        require_as_before(on)
    except BaseException:
        stages.close()
        raise


@pytest.fixture(scope="module")
def stages() -> Iterator[Matrix]:
    with patient_stages() as it:
        yield it


@pytest.fixture
def on(stages: Matrix) -> Iterator[Stage]:
    with as_before(stages) as on:
        yield on


class OwnSite(Site):
    """A Route of the test's own, whose jobs run inside of this process."""

    def __init__(self, on: Stage, name: str, **spec: Any) -> None:
        super().__init__(on.cluster, name, **spec)
        self.on = on

    def run(self, job: str, **variables: str | None) -> Job:
        return self.on.run(job, {"ROUTE_NAME": self.name, **variables})

    @property
    def live(self) -> Object:
        found = self.cluster.find("routes", self.name)
        assert found is not None
        return found

    def edit(self, **spec: Any) -> None:
        """Let somebody else write the Route's spec."""
        live = copy.deepcopy(self.live)
        live["spec"] |= spec
        self.cluster.call(self.cluster.store.update, "routes", live, manager="somebody")

    @property
    def template(self) -> Object:
        found: Object = yaml.safe_load(self.cluster.inside.gitlab.projects[0].branches["main"][f"{self.name}.yaml"])
        return found

    @template.setter
    def template(self, manifest: Object) -> None:
        self.cluster.inside.gitlab.projects[0].branches["main"][f"{self.name}.yaml"] = manifests.template(manifest)


@contextlib.contextmanager
def own_site(on: Stage, name: str, **spec: Any) -> Iterator[OwnSite]:
    """A Route with its template, both gone at the end."""
    site = OwnSite(on, name, **spec)
    try:
        yield site
    finally:
        on.cluster.call(on.cluster.store.delete, "routes", manifests.NAMESPACE, name)
        del on.cluster.inside.gitlab.projects[0].branches["main"][f"{name}.yaml"]


def live(on: Stage, name: str = "shop") -> Object:
    found = on.cluster.find("routes", name)
    assert found is not None
    return found


def certificate(on: Stage, host: str, *, days_old: int) -> dict[str, str]:
    """Certificate and key, of an authority that users trust, valid since so many days."""
    since = datetime.now(UTC) - timedelta(days=days_old)
    issued = on.cluster.inside._ca.issue_cert(host, not_before=since)
    text = issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()
    return {"certificate": text[0].decode(), "key": text[1].decode()}


def meanwhile(on: Stage, trouble: Trouble, act: Callable[[], object], job: str, variables: Variables) -> Job:
    """Run the job; when the trouble befalls it, ``act``."""

    def wait_and_act() -> None:
        deadline = time.monotonic() + 30
        while not on.cluster.inside.troubles.met:
            assert time.monotonic() < deadline, f"{trouble} never came"
            time.sleep(0.01)
        act()

    on.befall(trouble)
    with ThreadPoolExecutor(1) as pool:
        acted = pool.submit(wait_and_act)
        done = on.run(job, variables)
        acted.result(timeout=40)
    on.relieve()
    return done


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


@pytest.mark.usefixtures("no_custom_host")
def test_but_for_the_authority_of_a_reencrypt_route(on: Stage, secure: str) -> None:
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
    refused = on.run("delete", REPOINT)
    assert on.relieve() == 1
    assert refused.code in (1, 3), refused.log
    assert on.crowd.served_by() == {SHOWN}
    assert any("oc extract secret/shop-maintenance-snapshot" in line for line in refused.lines)
    on.ok("delete", REPOINT)
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

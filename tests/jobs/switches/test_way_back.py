"""The way back: from the template, from the snapshot where that is no good, and from neither."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from maintenance_ci.names import PAGE
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.store import Object
from maintenance_ci.rehearsal.trouble import parse_trouble
from tests.jobs.switches.own_site import certificate, own_site
from tests.jobs.switches.scene import SNAPSHOT, WHOLE, live
from tests.matrices.stage import SHOWN, Stage, Variables, changes
from tests.tools.outcomes import essence

STRATEGIES = ["repoint", pytest.param("swap", marks=pytest.mark.slow)]
BOTH = pytest.mark.parametrize("strategy", STRATEGIES)


def files(on: Stage) -> Any:
    return on.cluster.inside.gitlab.projects[0].branches["main"]


@pytest.fixture
def on(on: Stage) -> Iterator[Stage]:
    """The templates, too, are as before."""
    good = dict(files(on))
    yield on
    files(on).clear()
    files(on).update(good)


def changed(**spec: object) -> bytes:
    """The template of shop with other values in its spec."""
    manifest = manifests.route("shop", manifests.HOST)
    manifest["spec"] |= spec
    return manifests.template(manifest)


def gitlab_is_away(on: Stage) -> Variables:
    on.befall(parse_trouble("gitlab: reset always"))
    return {}


def gitlab_refuses(_: Stage) -> Variables:
    return {"CI_JOB_TOKEN": "wrong"}


def template(content: bytes) -> Callable[[Stage], Variables]:
    def break_it(on: Stage) -> Variables:
        files(on)["shop.yaml"] = content
        return {}

    return break_it


def template_is_gone(on: Stage) -> Variables:
    del files(on)["shop.yaml"]
    return {}


JINJA: Variables = {"ROUTE_TEMPLATE_PATH": "{{ route_name }}.yaml.j2"}


def jinja(content: str) -> Callable[[Stage], Variables]:
    def break_it(on: Stage) -> Variables:
        files(on)["shop.yaml.j2"] = content.encode()
        return JINJA

    return break_it


GOOD = manifests.TEMPLATES["shop.yaml"]
SECRET = b"apiVersion: v1\nkind: Secret\nmetadata: {name: stolen}\nstringData: {a: b}\n"
IN_TEMPLATE = (
    b"apiVersion: template.openshift.io/v1\nkind: Template\nmetadata: {name: shop}\nobjects:\n"
    b"- {apiVersion: v1, kind: Secret, metadata: {name: stolen}, stringData: {a: b}}\n"
)
# What makes the template no good, and what the job says of it.
NO_GOOD: dict[str, tuple[Callable[[Stage], Variables], str]] = {
    "GitLab away": (gitlab_is_away, "GitLab"),
    "token refused": (gitlab_refuses, "401"),
    "gone": (template_is_gone, "is not there"),
    "no YAML": (template(b"kind: [Route"), "is not YAML"),
    "another host": (template(changed(host="elsewhere.apps.example.test")), "spec.host"),
    "another path": (template(changed(path="/elsewhere")), "spec.path"),
    "plain": (template(changed(tls=None)), "spec.tls"),
    "refused by the API": (template(changed(path="no-slash")), "spec.path"),
    "refused policy": (template(changed(wildcardPolicy="Sometimes")), "wildcardPolicy"),
    "headers that are none": (template(changed(httpHeaders="hunter2")), "spec.httpHeaders: input should be a mapping"),
    "exported while repointed": (template(changed(to={"name": PAGE})), f"spec: {PAGE} is the Service of the page"),
    "page beside it": (
        template(changed(alternateBackends=[{"name": PAGE}])),
        f"spec: {PAGE} is the Service of the page",
    ),
    "another Route": (template(GOOD.replace(b"name: shop\n", b"name: other\n", 1)), "another Route"),
    "another namespace": (template(GOOD.replace(b"namespace: web", b"namespace: other-team")), "another Route"),
    "a Secret": (template(SECRET), "must hold one Route or one Template with a Route"),
    "a Secret in a Template": (template(IN_TEMPLATE), "must hold one Route or one Template with a Route"),
    "an unknown variable": (jinja("kind: Route\nmetadata: {name: {{ nobody_knows }}}\n"), "nobody_knows"),
    "out of the sandbox": (jinja("{{ ''.__class__.__mro__[1].__subclasses__() }}"), "shop.yaml.j2"),
}
QUICK_ONES = ("another host",)


@pytest.mark.parametrize("strategy", ["swap", "repoint"])
@pytest.mark.parametrize(
    "why", [why if why in QUICK_ONES else pytest.param(why, marks=pytest.mark.slow) for why in NO_GOOD]
)
def test_the_snapshot_where_the_template_is_no_good(on: Stage, strategy: str, why: str) -> None:
    spoil, says = NO_GOOD[why]
    before = live(on)
    on.ok("deploy-route", {"ROUTE_STRATEGY": strategy})
    variables = spoil(on)
    back = on.ok("delete", variables)
    warnings = [line.strip() for line in back.lines if "WARNING: " in line]
    assert any("The template cannot be used" in line and says in line for line in warnings), back.log
    assert any("comes back from its snapshot" in line for line in warnings), back.log
    assert essence(live(on)) == essence(before)
    for namespace in (manifests.NAMESPACE, manifests.OTHER_NAMESPACE):
        assert on.cluster.find("secrets", "stolen", namespace) is None


@pytest.mark.slow
@BOTH
def test_a_good_template_comes_first_and_is_no_warning(on: Stage, strategy: str) -> None:
    """It changed meanwhile, in what is no question of the place: that is what its team wants now."""
    on.ok("deploy-route", {"ROUTE_STRATEGY": strategy})
    files(on)["shop.yaml"] = changed(port={"targetPort": 8080})
    back = on.ok("delete", {})
    assert "WARNING: The template" not in back.log
    now = copy.deepcopy(live(on))
    assert now["spec"]["port"] == {"targetPort": 8080}
    now["spec"]["port"] = {"targetPort": "http"}
    on.cluster.call(on.cluster.store.update, "routes", now, manager="team")


def lose_snapshot(on: Stage) -> Object:
    found = on.cluster.find("secrets", SNAPSHOT)
    assert found is not None
    on.cluster.call(on.cluster.store.delete, "secrets", manifests.NAMESPACE, SNAPSHOT)
    return found


@pytest.mark.parametrize(("why", "code"), [("gone", 1), pytest.param("GitLab away", 75, marks=pytest.mark.slow)])
@BOTH
def test_without_template_and_snapshot_delete_changes_nothing(on: Stage, strategy: str, why: str, code: int) -> None:
    on.ok("deploy-route", {"ROUTE_STRATEGY": strategy})
    lose_snapshot(on)
    good = dict(files(on))
    before = on.picture()
    refused = on.run("delete", NO_GOOD[why][0](on))
    assert refused.code == code, refused.log
    assert (
        "There is no snapshot to fall back on, either. Nothing was changed: users still meet the page." in refused.log
    )
    assert "is not in maintenance" not in refused.log
    assert changes(before, on.picture()) == []
    assert on.crowd.served_by() == {SHOWN}
    # A command that needs the snapshot would be no help.
    assert not any(f"oc extract secret/{SNAPSHOT}" in line for line in refused.lines), refused.log
    on.relieve()
    files(on).update(good)
    on.ok("delete", {})


UNREADABLE = {"no JSON": b"{", "another Route": b'{"metadata": {"name": "other"}, "spec": {"host": "x"}}', "empty": b""}


def spoil_snapshot(on: Stage, content: bytes) -> None:
    found = copy.deepcopy(on.cluster.find("secrets", SNAPSHOT))
    assert found is not None
    found["data"] = {"route.json": base64.b64encode(content).decode()} if content else {}
    on.cluster.call(on.cluster.store.update, "secrets", found, manager="somebody")


@pytest.mark.slow
@pytest.mark.parametrize("content", UNREADABLE)
@pytest.mark.parametrize("strategy", ["swap", "repoint"])
def test_a_snapshot_that_cannot_be_read_is_no_hindrance(on: Stage, strategy: str, content: str) -> None:
    on.ok("deploy-route", {"ROUTE_STRATEGY": strategy})
    spoil_snapshot(on, UNREADABLE[content])
    back = on.ok("delete", {})
    assert SNAPSHOT in back.log


@pytest.mark.slow
@BOTH
def test_an_unreadable_snapshot_restores_nothing_without_a_template(on: Stage, strategy: str) -> None:
    on.ok("deploy-route", {"ROUTE_STRATEGY": strategy})
    spoil_snapshot(on, UNREADABLE["no JSON"])
    good = files(on).pop("shop.yaml")
    before = on.picture()
    refused = on.run("delete", {})
    assert refused.code == 1
    assert "holds no snapshot that can be read" in refused.log
    assert changes(before, on.picture()) == []
    files(on)["shop.yaml"] = good
    lose_snapshot(on)
    on.ok("delete", {})


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["swap", "repoint"])
@pytest.mark.parametrize("newest", ["template", "snapshot", "holder"])
def test_the_newest_certificate_comes_back(on: Stage, strategy: str, newest: str) -> None:
    """Of the template, of the snapshot (the Route before its maintenance), of the Route in maintenance."""
    name = f"of-{newest}-{strategy}"
    host = f"{name}.apps.example.test"
    ages = {"template": 60, "snapshot": 50, "holder": 40} | {newest: 1}
    pairs = {where: certificate(on, host, days_old=days) for where, days in ages.items()}
    tls = {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"}
    with own_site(on, name, tls=tls | pairs["template"]) as site:
        site.edit(tls=tls | pairs["snapshot"])
        logs = [site.begin(ROUTE_STRATEGY=strategy).log]
        holder = copy.deepcopy(site.live if strategy == "repoint" else site.maintenance)
        assert holder["spec"]["tls"] == tls | pairs["snapshot"]
        holder["spec"]["tls"] = tls | pairs["holder"]
        on.cluster.call(on.cluster.store.update, "routes", holder, manager="acme")
        logs.append(site.end().log)
        assert site.live["spec"]["tls"] == tls | pairs[newest]
        assert ("is newer than the restored one's" in logs[-1]) == (newest != "template")
        keys = [line for pair in pairs.values() for line in pair["key"].splitlines()[1:-1]]
        assert not [line for line in keys if any(line in log for log in logs)]


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["swap", "repoint"])
def test_the_newest_of_two_where_there_is_no_template(on: Stage, strategy: str) -> None:
    name = f"two-{strategy}"
    old, new = (certificate(on, f"{name}.apps.example.test", days_old=days) for days in (60, 1))
    tls = {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"}
    with own_site(on, name, tls=tls) as site:
        site.edit(tls=tls | old)
        site.begin(ROUTE_STRATEGY=strategy)
        holder = copy.deepcopy(site.live if strategy == "repoint" else site.maintenance)
        holder["spec"]["tls"] = tls | new
        on.cluster.call(on.cluster.store.update, "routes", holder, manager="acme")
        back = site.end(CI_JOB_TOKEN="wrong")
        assert "comes back from its snapshot" in back.log
        assert "the certificate of the Route in maintenance is newer" in back.log
        assert "PRIVATE KEY" not in back.log
        assert site.live["spec"]["tls"] == tls | new


TOOLS = {
    "labels": {"argocd.argoproj.io/instance": "shop", "app.kubernetes.io/instance": "shop-prod", "team": "blue"},
    "annotations": {
        "argocd.argoproj.io/tracking-id": "shop:route.openshift.io/Route:web/SITE",
        "kubectl.kubernetes.io/last-applied-configuration": '{"kind":"Route"}',
        "description": "the shop",
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["swap", "repoint"])
@pytest.mark.parametrize("source", ["template", "snapshot"])
def test_what_other_tools_noted_comes_back(on: Stage, strategy: str, source: str) -> None:
    name = f"noted-{source}-{strategy}"
    with own_site(on, name) as site:
        kept = {"team": "blue"}  # a router may select on it, so that the template must hold it
        wanted = site.template
        wanted["metadata"]["labels"] |= kept
        site.template = wanted
        noted = copy.deepcopy(site.live)
        noted["metadata"]["labels"] |= TOOLS["labels"]
        noted["metadata"]["annotations"] |= {
            key: value.replace("SITE", name) for key, value in TOOLS["annotations"].items()
        }
        on.cluster.call(on.cluster.store.update, "routes", noted, manager="argocd")
        site.before = essence(site.live)
        refused = site.run("deploy-route", ROUTE_STRATEGY=strategy)
        assert refused.code == 1
        assert "Argo CD, application shop" in refused.log
        assert site.is_back()
        site.begin(ROUTE_STRATEGY=strategy, FORCE="owner")
        site.end(**({"CI_JOB_TOKEN": "wrong"} if source == "snapshot" else {}))
        assert site.is_back()


@pytest.mark.slow
def test_a_template_of_another_place_is_no_good_where_nothing_holds_it(on: Stage) -> None:
    """Somebody deleted the maintenance Route: only the snapshot knows the host."""
    on.ok("deploy-route", {"ROUTE_STRATEGY": "swap"})
    on.cluster.call(on.cluster.store.delete, "routes", manifests.NAMESPACE, WHOLE)
    files(on)["shop.yaml"] = changed(host="elsewhere.apps.example.test")
    back = on.ok("delete", {})
    assert "comes back from its snapshot" in back.log
    on.crowd.harmed()  # this is what somebody else did

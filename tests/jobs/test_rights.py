"""A token's rights, as the embedded API server tells them, and the jobs with exactly those that they need."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from maintenance_ci.cluster.kubeconfig import write_kubeconfig
from maintenance_ci.cluster.openshift import OpenShift
from maintenance_ci.errors import ForbiddenError, TryAgainError
from maintenance_ci.names import LEASE
from maintenance_ci.plan.rights import (
    BUDGETS,
    Right,
    budget_rights,
    building_rights,
    deploying_rights,
    require_rights,
)
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.rights import Rule, User
from maintenance_ci.rehearsal.trouble import parse_trouble
from maintenance_ci.run.shared_reads import SharedReads
from tests.tools import observations, oc_stand_in
from tests.tools.clusters import QUICK, Cluster, running
from tests.tools.observations import CART
from tests.tools.outcomes import ok

NAMESPACE, TOKEN = manifests.NAMESPACE, "limited"
CASES: dict[str, Any] = {
    f"{job} {strategy} {CART if subpath else 'whole'}": {"job": job, "strategy": strategy, "subpath": subpath}
    for job in ("deploy-route", "delete")
    for strategy, subpath in (("swap", False), ("repoint", False), ("swap", True))
}
Triple = tuple[str, str, str]


def needed(case: str) -> list[Right]:
    return observations.needed(**CASES[case])


def triples(rights: Iterable[Right]) -> list[Triple]:
    return sorted({(right.verb, right.group, right.resource) for right in rights})


REMOVALS = [(case, triple) for case in CASES for triple in triples(needed(case))]


def rule(verb: str, group: str, resource: str, *names: str) -> Rule:
    given: dict[str, list[str]] = {"verbs": [verb], "apiGroups": [group], "resources": [resource]}
    return given | ({"resourceNames": list(names)} if names else {})


def give(cluster: Cluster, *rules: Rule, namespace: str = NAMESPACE) -> None:
    users = cluster.inside.server.users
    assert isinstance(users, dict)
    users[TOKEN] = User("limited", roles={namespace: rules})


def asked(cluster: Cluster) -> list[str]:
    return [one.path.rsplit("/", 1)[1] for one in cluster.inside.server.requests if one.user == "limited"]


@pytest.fixture
def client(shared: Cluster, tmp_path: Path) -> Iterator[OpenShift]:
    shared.inside.server.requests.clear()
    ca = shared.inside.ca_file.read_text()
    config = write_kubeconfig(tmp_path, url=shared.inside.server.url, token=TOKEN, namespace=NAMESPACE, ca=ca)
    client = OpenShift(str(config), NAMESPACE)
    yield client
    client.close()
    shared.call(shared.inside.troubles.clear)


@pytest.mark.parametrize("case", CASES)
def test_a_token_with_all_rights_is_asked_for_once(shared: Cluster, client: OpenShift, case: str) -> None:
    give(shared, *(rule(*triple) for triple in triples(needed(case))))
    assert SharedReads(client).missing_rights(needed(case)) == []
    assert asked(shared) == ["selfsubjectrulesreviews"]


@pytest.mark.parametrize(("case", "removed"), REMOVALS, ids=str)
def test_the_right_that_is_missing_is_named(shared: Cluster, client: OpenShift, case: str, removed: Triple) -> None:
    give(shared, *(rule(*triple) for triple in triples(needed(case)) if triple != removed))
    lacking = SharedReads(client).missing_rights(needed(case))
    assert triples(lacking) == [removed]
    assert set(asked(shared)) == {"selfsubjectrulesreviews", "selfsubjectaccessreviews"}
    with pytest.raises(ForbiddenError) as caught:
        require_rights(lacking)
    assert f"{removed[0]} {removed[2]}" in caught.value.what


def test_a_role_that_is_limited_to_names(shared: Cluster, client: OpenShift) -> None:
    rights = needed("deploy-route repoint whole")
    named = [rule(right.verb, right.group, right.resource, *([right.name] if right.name else [])) for right in rights]
    give(shared, *named)
    assert SharedReads(client).missing_rights(rights) == []
    give(shared, *(rule(right.verb, right.group, right.resource, "other") for right in rights))
    assert SharedReads(client).missing_rights(rights) == list(rights)


@pytest.mark.parametrize("status", ["403", "404", "405"])
def test_without_the_list_of_rules_each_right_is_asked_for(shared: Cluster, client: OpenShift, status: str) -> None:
    shared.call(shared.inside.troubles.add, parse_trouble(f"POST selfsubjectrulesreviews: {status} always"))
    rights = needed("delete swap whole")
    *most, last = triples(rights)
    give(shared, *(rule(*triple) for triple in most))
    assert triples(SharedReads(client).missing_rights(rights)) == [last]
    assert asked(shared).count("selfsubjectaccessreviews") == len(
        {(right.verb, right.group, right.resource, right.name) for right in rights}
    )


def test_a_server_that_is_away_says_nothing_of_rights(shared: Cluster, client: OpenShift) -> None:
    shared.call(shared.inside.troubles.add, parse_trouble("POST selfsubjectrulesreviews: 503"))
    with pytest.raises(TryAgainError):
        SharedReads(client).missing_rights(needed("delete swap whole"))


def test_who_else_claims_a_host_where_we_may_look(shared: Cluster, client: OpenShift) -> None:
    foreign = manifests.route("theirs", manifests.HOST)
    foreign["metadata"]["namespace"] = manifests.OTHER_NAMESPACE
    shared.call(shared.store.create, "routes", foreign, manager="test")
    try:
        give(shared, rule("list", "route.openshift.io", "routes"))
        assert SharedReads(client).claims(manifests.HOST) is None
        give(shared, rule("list", "route.openshift.io", "routes"), namespace="")
        found = SharedReads(client).claims(manifests.HOST)
        assert found is not None
        assert {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in found} == {
            (NAMESPACE, manifests.APPLICATION),
            (manifests.OTHER_NAMESPACE, "theirs"),
        }
        assert SharedReads(client).claims("nobody.example.test") == []
    finally:
        shared.call(shared.store.delete, "routes", manifests.OTHER_NAMESPACE, "theirs")


def variables(case: str) -> dict[str, str | None]:
    given = CASES[case]
    return {
        "OKD_TOKEN": TOKEN,
        "ROUTE_STRATEGY": given["strategy"],
        "SUBPATH": CART if given["subpath"] else None,
        "PROBES": "false",
    }


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_job_passes_with_exactly_its_rights_and_is_refused_without_any_of_them(case: str) -> None:
    job, own = CASES[case]["job"], triples(needed(case))
    # The page of an earlier Role has no PodDisruptionBudget: a job cannot demand the right to remove one.
    budget = [rule("delete", *BUDGETS)] if job == "delete" else []
    with running(QUICK) as cluster:
        ok(cluster.run("build-and-deploy"))
        if job == "delete":
            ok(cluster.run("deploy-route", variables(case) | {"OKD_TOKEN": cluster.inside.token}))
        untouched = state(cluster)
        for removed in own:
            give(cluster, *budget, *(rule(*triple) for triple in own if triple != removed))
            done = cluster.run(job, variables(case))
            assert done.code == 1, (removed, done.log)
            assert f"{removed[0]} {removed[2]}" in done.log.partition("ERROR: ")[2] or (
                f'cannot {removed[0]} resource "{removed[2]}"' in done.log.partition("ERROR: ")[2]
            ), (removed, done.log)
            assert state(cluster) == untouched, removed
            if cluster.find("leases", LEASE):  # what a job that may not delete it leaves
                cluster.call(cluster.store.delete, "leases", NAMESPACE, LEASE)
        give(cluster, *budget, *(rule(*triple) for triple in own))
        ok(cluster.run(job, variables(case)))
        assert state(cluster) != untouched


@pytest.mark.parametrize("with_oc", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_page_is_built_and_deployed_with_exactly_its_rights(tmp_path: Path, with_oc: bool) -> None:
    """The first time and again, so that Helm installs and upgrades."""
    rights = [*deploying_rights(), *budget_rights(), *building_rights(with_oc=with_oc)]
    oc: dict[str, Path] = {"oc": oc_stand_in.install(tmp_path)} if with_oc else {}
    with running(QUICK) as cluster:
        # A check of rights may name the object that a request creates; a Role cannot limit that.
        give(cluster, *(rule(right.verb, right.group, right.resource) for right in rights))
        for _ in range(2):
            job = ok(cluster.run("build-and-deploy", {"OKD_TOKEN": TOKEN, "BUILD_MAINTENANCE_PAGE": "true"}, **oc))
            assert "WARNING" not in job.log


def state(cluster: Cluster) -> str:
    """All that a job might change, without what only the server writes."""
    kinds = ("routes", "secrets", "deployments", "services", "buildconfigs", "imagestreams")
    found = {kind: cluster.call(cluster.store.list, kind, NAMESPACE) for kind in kinds}
    return json.dumps(
        {
            kind: [
                {key: one.get(key) for key in ("spec", "data")} | {"name": one["metadata"]["name"]} for one in objects
            ]
            for kind, objects in found.items()
        },
        sort_keys=True,
    )

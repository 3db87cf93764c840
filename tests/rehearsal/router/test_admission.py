"""Looking again only where something has changed comes to the same as looking at everything."""

from __future__ import annotations

import random
from typing import Any

import pytest

from maintenance_ci.rehearsal.apiserver.store import Store
from maintenance_ci.rehearsal.router.admission import Admission
from maintenance_ci.rehearsal.router.claims import Claim, judge_claims
from maintenance_ci.rehearsal.router.route_fields import key_of

Object = dict[str, Any]
DOMAIN = "apps.example.test"


def route(name: str, host: str, namespace: str = "shop", **spec: Any) -> Object:
    spec = {"host": f"{host}.{DOMAIN}", "to": {"kind": "Service", "name": "shop"}, **spec}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def verdicts(claims: list[Claim]) -> dict[str, tuple[str, str, str]]:
    return {key_of(claim.route): (claim.reason, claim.message, claim.displaced) for claim in claims}


@pytest.mark.parametrize("allow_wildcards", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_it_comes_to_the_same_as_judging_everything(seed: int, allow_wildcards: bool) -> None:
    chance, store = random.Random(seed), Store()
    admission = Admission(store.find, allow_wildcards=allow_wildcards)
    refused = 0
    for _ in range(120):
        name, namespace = chance.choice("abcdef"), chance.choice(("shop", "other"))
        spec = {
            "path": chance.choice(("", "/x")),
            "wildcardPolicy": chance.choice(("None", "None", "Subdomain")),
        }
        there = store.find("routes", namespace, name)
        if there is None:
            store.create(
                "routes", route(name, chance.choice(("one", "two", "three")), namespace, **spec), manager="test"
            )
        elif chance.random() < 0.5:
            store.delete("routes", namespace, name)
        else:
            host = f"{chance.choice(('one', 'two'))}.{DOMAIN}"
            store.update("routes", {**there, "spec": {**there["spec"], "host": host}}, manager="test")
        if chance.random() < 0.6:  # several changes may come together
            admission.look(store.list("routes"))
            whole = verdicts(judge_claims(store.list("routes"), allow_wildcards=allow_wildcards))
            assert verdicts(admission.claims) == whole
            assert {key_of(one) for one in admission.admitted} == {key for key, said in whole.items() if not said[0]}
            refused += sum(bool(said[0]) for said in whole.values())
    assert refused > 20  # there was something to judge


def test_only_rivals_of_what_has_changed_are_judged_again() -> None:
    store, admission = Store(), Admission(Store().find)
    for name in "abc":
        store.create("routes", route(name, name), manager="test")
    store.create("routes", route("b-too", "b", "other"), manager="test")
    claims, changed = admission.look(store.list("routes"))
    assert (set(verdicts(claims)), changed) == ({"shop:a", "shop:b", "shop:c", "other:b-too"}, True)
    assert admission.look(store.list("routes")) == ([], False)
    there = store.get("routes", "shop", "b")
    store.update("routes", {**there, "spec": {**there["spec"], "path": "/b"}}, manager="test")
    claims, _ = admission.look(store.list("routes"))  # which of the two is served is a matter of their uids
    assert set(verdicts(claims)) == {"shop:b", "other:b-too"}


def test_a_status_is_looked_at_and_changes_nothing_of_what_is_served() -> None:
    store, admission = Store(), Admission(Store().find)
    made = store.create("routes", route("a", "a"), manager="test")
    admission.look(store.list("routes"))
    store.update("routes", {**made, "status": {"ingress": []}}, manager="test", subresource="status")
    claims, changed = admission.look(store.list("routes"))
    assert (set(verdicts(claims)), changed) == ({"shop:a"}, False)


@pytest.mark.parametrize("change", ["spec", "annotations", "gone"])
def test_what_users_would_notice_is_a_change(change: str) -> None:
    store, admission = Store(), Admission(Store().find)
    made = store.create("routes", route("a", "a"), manager="test")
    admission.look(store.list("routes"))
    if change == "gone":
        store.delete("routes", "shop", "a")
    elif change == "annotations":
        annotations = {"haproxy.router.openshift.io/timeout": "3s"}
        store.update("routes", {**made, "metadata": {**made["metadata"], "annotations": annotations}}, manager="test")
    else:
        store.update("routes", {**made, "spec": {**made["spec"], "to": {"name": "page"}}}, manager="test")
    _, changed = admission.look(store.list("routes"))
    assert changed
    assert len(admission.admitted) == (0 if change == "gone" else 1)

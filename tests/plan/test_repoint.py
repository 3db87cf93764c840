"""A Route sent to the page, and back; and the patches by which that is done."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.names import PAGE, notes
from maintenance_ci.plan.page_route import backend_services
from maintenance_ci.plan.repoint import merge_patch, pointed_back, repointed, without_notes
from maintenance_ci.plan.snapshot import manifest_of
from maintenance_ci.plan.strategies import REPOINT, rewriting_strategy
from maintenance_ci.rehearsal.apiserver.store import Object
from tests.tools.certificates import issued
from tests.tools.route_strategies import OURS, routes
from tests.tools.served_routes import certificate_for, live, meant, store_for

some = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SAID = notes("shop", REPOINT, "42", "https://gitlab.example.test/p/42")

# JSON without null: a merge patch cannot write one, and the API has none.
scalars = st.one_of(st.booleans(), st.integers(2, 9), st.text(max_size=3))
keys = st.sampled_from("abcd")
objects = st.recursive(
    st.dictionaries(keys, st.one_of(scalars, st.lists(scalars, max_size=2)), max_size=3),
    lambda inner: st.dictionaries(keys, st.one_of(scalars, inner, st.lists(inner, max_size=2)), max_size=4),
    max_leaves=12,
)


def patched(target: Any, patch: Any) -> Any:
    """A merge patch applied, as section 2 of RFC 7386 says."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = patched(result.get(name), value)
    return result


def shop(**spec: Any) -> Object:
    """A live Route."""
    return {
        "metadata": {"name": "shop", "namespace": "web", "uid": "u", "labels": {"app": "shop"}},
        "spec": {"host": "shop.example.test", "to": {"kind": "Service", "name": "shop", "weight": 100}} | spec,
        "status": {"ingress": []},
    }


@given(old=objects, new=objects)
def test_a_merge_patch_makes_the_new_of_the_old(old: Object, new: Object) -> None:
    assert patched(old, merge_patch(old, new)) == new


@given(old=objects, new=objects)
def test_a_merge_patch_says_no_more_than_what_differs(old: Object, new: Object) -> None:
    patch = merge_patch(old, new)
    assert (patch == {}) == (old == new)
    assert {key for key in patch if patch[key] is None} == old.keys() - new.keys()
    assert not {key for key in patch if key in old and old[key] == new.get(key)}


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1, "b": 2}, {"a": 1}, {"b": None}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, {"a": {"c": 3}}),
        ({"a": {"b": 1}}, {"a": {}}, {"a": {"b": None}}),
        ({"a": [1, 2]}, {"a": [1]}, {"a": [1]}),
        ({"a": 1}, {"a": {}}, {"a": {}}),
        ({"a": {"b": 1}}, {"a": 1}, {"a": 1}),
        ({}, {"a": {}}, {"a": {}}),
    ],
)
def test_merge_patches(old: Object, new: Object, patch: Object) -> None:
    assert merge_patch(old, new) == patch


@some
@given(manifest=routes())
def test_a_route_goes_to_the_page_and_back_by_two_patches_that_the_api_takes(manifest: Object) -> None:
    store = store_for(manifest)
    original = store.create("routes", manifest, manager="test")

    sent = repointed(original, SAID, certificate=certificate_for(original))
    during = store.update("routes", patched(original, merge_patch(original, sent)), manager="ours")
    assert backend_services(during) == {PAGE}
    assert rewriting_strategy(during)
    assert [during["spec"].get(key) for key in ("host", "path", "wildcardPolicy")] == [
        original["spec"].get(key) for key in ("host", "path", "wildcardPolicy")
    ]
    assert meant(during) != meant(original)

    restored = pointed_back(during, manifest_of(original))
    after = store.update("routes", patched(during, merge_patch(during, restored)), manager="ours")
    assert meant(after) == meant(without_notes(original))
    assert after["metadata"]["uid"] == original["metadata"]["uid"]
    assert not rewriting_strategy(after)


@some
@given(manifest=routes())
def test_repointing_there_and_back_changes_no_argument(manifest: Object) -> None:
    original = live(manifest)
    before = copy.deepcopy(original)
    sent = repointed(original, SAID, certificate=certificate_for(original))
    as_sent = copy.deepcopy(sent)
    pointed_back(sent, manifest_of(original))
    assert (original, sent) == (before, as_sent)


def test_what_is_not_of_the_way_to_the_page_is_untouched() -> None:  # but for httpHeaders
    original = shop(path="/a", httpHeaders={"actions": {}}, port={"targetPort": 1}, alternateBackends=[{"name": "b"}])
    sent = repointed(original, SAID)
    assert sent["spec"] == {
        "host": "shop.example.test",
        "path": "/a",
        "to": {"kind": "Service", "name": PAGE, "weight": 100},
        "port": {"targetPort": "http"},
    }
    assert sent["metadata"]["labels"] == {"app": "shop"}
    assert sent["metadata"]["annotations"] == SAID
    assert (sent["metadata"]["uid"], sent["status"]) == ("u", {"ingress": []})


def test_the_notes_name_the_route_itself() -> None:
    assert repointed(shop(), {"maintenance-ci/route": "other"})["metadata"]["annotations"] == {
        "maintenance-ci/route": "shop"
    }


def test_tls_ends_at_the_router_during_the_maintenance() -> None:
    own = {"certificate": "c", "key": "k", "insecureEdgeTerminationPolicy": "Redirect"}
    reencrypt = own | {"termination": "reencrypt", "destinationCACertificate": "the Pods' CA"}
    assert repointed(shop(tls=reencrypt), SAID)["spec"]["tls"] == own | {"termination": "edge"}
    assert "tls" not in repointed(shop(), SAID)["spec"]
    # And what was left out is back with it.
    sent = repointed(shop(tls=reencrypt), SAID)
    assert pointed_back(sent, manifest_of(shop(tls=reencrypt)))["spec"]["tls"] == reencrypt


def test_passthrough_needs_a_certificate() -> None:
    passthrough = shop(tls={"termination": "passthrough"})
    with pytest.raises(MaintenanceError, match="passthrough") as caught:
        repointed(passthrough, SAID)
    assert "PASSTHROUGH_CERTIFICATE_SECRET" in caught.value.advice
    pair = issued(2026)
    assert repointed(passthrough, SAID, certificate=pair)["spec"]["tls"] == pair | {"termination": "edge"}


def test_what_others_wrote_meanwhile_stays_and_what_the_template_says_wins() -> None:
    sent = repointed(shop(), SAID)
    sent["metadata"]["labels"] = {"app": "changed", "team": "a"}
    sent["metadata"]["annotations"] |= {"acme/state": "renewed"}
    back = pointed_back(sent, manifest_of(shop()))
    assert back["metadata"]["labels"] == {"app": "shop", "team": "a"}
    assert back["metadata"]["annotations"] == {"acme/state": "renewed"}


def test_a_subdomain_that_the_template_does_not_know_stays() -> None:
    """The server refuses to change it."""
    sent = repointed(shop(subdomain="s"), SAID)
    assert pointed_back(sent, manifest_of(shop()))["spec"]["subdomain"] == "s"
    assert "subdomain" not in pointed_back(repointed(shop(), SAID), manifest_of(shop()))["spec"]


def test_nothing_but_our_notes_is_taken_away() -> None:
    route = shop()
    assert without_notes(route) == route
    route["metadata"]["annotations"] = dict.fromkeys(OURS, "x") | {"maintenance-ci.example/theirs": "x"}
    assert without_notes(route)["metadata"]["annotations"] == {"maintenance-ci.example/theirs": "x"}
    route["metadata"]["annotations"] = dict.fromkeys(OURS, "x")
    assert "annotations" not in without_notes(route)["metadata"]
    assert set(route["metadata"]["annotations"]) == set(OURS)


@pytest.mark.parametrize(
    ("route", "is_one"),
    [
        (None, False),
        ({}, False),
        ({"metadata": {"annotations": None}}, False),
        ({"metadata": {"annotations": {"maintenance-ci/strategy": "swap"}}}, False),
        ({"metadata": {"annotations": {"maintenance-ci/route": "shop"}}}, False),
        ({"metadata": {"annotations": {"maintenance-ci/strategy": "repoint"}}}, True),
    ],
)
def test_a_repointed_route_is_known_by_its_notes(route: Object | None, is_one: bool) -> None:
    assert bool(rewriting_strategy(route)) is is_one

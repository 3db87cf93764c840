"""The snapshot keeps the original, all of it that is its owner's, and nothing else."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.names import notes, snapshot_name
from maintenance_ci.plan.repoint import repointed, without_notes
from maintenance_ci.plan.snapshot import KEY, SYSTEM_METADATA, manifest_of, route_in, snapshot_of
from maintenance_ci.plan.strategies import REPOINT
from maintenance_ci.rehearsal.apiserver.store import Object
from tests.tools.route_strategies import NAMESPACE, routes
from tests.tools.served_routes import certificate_for, live, meant, store_for

some = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SAID = notes("shop", "swap", "42", "https://gitlab.example.test/p/42")
LIVE: Object = {
    "metadata": {
        "name": "shop",
        "namespace": "web",
        "labels": {"app": "shop"},
        "annotations": {"kubernetes.io/tls-acme": "true"},
        "uid": "0b7e",
        "resourceVersion": "17",
        "generation": 3,
        "creationTimestamp": "2026-11-23T06:00:00Z",
        "managedFields": [{"manager": "oc"}],
        "finalizers": ["example.test/keep"],
        "ownerReferences": [{"kind": "Shop", "name": "shop", "uid": "1"}],
    },
    "spec": {"host": "shop.example.test", "to": {"kind": "Service", "name": "shop"}, "tls": {"key": "a key"}},
    "status": {"ingress": [{"routerName": "default"}]},
}


@some
@given(manifest=routes())
def test_what_a_snapshot_restores_is_what_it_was_taken_of(manifest: Object) -> None:
    store = store_for(manifest)
    original = store.create("routes", manifest, manager="test")
    kept = store.create("secrets", snapshot_of(original, SAID), manager="ours")
    assert route_in(kept) == manifest_of(original)
    name = original["metadata"]["name"]
    store.delete("routes", NAMESPACE, name)
    restored = store.create("routes", route_in(kept), manager="ours")
    assert meant(restored) == meant(without_notes(original))
    assert restored["metadata"]["uid"] != original["metadata"]["uid"]


@some
@given(manifest=routes())
def test_a_snapshot_of_a_restored_route_is_the_same_snapshot(manifest: Object) -> None:
    original = live(manifest)
    restored = live(route_in(snapshot_of(original, SAID)))
    assert snapshot_of(restored, SAID) == snapshot_of(original, SAID)
    other = {**original, "spec": {**original["spec"], "host": "other.example.test"}}
    assert snapshot_of(other, SAID)["data"] != snapshot_of(original, SAID)["data"]


@some
@given(manifest=routes())
def test_nothing_of_the_server_s_and_none_of_our_notes_is_in_it(manifest: Object) -> None:
    original = live(manifest)
    sent = repointed(original, notes("x", REPOINT, "42"), certificate=certificate_for(original))
    for one in (original, sent):
        manifest = manifest_of(one)
        assert manifest.keys() == {"apiVersion", "kind", "metadata", "spec"}
        assert not manifest["metadata"].keys() & SYSTEM_METADATA
        assert not [
            name for name in manifest["metadata"].get("annotations") or {} if name.startswith("maintenance-ci/")
        ]
    # They are there to be left out.
    assert original["metadata"].keys() & SYSTEM_METADATA
    assert sent["metadata"]["annotations"]["maintenance-ci/strategy"] == REPOINT


def test_a_manifest_has_all_that_is_its_owner_s() -> None:
    assert manifest_of(LIVE) == {
        "apiVersion": "route.openshift.io/v1",
        "kind": "Route",
        "metadata": {
            "name": "shop",
            "namespace": "web",
            "labels": {"app": "shop"},
            "annotations": {"kubernetes.io/tls-acme": "true"},
            "finalizers": ["example.test/keep"],
            "ownerReferences": [{"kind": "Shop", "name": "shop", "uid": "1"}],
        },
        "spec": LIVE["spec"],
    }


def test_the_secret_says_whose_it_is() -> None:
    secret = snapshot_of(LIVE, {**SAID, "maintenance-ci/route": "other"})
    assert secret["metadata"] == {
        "name": "shop-maintenance-snapshot",
        "namespace": "web",
        "labels": {"app.kubernetes.io/managed-by": "maintenance-ci"},
        "annotations": {**SAID, "maintenance-ci/route": "shop"},
    }
    assert (secret["kind"], secret["type"], list(secret["data"])) == ("Secret", "Opaque", [KEY])
    # The key of its certificate is nowhere but in the data.
    assert "a key" not in json.dumps(secret)
    assert json.loads(base64.b64decode(secret["data"][KEY]))["spec"]["tls"]["key"] == "a key"


def test_the_longest_name_of_a_route_has_a_snapshot() -> None:
    assert len(snapshot_name("r" * 227)) <= 253


def with_data(data: Any) -> Object:
    return {"metadata": {"name": "shop-maintenance-snapshot"}, "data": data}


def holding(content: bytes) -> Object:
    return with_data({KEY: base64.b64encode(content).decode()})


@pytest.mark.parametrize(
    "secret",
    [
        {"metadata": {"name": "shop-maintenance-snapshot"}},
        with_data(None),
        with_data({}),
        with_data({"other.json": "e30="}),
        with_data({KEY: None}),
        with_data({KEY: "no base64!"}),
        with_data({KEY: "é"}),
        with_data({KEY: base64.b64encode(b"x").decode()[:-1]}),
        holding(b""),
        holding(b"\xff\xfe"),
        holding(b"null"),
        holding(b"[]"),
        holding(b'"shop"'),
        holding(b"{"),
        holding(b"[" * 100_000),
        holding(b"{}"),
        holding(b'{"metadata": []}'),
        holding(b'{"metadata": {}, "spec": {"host": "h"}}'),
        holding(b'{"metadata": {"name": null}, "spec": {"host": "h"}}'),
        holding(b'{"metadata": {"name": "shop"}}'),
        holding(b'{"metadata": {"name": "shop"}, "spec": {}}'),
        holding(b'{"metadata": {"name": "shop"}, "spec": null}'),
        holding(b'{"metadata": {"name": "other"}, "spec": {"host": "h"}}'),
    ],
    ids=lambda secret: str(secret.get("data"))[:40],
)
def test_what_is_no_snapshot_is_refused_without_being_shown(secret: Object) -> None:
    with pytest.raises(MaintenanceError) as caught:
        route_in(secret)
    assert caught.value.what == "The Secret shop-maintenance-snapshot holds no snapshot that can be read."


def test_a_snapshot_is_read() -> None:
    found = {"metadata": {"name": "shop"}, "spec": {"host": "h"}}
    assert route_in(holding(json.dumps(found).encode())) == found

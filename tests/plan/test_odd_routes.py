"""Routes that lack what most have: nothing that looks at Routes breaks at them."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.names import notes
from maintenance_ci.plan.certificates import carry_over_certificates
from maintenance_ci.plan.checks import (
    require_below,
    require_deletable,
    require_host,
    require_host_returns,
    require_host_unclaimed,
    require_no_rival,
    require_original,
    require_ours,
    require_ready_endpoints,
    require_standing,
)
from maintenance_ci.plan.comparison import differences, keep_bookkeeping, moved
from maintenance_ci.plan.describe import commands_to_end, lines_of
from maintenance_ci.plan.marks import as_we_applied_it
from maintenance_ci.plan.mirrored_metadata import left_out_annotations, unreadable_allow_lists
from maintenance_ci.plan.observed import Observed
from maintenance_ci.plan.overview import rows, table_of_maintenances
from maintenance_ci.plan.ownership import recreated_by
from maintenance_ci.plan.page_route import left_out, maintenance_values, routes_beside, routes_to
from maintenance_ci.plan.plans import plan_begin, plan_end
from maintenance_ci.plan.repoint import merge_patch, pointed_back, repointed
from maintenance_ci.plan.rights import needed_rights
from maintenance_ci.plan.route_access import other_ways, public_url
from maintenance_ci.plan.routes import Routes
from maintenance_ci.plan.snapshot import manifest_of, snapshot_of
from maintenance_ci.plan.strategies import REPOINT
from maintenance_ci.plan.verdicts import admitting_routers, refusals, serving_routers
from maintenance_ci.settings.force import Force
from maintenance_ci.templates.export import export_route
from tests.tools.observations import settings

Object = dict[str, Any]

CONDITIONS: tuple[Object, ...] = (
    {"type": "Admitted", "status": "True"},
    {"type": "Admitted", "status": "False"},
    {"type": "Admitted"},
    {"type": "Other"},
    {},
)
STATUSES: tuple[Object | None, ...] = (
    None,
    {},
    {"ingress": None},
    {"ingress": []},
    {"ingress": [{}]},
    {"ingress": [{"routerName": "default", "host": "made.up.example.test"}]},
    *({"ingress": [{"routerName": "default", "conditions": [one]}]} for one in CONDITIONS),
)
# What a Route may lack, or have without a value, by its place.
PLACES = (
    "spec.host", "spec.path", "spec.to", "spec.to.kind", "spec.to.name", "spec.to.weight", "spec.alternateBackends",
    "spec.port", "spec.port.targetPort", "spec.tls", "spec.tls.termination", "spec.wildcardPolicy", "spec.subdomain",
    "spec.httpHeaders", "metadata.labels", "metadata.annotations", "metadata.managedFields",
)  # fmt: skip


WHOLE: Object = {
    "apiVersion": "route.openshift.io/v1",
    "kind": "Route",
    "metadata": {
        "name": "shop",
        "namespace": "web",
        "uid": "uid",
        "labels": {"app": "shop", "helm.sh/chart": "x"},
        "annotations": {"haproxy.router.openshift.io/timeout": "60s", "example.test/unknown": "x"},
        "managedFields": [{"manager": "maintenance-ci", "operation": "Apply", "fieldsV1": {"f:spec": {"f:host": {}}}}],
    },
    "spec": {
        "host": "shop.example.test",
        "path": "/a",
        "subdomain": "shop",
        "to": {"kind": "Service", "name": "shop", "weight": 100},
        "alternateBackends": [{"kind": "Service", "name": "canary", "weight": 0}, {"name": "third"}],
        "port": {"targetPort": "http"},
        "tls": {"termination": "reencrypt", "certificate": "c", "key": "k", "destinationCACertificate": "d"},
        "wildcardPolicy": "None",
        "httpHeaders": {"actions": {"request": [{"name": "X", "action": {"type": "Delete"}}]}},
    },
}
CHANGES: tuple[Object, ...] = (
    {},
    {"to": {"kind": "Service", "name": "shop", "weight": 0}},
    {"to": {"kind": "Function", "name": "shop"}},
    {"to": {"kind": "", "name": "shop"}},
    {"tls": {"termination": "passthrough"}},
    {"tls": {"termination": "Edge", "externalCertificate": {}}},
)


def odd_routes() -> list[Object]:
    """Routes that lack one thing, or up to eight, with changes and statuses: by a chance that repeats."""
    chance, made = random.Random(10), []
    lacking = [[place] for place in PLACES] + [chance.sample(PLACES, chance.randint(0, 8)) for _ in range(250)]
    for number, places in enumerate(lacking * 2):
        route = copy.deepcopy(WHOLE)
        route["spec"] |= copy.deepcopy(chance.choice(CHANGES))
        for place in places:
            *way, last = place.split(".")
            inside = route
            for name in way:
                inside = inside.get(name) or {}
            if last in inside and number < len(lacking):
                del inside[last]
            elif last in inside:  # as some clients write it
                inside[last] = None
        status = chance.choice(STATUSES)
        made.append(route if status is None else {**route, "status": status})
    return made


ODD = odd_routes()
Look = Callable[[Object, Object], object]
LOOKS: dict[str, Look] = {
    "admitting_routers": lambda route, _: admitting_routers(route),
    "refusals": lambda route, _: refusals(route),
    "serving_routers": lambda route, _: serving_routers(route),
    "carry_over_certificates": lambda route, other: carry_over_certificates(route, {"the other": other}),
    "require_below": lambda route, _: require_below(route, "/cart"),
    "require_deletable": lambda route, _: require_deletable(route),
    "require_host": lambda route, _: require_host(route),
    "require_host_unclaimed": lambda route, other: require_host_unclaimed(with_host(route), [other]),
    "require_host_returns": lambda route, other: require_host_returns(with_host(route), [other], force=()),
    "require_no_rival": lambda route, other: require_no_rival(route, [other], "x"),
    "require_original": lambda route, _: require_original(route),
    "require_ours": lambda route, _: require_ours(ours(route), "x", "/a"),
    "require_ready_endpoints": lambda route, _: require_ready_endpoints(route, [], force=Force),
    "require_standing": lambda route, _: require_standing(route),
    "left_out": left_out,
    "left_out_annotations": lambda route, _: left_out_annotations(route["metadata"].get("annotations")),
    "unreadable_allow_lists": lambda route, _: unreadable_allow_lists(route["metadata"].get("annotations")),
    "maintenance_values": lambda route, _: maintenance_values(
        with_host(route), route_name=route["metadata"]["name"], subpath=None, strategy="swap"
    ),
    "routes_beside": lambda route, other: routes_beside(route, [other], ()),
    "routes_to": lambda route, other: routes_to("shop", [route, other]),
    "overview": lambda route, other: table_of_maintenances(
        rows([ours(route), other, repointed_of(other)], [], page_ready=True, now=datetime(2026, 11, 24, tzinfo=UTC))
    ),
    "recreated_by": lambda route, _: recreated_by(route),
    "repointed": lambda route, _: repointed_of(route),
    "pointed_back": lambda route, other: merge_patch(route, pointed_back(route, other, route)),
    "a plan": lambda route, other: planned(route, other),
    "other_ways": lambda route, other: other_ways([route], [other], ()),
    "public_url": lambda route, _: public_url(route),
    "export_route": lambda route, _: export_route(route, path="x.yaml"),
    "differences": differences,
    "moved": moved,
    "keep_bookkeeping": keep_bookkeeping,
    "as_we_applied_it": lambda route, _: as_we_applied_it(route),
    "observed": lambda route, other: Observed("web", route["metadata"]["name"], None, Routes([route, other])).phase,
    "snapshot": lambda route, _: json.dumps(snapshot_of(route, {})) + json.dumps(manifest_of(route)),
}


def planned(route: Object, other: Object) -> list[object]:
    """Everything that is made of what is observed of a Route."""
    observed = Observed("web", route["metadata"]["name"], None, Routes([route, other]))
    given = settings(ROUTE_NAME=route["metadata"]["name"])
    plans = [plan_begin(given, observed), plan_end(given, observed)]
    return [
        [lines_of(plan, observed, reload_interval=5.0), commands_to_end(plan, observed, snapshot=True),
         needed_rights(plan, observed)]
        for plan in plans
    ]  # fmt: skip


def with_host(route: Object) -> Object:
    """A Route of those that `require_host` lets pass."""
    return {**route, "spec": {**route["spec"], "host": route["spec"].get("host") or "shop.example.test"}}


def ours(route: Object) -> Object:
    metadata = {
        **route["metadata"],
        "labels": {"app.kubernetes.io/managed-by": "maintenance-ci"},
        "annotations": notes("x", "swap"),
    }
    return {**route, "metadata": metadata}


def repointed_of(route: Object) -> Object:
    return repointed(route, notes("x", REPOINT), certificate={"certificate": "c", "key": "k"})


def looked_at(look: Look) -> int:
    """Return how many of the Routes, each beside another one, are taken; the others are refused in a sentence."""
    taken = 0
    for route, other in zip(ODD, reversed(ODD), strict=True):
        before = copy.deepcopy((route, other))
        try:
            look(route, other)
            taken += 1
        except MaintenanceError as error:
            assert error.what.endswith(".")
        assert (route, other) == before
    return taken


@pytest.mark.parametrize("look", LOOKS)
def test_an_odd_route_is_looked_at_or_refused(look: str) -> None:
    assert looked_at(LOOKS[look]) > 0


@pytest.mark.parametrize(
    "look", [lambda route, _: route["spec"]["host"], lambda route, _: (route["spec"].get("path", "")).rstrip("/")]
)
def test_a_function_that_breaks_on_an_odd_route_is_noticed(look: Look) -> None:
    """Without the odd ones among them these tests would prove nothing."""
    with pytest.raises((KeyError, AttributeError)):
        looked_at(look)

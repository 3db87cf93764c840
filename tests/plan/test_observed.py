"""What the Routes of a namespace say of a maintenance: every state that a job may find."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from maintenance_ci.names import PAGE, notes, page_route_name
from maintenance_ci.plan.marks import as_we_applied_it, pipeline_of, stands_for
from maintenance_ci.plan.observed import Observed, Phase, Reading
from maintenance_ci.plan.page_route import our_labels
from maintenance_ci.plan.repoint import repointed
from maintenance_ci.plan.routes import Routes
from maintenance_ci.plan.strategies import REPOINT, SWAP
from maintenance_ci.rehearsal.apiserver.store import Object

WHOLE, PATH = page_route_name("shop", None), page_route_name("shop", "/cart")


def route(name: str = "shop", service: str = "shop") -> Object:
    return {
        "metadata": {"name": name, "namespace": "web"},
        "spec": {"host": "shop.example.test", "to": {"kind": "Service", "name": service}},
    }


def page_route(subpath: str | None = None, of: str = "shop") -> Object:
    """A maintenance Route."""
    made = route(page_route_name(of, subpath), PAGE)
    made["metadata"] |= {"labels": our_labels(of), "annotations": notes(of, "subpath" if subpath else SWAP, "42")}
    return made


def by_repoint() -> Object:
    return repointed(route(), notes("shop", REPOINT, "42"))


def sent_elsewhere() -> Object:
    """A repointed Route that somebody has sent to the application in the meantime, our notes left."""
    sent = by_repoint()
    return {**sent, "spec": {**sent["spec"], "to": {"kind": "Service", "name": "shop"}}}


APPLIED = [{"manager": "maintenance-ci", "operation": "Apply", "fieldsV1": {"f:spec": {"f:host": {}}}}]
OTHERS = [route("portal"), page_route(of="portal"), page_route("/cart", of="portal")]

# What a job finds: the Routes, the SUBPATH; then strategy, whether all is switched, which Route carries the notes,
# which one is mirrored, and the paths in maintenance.
STATES: dict[str, tuple[list[Object], str | None, tuple[str | None, bool, str | None, str | None, list[str]]]] = {
    "nothing at all": ([], None, (None, False, None, None, [])),
    "never begun": ([route()], None, (None, False, None, "shop", [])),
    "a swap half done": ([route(), page_route()], None, (SWAP, False, WHOLE, "shop", [])),
    "a swap": ([page_route()], None, (SWAP, True, WHOLE, WHOLE, [])),
    "a repoint": ([by_repoint()], None, (REPOINT, True, "shop", "shop", [])),
    "a repoint sent elsewhere": ([sent_elsewhere()], None, (REPOINT, False, "shop", "shop", [])),
    "a repoint on top of half a swap": ([by_repoint(), page_route()], None, (REPOINT, True, "shop", "shop", [])),
    "a path": ([route(), page_route("/cart")], "/cart", (None, False, PATH, "shop", [PATH])),
    "another path": (
        [route(), page_route("/a")],
        "/cart",
        (None, False, None, "shop", [page_route_name("shop", "/a")]),
    ),
    "a path, asked for the whole": ([route(), page_route("/cart")], None, (None, False, None, "shop", [PATH])),
    "a path under a swap": (
        [page_route(), page_route("/cart")],
        "/cart",
        (SWAP, True, PATH, WHOLE, [PATH]),
    ),
    "a path to be, under a swap": ([page_route()], "/cart", (SWAP, True, None, WHOLE, [])),
    "a path under a repoint": (
        [by_repoint(), page_route("/cart")],
        "/cart",
        (REPOINT, True, PATH, "shop", [PATH]),
    ),
    "a path to be, under a repoint": ([by_repoint()], "/cart", (REPOINT, True, None, "shop", [])),
    "a path, and the original is gone": ([page_route("/cart")], "/cart", (None, False, PATH, None, [PATH])),
}


def observe(routes: Iterable[Object], subpath: str | None) -> Observed:
    return Observed("web", "shop", subpath, Routes(routes))


def summary(observed: Observed) -> tuple[Any, ...]:
    names = [route and route["metadata"]["name"] for route in (observed.annotated_route, observed.route_to_mirror)]
    return observed.active_strategy, observed.whole_route_is_shown, *names, observed.path_routes


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("others", [[], OTHERS], ids=["alone", "beside others"])
def test_every_state_is_told_by_the_routes_alone(state: str, others: list[Object]) -> None:
    routes, subpath, expected = STATES[state]
    assert summary(observe([*others, *routes], subpath)) == expected
    assert summary(observe([*reversed(routes), *others], subpath)) == expected


def test_where_a_maintenance_stands_follows_from_the_state() -> None:
    seen = {name: observe(routes, subpath).phase.name for name, (routes, subpath, _) in STATES.items()}
    assert seen == {
        "nothing at all": "UNKNOWN",
        "never begun": "LIVE",
        "a swap half done": "PREPARED",
        "a swap": "SHOWN",
        "a repoint": "SHOWN",
        "a repoint sent elsewhere": "DIVERTED",
        "a repoint on top of half a swap": "SHOWN",
        "a path": "SHOWN",
        "another path": "LIVE",
        "a path, asked for the whole": "LIVE",
        "a path under a swap": "SHOWN",
        "a path to be, under a swap": "LIVE",
        "a path under a repoint": "SHOWN",
        "a path to be, under a repoint": "LIVE",
        "a path, and the original is gone": "SHOWN",
    }


ADMITTED = {"ingress": [{"routerName": "default", "conditions": [{"type": "Admitted", "status": "True"}]}]}


@pytest.mark.parametrize(
    ("routes", "phase"),
    [
        ([route() | {"status": ADMITTED}], Phase.LEFTOVER),
        ([{**route(), "metadata": {**route()["metadata"], "managedFields": APPLIED}}], Phase.STRANDED),
        ([route(), page_route() | {"status": ADMITTED}], Phase.RETURNING),
        ([], Phase.GONE),
    ],
)
def test_a_snapshot_and_the_routers_tell_the_rest(routes: list[Object], phase: Phase) -> None:
    observed = replace(observe(routes, None), snapshot=Reading({"metadata": {"name": "shop-maintenance-snapshot"}}))
    assert observed.phase is phase


def test_the_page_s_route_is_the_one_that_would_be_made() -> None:
    assert observe([], None).page_route_name == WHOLE
    assert observe([], "/cart").page_route_name == PATH
    observed = observe([page_route(), page_route("/cart")], "/cart")
    assert observed.page_route == page_route("/cart")
    assert observed.whole_page_route == page_route()


def test_a_rewritten_route_has_no_maintenance_route() -> None:
    observed = observe([by_repoint()], None)
    assert (observed.page_route, observed.whole_page_route, observed.is_rewritten) == (None, None, True)
    assert observe([route()], None).is_rewritten is False


@pytest.mark.parametrize(
    ("labels", "annotations", "name"),
    [
        ({"app.kubernetes.io/managed-by": "maintenance-ci"}, {"maintenance-ci/route": "shop"}, "shop"),
        ({"app.kubernetes.io/managed-by": "Helm"}, {"maintenance-ci/route": "shop"}, None),
        ({}, {"maintenance-ci/route": "shop"}, None),
        ({"app.kubernetes.io/managed-by": "maintenance-ci"}, {}, None),
        (None, None, None),
    ],
)
def test_a_maintenance_route_is_known_by_label_and_note(labels: Any, annotations: Any, name: str | None) -> None:
    assert stands_for({"metadata": {"name": "x", "labels": labels, "annotations": annotations}}) == name


def test_a_repointed_route_stands_for_none() -> None:
    assert stands_for(by_repoint()) is None


@pytest.mark.parametrize(
    ("noted", "number"),
    [
        ("42", 42), ("0", 0), ("007", 7), ("9" * 20, int("9" * 20)),
        ("", None), ("-1", None), ("+1", None), ("1.5", None), ("1e3", None), (" 42", None), ("42\n", None),
        ("1_000", None), ("٤٢", None), ("４２", None), ("²", None), ("42; rm -rf /", None), ("0x2a", None),
        ("9" * 5000, None), (None, None), (["42"], None),
    ],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
def test_the_number_of_a_pipeline_whatever_stands_there(noted: Any, number: int | None) -> None:
    assert pipeline_of({"metadata": {"annotations": {"maintenance-ci/pipeline": noted}}}) == number


@pytest.mark.parametrize(
    "found", [None, {}, {"metadata": None}, {"metadata": {}}, {"metadata": {"annotations": None}}, route()]
)
def test_no_number_where_none_is_noted(found: Object | None) -> None:
    assert pipeline_of(found) is None


def entry(manager: str, operation: str, subresource: str = "", **fields: Any) -> dict[str, Any]:
    of = {"subresource": subresource} if subresource else {}
    return {"manager": manager, "operation": operation, "fieldsV1": fields} | of


MADE = entry("maintenance-ci", "Apply", **{"f:spec": {"f:host": {}, "f:to": {"f:name": {}}}})
ROUTER = entry("openshift-router", "Update", "status", **{"f:status": {"f:ingress": {}}})
TOUCHED = entry("client", "Update", **{"f:metadata": {"f:annotations": {".": {}, "f:maintenance-ci/touched": {}}}})
NOTED = entry("client", "Update", **{"f:metadata": {"f:annotations": {"f:team": {}}}})
SPEC = entry("kubectl", "Update", **{"f:spec": {"f:tls": {"f:certificate": {}}}})


@pytest.mark.parametrize(
    ("written", "as_made"),
    [
        ([MADE], True),
        ([MADE, ROUTER], True),
        ([MADE, TOUCHED, ROUTER], True),
        ([MADE, NOTED], False),
        ([MADE, SPEC], False),
        ([MADE, TOUCHED, entry("maintenance-ci", "Update", **SPEC["fieldsV1"])], False),
        ([SPEC], False),
        ([], False),
        (None, False),
    ],
)
def test_a_route_is_as_we_applied_it_until_somebody_writes_it(written: Any, as_made: bool) -> None:
    assert as_we_applied_it({"metadata": {"managedFields": written}}) is as_made

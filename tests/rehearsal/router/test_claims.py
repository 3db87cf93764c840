"""Who gets a host; the cases of the first table were recorded on a real OpenShift 4.21."""

from __future__ import annotations

from typing import Any

import pytest

from maintenance_ci.rehearsal.router.claims import Claim, judge_claims
from maintenance_ci.rehearsal.router.status import record

HOST = "app.apps.example.test"
Object = dict[str, Any]


def route(
    name: str, age: int, namespace: str = "web", uid: str = "", status: Object | None = None, **spec: Any
) -> Object:
    """Make a Route; ``age`` is the second in which it was created."""
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid or f"uid-{namespace}-{name}",
            "creationTimestamp": f"2026-11-23T06:43:{age:02}Z",
        },
        "spec": {"host": HOST, "to": {"kind": "Service", "name": name}, "wildcardPolicy": "None", **spec},
        "status": status or {},
    }


def judged(*routes: Object, **settings: bool) -> dict[str, str]:
    """Say of each Route by name "served", or why it is not."""
    claims = judge_claims(routes, **settings)
    assert len(claims) == len(routes)
    return {claim.route["metadata"]["name"]: claim.message or "served" for claim in claims}


APP_IS_OLDER = f"route app already exposes {HOST} and is older"


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        pytest.param(
            [route("app", 40), route("maintenance", 47)],
            {"app": "served", "maintenance": APP_IS_OLDER},
            id="swap begins",
        ),
        pytest.param([route("maintenance", 47)], {"maintenance": "served"}, id="original deleted"),
        pytest.param(
            [route("app", 59), route("maintenance", 47)],
            {"app": f"route maintenance already exposes {HOST} and is older", "maintenance": "served"},
            id="restore begins",
        ),
        pytest.param(
            [route("app", 40), route("maintenance", 47, path="/x")],
            {"app": "served", "maintenance": "served"},
            id="subpath",
        ),
        pytest.param(
            [route("app", 59), route("maintenance", 47), route("thief", 41, namespace="other")],
            {
                "app": f"a route in another namespace holds {HOST} and is older than app",
                "maintenance": f"a route in another namespace holds {HOST} and is older than maintenance",
                "thief": "served",
            },
            id="host lost to another namespace",
        ),
        pytest.param(
            [route("app", 40), route("thief", 41, namespace="other"), route("maintenance", 47)],
            {
                "app": "served",
                "thief": f"a route in another namespace holds {HOST} and is older than thief",
                "maintenance": APP_IS_OLDER,
            },
            id="another namespace waits",
        ),
    ],
)
def test_recorded_cases(routes: list[Object], expected: dict[str, str]) -> None:
    assert judged(*routes) == expected
    assert judged(*reversed(routes)) == expected


def test_within_one_second_the_smaller_uid_wins() -> None:
    assert judged(route("app", 40, uid="b"), route("maintenance", 40, uid="a")) == {
        "maintenance": "served",
        "app": f"route maintenance already exposes {HOST} and is older",
    }


def test_another_namespace_cannot_claim_even_a_free_path() -> None:
    expected = {"app": "served", "thief": f"a route in another namespace holds {HOST} and is older than thief"}
    assert judged(route("app", 40), route("thief", 41, namespace="other", path="/free")) == expected


def test_the_message_names_the_oldest_route_of_the_host() -> None:
    routes = route("app", 40), route("x", 41, path="/x"), route("maintenance", 47, path="/x")
    assert judged(*routes) == {"app": "served", "x": "served", "maintenance": APP_IS_OLDER}


def test_hosts_differ_only_by_letters() -> None:
    assert judged(route("app", 40), route("loud", 41, host=HOST.upper()))["loud"] != "served"
    assert judged(route("app", 40), route("else", 41, host="else.example.test"))["else"] == "served"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"host": ""}, "NoHostValue"),
        ({"wildcardPolicy": "Subdomain"}, "RouteNotAdmitted"),
    ],
)
def test_a_route_refused_for_itself_claims_no_host(spec: Object, reason: str) -> None:
    claims = {c.route["metadata"]["name"]: c for c in judge_claims([route("odd", 40, **spec), route("app", 41)])}
    assert (claims["odd"].admitted, claims["odd"].reason) == (False, reason)
    assert claims["app"].admitted


def test_a_wildcard_is_served_where_the_router_allows_it() -> None:
    wildcard = route("any", 40, host="any.apps.example.test", wildcardPolicy="Subdomain")
    assert judged(wildcard, route("app", 41), allow_wildcards=True) == {
        "any": "served",
        "app": "served",
    }


WILD = "*.apps.example.test"
ANY = {"host": "any.apps.example.test", "wildcardPolicy": "Subdomain"}
ELSEWHERE = {"host": "x.other.example.test", "wildcardPolicy": "Subdomain"}


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        pytest.param(
            [
                route("any", 40, **ANY),
                route("app", 41),
                route("thief", 42, namespace="other", host="b.apps.example.test"),
            ],
            {"any": "served", "app": "served", "thief": "a route in another namespace holds host b.apps.example.test"},
            id="a wildcard keeps others out of its domain",
        ),
        pytest.param(
            [route("app", 40), route("any", 41, namespace="other", **ANY)],
            {"app": "served", "any": "a route in another namespace holds host any.apps.example.test"},
            id="a host keeps the wildcards of others out",
        ),
        pytest.param(
            [route("any", 40, **ANY), route("app", 41, namespace="other", host="app.else.example.test")],
            {"any": "served", "app": "served"},
            id="another domain",
        ),
        pytest.param(
            [route("any", 40, **ANY), route("b", 41, **ANY | {"host": "b.apps.example.test"})],
            {"any": "served", "b": f"wildcard route web/any has host {WILD}, blocking b.apps.example.test"},
            id="two wildcards of one domain",
        ),
        pytest.param(
            [route("any", 40, **ANY), route("b", 41, path="/b", **ANY), route("c", 42, **ELSEWHERE)],
            {"any": "served", "b": "served", "c": "served"},
            id="wildcards with different paths, or in different domains",
        ),
        pytest.param(
            [route("app", 40), route("maintenance", 47)],
            {"app": "served", "maintenance": f"route web/app has host {HOST}"},
            id="two Routes of one host",
        ),
    ],
)
def test_rivals_on_a_router_that_allows_wildcards(routes: list[Object], expected: dict[str, str]) -> None:
    assert judged(*routes, allow_wildcards=True) == expected
    assert judged(*reversed(routes), allow_wildcards=True) == expected


def test_a_route_whose_certificate_is_broken_holds_its_host_all_the_same() -> None:
    broken = {"termination": "edge", "certificate": "nonsense"}
    claims = judge_claims([route("app", 40, tls=broken), route("maintenance", 47), route("x", 48, path="/x")])
    assert [claim.reason for claim in claims] == ["ExtendedValidationFailed", "HostAlreadyClaimed", ""]
    waiting = judge_claims([route("app", 40), route("maintenance", 47, tls=broken)])
    assert [claim.reason for claim in waiting] == ["", "HostAlreadyClaimed"]


def recorded(claim: Claim, now: str = "2026-11-23T07:00:00Z") -> list[Object] | None:
    return record(claim, router="default", canonical_hostname="router.apps.example.test", now=now)


def ingress(status: str = "True", router: str = "default", **condition: str) -> Object:
    """Make an entry of ``status.ingress``, as recorded."""
    return {
        "host": HOST,
        "routerName": router,
        "conditions": [
            {"type": "Admitted", "status": status, **condition, "lastTransitionTime": "2026-11-23T07:00:00Z"}
        ],
        "wildcardPolicy": "None",
        "routerCanonicalHostname": "router.apps.example.test",
    }


def test_record_admission_and_refusal() -> None:
    served, waiting = judge_claims([route("app", 40), route("maintenance", 47)])
    assert recorded(served) == [ingress()]
    assert recorded(waiting) == [ingress("False", reason="HostAlreadyClaimed", message=APP_IS_OLDER)]


def test_nothing_is_recorded_where_nothing_changes() -> None:
    (claim,) = judge_claims([route("app", 40, status={"ingress": [ingress()]})])
    assert recorded(claim, now="2026-11-23T08:00:00Z") is None


def test_entries_of_other_routers_are_kept() -> None:
    (claim,) = judge_claims([route("app", 40, status={"ingress": [ingress(router="shard")]})])
    assert recorded(claim) == [ingress(router="shard"), ingress()]


def test_a_change_of_host_is_recorded_although_the_route_stays_admitted() -> None:
    (claim,) = judge_claims([route("app", 40, status={"ingress": [ingress() | {"host": "old.example.test"}]})])
    assert recorded(claim) == [ingress()]


def test_a_waiting_route_keeps_the_message_that_it_got_first() -> None:
    old = ingress("False", reason="HostAlreadyClaimed", message=APP_IS_OLDER)
    claims = judge_claims([route("thief", 41, namespace="other"), route("maintenance", 47, status={"ingress": [old]})])
    assert claims[1].message != APP_IS_OLDER
    assert recorded(claims[1]) is None


@pytest.mark.parametrize(
    ("holder", "message"),
    [
        (route("older", 39), "replaced by older route older"),
        (route("thief", 39, namespace="other"), f"namespace other owns hostname {HOST}"),
    ],
)
def test_a_served_route_that_loses_its_host_is_told_so(holder: Object, message: str) -> None:
    claims = judge_claims([holder, route("app", 40, status={"ingress": [ingress()]})])
    assert recorded(claims[1]) == [ingress("False", reason="HostAlreadyClaimed", message=message)]

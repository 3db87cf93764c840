"""The mirror and the comparison, for whatever Route the API takes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maintenance_ci.names import MANAGED_BY, PAGE, PIPELINE_ANNOTATION, page_route_name
from maintenance_ci.plan.certificates import CERTIFICATE_FIELDS, carry_over_certificates
from maintenance_ci.plan.comparison import differences, moved
from maintenance_ci.plan.mirrored_metadata import DISABLE_COOKIES, ROUTER_ANNOTATIONS, label_value
from maintenance_ci.plan.page_route import backend_services, is_passthrough, maintenance_values
from maintenance_ci.rehearsal.apiserver.kinds.core import LABEL_VALUE
from maintenance_ci.templates.rendering import render_page_route
from tests.tools.certificates import issued
from tests.tools.route_strategies import OURS, TRACKING, routes
from tests.tools.served_routes import live

TEMPLATE = (Path(__file__).parents[2] / "route-templates/maintenance-route.yaml.j2").read_text()
some = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])

subpaths = st.sampled_from([None, "/a", "/a/b", "/A"])


def mirror(original: dict[str, Any], subpath: str | None = None, name: str = "") -> dict[str, Any]:
    """The maintenance Route as a server has it."""
    passthrough = is_passthrough(original["spec"].get("tls"))
    values = maintenance_values(
        original,
        route_name=name or original["metadata"]["name"],
        subpath=None if passthrough else subpath,
        strategy="swap",
        announced_notes={PIPELINE_ANNOTATION: "42"},
        certificate=issued(2026) if passthrough else None,
    )
    manifest = render_page_route(TEMPLATE, values)
    return live(manifest)


@some
@given(manifest=routes(), subpath=subpaths)
def test_a_mirror_is_a_route_that_the_api_takes_and_shows_the_page_in_the_same_place(
    manifest: dict[str, Any], subpath: str | None
) -> None:
    original = live(manifest)
    made = mirror(original, subpath)
    spec, made_spec = original["spec"], made["spec"]
    passthrough = is_passthrough(spec.get("tls"))
    assert made_spec["host"] == spec["host"]
    assert made_spec.get("path") == (None if passthrough else subpath or spec.get("path"))
    assert made_spec["wildcardPolicy"] == spec["wildcardPolicy"]
    assert backend_services(made) == {PAGE}
    tls, made_tls = spec.get("tls"), made_spec.get("tls")
    assert (made_tls or {}).get("termination") == ("edge" if tls else None)
    if tls:
        kept = {key: value for key, value in tls.items() if key not in ("termination", "destinationCACertificate")}
        assert {key: value for key, value in made_tls.items() if key != "termination"} == kept | (
            issued(2026) if passthrough else {}
        )
    if subpath is None:
        assert moved(original, made) == []


@some
@given(manifest=routes())
def test_a_mirror_has_nothing_of_the_application_or_of_deployment_tools(manifest: dict[str, Any]) -> None:
    original = live(manifest)
    made = mirror(original)
    metadata = made["metadata"]
    assert metadata["labels"]["app.kubernetes.io/managed-by"] == MANAGED_BY
    assert metadata["annotations"]["maintenance-ci/route"] == original["metadata"]["name"]
    # Written again here: what the module's table says is what is tested.
    for word in (
        "timeout",
        "rewrite-target",
        "balance",
        "cookie_name",
        "forwarded",
        "h1-adjust",
        "pod-concurrent",
        "check",
    ):
        assert not any(word in name for name in metadata["annotations"])
    assert metadata["annotations"][DISABLE_COOKIES] == "true"
    known = {*TRACKING, "openshift.io/host.generated", "description"} - {"app.kubernetes.io/managed-by"}
    assert not known & (metadata["annotations"].keys() | metadata["labels"].keys())
    assert "httpHeaders" not in made["spec"]
    assert "destinationCACertificate" not in made["spec"].get("tls", {})
    shards = {name: value for name, value in (original["metadata"].get("labels") or {}).items() if "/" not in name}
    assert shards.items() <= metadata["labels"].items()


@some
@given(manifest=routes(), subpath=subpaths)
def test_a_mirror_of_a_mirror_is_the_mirror_of_the_original(manifest: dict[str, Any], subpath: str | None) -> None:
    original = live(manifest)
    once, name = mirror(original), original["metadata"]["name"]
    if is_passthrough(original["spec"].get("tls")):
        subpath = None
    twice, direct = mirror(once, subpath, name), mirror(original, subpath, name)
    assert twice["spec"] == direct["spec"]
    assert [twice["metadata"][key] for key in ("name", "labels", "annotations")] == [
        direct["metadata"][key] for key in ("name", "labels", "annotations")
    ]


@some
@given(manifest=routes())
def test_a_route_does_not_differ_from_itself_whatever_the_server_writes_into_it(manifest: dict[str, Any]) -> None:
    assert differences(manifest, manifest) == []
    assert differences(manifest, live(manifest)) == []


ROUTER = next(name for name in ROUTER_ANNOTATIONS if name.endswith("timeout"))
CHANGES: dict[str, Any] = {
    "spec.host": lambda route: route["spec"].update(host="other.example.test"),
    "spec.path": lambda route: route["spec"].update(path=f"{route['spec'].get('path') or ''}/x"),
    "spec.wildcardPolicy": lambda route: route["spec"].update(
        wildcardPolicy="None" if route["spec"].get("wildcardPolicy") == "Subdomain" else "Subdomain"
    ),
    "spec.backends.0.name": lambda route: route["spec"]["to"].update(name="other.name"),
    "spec.backends.0.weight": lambda route: route["spec"]["to"].update(
        weight=_other(route["spec"]["to"].get("weight"))
    ),
    "spec.backends.": lambda route: route["spec"].update(
        alternateBackends=[*route["spec"].get("alternateBackends", []), {"name": "one-more", "weight": 0}]
    ),
    "spec.port.targetPort": lambda route: route["spec"].update(port={"targetPort": "another.one"}),
    "spec.tls.termination": lambda route: route["spec"].update(
        tls={"termination": "edge" if _termination(route) != "edge" else "reencrypt"}
    ),
    "spec.tls.insecureEdgeTerminationPolicy": lambda route: route["spec"].update(
        tls={**(route["spec"].get("tls") or {"termination": "edge"}), "insecureEdgeTerminationPolicy": "Other"}
    ),
    "spec.tls.externalCertificate": lambda route: route["spec"].update(
        tls={**(route["spec"].get("tls") or {"termination": "edge"}), "externalCertificate": {"name": "other.secret"}}
    ),
    "spec.httpHeaders": lambda route: route["spec"].update(httpHeaders={"actions": {"request": [{"name": "X-Other"}]}}),
    "labels.": lambda route: route["metadata"].update(labels={**(route["metadata"].get("labels") or {}), "new": "x"}),
    "annotations.": lambda route: route["metadata"].update(
        annotations={**(route["metadata"].get("annotations") or {}), ROUTER: "1234567s"}
    ),
}


def _termination(route: dict[str, Any]) -> str:
    return str((route["spec"].get("tls") or {}).get("termination", "")).lower()


def _other(weight: int | None) -> int:
    return 1 if weight == 0 else 0


@settings(some, max_examples=150)
@given(manifest=routes(), field=st.sampled_from(sorted(CHANGES)))
def test_each_change_that_matters_is_a_difference(manifest: dict[str, Any], field: str) -> None:
    changed = copy.deepcopy(manifest)
    CHANGES[field](changed)
    for one, other in ((changed, manifest), (manifest, changed)):
        found = differences(one, other)
        assert any(line.startswith(field) for line in found)
        assert "pass-1234" not in str(found)


@settings(some, max_examples=100)
@given(manifest=routes(), tls=st.sampled_from([issued(2023), {"certificate": "", "key": ""}]))
def test_certificates_and_bookkeeping_are_no_difference(manifest: dict[str, Any], tls: dict[str, str]) -> None:
    changed = copy.deepcopy(manifest)
    if manifest["spec"].get("tls"):
        changed["spec"]["tls"] = {**manifest["spec"]["tls"], **tls, "destinationCACertificate": "another CA"}
    metadata = changed["metadata"]
    metadata["labels"] = {**metadata.get("labels", {}), "helm.sh/chart": "other"}
    metadata["annotations"] = {**metadata.get("annotations", {}), "meta.helm.sh/release-name": "other"}
    assert differences(changed, manifest) == []


@some
@given(template=routes(), first=routes(), second=routes())
def test_certificate_and_key_are_of_one_source(
    template: dict[str, Any], first: dict[str, Any], second: dict[str, Any]
) -> None:
    restored, _ = carry_over_certificates(template, {"first": first, "second": second})
    pairs = [
        {field: value for field, value in (route["spec"].get("tls") or {}).items() if field in CERTIFICATE_FIELDS[:3]}
        for route in (restored, template, first, second)
    ]
    assert pairs[0] in pairs[1:]
    assert differences(restored, template) == []
    live(restored)


@some
@given(manifest=routes(passthrough=False), other=routes())
def test_names_of_maintenance_routes_do_not_collide(manifest: dict[str, Any], other: dict[str, Any]) -> None:
    one, another = manifest["metadata"]["name"], other["metadata"]["name"]
    paths = [None, "/a", "/b", "/a/b", "/A"]
    made = {page_route_name(name, path) for name in {one, another} for path in paths}
    assert len(made) == len(paths) * len({one, another})
    assert not made & {one, another}


@settings(max_examples=300, deadline=None)
@given(text=st.one_of(st.text(max_size=90), st.from_regex(r"[a-z0-9.-]{50,90}", fullmatch=True)))
def test_a_label_value_is_one_that_the_api_takes_and_stays_the_same(text: str) -> None:
    made = label_value(text)
    assert LABEL_VALUE.fullmatch(made)
    assert len(made) <= 63
    assert label_value(made) == made
    assert label_value(text + "x") != made


@pytest.mark.parametrize("name", ["shop", "a" * 63, "a.b-c"])
def test_a_name_that_can_be_a_label_value_is_one(name: str) -> None:
    assert label_value(name) == name
    assert label_value(name * 30) != label_value(name * 31)


def test_our_own_notes_are_never_the_originals() -> None:
    theirs = dict.fromkeys(OURS, "theirs")
    original = {
        "metadata": {"name": "shop", "namespace": "web", "labels": dict(theirs), "annotations": dict(theirs)},
        "spec": {"host": "shop.example.test", "to": {"name": "shop"}},
    }
    metadata = mirror(live(original))["metadata"]
    assert "theirs" not in {*metadata["labels"].values(), *metadata["annotations"].values()}

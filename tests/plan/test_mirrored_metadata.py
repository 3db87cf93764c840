"""What of a Route's annotations its maintenance Route has, what is named of the rest, and what does not work."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from maintenance_ci.names import notes
from maintenance_ci.plan.mirrored_metadata import ALLOW_LISTS, unreadable_allow_lists
from maintenance_ci.plan.page_route import left_out, maintenance_values
from maintenance_ci.plan.repoint import repointed
from maintenance_ci.plan.strategies import REPOINT
from maintenance_ci.templates.rendering import render_page_route

Object = dict[str, Any]

TEMPLATE = (Path(__file__).parents[2] / "route-templates/maintenance-route.yaml.j2").read_text()
VISIBILITY, TEAM = "router.example.test/network-visibility", "example.test/team"
TIMEOUT, HSTS = "haproxy.router.openshift.io/timeout", "haproxy.router.openshift.io/hsts_header"
ALLOW_LIST = "haproxy.router.openshift.io/ip_allowlist"
ROUTE = "not on the Route that shows the page, since"
BOOKKEEPING = {
    "kubectl.kubernetes.io/last-applied-configuration": "value-1",
    "meta.helm.sh/release-name": "value-2",
    "argocd.argoproj.io/tracking-id": "value-3",
    "openshift.io/host.generated": "true",
    "cert-manager.io/certificate-revision": "1",
    "maintenance-ci/touched": "value-4",
    "haproxy.router.openshift.io/disable_cookies": "false",
}


def original(annotations: dict[str, str] | None, **spec: Any) -> Object:
    return {
        "metadata": {"name": "shop", "namespace": "web"} | ({"annotations": annotations} if annotations else {}),
        "spec": {"host": "shop.example.test", "to": {"kind": "Service", "name": "shop"}, **spec},
    }


def mirrored(route: Object, template: str = TEMPLATE) -> Object:
    return render_page_route(template, maintenance_values(route, route_name="shop", subpath=None, strategy="s"))


def keeping(*names: str) -> str:
    """The template of a team that has done what the line says."""
    assert "{%- set keep = [] -%}" in TEMPLATE
    return TEMPLATE.replace("keep = []", f"keep = {list(names)}")


@pytest.mark.parametrize("annotations", [None, {}, BOOKKEEPING, {HSTS: "max-age=60", "kubernetes.io/tls-acme": "true"}])
def test_of_what_is_mirrored_and_of_bookkeeping_nothing_is_told(annotations: dict[str, str] | None) -> None:
    route = original(annotations)
    assert left_out(route, mirrored(route)) == []


def test_an_annotation_that_nobody_here_knows_is_named_with_how_to_keep_it() -> None:
    route = original({VISIBILITY: "Internet", HSTS: "max-age=60", **BOOKKEEPING})
    assert VISIBILITY not in mirrored(route)["metadata"]["annotations"]
    [line] = left_out(route, mirrored(route))
    assert line == (
        f"{ROUTE} their meaning is unknown: the annotations {VISIBILITY}. To keep them, write in "
        f'maintenance-route.yaml.j2 of route-templates/: {{% set keep = ["{VISIBILITY}"] %}}'
    )
    assert "Internet" not in line


def test_what_is_the_application_s_alone_is_named_too() -> None:
    route = original({TIMEOUT: "77s"}, httpHeaders={"actions": {"response": []}})
    [line] = left_out(route, mirrored(route))
    assert line == f"{ROUTE} it is for the application alone: {TIMEOUT}, spec.httpHeaders"


def test_the_template_line_that_a_message_names_keeps_the_annotation() -> None:
    route = original({VISIBILITY: "Internet", TEAM: "{{ 'quoted' }}", TIMEOUT: "77s"})
    kept = mirrored(route, keeping(VISIBILITY, "example.test/of-another-route"))
    annotations = kept["metadata"]["annotations"]
    assert annotations[VISIBILITY] == "Internet"
    assert TEAM not in annotations
    assert annotations["maintenance-ci/route"] == "shop"
    assert not any(VISIBILITY in line for line in left_out(route, kept))
    assert any(TEAM in line for line in left_out(route, kept))
    assert left_out(route, mirrored(route, keeping(VISIBILITY, TEAM, TIMEOUT))) == []


def test_a_template_of_a_team_from_before_the_list_still_renders() -> None:
    old = "".join(line for line in TEMPLATE.splitlines(keepends=True) if "{%- set" not in line)
    route = original({VISIBILITY: "Internet"})
    assert mirrored(route, old) == mirrored(route)


def test_a_repointed_route_has_all_of_its_annotations() -> None:
    route = original({VISIBILITY: "Internet", TIMEOUT: "77s"})
    assert left_out(route, repointed(copy.deepcopy(route), notes("shop", REPOINT))) == []


@pytest.mark.parametrize("name", ALLOW_LISTS)
@pytest.mark.parametrize(
    "value", ["10.9.9.9", "10.9.9.9 10.8.0.0/16", "10.8.1.1/16", " ::1\t2001:db8::/32 ", "", "0.0.0.0/0"]
)
def test_an_allow_list_that_the_router_can_read(name: str, value: str) -> None:
    assert unreadable_allow_lists({name: value}) == []


@pytest.mark.parametrize("name", ALLOW_LISTS)
@pytest.mark.parametrize(
    "value",
    ["10.9.9.9,10.8.8.8", "not-an-ip", "300.1.1.1", "10.9.9.0/33", "10.9.9.9 shop.example.test", "10.9.9.9;",
     "10.9.9.9/", "10.0.0.0/255.0.0.0", "fe80::1%eth0", "10.9.9.9/+8", "010.9.9.9"],
)  # fmt: skip
def test_an_allow_list_that_lets_everybody_in(name: str, value: str) -> None:
    other = next(one for one in ALLOW_LISTS if one != name)
    # Recorded: a bad one beside a good one lets everybody in, too.
    assert unreadable_allow_lists({name: value, other: "10.9.9.9"}) == [name]
    assert unreadable_allow_lists(None) == []

"""Messages about a template that the API refuses, or that differs from its Route: places, and no secret values."""

from __future__ import annotations

from typing import Any

import pytest

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.plan.comparison import differences
from maintenance_ci.templates.file import read_template
from maintenance_ci.templates.rendering import read_rendered
from maintenance_ci.templates.route import expected_route, without_values
from tests.templates.test_template_cases import A_ROUTE, EDGE, HOST, TO, route, template


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ('Route "shop" is invalid: spec.path: Invalid value: "hunter2": path must begin with /',
         'Route "shop" is invalid: spec.path: Invalid value: path must begin with /'),
        ('spec.tls.termination: Unsupported value: "a\\"b": supported values: "edge", "reencrypt"',
         'spec.tls.termination: Unsupported value: supported values: "edge", "reencrypt"'),
        ("[a: Invalid value: 300: weight must, b: Duplicate value: \"hunter2\"]",
         "[a: Invalid value: weight must, b: Duplicate value]"),
        ('spec.x: Not found: "hunter2"', "spec.x: Not found"),
        ('p[0]: Invalid value: {"name":"A","description":"x: hunter2}: b","value":"hunter2"}: no generator',
         "p[0]: Invalid value: no generator"),
        ('p[0]: Invalid value: v1.Parameter{Name:"A", Value:"a\nb: hunter2"}: no', "p[0]: Invalid value: no"),
        ('spec: Invalid value: map[string]interface {}{"x":"pass: hunter2"}: must be x',
         "spec: Invalid value: must be x"),
        ("failed to create typed patch object (web/shop): .spec.host: expected string, got &value{Value:hunter2}",
         "failed to create typed patch object (web/shop): .spec.host: expected string"),
    ],
)  # fmt: skip
def test_the_api_s_words_about_a_template_hold_no_value(message: str, says: str) -> None:
    assert without_values(message) == says


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ('is invalid: spec.host: Invalid value: "hunter2": no', "is invalid: t:7:9: spec.host: Invalid value: no"),
        ("[spec.to.name: Required value, spec.alternateBackends[0].weight: Invalid value: 300: less]",
         "[t:5:14: spec.to.name: Required value, t:5:3: spec.alternateBackends[0].weight: Invalid value: less]"),
        ("of t: .spec.path: expected string, got hunter2", "of t: t:5:3: spec.path: expected string"),
        ("no quota for hunter", "no quota for hunter It is about the template t."),
    ],
)  # fmt: skip
def test_the_api_s_words_about_a_route_get_the_places_of_its_fields(message: str, says: str) -> None:
    file = read_template(route(spec="  host: a\n"), path="t")
    template_route = expected_route(file, [file.routes[0].manifest], name="shop", namespace="web")
    assert template_route.explain(message) == says


@pytest.mark.parametrize(
    "field", [{"hots": "hunter2"}, {"tls": {"keyy": "hunter2"}}, {"port": {"x": {"y": "hunter2"}}}]
)
def test_a_field_that_nobody_knows_is_a_difference_without_a_value(field: dict[str, Any]) -> None:
    there = {"metadata": {"name": "shop"}, "spec": {"host": HOST, "to": TO, "tls": EDGE}}
    written = {"metadata": {"name": "shop"}, "spec": {**there["spec"], **field}}
    lines = differences(written, there)
    assert any("is not the same in the template and in the cluster" in line for line in lines)
    assert "hunter2" not in str(lines)


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ("{name: hunter2 or so}", "another Route than shop of web: (no valid name)."),
        ('{name: "hunter2\\n"}', "another Route than shop of web: (no valid name)."),
        ("{name: shop, namespace: Hunter2}", "it is for namespace (no valid name)."),
        ("{name: back-office.v1}", "another Route than shop of web: back-office.v1."),
    ],
)
def test_only_what_can_be_a_name_is_shown(metadata: str, says: str) -> None:
    file = read_template(route(metadata), path="t")
    with pytest.raises(MaintenanceError) as caught:
        expected_route(file, [file.routes[0].manifest], name="shop", namespace="web")
    assert says in caught.value.what


def test_what_no_oc_takes_is_not_said_to_be_taken_by_an_older_one() -> None:
    file = read_template(route().removeprefix("apiVersion: route.openshift.io/v1\n"), path="t")
    assert expected_route(file, [file.routes[0].manifest], name="shop", namespace="web").remarks == ()


def test_an_old_route_in_a_template_of_today_is_taken_by_every_oc() -> None:
    """The server gives it its group (openshift/library-go, pkg/template/templateprocessing)."""
    file = read_template(template(A_ROUTE), path="t")
    assert "apiVersion: v1, kind: Route" in A_ROUTE
    assert expected_route(file, [file.routes[0].manifest], name="shop", namespace="web").remarks == ()


@pytest.mark.parametrize("tag", ["{% include 'hunter2' %}", "{% extends secret %}", "{% import secret as x %}"])
def test_a_jinja2_template_stands_alone(tag: str) -> None:
    with pytest.raises(MaintenanceError) as caught:
        read_rendered(f"\n{tag}", path="t.j2", values={"secret": "hunter2"})
    assert caught.value.what == (
        "t.j2:2 does not render: it takes in another file, by include, import or extends: it must stand alone."
    )
    assert caught.value.advice == "Correct it in the template project, or ROUTE_TEMPLATE_PARAMETERS."

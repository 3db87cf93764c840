from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maintenance_ci.names import notes, page_route_name
from maintenance_ci.plan.page_route import our_labels
from maintenance_ci.templates.drift import DRIFT, Finding, route_name_of, templates_folder, without_template
from maintenance_ci.templates.route import template_path
from tests.tools.route_strategies import names

PATTERNS = [
    "{{ route_name }}.yaml",
    "{{route_name}}.yaml.j2",
    "routes/{{ route_name }}.yaml",
    "a.b+c/{{ route_name }}/route.yaml",
    "{{ route_name }}/{{ route_name }}.yaml",
    "x/{{ route_name }}-{{ route_name }}/{{ route_name }}.yml",
    "{{ route_name }}",
]


@given(pattern=st.sampled_from(PATTERNS), name=names)
def test_the_name_of_a_route_is_read_from_the_path_of_its_template(pattern: str, name: str) -> None:
    assert route_name_of(pattern, template_path(pattern, name)) == name


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("{{ route_name }}.yaml", "README.md"),
        ("{{ route_name }}.yaml", "folder/shop.yaml"),
        ("{{ route_name }}.yaml", "shop.yaml.j2"),
        ("{{ route_name }}.yaml", "shopXyaml"),
        ("{{ route_name }}.yaml", ".yaml"),
        ("{{ route_name }}.yaml", "Shop.yaml"),
        ("{{ route_name }}.yaml", "-shop.yaml"),
        ("routes/{{ route_name }}.yaml", "shop.yaml"),
        ("{{ route_name }}/{{ route_name }}.yaml", "shop/other.yaml"),
    ],
)
def test_a_path_that_is_no_template_of_a_route(pattern: str, path: str) -> None:
    assert route_name_of(pattern, path) is None


@pytest.mark.parametrize(
    ("pattern", "folder"),
    [
        ("{{ route_name }}.yaml", ("", False)),
        ("routes/{{ route_name }}.yaml", ("routes", False)),
        ("a/b/{{ route_name }}/route.yaml", ("a/b", True)),
        ("a/x-{{ route_name }}.yaml", ("a", False)),
        ("{{ route_name }}/route.yaml", ("", True)),
    ],
)
def test_the_folder_of_the_templates(pattern: str, folder: tuple[str, bool]) -> None:
    assert templates_folder(pattern) == folder


def test_routes_without_a_template() -> None:
    def route(name: str, stands_for: str = "") -> dict[str, object]:
        marks = {"labels": our_labels(stands_for), "annotations": notes(stands_for, "swap")} if stands_for else {}
        return {"metadata": {"name": name, **marks}}

    listed = [route("shop"), route("wiki"), route(page_route_name("away", None), "away")]
    by_name = {str(one["metadata"]["name"]): one for one in listed}  # type: ignore[index]
    assert without_template(by_name, ["shop"]) == ["wiki"]


def test_what_is_drift() -> None:
    assert {"differs", "no Route", "not right"} == DRIFT
    assert not Finding("shop", "no template", "", "shop.yaml").drifted
    assert Finding("shop", "differs", "", "shop.yaml").drifted

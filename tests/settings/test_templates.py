from __future__ import annotations

import pytest

from maintenance_ci.errors import VariableError
from maintenance_ci.settings.variables import (
    CommitSettings,
    DriftSettings,
    ExportSettings,
    JobSettings,
    RouteSettings,
    TemplatesSettings,
    read_settings,
)
from tests.tools.job_variables import GOOD

PLAIN = {name: value for name, value in GOOD.items() if name not in ("ROUTE_NAME", "IMAGE_TAG")}
CLUSTER = {name: value for name, value in PLAIN.items() if name in ("PROJECT", "OKD_URL", "OKD_TOKEN")}
NAME = {"ROUTE_NAME": "shop"}


def faults(model: type[JobSettings], variables: dict[str, str], arguments: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(VariableError) as caught:
        read_settings(model, variables, arguments=arguments)
    return [fault.split(":")[0] for fault in caught.value.faults]


def test_to_print_a_template_takes_the_cluster_alone() -> None:
    assert read_settings(ExportSettings, CLUSTER, arguments=NAME).route_name == "shop"
    assert faults(ExportSettings, {}, NAME) == ["PROJECT", "OKD_URL"]


def test_an_argument_goes_before_the_variable() -> None:
    assert read_settings(ExportSettings, {**CLUSTER, "ROUTE_NAME": "other"}, arguments=NAME).route_name == "shop"
    assert faults(ExportSettings, {**CLUSTER, **NAME}, {"ROUTE_NAME": "No Route"}) == ["ROUTE_NAME"]


def test_to_commit_takes_an_access_token() -> None:
    assert faults(CommitSettings, CLUSTER, NAME) == [
        "ROUTE_TEMPLATES_PROJECT", "CI_SERVER_URL", "ROUTE_TEMPLATES_TOKEN"
    ]  # fmt: skip
    assert faults(CommitSettings, PLAIN, NAME) == ["ROUTE_TEMPLATES_TOKEN"]  # there is a job token
    settings = read_settings(CommitSettings, {**PLAIN, "ROUTE_TEMPLATES_TOKEN": "glpat-x"}, arguments=NAME)
    assert settings.needs_templates


def test_all_templates_take_no_route_name_and_a_path_that_names_the_route() -> None:
    assert read_settings(DriftSettings, PLAIN).route_template_path == "{{ route_name }}.yaml"
    assert read_settings(DriftSettings, {**PLAIN, "SUBPATH": "/a"}).needs_templates
    assert faults(DriftSettings, {**PLAIN, "ROUTE_TEMPLATE_PATH": "one.yaml"}) == ["ROUTE_TEMPLATE_PATH"]
    assert faults(DriftSettings, {**PLAIN, "ROUTE_TEMPLATE_PATH": "../{{ route_name }}"}) == ["ROUTE_TEMPLATE_PATH"]
    assert faults(DriftSettings, CLUSTER) == ["ROUTE_TEMPLATES_PROJECT", "CI_SERVER_URL", "ROUTE_TEMPLATES_TOKEN"]


def test_a_gitlab_may_be_below_a_path() -> None:
    given = {**PLAIN, "CI_SERVER_URL": "https://code.example.test/gitlab/"}
    assert read_settings(DriftSettings, given).ci_server_url == "https://code.example.test/gitlab"


@pytest.mark.parametrize("path", ["OpenShift Routes/{{ route_name }}.yaml", "./a//b.yaml", "größe/{{route_name}}"])
def test_folders_may_have_any_name(path: str) -> None:
    assert read_settings(DriftSettings, {**PLAIN, "ROUTE_TEMPLATE_PATH": f"{path}{{{{ route_name }}}}"})


@pytest.mark.parametrize("path", ["a  b", " a", "a ", "a /b", "a\tb", "a\nb", "a\u00a0b"])
def test_a_blank_is_one_within_a_name(path: str) -> None:
    assert faults(TemplatesSettings, {**PLAIN, "ROUTE_TEMPLATE_PATH": path}) == ["ROUTE_TEMPLATE_PATH"]


def test_parameters_are_named_as_openshift_names_them() -> None:
    """As its API server does (openshift/origin, pkg/template: parameterNameExp)."""
    given = {**PLAIN, "ROUTE_TEMPLATE_PARAMETERS": '{"1ST_PORT": "8080", "_a": ""}'}
    assert read_settings(TemplatesSettings, given).route_template_parameters == {"1ST_PORT": "8080", "_a": ""}
    for name in ("", "A-B", "A B", "\u00c4", "a" * 101):
        bad = {**PLAIN, "ROUTE_TEMPLATE_PARAMETERS": f'{{"{name}": "x"}}'}
        assert faults(TemplatesSettings, bad) == ["ROUTE_TEMPLATE_PARAMETERS"]


def test_these_commands_read_no_variable_of_their_own() -> None:
    """So that the README's table, compared with the jobs' variables, is theirs, too."""
    for model in (DriftSettings, ExportSettings, CommitSettings, TemplatesSettings):
        assert model.model_fields.keys() <= RouteSettings.model_fields.keys()


def test_a_part_of_the_site_needs_no_template() -> None:
    assert read_settings(RouteSettings, GOOD).needs_templates
    assert not read_settings(RouteSettings, {**GOOD, "SUBPATH": "/a"}).needs_templates

"""PLAN_ONLY: no spelling of a yes lets a command change something. The rules' side is in test_gitlab_rules.py."""

from __future__ import annotations

import pytest

from maintenance_ci.cli import main
from maintenance_ci.errors import EXIT_VARIABLES, VariableError
from maintenance_ci.settings.rehearsal import RehearsalSettings, read_rehearsal
from maintenance_ci.settings.variables import (
    BuildAndDeploySettings,
    CommitSettings,
    EndSettings,
    JobSettings,
    RouteSettings,
    RoutesSettings,
    read_settings,
)
from tests.tools.job_variables import GOOD

YESES = [
    "true",
    "TRUE",
    "true ",
    "1",
    "yes",
    "Yes",
    "y",
    "on",
    "oui",
    "maybe",
    "False.",
    "n",
    "off",
    "\u3000",
    "fa lse",
    "fal\u017fe",  # a long s is an s where case is ignored
]
CHANGING = {
    BuildAndDeploySettings: GOOD,
    RouteSettings: GOOD,
    RoutesSettings: GOOD | {"ROUTE_NAME": "pay shop"},
    EndSettings: GOOD,
    CommitSettings: GOOD | {"ROUTE_TEMPLATES_TOKEN": "glpat-x"},
    RehearsalSettings: GOOD,
}


@pytest.mark.parametrize("yes", YESES)
@pytest.mark.parametrize("model", [*CHANGING, JobSettings])
def test_no_spelling_of_a_yes_lets_a_command_change_something(model: type[JobSettings], yes: str) -> None:
    variables = CHANGING.get(model, GOOD) | {"PLAN_ONLY": yes}
    with pytest.raises(VariableError) as refused:
        read_settings(model, variables)
    (fault,) = refused.value.faults
    assert fault.startswith("PLAN_ONLY: asks for a plan alone")
    assert "run `maintenance-ci plan`" in fault
    assert read_settings(model, variables, only_looks=True).project == "web"


@pytest.mark.parametrize("no", ["", " ", "false", "FALSE", " false\n", "0", "no", "No "])
def test_a_no_changes_something(no: str) -> None:
    assert read_settings(RouteSettings, GOOD | {"PLAN_ONLY": no}) == read_settings(RouteSettings, GOOD)


@pytest.mark.parametrize("model", CHANGING)
def test_an_action_that_is_a_plan_changes_nothing_either(model: type[JobSettings]) -> None:
    variables = CHANGING[model] | {"ACTION": "plan"}
    with pytest.raises(VariableError) as refused:
        read_settings(model, variables)
    (fault,) = refused.value.faults
    assert fault.startswith("ACTION: asks for a plan alone")
    assert read_settings(model, variables, only_looks=True).action == "plan"


@pytest.mark.parametrize("model", CHANGING)
@pytest.mark.parametrize(
    ("action", "own", "asks_for", "command"),
    [
        ("end", EndSettings, "the end of a maintenance", "delete"),
        ("rehearse", RehearsalSettings, "a rehearsal", "rehearse --cluster"),
    ],
)
def test_an_action_is_for_its_own_command_alone(
    action: str, own: type[JobSettings], asks_for: str, command: str, model: type[JobSettings]
) -> None:
    variables = CHANGING[model] | {"ACTION": action}
    if model is own:
        assert read_settings(model, variables).action == action
        return
    with pytest.raises(VariableError) as refused:
        read_settings(model, variables)
    (fault,) = refused.value.faults
    assert fault.startswith(f"ACTION: asks for {asks_for} alone")
    assert f"run `maintenance-ci {command}`" in fault


def test_the_jobs_of_a_rehearsal_have_nothing_of_the_pipeline_s_own_maintenance() -> None:
    given = GOOD | {"ACTION": "rehearse", "SUBPATH": "/cart", "FORCE": "true", "MAINTENANCE_END": "2026-11-29T10:00Z"}
    rehearsal, build = read_rehearsal(given | {"ROUTER_RELOAD_INTERVAL": "7", "MAINTENANCE": "x"})
    job = rehearsal.of_job("maintenance-rehearsal-abc123", "repoint", None)
    assert job.of("maintenance-rehearsal-abc123", None).route_name == "maintenance-rehearsal-abc123"
    assert (job.action, job.route_names, job.subpaths, job.force) == (
        "begin",
        ("maintenance-rehearsal-abc123",),
        (),
        frozenset(),
    )
    assert (job.router_reload_interval, job.maintenance, job.maintenance_end) == (7, None, None)
    assert build.action == "begin"
    assert set(RoutesSettings.model_fields) <= job.model_dump().keys()


def test_all_that_is_wrong_with_a_rehearsal_s_variables_is_told_at_once() -> None:
    wrong = {"IMAGE_TAG": "latest", "ROUTER_RELOAD_INTERVAL": "0", "OKD_URL": "", "ROUTE_NAME": "A-"}
    with pytest.raises(VariableError) as refused:
        read_rehearsal(GOOD | wrong)
    assert [fault.split(":")[0] for fault in refused.value.faults] == ["ROUTER_RELOAD_INTERVAL", "OKD_URL", "IMAGE_TAG"]


def test_a_plan_alone_is_told_beside_all_other_faults() -> None:
    with pytest.raises(VariableError) as refused:
        read_settings(RouteSettings, GOOD | {"PLAN_ONLY": "yes", "ROUTE_NAME": "A"})
    assert [fault.split(":")[0] for fault in refused.value.faults] == ["ROUTE_NAME", "PLAN_ONLY"]


COMMANDS = {
    "build-and-deploy": True,
    "deploy-route": True,
    "delete": True,
    "rehearse --cluster": True,
    "export-route shop --commit": True,
    "export-route shop": False,
    "plan": False,
    "plan --delete": False,
    "plan --page-later": False,
    "plan --all": False,
    "status": False,
}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_that_changes_something_refuses(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before it connects to anything: here every command that goes on ends at the cluster."""

    def connects(*_arguments: object) -> None:
        raise ConnectionError("the command went on")

    for name, value in (GOOD | {"PLAN_ONLY": "yes", "ROUTE_TEMPLATES_TOKEN": "glpat-secret"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("maintenance_ci.cli.connect", connects)
    code = main(command.split())
    output = "".join(capsys.readouterr())
    assert ("the command went on" in output) is not COMMANDS[command]
    if COMMANDS[command]:
        assert code == EXIT_VARIABLES
        assert "ERROR: PLAN_ONLY: asks for a plan alone" in output
        assert "Nothing was changed." in output

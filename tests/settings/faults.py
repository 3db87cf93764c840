"""What is wrong with variables, as each model of them says it."""

from __future__ import annotations

import pytest

from maintenance_ci.errors import VariableError
from maintenance_ci.settings.rehearsal import RehearsalSettings
from maintenance_ci.settings.variables import (
    BuildAndDeploySettings,
    JobSettings,
    RouteSettings,
    RoutesSettings,
    read_settings,
    variables_read,
)

MODELS = (BuildAndDeploySettings, RouteSettings, RoutesSettings, RehearsalSettings)


def faults(model: type[JobSettings], variables: dict[str, str]) -> list[str]:
    with pytest.raises(VariableError) as caught:
        read_settings(model, variables)
    return caught.value.faults


def models_of(variable: str) -> list[type[JobSettings]]:
    return [model for model in MODELS if variable in variables_read(model)]

"""The variables of a rehearsal on a real cluster."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar

from maintenance_ci.errors import VariableError
from maintenance_ci.settings import combinations, testers, texts
from maintenance_ci.settings.model import Rules
from maintenance_ci.settings.variables import (
    BuildAndDeploySettings,
    JobSettings,
    RoutesSettings,
    SwitchSettings,
    read_settings,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

# What names a team's own Routes: the rehearsal's jobs have a Route of their own.
NOT_FOR_JOBS = ("ROUTE_NAME", "ROUTE_SELECTOR", "SUBPATH", "MAINTENANCE")
# What else is about a team's Routes: the rehearsal's jobs have the defaults.
FOR_TEAM_ROUTES = {
    "action", "maintenance_end", "accept_route_differences", "passthrough_certificate_secret", "force", "tester_access",
    "tester_addresses", "tester_host",
}  # fmt: skip


class RehearsalSettings(SwitchSettings):
    """Variables of ``rehearse --cluster``: those of ``deploy-route`` and ``delete``, except those that name Routes."""

    rules: ClassVar[Rules] = (combinations.cluster, combinations.template_project_if_given, texts.good_names)
    own_action = "rehearse"

    # Of the rehearsal's Route; without it the cluster makes one.
    rehearsal_host: testers.Host | None = None

    def of_job(self, route_name: str, strategy: str, subpath: str | None) -> RoutesSettings:
        """Return the settings of its ``deploy-route`` and ``delete``: the pipeline's, without `FOR_TEAM_ROUTES`."""
        shared = {name: getattr(self, name) for name in SwitchSettings.model_fields.keys() - FOR_TEAM_ROUTES}
        own = {"route_names": (route_name,), "subpaths": (subpath,) if subpath else (), "route_strategy": strategy}
        return RoutesSettings.model_construct(**shared | own)


def read_rehearsal(environment: Mapping[str, str] = os.environ) -> tuple[RehearsalSettings, BuildAndDeploySettings]:
    """Read the pipeline's variables for a rehearsal, and for its ``build-and-deploy``.

    Raises:
        VariableError: names every variable that is wrong, for either.
    """
    for_build = {name: value for name, value in environment.items() if name not in NOT_FOR_JOBS}
    settings: list[JobSettings] = []
    faults: list[str] = []
    for model, variables in (
        (RehearsalSettings, environment),
        (BuildAndDeploySettings, {**for_build, "ACTION": "begin"}),
    ):
        try:
            settings.append(read_settings(model, variables))
        except VariableError as error:
            faults += error.faults
    if faults:
        raise VariableError(list(dict.fromkeys(faults)))
    rehearsal, build = settings
    assert isinstance(rehearsal, RehearsalSettings)
    assert isinstance(build, BuildAndDeploySettings)
    return rehearsal, build

"""The variables of a rehearsal on a real cluster."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from maintenance_ci.errors import VariableError
from maintenance_ci.settings import combinations, testers, texts
from maintenance_ci.settings.variables import BuildAndDeploySettings, RoutesSettings, SwitchSettings, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# What the rehearsal's jobs are not about: Routes of the team's.
NOT_FOR_JOBS = ("ROUTE_NAME", "ROUTE_SELECTOR", "SUBPATH", "MAINTENANCE")


class RehearsalSettings(SwitchSettings):
    """Variables of ``rehearse --cluster``: those of ``deploy-route`` and ``delete``, but for what they are about."""

    rules: ClassVar[combinations.Rules] = (
        combinations.cluster,
        combinations.template_project_if_given,
        texts.good_names,
    )
    own_action: ClassVar[str] = "rehearse"

    # Of the rehearsal's Route; without it the cluster makes one.
    rehearsal_host: testers.Host | None = None

    def of_job(self, route_name: str, strategy: str, subpath: str | None) -> RoutesSettings:
        """Return what ``deploy-route`` and ``delete`` get: all of the pipeline's but what is about its own Routes."""
        shared = {name: getattr(self, name) for name in SwitchSettings.model_fields}
        own: dict[str, Any] = {
            "action": "begin",
            "route_names": (route_name,),
            "route_selector": None,
            "subpaths": (subpath,) if subpath else (),
            "maintenance": None,
            "maintenance_end": None,
            "route_strategy": strategy,
            "accept_route_differences": False,
            "passthrough_certificate_secret": None,
            "force": frozenset(),
            "tester_access": False,
            "tester_addresses": (),
            "tester_host": None,
        }
        return RoutesSettings.model_construct(**shared | own)


def read_rehearsal(environment: Mapping[str, str] = os.environ) -> tuple[RehearsalSettings, BuildAndDeploySettings]:
    """Read the pipeline's variables for a rehearsal, and for its ``build-and-deploy``.

    Raises:
        VariableError: names every variable that is wrong, for either.
    """
    for_build = {name: value for name, value in environment.items() if name not in NOT_FOR_JOBS}
    readers: tuple[Callable[[], object], ...] = (
        lambda: read_settings(RehearsalSettings, environment),
        lambda: read_settings(BuildAndDeploySettings, for_build, arguments={"ACTION": "begin"}),
    )
    read, faults = [], dict[str, None]()
    for reader in readers:
        try:
            read.append(reader())
        except VariableError as error:
            faults |= dict.fromkeys(error.faults)
    if faults:
        raise VariableError(list(faults))
    rehearsal, build = read
    assert isinstance(rehearsal, RehearsalSettings)
    assert isinstance(build, BuildAndDeploySettings)
    return rehearsal, build

"""The variables of the commands that fill the template project, and hold it against the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from maintenance_ci.settings.types import ROUTE_NAME_PLACE, FilePattern, RouteName
from maintenance_ci.settings.variables import JobSettings, TemplatesSettings

if TYPE_CHECKING:
    from collections.abc import Mapping


def _names_route(value: str) -> str:
    if not ROUTE_NAME_PLACE.search(value):
        raise ValueError("must hold {{ route_name }}: otherwise no file's path says which Route it is for")
    return value


class DriftSettings(TemplatesSettings):
    """Variables of ``plan --all``: every template of the project, for the Route that its path names."""

    route_template_path: Annotated[FilePattern, AfterValidator(_names_route)] = "{{ route_name }}.yaml"


class ExportSettings(TemplatesSettings):
    """Variables of ``export-route``: the Route's name is an argument of the command."""

    route_name: RouteName

    @classmethod
    def missing(cls, given: Mapping[str, str]) -> list[str]:
        """Return what the cluster needs: to print a template takes no GitLab."""
        return JobSettings.missing(given)


class CommitSettings(ExportSettings):
    """Variables of ``export-route --commit``."""

    @classmethod
    def missing(cls, given: Mapping[str, str]) -> list[str]:
        """Add what leads to the template project; GitLab's job tokens write no files."""
        faults = TemplatesSettings.missing({**given, "ROUTE_TEMPLATES_TOKEN": "asked for below"})
        if "ROUTE_TEMPLATES_TOKEN" not in given:
            faults.append("ROUTE_TEMPLATES_TOKEN: is missing; to write takes an access token with the scope api")
        return faults

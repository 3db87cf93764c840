"""Where the chart, the page, the Route templates and the service account's Role are."""

from __future__ import annotations

import os
from pathlib import Path

from maintenance_ci.errors import MaintenanceError

PACKAGE = Path(__file__).parent.parent


def find(name: str, *, checkout: bool = True) -> Path:
    """Return the file or folder ``name``: a project's own, in the working folder, before the one of the package.

    Args:
        name: what is looked for.
        checkout: the working folder is a checkout. Where it is none, some runners leave there what another job, of
            whatever project, had checked out.

    Raises:
        MaintenanceError: there is neither.
    """
    own = [Path(name)] if checkout else []
    for path in (*own, PACKAGE / "data" / name, PACKAGE.parent / name):
        if os.path.exists(path):  # noqa: PTH110 - not Path.exists, which raises where a folder cannot be entered
            return path.absolute()
    raise MaintenanceError(f"{name} is missing.", "Run the job in a checkout, or install the package anew.")

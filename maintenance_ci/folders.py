"""Where the chart, the page, the Route templates and the service account's Role are."""

from __future__ import annotations

from pathlib import Path

from maintenance_ci.errors import MaintenanceError

PACKAGE = Path(__file__).parent


def find(name: str) -> Path:
    """Return the file or folder ``name``: a project's own, in the working folder, before the one of the package.

    Raises:
        MaintenanceError: there is neither.
    """
    for path in (Path.cwd() / name, PACKAGE / "data" / name, PACKAGE.parent / name):
        if path.exists():
            return path
    raise MaintenanceError(f"{name} is missing.", "Run the job in a checkout, or install the package anew.")

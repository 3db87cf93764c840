"""The page's build context: the folder ``docker/``, and what is made of it. Pure; no network."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import TYPE_CHECKING

from maintenance_ci.errors import MaintenanceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# What a build needs: read by anybody, since OpenShift builds and runs under an arbitrary user.
FILE_MODE, FOLDER_MODE, EXECUTE_BITS = 0o644, 0o755, 0o111


def pack_build_context(folder: Path, made: Mapping[str, str]) -> bytes:
    """Return ``folder`` as a gzipped tar, the same bytes for the same content, with the files that are ``made`` of it.

    Links to files inside of the folder are packed as what they point at.

    Raises:
        MaintenanceError: the folder is none, or holds a link that leads out of it, or something else than files and
            folders.
    """
    if not folder.is_dir():
        raise MaintenanceError(f"There is no folder {folder} to build the page from.")
    packed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in _inside(folder.resolve()):
            name = path.relative_to(folder.resolve()).as_posix()
            if name not in made:
                _add(tar, name, path.read_bytes() if path.is_file() else None, executable=_is_executable(path))
        for name, text in sorted(made.items()):
            _add(tar, name, text.encode(), executable=False)
    return packed.getvalue()


def _inside(folder: Path) -> Iterator[Path]:
    """Yield every file and folder below ``folder``, sorted by path."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() and not (path.is_file() and path.resolve().is_relative_to(folder)):
            raise MaintenanceError(
                f"{path} is a link that leads out of the page's folder, or to no file.",
                "Replace it with the file itself: what is uploaded to the cluster is this folder alone.",
            )
        if not path.is_file() and not path.is_dir():
            raise MaintenanceError(f"{path} is neither a file nor a folder.", "Remove it from the page's folder.")
        yield path


def _is_executable(path: Path) -> bool:
    return path.is_dir() or bool(path.stat().st_mode & EXECUTE_BITS)


def _add(tar: tarfile.TarFile, name: str, content: bytes | None, *, executable: bool) -> None:
    """Add a file, or a folder where there is no content; owner and time are left at zero."""
    entry = tarfile.TarInfo(name)
    entry.mode = FOLDER_MODE if executable else FILE_MODE
    if content is None:
        entry.type = tarfile.DIRTYPE
        tar.addfile(entry)
    else:
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))

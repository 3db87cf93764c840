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


def pack_build_context(folder: Path, generated: Mapping[str, str]) -> bytes:
    """Return ``folder`` as a gzipped tar, the same bytes for the same content, with the files ``generated`` from it.

    Links to files inside of the folder are packed as what they point at.

    Raises:
        MaintenanceError: the folder is none, or holds a link that leads out of it, or something else than files and
            folders.
    """
    if not folder.is_dir():
        raise MaintenanceError(f"There is no folder {folder} to build the page from.")
    folder, packed = folder.resolve(), io.BytesIO()
    with (
        gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT, dereference=True) as tar,
    ):
        for path in _inside(folder):
            name = path.relative_to(folder).as_posix()
            if name not in generated:
                tar.add(path, name, recursive=False, filter=_reproducible)
        for name, text in sorted(generated.items()):
            entry, content = tarfile.TarInfo(name), text.encode()
            entry.size = len(content)
            tar.addfile(_reproducible(entry), io.BytesIO(content))
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


def _reproducible(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return an entry without its owner and its time, and readable for everybody."""
    mode = FOLDER_MODE if entry.isdir() or entry.mode & EXECUTE_BITS else FILE_MODE
    return entry.replace(mode=mode, mtime=0, uid=0, gid=0, uname="", gname="", deep=False)

"""The page's build context: the folder ``docker/`` with its texts and its tag put in. Pure; no network.

The texts travel as nginx *data*, in one generated file (``page.conf``) of ``geo`` blocks: nginx does not look for
variables in the values of ``geo``, so that a ``$`` in a text stays a ``$``.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import unicodedata
from typing import TYPE_CHECKING

from maintenance_ci.errors import MaintenanceError, VariableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE_CONF = "page.conf"

# nginx reads its configuration through a buffer of 4,096 bytes (NGX_CONF_BUFFER), and refuses a value that, with its
# opening quote, fills it.
MAX_VALUE = 4094

# What a build needs: read by anybody, since OpenShift builds and runs under an arbitrary user.
FILE_MODE, FOLDER_MODE, EXECUTE_BITS = 0o644, 0o755, 0o111


def render_page_conf(name: str, tag: str, title: str, message: str, signature: str) -> str:
    """Return ``page.conf``: who the page is (``NAME:TAG``, for the header ``X-Maintenance-Page``) and its three texts.

    The texts are plain text, shown as they are: ``index.html`` escapes them. Line breaks and tabs become spaces, other
    control characters are dropped.

    Raises:
        VariableError: a text is longer than nginx can read, `MAX_VALUE` bytes.
    """
    values = {"page": f"{name}:{tag}", "title": title, "message": message, "signature": signature}
    return "".join(f"geo $maintenance_{key} {{ default {_quoted(key, text)}; }}\n" for key, text in values.items())


def pack_build_context(folder: Path, page_conf: str) -> bytes:
    """Return ``folder`` as a gzipped tar, the same bytes for the same content, with ``page_conf`` as its ``page.conf``.

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
            if name != PAGE_CONF:
                _add(tar, name, path.read_bytes() if path.is_file() else None, executable=_is_executable(path))
        _add(tar, PAGE_CONF, page_conf.encode(), executable=False)
    return packed.getvalue()


def _quoted(key: str, text: str) -> str:
    """Quote ``text`` for nginx, where inside of double quotes only the backslash and the double quote mean anything."""
    spaced = "".join(" " if character in "\t\n\v\f\r\x85\u2028\u2029" else character for character in text)
    # No controls, and no lone surrogates.
    plain = "".join(character for character in spaced if unicodedata.category(character) not in {"Cc", "Cs"}).strip()
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    if len(escaped.encode()) > MAX_VALUE:
        limit = f"{MAX_VALUE} bytes of UTF-8, a quote or a backslash as two"
        raise VariableError([f"MAINTENANCE_{key.upper()}: is too long: nginx takes {limit}"])
    return f'"{escaped}"'


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

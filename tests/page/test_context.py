"""What is uploaded to be built."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.page.context import pack_build_context

GENERATED = {"page.conf": "x"}


def members(archive: bytes) -> dict[str, tuple[int, bytes | None]]:
    members: dict[str, tuple[int, bytes | None]] = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            content = tar.extractfile(member)
            members[member.name] = (member.mode, content.read() if content else None)
    return members


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docker"
    (folder / "sub").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM nginx\n")
    (folder / "page.conf").write_text("old")
    (folder / "sub" / "run.sh").write_text("#!/bin/sh\n")
    (folder / "Dockerfile").chmod(0o600)
    (folder / "sub" / "run.sh").chmod(0o700)
    return folder


def test_the_upload_is_the_folder_with_what_is_made_of_it(folder: Path) -> None:
    (folder / "link").symlink_to("sub/run.sh")
    assert members(pack_build_context(folder, {"page.conf": "new é", "index.html": "made"})) == {
        "Dockerfile": (0o644, b"FROM nginx\n"),
        "index.html": (0o644, b"made"),
        "link": (0o755, b"#!/bin/sh\n"),
        "page.conf": (0o644, "new é".encode()),
        "sub": (0o755, None),
        "sub/run.sh": (0o755, b"#!/bin/sh\n"),
    }


def test_the_same_content_is_the_same_upload(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / "page.conf").unlink()
    (copy / "Dockerfile").chmod(0o664)
    os.utime(copy / "Dockerfile", (0, 0))
    assert pack_build_context(folder, GENERATED) == pack_build_context(copy, GENERATED)
    assert pack_build_context(folder, GENERATED) != pack_build_context(copy, {"page.conf": "y"})
    assert gzip.decompress(pack_build_context(folder, GENERATED))


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "sub", "nowhere"])
def test_links_out_of_the_folder_are_refused(folder: Path, target: str) -> None:
    (folder.parent / "outside").write_text("secret")
    (folder / "link").symlink_to(target)
    with pytest.raises(MaintenanceError, match="link"):
        pack_build_context(folder, GENERATED)


def test_what_is_no_file_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(MaintenanceError, match="neither a file nor a folder"):
        pack_build_context(folder, GENERATED)
    with pytest.raises(MaintenanceError, match="no folder"):
        pack_build_context(folder / "Dockerfile", GENERATED)

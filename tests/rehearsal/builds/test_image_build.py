from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from maintenance_ci.rehearsal.builds.image_build import BadArchiveError, BuildError, Options, build, unpack
from maintenance_ci.rehearsal.builds.images import APPLICATION_IMAGE, ImageStore
from tests.tools.small_cluster import DOCKERFILE, page, tar_of


def archive_with(info: tarfile.TarInfo) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(info)
    return packed.getvalue()


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_upload_is_unpacked_compressed_or_not(tmp_path: Path, mode: str) -> None:
    unpack(tar_of({"./Dockerfile": DOCKERFILE, "css/a.css": "a"}, mode), tmp_path / "context")
    assert (tmp_path / "context/Dockerfile").read_text() == DOCKERFILE
    assert (tmp_path / "context/css/a.css").read_text() == "a"


def test_upload_that_is_no_archive_or_leaves_its_folder_is_refused(tmp_path: Path) -> None:
    outside = tarfile.TarInfo("../outside")
    device = tarfile.TarInfo("device")
    device.type = tarfile.CHRTYPE
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    broken = page("x")[:-40]
    bad = [b"", b"no archive", broken, *map(archive_with, (outside, device, link))]
    for number, archive in enumerate(bad):
        with pytest.raises(BadArchiveError):
            unpack(archive, tmp_path / str(number))
    assert not (tmp_path / "outside").exists()


def built(folder: Path, files: dict[str, str], **options: object) -> tuple[Path, list[str]]:
    """Build an upload; returns the image's files and the log."""
    lines: list[str] = []
    unpack(tar_of(files), folder / "context")
    image = build(folder / "context", Options(**options), ImageStore(folder / "images"), lines.append)  # type: ignore[arg-type]
    return image.files, lines


def test_log_is_that_of_a_real_build(tmp_path: Path) -> None:
    files, lines = built(tmp_path, {"Dockerfile": DOCKERFILE, "default.conf": "", "index.html": "page"})
    assert (files / "usr/share/nginx/html/index.html").read_text() == "page"
    assert lines == [
        "Replaced Dockerfile FROM image",
        "STEP 1/3: FROM nginxinc/nginx-unprivileged:1.20",
        "STEP 2/3: COPY default.conf /etc/nginx/conf.d/default.conf",
        "STEP 3/3: COPY index.html /usr/share/nginx/html/index.html",
    ]


def test_options_of_the_build_config(tmp_path: Path) -> None:
    files, lines = built(
        tmp_path,
        {"deep/Page": "ARG X\nFROM httpd\nARG PAGE=none\nCOPY $PAGE /srv/\n", "a.html": "a"},
        dockerfile_path="deep/Page",
        base="nginx:1.30",
        arguments={"PAGE": "a.html"},
    )
    assert (files / "srv/a.html").read_text() == "a"
    assert lines[1:] == ["STEP 1/3: FROM nginx:1.30", "STEP 2/3: ARG PAGE=none", "STEP 3/3: COPY $PAGE /srv/"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"index.html": ""}, "open /tmp/build/inputs/Dockerfile: no such file or directory"),
        ({"Dockerfile": "# nothing\nARG A=1\n"}, "build error: no FROM statement found"),
        (
            {"Dockerfile": "FROM httpd:2"},
            "Pull image still failed due to error: initializing source docker://httpd:2: manifest",
        ),
        ({"Dockerfile": f"FROM {APPLICATION_IMAGE}"}, "manifest unknown"),
        ({"Dockerfile": "FROM nginx\nRUN true"}, 'build error: building at STEP "RUN true": RUN is not rehearsed'),
    ],
)
def test_mistakes(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(BuildError) as caught:
        built(tmp_path, files)
    assert message in str(caught.value)

from __future__ import annotations

from pathlib import Path

import pytest

from maintenance_ci.rehearsal.builds.images import APPLICATION_IMAGE, ImageStore, Program


def test_same_content_is_the_same_image(tmp_path: Path) -> None:
    images = ImageStore(tmp_path / "images")
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    first = images.save(Program.NGINX, {"/srv/a": tmp_path / "a"})
    assert images.save(Program.NGINX, {"/srv/a": tmp_path / "a"}) is first
    others = [
        images.save(Program.NGINX, {"/srv/a": tmp_path / "b"}),
        images.save(Program.NGINX, {"/srv/b": tmp_path / "a"}),
        images.save(Program.NGINX, {"/srv/a": tmp_path / "a"}, environment={"BUILD": "2"}),
    ]
    assert len({first.digest, *(other.digest for other in others)}) == 4
    assert (first.files / "srv/a").read_text() == "a"


def test_image_upon_another_has_the_files_of_both(tmp_path: Path) -> None:
    images = ImageStore(tmp_path / "images")
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    base = images.save(Program.NGINX, {"/a": tmp_path / "a", "/b": tmp_path / "a"}, environment={"A": "1"})
    image = images.save(Program.NGINX, {"/b": tmp_path / "b"}, base=base, environment={"B": "2"})
    assert [(image.files / name).read_text() for name in ("a", "b")] == ["a", "b"]
    assert image.environment == {"A": "1", "B": "2"}


def test_found_by_digest_and_by_what_was_pushed(tmp_path: Path) -> None:
    images = ImageStore(tmp_path / "images")
    image = images.save(Program.NGINX, {})
    images.push("registry.example.test:5000/team/page", image)
    assert images.find("registry.example.test:5000/team/page:latest") is image
    assert images.find("registry.example.test:5000/team/page:v2") is None
    assert images.find(f"anywhere/page@{image.digest}") is image
    assert images.find("anywhere/page@sha256:0") is None
    application = images.find(APPLICATION_IMAGE)
    assert application is not None
    assert application.program is Program.APPLICATION


@pytest.mark.parametrize(
    ("reference", "known"),
    [
        ("nginx", True),
        ("nginxinc/nginx-unprivileged:1.20", True),
        ("registry.example.test:5000/base/ubi-nginx@sha256:0", True),
        ("nginx.example.test/team/page:1", False),
        ("httpd", False),
        ("scratch", False),
    ],
)
def test_bases(tmp_path: Path, reference: str, known: bool) -> None:
    assert (ImageStore(tmp_path).find_base(reference) is not None) is known

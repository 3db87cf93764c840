"""What happens inside of a build Pod: the upload is unpacked, the Dockerfile followed, an image made."""

from __future__ import annotations

import io
import tarfile
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from maintenance_ci.rehearsal.builds import dockerfile
from maintenance_ci.rehearsal.builds.images import Program
from maintenance_ci.rehearsal.pods.nginx_container import BASE_DIRECTORIES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from maintenance_ci.rehearsal.builds.dockerfile import Instruction
    from maintenance_ci.rehearsal.builds.images import Image, ImageStore


class BuildError(Exception):
    """The build fails; the message stands in its log."""


class PullError(BuildError):
    """The base image cannot be pulled."""


class BadArchiveError(Exception):
    """The upload is no tar archive, or one that would write outside of its folder."""


def unpack(archive: bytes, folder: Path) -> None:
    """Unpack a tar archive, compressed or not; raises ``BadArchiveError``.

    Absolute names, ways out of ``folder``, links that lead out of it and devices are refused (Python's "data" filter).
    """
    folder.mkdir(parents=True)
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as upload:
            _extract(upload, folder)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise BadArchiveError(str(error)) from error


def _extract(upload: tarfile.TarFile, folder: Path) -> None:
    if hasattr(tarfile, "data_filter"):
        upload.extractall(folder, filter="data")
        return
    for member in upload:  # Python 3.11 before 3.11.4, as Debian 12 has it, knows no filters: no links at all there
        plain = member.isfile() or member.isdir()
        if not plain or member.name.startswith("/") or ".." in member.name.split("/"):
            raise tarfile.TarError(f"{member.name!r} is refused")
        upload.extract(member, folder)


@dataclass(frozen=True)
class Options:
    """What a BuildConfig says besides the upload."""

    dockerfile_path: str = "Dockerfile"
    base: str = ""  # instead of what FROM names, where given
    arguments: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


def build(context: Path, options: Options, images: ImageStore, log: Callable[[str], None]) -> Image:
    """Follow the Dockerfile in ``context``; raises ``BuildError``."""
    instructions = dockerfile.parse(_read_dockerfile(context, options.dockerfile_path))
    heading, steps = _split(instructions)
    upload = {one.relative_to(context).as_posix() for one in context.rglob("*") if one.is_file()}
    stage = dockerfile.Stage(upload, options.arguments, BASE_DIRECTORIES)
    log("Replaced Dockerfile FROM image")
    for instruction in heading:
        _apply(stage, instruction)
    if not steps:
        raise BuildError("build error: no FROM statement found")
    for number, instruction in enumerate(steps, start=1):
        shown = dockerfile.Instruction("FROM", options.base) if number == 1 and options.base else instruction
        log(f"STEP {number}/{len(steps)}: {shown.text}")
        _apply(stage, shown)
        if number == 1:
            base = _find_base(stage.base, images)
    files = {target: context / source for target, source in stage.files.items()}
    return images.save(base.program, files, base=base, environment={**stage.environment, **options.environment})


def _read_dockerfile(context: Path, path: str) -> str:
    file = context / path
    if not file.is_file() or not file.resolve().is_relative_to(context.resolve()):
        raise BuildError(f"open {dockerfile.CONTEXT}/{path}: no such file or directory")
    return file.read_text(errors="replace")


def _split(instructions: list[Instruction]) -> tuple[list[Instruction], list[Instruction]]:
    """What comes before FROM (it is no step of the build), and the rest."""
    start = next((index for index, one in enumerate(instructions) if one.keyword == "FROM"), len(instructions))
    return instructions[:start], instructions[start:]


def _apply(stage: dockerfile.Stage, instruction: Instruction) -> None:
    try:
        stage.apply(instruction)
    except dockerfile.DockerfileError as error:
        raise BuildError(f"build error: {error}") from error


def _find_base(reference: str, images: ImageStore) -> Image:
    image, refusal = images.find_base(reference), images.refusal(reference)
    if refusal is None and (image is None or image.program is not Program.NGINX):
        refusal = "manifest unknown (what can be built upon here: nginx, and pages that were pushed before)"
    if refusal or image is None:
        raise PullError(
            "build error: failed to pull image: After retrying 2 times, Pull image still failed due to error: "
            f"initializing source docker://{reference}: {refusal}"
        )
    return image

"""Images of the rehearsal: the files that a build laid over its base, and the program that their container runs.

There is no real base image here. A repository whose name has ``nginx`` in it stands for the real nginx; everything else
must be an image that somebody pushed.
"""

from __future__ import annotations

import enum
import hashlib
import json
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# The application that is put into maintenance; it needs no build.
APPLICATION_IMAGE = "registry.example.test/shop/application:1"


class Program(enum.Enum):
    """What a container of the image runs."""

    NGINX = "nginx"
    APPLICATION = "application"


@dataclass(frozen=True)
class Image:
    """An image: ``files`` is a folder that holds what was copied into it, by its path in the container."""

    digest: str
    program: Program
    files: Path
    environment: Mapping[str, str] = field(default_factory=dict)


class ImageStore:
    """Every image by its digest, and a registry outside of the cluster by reference.

    Attributes:
        refusals: which base images cannot be pulled, by the beginning of their reference, and what is said then.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._images: dict[str, Image] = {}
        self._registry: dict[str, Image] = {}
        self.refusals: dict[str, str] = {}  # the beginning of a reference -> what its registry says instead
        self._nginx = self.save(Program.NGINX, {})
        self.push(APPLICATION_IMAGE, self.save(Program.APPLICATION, {}))

    def save(
        self,
        program: Program,
        files: Mapping[str, Path],
        *,
        base: Image | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Image:
        """Keep an image made of ``base`` and ``files`` (path in the container -> file to copy).

        The same content is the same image.
        """
        inherited = {} if base is None else _tree(base.files)
        content = inherited | dict(files)
        settings = {**(base.environment if base else {}), **(environment or {})}
        digest = _digest(program, content, settings)
        if digest not in self._images:
            folder = self._directory / digest.removeprefix("sha256:")
            folder.mkdir(parents=True)
            for path, source in content.items():
                target = folder / path.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
            self._images[digest] = Image(digest, program, folder, settings)
        return self._images[digest]

    def push(self, reference: str, image: Image) -> None:
        """Let the registry outside of the cluster hold ``image`` as ``reference`` (``HOST/TEAM/NAME:TAG``)."""
        self._registry[_with_tag(reference)] = image

    def find(self, reference: str) -> Image | None:
        """The image of a reference: by its digest where it has one, else by what was pushed under it."""
        _, _, digest = reference.partition("@")
        return self._images.get(digest) if digest else self._registry.get(_with_tag(reference))

    def refusal(self, reference: str) -> str | None:
        """What a registry says instead of handing out the image, where it is told to."""
        return next((why for start, why in self.refusals.items() if reference.startswith(start)), None)

    def find_base(self, reference: str) -> Image | None:
        """The image that ``FROM reference`` builds upon, or None where the rehearsal has nothing for it."""
        name = reference.partition("@")[0].rpartition("/")[2].partition(":")[0]
        return self.find(reference) or (self._nginx if "nginx" in name else None)


def _with_tag(reference: str) -> str:
    """``reference`` with its default tag ``latest``; a colon before the last slash belongs to the registry's port."""
    return reference if ":" in reference.rpartition("/")[2] else f"{reference}:latest"


def _tree(folder: Path) -> dict[str, Path]:
    return {f"/{path.relative_to(folder).as_posix()}": path for path in folder.rglob("*") if path.is_file()}


def _digest(program: Program, files: Mapping[str, Path], environment: Mapping[str, str]) -> str:
    sums = {path: hashlib.sha256(source.read_bytes()).hexdigest() for path, source in files.items()}
    content = json.dumps([program.value, sums, dict(environment)], sort_keys=True)
    return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"

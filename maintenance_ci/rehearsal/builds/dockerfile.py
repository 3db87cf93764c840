"""A Dockerfile, as far as a page needs it: what is copied where, upon which base. Nothing in it is executed.

The message for a missing source is the one that ``buildah``, the builder of OpenShift, prints; the others are our own
words in its form.
"""

from __future__ import annotations

import fnmatch
import json
import posixpath
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

# Where OpenShift's build container keeps the upload; it stands in the messages of a real build.
CONTEXT = "/tmp/build/inputs"  # noqa: S108  (a name in a message; nothing is written there)

VARIABLE = re.compile(r"\\\$|\$(?:(?P<plain>\w+)|\{(?P<name>\w+)(?::(?P<mark>[-+])(?P<word>[^}]*))?\})")
# Accepted, and without effect on the files.
INERT = frozenset(
    (
        "CMD",
        "ENTRYPOINT",
        "EXPOSE",
        "HEALTHCHECK",
        "LABEL",
        "MAINTAINER",
        "ONBUILD",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
    )
)


class DockerfileError(Exception):
    """The build fails; the message says at which step and why."""


@dataclass(frozen=True)
class Instruction:
    """One instruction, its continuation lines joined."""

    keyword: str
    value: str

    @property
    def text(self) -> str:
        """As a build prints it."""
        return f"{self.keyword} {self.value}".rstrip()


def parse(text: str) -> list[Instruction]:
    """Split a Dockerfile into instructions, its comments left out."""
    instructions = []
    pending = ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("#") or (not line and not pending):
            continue
        if line.endswith("\\"):
            pending += line[:-1].rstrip() + " "
            continue
        keyword, _, value = (pending + line).strip().partition(" ")
        pending = ""
        if keyword:
            instructions.append(Instruction(keyword.upper(), value.strip()))
    if pending.strip():
        keyword, _, value = pending.strip().partition(" ")
        instructions.append(Instruction(keyword.upper(), value.strip()))
    return instructions


class Stage:
    """The image while it is built: apply the instructions in order, then take ``base``, ``files`` and ``environment``.

    ``upload`` holds the paths of the uploaded files, relative to its root. ``directories`` are the folders that the
    base has: copying a file onto one of them puts it inside.
    """

    def __init__(self, upload: Collection[str], build_args: Mapping[str, str], directories: Collection[str]) -> None:
        self.base = ""
        self.files: dict[str, str] = {}  # path in the container -> path in the upload
        self.environment: dict[str, str] = {}
        self._upload = upload
        self._build_args = build_args
        self._directories = set(directories)
        self._global_args: dict[str, str] = {}
        self._args: dict[str, str] = {}
        self._workdir = "/"

    def apply(self, instruction: Instruction) -> None:
        """Take one instruction in; raises ``DockerfileError``."""
        try:
            self._dispatch(instruction)
        except (DockerfileError, ValueError) as error:  # ValueError: an unclosed quote
            raise DockerfileError(f'building at STEP "{instruction.text}": {error}') from error

    def _dispatch(self, instruction: Instruction) -> None:
        handlers: dict[str, Callable[[str], None]] = {
            "FROM": self._from,
            "ARG": self._arg,
            "ENV": self._env,
            "WORKDIR": self._change_directory,
            "COPY": self._copy,
            "ADD": self._add,
            "RUN": self._run,
        }
        if not self.base and instruction.keyword not in ("FROM", "ARG"):
            raise DockerfileError("no FROM before it: a Dockerfile begins with the image to build upon")
        if instruction.keyword in handlers:
            handlers[instruction.keyword](instruction.value)
        elif instruction.keyword not in INERT:
            raise DockerfileError(f'Build error: Unknown instruction: "{instruction.keyword}"')

    def _from(self, value: str) -> None:
        if self.base:
            raise DockerfileError("a second FROM: builds in several stages are not rehearsed")
        words = [word for word in expand(value, self._global_args).split() if not word.startswith("--")]
        if not words:
            raise DockerfileError("FROM requires either one argument, or three: FROM <source> [as <name>]")
        self.base = words[0]

    def _arg(self, value: str) -> None:
        scope = self._args if self.base else self._global_args
        for word in shlex.split(value):
            name, given, default = word.partition("=")
            if name in self._build_args:
                scope[name] = self._build_args[name]
            elif given:
                scope[name] = expand(default, {**scope, **self.environment})
            elif name in self._global_args:
                scope[name] = self._global_args[name]

    def _env(self, value: str) -> None:
        words = shlex.split(value)
        if words and "=" not in words[0]:  # the old form: ENV NAME the rest
            name, _, rest = value.partition(" ")
            words = [f"{name}={rest.strip()}"]
        for word in words:
            name, _, content = word.partition("=")
            self.environment[name] = self._expand(content)

    def _change_directory(self, value: str) -> None:
        self._workdir = posixpath.normpath(posixpath.join(self._workdir, self._expand(value)))
        self._directories.add(self._workdir)

    def _run(self, _value: str) -> None:
        raise DockerfileError("RUN is not rehearsed: nothing is executed here; copy finished files instead")

    def _add(self, value: str) -> None:
        remote = [word for word in value.split() if "://" in word or word.endswith((".tar", ".tar.gz", ".tgz"))]
        if remote:
            raise DockerfileError(f"ADD of {remote[0]} is not rehearsed: only files of the upload are copied")
        self._copy(value)

    def _copy(self, value: str) -> None:
        flags, words = _split_flags(self._expand(value))
        if any(flag.startswith("--from") for flag in flags):
            raise DockerfileError("COPY --from is not rehearsed: only files of the upload are copied")
        if len(words) < 2:
            raise DockerfileError("COPY requires at least two arguments: COPY <source> <destination>")
        *sources, destination = words
        target = posixpath.normpath(posixpath.join(self._workdir, destination))
        into = destination.endswith(("/", "/.")) or destination == "." or target in self._directories
        matches = [match for source in sources for match in self._matches(source)]
        if len(matches) > 1 and not into:
            raise DockerfileError(
                f"{len(matches)} sources, but the destination {destination} does not end with a slash"
            )
        for match in matches:
            self._take(match, target, into=into)

    def _matches(self, source: str) -> Sequence[str]:
        """The files and folders of the upload that ``source`` names; it cannot leave the upload."""
        inside = posixpath.normpath(f"/{source}")
        known = {f"/{path}" for path in self._upload}
        known |= {parent for path in known for parent in _parents(path)}
        if inside in known:
            return [inside]
        depth = inside.count("/")
        found = sorted(path for path in known if path.count("/") == depth and fnmatch.fnmatchcase(path, inside))
        if not found:
            raise DockerfileError(
                f'checking on sources under "{CONTEXT}": copier: stat: "{inside}": no such file or directory'
            )
        return found

    def _take(self, source: str, target: str, *, into: bool) -> None:
        prefix = source.rstrip("/") + "/"
        inside = [path for path in self._upload if f"/{path}".startswith(prefix)]
        if inside:  # of a folder the content is copied, not the folder
            copied = {posixpath.join(target, f"/{path}".removeprefix(prefix)): path for path in inside}
        else:
            name = posixpath.join(target, posixpath.basename(source)) if into else target
            copied = {name: source.lstrip("/")}
        self.files |= copied
        self._directories |= {parent for path in copied for parent in _parents(path)}

    def _expand(self, text: str) -> str:
        return expand(text, {**self._args, **self.environment})


def expand(text: str, variables: Mapping[str, str]) -> str:
    r"""Replace ``$NAME``, ``${NAME}``, ``${NAME:-word}`` and ``${NAME:+word}``; ``\$`` stays a dollar."""

    def value(match: re.Match[str]) -> str:
        if match[0] == r"\$":
            return "$"
        found = variables.get(match["plain"] or match["name"], "")
        if match["mark"] == "+":
            return match["word"] if found else ""
        return found or match["word"] or ""

    return VARIABLE.sub(value, text)


def _split_flags(value: str) -> tuple[list[str], list[str]]:
    """The ``--flags`` in front, then the words, which may come as a JSON array."""
    flags = []
    while value.startswith("--"):
        flag, _, value = value.partition(" ")
        flags.append(flag)
        value = value.strip()
    if value.startswith("["):
        try:
            return flags, [str(word) for word in json.loads(value)]
        except json.JSONDecodeError:
            pass  # no array after all: builders then take it as plain words
    return flags, shlex.split(value)


def _parents(path: str) -> list[str]:
    parts = path.strip("/").split("/")[:-1]
    return ["/"] + ["/" + "/".join(parts[:count]) for count in range(1, len(parts) + 1)]

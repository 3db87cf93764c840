"""A guide with commands and what they print, typed into a shell from its first line to its last."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# Around what a command printed, and before its exit code: a character that none prints.
MARK = "\x1e"


@dataclass(frozen=True)
class Step:
    """A command of the guide.

    Attributes:
        command: as it is typed, all its lines.
        printed: what the guide says that it prints; ``…`` stands for anything within a line, alone for any lines.
    """

    command: str
    printed: str


@dataclass(frozen=True)
class Done:
    """What a command printed, to its standard output and error alike, and its exit code."""

    printed: str
    code: int


def steps(text: str) -> list[Step]:
    """The commands of a guide's console blocks, in their order."""
    found = []
    for block in BLOCK.findall(text):
        for typed in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            first, *rest = typed.splitlines()
            command = [first]
            while rest and rest[0].startswith("> "):
                command.append(rest.pop(0).removeprefix("> "))
            found.append(Step("\n".join(command), "\n".join(rest).rstrip()))
    return found


def agrees(documented: str, printed: str) -> bool:
    """Whether a command printed what is documented of it."""
    lines = [re.escape(line).replace("…", ".*") for line in documented.splitlines()]
    # A line of it alone is any number of lines, none among them.
    pattern = "".join("(?:.*\n)*?" if line == ".*" else f"{line} *\n" for line in lines)
    return re.fullmatch(pattern, printed.rstrip() + "\n" if printed.strip() else "") is not None


def typed(guide: list[Step], folder: Path, environment: Mapping[str, str], *, after: Mapping[str, str]) -> list[Done]:
    """Type all of a guide into one shell, which begins in ``folder``.

    Args:
        guide: the commands.
        folder: where the shell begins.
        environment: the shell's, all of it.
        after: what is typed besides, without the guide: the command that it follows, and itself.
    """
    script = []
    for step in guide:
        script += [f"printf '{MARK}'", step.command, f"printf '{MARK}%s' $?", after.get(step.command, ":")]
    shell = subprocess.run(
        ["bash"],
        input="\n".join(script),
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
        check=False,
    )
    _, *parts = shell.stdout.split(MARK)
    return [
        Done(printed, int(re.sub(r"\D.*", "", code, flags=re.DOTALL)))
        for printed, code in zip(parts[::2], parts[1::2], strict=True)
    ]

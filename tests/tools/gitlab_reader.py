"""Reads a job's log as GitLab does: sections and colours by the escape codes, as its Ansi2json has them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# Gitlab::Regex.build_trace_section_regex, and the codes that change a style.
MARKER = re.compile(r"section_(start|end):(\d+):([a-zA-Z0-9_.-]+)(\[\w+=\w+(?:, ?\w+=\w+)*\])?\r\x1b\[0K")
STYLE = re.compile(r"\x1b\[([\d;]*)m")
CODE = re.compile(r"\x1b\[[\d;]*[A-Za-z]")


@dataclass
class Section:
    """A section; ``seconds`` is None until it ends."""

    name: str
    heading: str
    collapsed: bool
    depth: int
    began: int
    seconds: int | None = None


@dataclass
class Reading:
    """What a person sees: the lines without codes, those with a colour, and the sections in order."""

    lines: list[str] = field(default_factory=list)
    coloured: list[tuple[str, str]] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    open_sections: list[str] = field(default_factory=list)


def read_gitlab(log: str) -> Reading:
    """Read a log; an end without its begin, a name used twice and ends that cross are faults."""
    read = Reading()
    for line in filter(None, log.split("\n")):
        found = MARKER.search(line)
        if found is None:
            assert "\r" not in line, line
            _add_text(read, line)
            continue
        kind, when, name, options = found.groups()
        heading = CODE.sub("", line[found.end() :])
        if kind == "start":
            assert name not in {section.name for section in read.sections}, f"{name} is there already"
            collapsed = options == "[collapsed=true]"
            read.sections.append(Section(name, heading, collapsed, len(read.open_sections), int(when)))
            read.open_sections.append(name)
        else:
            assert read.open_sections[-1:] == [name], f"{name} ends within {read.open_sections}"
            read.open_sections.pop()
            [section] = [section for section in read.sections if section.name == name]
            section.seconds = int(when) - section.began
    return read


def _add_text(read: Reading, line: str) -> None:
    plain = CODE.sub("", line)
    read.lines.append(plain)
    styles = [style for style in STYLE.findall(line) if style not in ("", "0")]
    assert not styles or line.endswith("\x1b[0m"), f"its colour runs on: {line!r}"
    read.coloured += [(plain, style) for style in styles]

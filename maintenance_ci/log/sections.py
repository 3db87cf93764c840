"""What GitLab's job log understands besides text: sections and colours. Pure.

Read in GitLab's sources (Gitlab::Regex.build_trace_section_regex, Gitlab::Ci::Ansi2json): a marker is known by the
carriage return and the escape code at its end, a section's name is lower-cased and loses all but letters, digits and
hyphens, and its duration is the difference of the two timestamps, in whole seconds.
"""

from __future__ import annotations

ERASE = "\x1b[0K"
# The cursor to the top left, and an empty screen.
CLEAR = "\x1b[H\x1b[2J"
RED, YELLOW, HEADING, RESET = "\x1b[31;1m", "\x1b[33;1m", "\x1b[36;1m", "\x1b[0m"


def section_start(name: str, heading: str, *, now: float, collapsed: bool) -> str:
    """Return the line that begins a section; ``now`` is in seconds since the epoch."""
    options = "[collapsed=true]" if collapsed else ""
    return f"{ERASE}section_start:{now:.0f}:{name}{options}\r{ERASE}{heading}"


def section_end(name: str, *, now: float) -> str:
    """Return the line that ends a section."""
    return f"{ERASE}section_end:{now:.0f}:{name}\r{ERASE}"

"""Texts as nginx's configuration takes them. Pure.

nginx looks for variables in a value, and has no way to write a ``$`` there, except by a variable of its own that holds
one: `DOLLAR`, a ``geo`` (in whose values nginx looks for none; each takes some 20 kB of memory, so that it is the only
one).
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# nginx reads its configuration through a buffer of 4,096 bytes (NGX_CONF_BUFFER), and refuses a value that, with its
# opening quote, fills it.
MAX_VALUE = 4094
DOLLAR = "maintenance_dollar"
# Bytes of a text that is written where it is needed; a longer one is a variable.
SHORT = 24

ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "$": f"${{{DOLLAR}}}"})


def escaped(text: str) -> str:
    """Return a text as it stands in a value between double quotes."""
    return text.translate(ESCAPES)


def one_line(text: str) -> str:
    """Return a text with blanks for line breaks and tabs, and without other controls and lone surrogates."""
    spaced = "".join(" " if character in "\t\n\v\f\r\x85\u2028\u2029" else character for character in text)
    return "".join(character for character in spaced if unicodedata.category(character) not in {"Cc", "Cs"}).strip()


class Pieces:
    """Texts of any length as variables of nginx, each for as much as fits into one; the same text is there once."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def reference(self, text: str) -> str:
        """Return what stands for a text in a value between double quotes."""
        short = escaped(text)
        if len(short.encode()) <= SHORT:
            return short
        return "".join(f"${{{self._names.setdefault(one, f'maintenance_p{len(self._names)}')}}}" for one in _cut(text))

    def all(self) -> Iterator[tuple[str, str]]:
        """Yield the name and the value of each variable."""
        for piece, name in self._names.items():
            yield name, escaped(piece)


def _cut(text: str) -> Iterator[str]:
    """Cut a text so that each part fits into a value."""
    start, size = 0, 0
    for end, character in enumerate(text):
        length = len(escaped(character).encode())
        if size + length > MAX_VALUE:
            yield text[start:end]
            start, size = end, 0
        size += length
    if text[start:]:
        yield text[start:]

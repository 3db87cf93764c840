"""Texts as nginx's configuration takes them. Pure."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# nginx reads its configuration through a buffer of 4,096 bytes (NGX_CONF_BUFFER), and refuses a value that, with its
# opening quote, fills it.
MAX_VALUE = 4094


def quoted(text: str) -> str:
    """Quote a text for nginx, where inside of double quotes only the backslash and the double quote mean anything."""
    return f'"{_escaped(text)}"'


def one_line(text: str) -> str:
    """Return a text with blanks for line breaks and tabs, and without other controls and lone surrogates."""
    spaced = "".join(" " if character in "\t\n\v\f\r\x85\u2028\u2029" else character for character in text)
    return "".join(character for character in spaced if unicodedata.category(character) not in {"Cc", "Cs"}).strip()


class Pieces:
    """Texts of any length as variables of nginx, each for as much as fits into one; the same text is there once."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def reference(self, text: str) -> str:
        """Return what stands for a text where nginx looks for variables."""
        return "".join(f"${{{self._name(piece)}}}" for piece in _cut(text))

    def all(self) -> Iterator[tuple[str, str]]:
        """Yield the name and the quoted value of each variable."""
        for piece, name in self._names.items():
            yield name, quoted(piece)

    def _name(self, piece: str) -> str:
        return self._names.setdefault(piece, f"maintenance_p{len(self._names)}")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _cut(text: str) -> Iterator[str]:
    """Cut a text so that each part fits into a value."""
    start, size = 0, 0
    for end, character in enumerate(text):
        length = len(_escaped(character).encode())
        if size + length > MAX_VALUE:
            yield text[start:end]
            start, size = end, 0
        size += length
    if text[start:]:
        yield text[start:]

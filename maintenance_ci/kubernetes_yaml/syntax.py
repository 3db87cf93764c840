"""The syntax of YAML as go-yaml has it, where PyYAML's scanner differs: tabs above all.

go-yaml and libyaml take tabs as white space wherever they do not stand for an indentation; PyYAML's own scanner takes
them nowhere, and its libyaml is not installed everywhere.
"""

from __future__ import annotations

from typing import Any

from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner, ScannerError
from yaml.tokens import ScalarToken

_BREAKS = "\r\n\x85\u2028\u2029"
_ENDS = f"\0 \t{_BREAKS}"


class YamlParser(Reader, Scanner, Parser):
    """Events of a YAML text."""

    # JSON's \/ is no escape of YAML 1.1.
    ESCAPE_REPLACEMENTS = {k: v for k, v in Scanner.ESCAPE_REPLACEMENTS.items() if k != "/"}  # type: ignore[misc]  # noqa: RUF012

    def __init__(self, text: str) -> None:
        self.text = text
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)

    def scan_to_next_token(self) -> None:
        """Skip white space and comments; a tab is white space where no simple key may begin."""
        while True:
            while self.peek() == " " or (self.peek() == "\t" and (self.flow_level or not self.allow_simple_key)):
                self.forward()
            if self.peek() == "#":
                while self.peek() not in f"\0{_BREAKS}":
                    self.forward()
            if not self.scan_line_break():  # type: ignore[no-untyped-call]
                return
            if not self.flow_level:
                self.allow_simple_key = True

    def scan_plain(self) -> ScalarToken:
        """Scan a scalar without quotes: it ends before ``: ``, `` #``, and in flow style before a bracket or comma."""
        start = end = self.get_mark()
        indent, text, spaces = self.indent + 1, "", ""
        while self.peek() != "#":
            length = 0
            while not self._ends_plain(length):
                length += 1
            if length == 0:
                break
            self.allow_simple_key = False
            text += spaces + self.prefix(length)
            self.forward(length)
            end = self.get_mark()
            spaces = self._plain_spaces(indent, start)
            if not spaces or (not self.flow_level and self.column < indent):
                break
        return ScalarToken(text, True, start, end)

    def _ends_plain(self, at: int) -> bool:
        character = self.peek(at)
        if character in _ENDS or (character == ":" and self.peek(at + 1) in _ENDS):
            return True
        return bool(self.flow_level and character in ",?[]{}")

    def _plain_spaces(self, indent: int, start: Any) -> str:
        """Return what the white space between two words of a plain scalar stands for; nothing where it ends."""
        blanks, breaks = "", []
        while self.peek() in f" \t{_BREAKS}":
            if self.peek() in _BREAKS:
                breaks.append(self.scan_line_break())  # type: ignore[no-untyped-call]
                self.allow_simple_key = True
                if self.prefix(3) in ("---", "...") and self.peek(3) in _ENDS:
                    return ""
                continue
            if breaks and self.peek() == "\t" and self.column < indent:
                raise ScannerError(
                    "while scanning a plain scalar", start, "found a tab that violates indentation", self.get_mark()
                )
            blanks += "" if breaks else self.peek()
            self.forward()
        return _folded(breaks) if breaks else blanks

    def scan_block_scalar_indicators(self, start_mark: Any) -> tuple[bool | None, int | None]:
        """Scan what follows ``|`` or ``>``: whether trailing line breaks stay, and the indentation, in any order."""
        chomping, increment = None, None
        for _ in range(2):
            character = self.peek()
            if character in "+-" and chomping is None:
                chomping = character == "+"
            elif character in "0123456789" and increment is None:
                increment = int(character)
            else:
                break
            self.forward()
        if increment == 0:
            problem = "found an indentation indicator of 0"
            raise ScannerError("while scanning a block scalar", start_mark, problem, self.get_mark())
        return chomping, increment

    def scan_block_scalar_ignored_line(self, start_mark: Any) -> None:
        """Skip the rest of a block scalar's first line."""
        while self.peek() in " \t":
            self.forward()
        super().scan_block_scalar_ignored_line(start_mark)

    def scan_block_scalar_indentation(self) -> tuple[list[str], int, Any]:
        """Find a block scalar's indentation."""
        found: tuple[list[str], int, Any] = super().scan_block_scalar_indentation()
        self._refuse_tab()
        return found

    def scan_block_scalar_breaks(self, indent: int) -> tuple[list[str], Any]:
        """Skip empty lines and the indentation of a block scalar."""
        found: tuple[list[str], Any] = super().scan_block_scalar_breaks(indent)
        if self.column < indent:
            self._refuse_tab()
        return found

    def _refuse_tab(self) -> None:
        if self.peek() == "\t":
            problem = "found a tab where an indentation space is expected"
            raise ScannerError("while scanning a block scalar", None, problem, self.get_mark())


class JsonParser(YamlParser):
    """Events of a text that is JSON, for the places of its fields."""

    ESCAPE_REPLACEMENTS = Scanner.ESCAPE_REPLACEMENTS  # type: ignore[misc]


def _folded(breaks: list[str]) -> str:
    """Return line breaks as a scalar has them: the first one is a space, or goes with the others."""
    first, *others = breaks
    if first != "\n":
        return first + "".join(others)
    return "".join(others) or " "

"""The syntax of YAML as go-yaml has it, where PyYAML differs: tabs above all.

go-yaml and libyaml take tabs as white space wherever they do not stand for an indentation; PyYAML's own scanner takes
them nowhere, and its libyaml is not installed everywhere.
"""

from __future__ import annotations

from typing import Any

from yaml.composer import ComposerError
from yaml.events import AliasEvent
from yaml.loader import BaseLoader
from yaml.nodes import Node, ScalarNode
from yaml.scanner import Scanner, ScannerError
from yaml.tokens import ScalarToken

# Levels: no manifest has more, and Python's own stack bears them.
MAX_DEPTH = 100
# Values in all documents of a text: one or two seconds' work. No manifest has more.
MAX_VALUES = 100_000
TOO_MANY_VALUES = f"it holds over {MAX_VALUES} values, more than any manifest"
# The tags of a scalar that has none: without quotes, and with them.
PLAIN, TEXT = "", "tag:yaml.org,2002:str"
_BREAKS = "\r\n\x85\u2028\u2029"
_ENDS = f"\0 \t{_BREAKS}"


class Room:
    """How many values the documents of a text may still hold.

    Attributes:
        left: that many; below 0 there were too many.
    """

    def __init__(self) -> None:
        self.left = MAX_VALUES

    def takes(self, values: int) -> bool:
        """Count some values, and tell whether they still fit."""
        self.left -= values
        return self.left >= 0


class YamlComposer(BaseLoader):
    """Nodes of a YAML text.

    Args:
        text: of one document.
        line: how many lines stand above it.
        room: for its values.
    """

    # JSON's \/ is no escape of YAML 1.1.
    ESCAPE_REPLACEMENTS = {k: v for k, v in Scanner.ESCAPE_REPLACEMENTS.items() if k != "/"}  # type: ignore[misc]  # noqa: RUF012

    def __init__(self, text: str, line: int, room: Room) -> None:
        super().__init__(text)
        self.line = line
        self._room = room
        self._depth = 0

    def first_root(self) -> Node | None:
        """Return the root of the first document; None where there is none. What follows ``...`` is not read."""
        if not self.check_node():
            return None
        self.get_event()  # the document begins
        root = self.compose_node(None, None)
        if not self.get_event().explicit:
            self.get_event()  # raises where something follows that belongs to nothing
        return root

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        """Compose a node. An anchor may be given anew, and no node contains itself."""
        event = self.peek_event()
        problem = None
        if not self._room.takes(1):
            problem = TOO_MANY_VALUES
        elif not isinstance(event, AliasEvent):
            self.anchors.pop(event.anchor, None)
            problem = f"it is nested deeper than {MAX_DEPTH} levels" if self._depth > MAX_DEPTH else None
        elif event.anchor not in self.anchors:
            problem = "there is no such anchor before it"
        elif self.anchors[event.anchor].end_mark is None:  # it is being composed
            problem = "the value of an anchor contains itself"
        if problem:
            raise ComposerError(None, None, problem, event.start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def compose_scalar_node(self, anchor: Any) -> ScalarNode:
        """Compose a scalar; the tag says whether it had quotes, and "!" that it is text."""
        event = self.get_event()
        tag = event.tag or (PLAIN if event.implicit[0] else TEXT)
        node = ScalarNode(tag, event.value, event.start_mark, event.end_mark)
        if anchor:
            self.anchors[anchor] = node
        return node

    def scan_to_next_token(self) -> None:
        """Skip white space and comments; a tab is white space where no simple key may begin."""
        while True:
            while self.peek() == " " or (self.peek() == "\t" and (self.flow_level or not self.allow_simple_key)):
                self.forward()
            if self.peek() == "#":
                while self.peek() not in f"\0{_BREAKS}":
                    self.forward()
            if not self.scan_line_break():
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
                breaks.append(self.scan_line_break())
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
        """Measure a block scalar's indentation."""
        indentation: tuple[list[str], int, Any] = super().scan_block_scalar_indentation()
        self._refuse_tab()
        return indentation

    def scan_block_scalar_breaks(self, indent: int) -> tuple[list[str], Any]:
        """Skip empty lines and the indentation of a block scalar."""
        breaks: tuple[list[str], Any] = super().scan_block_scalar_breaks(indent)
        if self.column < indent:
            self._refuse_tab()
        return breaks

    def _refuse_tab(self) -> None:
        if self.peek() == "\t":
            problem = "found a tab where an indentation space is expected"
            raise ScannerError("while scanning a block scalar", None, problem, self.get_mark())


class JsonComposer(YamlComposer):
    """Nodes of a text that is JSON, for the places of its fields."""

    ESCAPE_REPLACEMENTS = Scanner.ESCAPE_REPLACEMENTS  # type: ignore[misc]


def _folded(breaks: list[str]) -> str:
    """Return line breaks as a scalar has them: the first one is a space, or goes with the others."""
    first, *others = breaks
    if first != "\n":
        return first + "".join(others)
    return "".join(others) or " "

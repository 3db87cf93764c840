"""Nodes of a YAML text as go-yaml has them: by libyaml, of which go-yaml is a port.

PyYAML's own scanner differs from it far more: it takes a tab for white space nowhere. PyYAML's wheels have libyaml.
"""

from __future__ import annotations

import re
from typing import Any

from yaml.composer import Composer
from yaml.cyaml import CBaseLoader
from yaml.error import Mark, MarkedYAMLError
from yaml.events import AliasEvent, ScalarEvent
from yaml.nodes import Node, ScalarNode
from yaml.reader import ReaderError

# Levels: no manifest has more, and Python's own stack bears them.
MAX_DEPTH = 100
# Values in all documents of a text: one or two seconds' work. No manifest has more.
MAX_VALUES = 100_000
# The tags of a scalar that has none: without quotes, and with them.
PLAIN, TEXT = "", "tag:yaml.org,2002:str"
# JSON's \/ is no escape to go-yaml.
_JSON_ESCAPE = re.compile(r"(?<!\\)(\\\\)*\\/")
# Characters that go-yaml takes for text, and libyaml does not: a colon before an indicator of flow style, and a byte
# order mark at the beginning of a line. libyaml gets others, which no text has, in their place.
_TEXT_TO_GO = re.compile(r"""(?<=[^\s"'\[\]{},]):(?=[,?\[\]{}])|(?<=[\n\x85\u2028\u2029])\ufeff""")
_STAND_INS = {":": "\U0010fffe", "\ufeff": "\U0010ffff"}
# An escape that go-yaml has in double quotes, and libyaml has not. As long as it is written, places stay what they are.
_APOSTROPHE, _FILLER = "\\'", "\U0010fffd"
_ORIGINALS = {ord(stand_in): character for character, stand_in in _STAND_INS.items()} | {ord(_FILLER): ""}


class NotYamlError(ValueError):
    """A text that kubectl would not read either: a problem, which names no value, and its place, counted from 1."""

    def __init__(self, problem: str, line: int, column: int) -> None:
        super().__init__(problem)
        self.problem, self.line, self.column = problem, line, column


class TooManyValuesError(NotYamlError):
    """A text that holds more values than any manifest."""


class Room:
    """How many values the documents of a text may still hold."""

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def take(self, values: int, line: int, column: int = 0) -> None:
        """Count some values, at a place that is counted from 0.

        Raises:
            TooManyValuesError: there are too many of them.
        """
        self._left -= values
        if self._left < 0:
            problem = f"it holds over {MAX_VALUES} values, more than any manifest"
            raise TooManyValuesError(problem, line + 1, column + 1)


def fault(problem: str, mark: Any) -> NotYamlError:
    """Return the error for a fault at a node's mark."""
    return NotYamlError(problem, mark.line + 1, mark.column + 1)


def first_root(text: str, line: int, room: Room, *, is_json: bool = False) -> Node | None:
    """Return the root of a text's first document; None where there is none. What follows ``...`` is not read.

    Above the text stand ``line`` lines. With ``is_json`` its escapes are JSON's.

    Raises:
        NotYamlError: kubectl would not read it either.
    """
    room.take(1, line)  # also a text that is empty takes its time
    text = _TEXT_TO_GO.sub(lambda match: _STAND_INS[match[0]], text)
    # kubectl ends the last line, too: a block scalar there has its line break.
    lines = text if text.endswith("\n") else f"{text}\n"
    try:
        return _YamlComposer(lines, line, room, is_json=is_json).first_root()
    except MarkedYAMLError as error:
        mark: Any = error.problem_mark
        if "escape" in str(error.problem) and not is_json and text.startswith(_APOSTROPHE, mark.index):
            text = f"{text[: mark.index]}'{_FILLER}{text[mark.index + len(_APOSTROPHE) :]}"
            return first_root(text, line, room)
        problem, above = str(error.problem), text[: mark.index]  # libyaml's messages quote no value
    except ReaderError as error:
        problem, above = "control characters are not allowed", text.encode()[: error.position].decode()
    except UnicodeEncodeError as error:
        problem, above = "half a character is not allowed", text[: error.start]
    raise NotYamlError(problem, line + above.count("\n") + 1, len(above) - above.rfind("\n"))


class _YamlComposer(Composer, CBaseLoader):
    """Composes PyYAML's nodes of libyaml's events."""

    def __init__(self, text: str, line: int, room: Room, *, is_json: bool) -> None:
        CBaseLoader.__init__(self, text)
        Composer.__init__(self)
        self._text, self._line, self._room, self._is_json = text, line, room, is_json
        self._depth = 0

    def first_root(self) -> Node | None:
        if not self.check_node():
            return None
        self.get_event()  # the document begins
        root = self.compose_node(None, None)
        end: Any = self.get_event()
        if not end.explicit:
            self.get_event()  # raises where something follows that belongs to nothing
        return root

    def compose_node(self, parent: Any, index: Any) -> Node | None:
        """Compose a node. An anchor may be given anew, and no node contains itself."""
        event: Any = self.peek_event()
        mark = event.start_mark
        event.start_mark = mark = Mark("", mark.index, self._line + mark.line, mark.column, None, 0)
        self._room.take(1, mark.line, mark.column)
        if not isinstance(event, AliasEvent):
            self.anchors.pop(event.anchor, None)
        elif event.anchor not in self.anchors:
            raise fault("there is no such anchor before it", mark)
        elif self.anchors[event.anchor].end_mark is None:  # it is being composed
            raise fault("the value of an anchor contains itself", mark)
        if self._depth > MAX_DEPTH:
            raise fault(f"it is nested deeper than {MAX_DEPTH} levels", mark)
        is_plain = isinstance(event, ScalarEvent) and not event.style
        if is_plain and "?" in event.value and getattr(parent, "flow_style", False):  # to go-yaml it is an indicator
            raise fault("found unexpected '?'", mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def compose_scalar_node(self, anchor: Any) -> ScalarNode:
        """Compose a scalar; the tag says whether it had quotes, and "!" that it is text."""
        event: Any = self.get_event()
        start, end = event.start_mark, event.end_mark
        if event.style == '"' and not self._is_json and _JSON_ESCAPE.search(self._text, start.index, end.index):
            raise fault("found unknown escape character '/'", start)
        tag = event.tag or (PLAIN if event.implicit[0] else TEXT)
        node = ScalarNode(tag, event.value.translate(_ORIGINALS), start, end)
        if anchor:
            self.anchors[anchor] = node
        return node

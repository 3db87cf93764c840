"""YAML and JSON as kubectl and oc read them: pure.

They read YAML 1.1 by a fork of go-yaml 2 (sigs.k8s.io/yaml), and make JSON of it: ``yes`` is true, ``0777`` is 511,
``2024-01-01`` and ``12:30`` are text, of two equal keys the last one counts, and keys are text. PyYAML reads another
dialect; its scanner and its parser are used here, what a scalar means is our own. Each rule is held against the real
kubectl in tests/kubernetes_yaml/test_reader.py.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from yaml import MarkedYAMLError
from yaml.events import AliasEvent, MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent, StreamEndEvent
from yaml.reader import ReaderError

from maintenance_ci.kubernetes_yaml.scalars import float_key, plain_scalar, tagged_scalar
from maintenance_ci.kubernetes_yaml.syntax import JsonParser, YamlParser

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Levels: no manifest has more, and Python's own stack bears them.
MAX_DEPTH = 100
_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be", b"\xef\xbb\xbf": "utf-8"}
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
# What a parser's message may quote: signs and names of the syntax. Everything else may be a value of the file.
_QUOTED = re.compile(r"""(['"])(?:(?P<sign><[a-z ]+>|[-?:,.\[\]{}&*!|>%@`])|.*?)\1""", re.DOTALL)


class NotYamlError(ValueError):
    """A text that kubectl would not read either.

    Args:
        problem: what is wrong, without any value of the text.
        line: where, counted from 1.
        column: where, counted from 1.
    """

    def __init__(self, problem: str, line: int, column: int) -> None:
        super().__init__(problem)
        self.problem, self.line, self.column = problem, line, column


@dataclass(frozen=True, eq=False)
class _Node:
    """A node of a document: a scalar has a text, a sequence items, a mapping pairs."""

    line: int
    column: int
    text: str | None = None
    items: list[_Node] | None = None
    pairs: list[tuple[_Node, _Node]] | None = None
    tag: str | None = None
    plain: bool = False


@dataclass(frozen=True, eq=False)
class Document:
    """One document of a text.

    Attributes:
        value: what it says, made of dicts with text as keys, lists, texts, numbers, booleans and None. Aliases are one
            and the same object.
    """

    value: Any
    _root: _Node

    def place(self, path: Sequence[str | int]) -> tuple[int, int]:
        """Return line and column, counted from 1, of a field's value; of the nearest around it where it has none."""
        node = self._root
        for part in path:
            inner = _child(node, part)
            if inner is None:
                break
            node = inner
        return node.line, node.column


def decode(content: bytes) -> str:
    """Return a file's text as kubectl decodes it: UTF-16 by its byte order mark, otherwise UTF-8.

    Bytes that are no UTF-8 become U+FFFD: in a comment they do no harm.
    """
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, errors="replace")
    return content.decode(errors="replace")


def read_documents(text: str) -> list[Document]:
    """Return the documents of a text, YAML or JSON, without those that are empty.

    Raises:
        NotYamlError: kubectl would refuse it.
    """
    documents = []
    for line, chunk in _chunks(text.removeprefix("\ufeff")):
        documents += _json_documents(chunk, line) if chunk.lstrip().startswith("{") else _yaml_documents(chunk, line)
    return [document for document in documents if document.value is not None]


def _chunks(text: str) -> Iterator[tuple[int, str]]:
    """Yield what stands between the lines ``---``, each with the number of the lines above it."""
    first, lines = 0, []
    # kubectl splits a file before it reads YAML, and knows no other ends of lines here.
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n")):
        if not line.startswith("---"):
            lines.append(line)
            continue
        rest = line[3:].strip()
        if rest and not rest.startswith("#"):
            raise NotYamlError("only a comment may follow --- on its line", number + 1, 4)
        yield first, "\n".join([*lines, ""])
        first, lines = number + 1, []
    yield first, "\n".join(lines)


def _json_documents(chunk: str, line: int) -> list[Document]:
    """Return JSON objects, one after the other; what begins like JSON, and is none, is YAML in flow style."""
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    values, position = [], 0
    try:
        while rest := chunk[position:].lstrip():
            position = len(chunk) - len(rest)
            value, position = decoder.raw_decode(chunk, position)
            values.append((value, position))
    except (ValueError, RecursionError):
        return _yaml_documents(chunk, line)
    documents, begin = [], 0
    for value, end in values:
        above = chunk[:begin].count("\n")
        root = _places_of_json("\n" * (line + above) + chunk[begin:end])
        documents.append(Document(_as_json(value, root), root))
        begin = end
    return documents


def _places_of_json(text: str) -> _Node:
    """Return JSON's nodes, which say where its fields are; one for all where JSON is not YAML."""
    try:
        root = _root(JsonParser, text)
    except NotYamlError:
        root = None
    return root or _Node(text.count("\n") - text.lstrip("\n").count("\n") + 1, 1)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


def _yaml_documents(chunk: str, line: int) -> list[Document]:
    root = _root(YamlParser, "\n" * line + chunk)
    return [Document(_Values().of(root), root)] if root else []


def _root(parser_of: type[YamlParser], text: str) -> _Node | None:
    """Return the first document of a text; what follows ``...`` is not read. None where there is none."""
    try:
        return _Composer(parser_of(text)).root()
    except NotYamlError:
        raise
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        says = error.problem or error.context or "it cannot be read"
        problem = _QUOTED.sub(lambda quoted: quoted[0] if quoted["sign"] else "…", says)
        raise NotYamlError(problem, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1) from None
    except ReaderError as error:
        above, _, before = text[: error.position].rpartition("\n")
        line = above.count("\n") + 1 + ("\n" in text[: error.position])
        raise NotYamlError("control characters are not allowed", line, len(before) + 1) from None
    except (ArithmeticError, LookupError, ValueError):  # an escape that is no character
        raise NotYamlError("it cannot be read", 1, 1) from None


class _Composer:
    """Makes nodes of a parser's events."""

    def __init__(self, parser: Any) -> None:
        self._parser = parser
        self._anchors: dict[str, _Node | None] = {}

    def root(self) -> _Node | None:
        self._parser.get_event()  # the stream begins
        if isinstance(self._parser.get_event(), StreamEndEvent):
            return None
        node = self.node(0)
        if not self._parser.get_event().explicit:
            self._parser.get_event()  # raises where something follows that belongs to nothing
        return node

    def node(self, depth: int) -> _Node:
        event = self._parser.get_event()
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, AliasEvent):
            return self._named(str(event.anchor), line, column)
        if depth > MAX_DEPTH:
            raise NotYamlError(f"it is nested deeper than {MAX_DEPTH} levels", line, column)
        if event.anchor:
            self._anchors[event.anchor] = None
        if isinstance(event, ScalarEvent):
            # The tag "!" says that it is text.
            tag = "tag:yaml.org,2002:str" if event.tag == "!" else event.tag
            node = _Node(line, column, text=event.value, tag=tag, plain=bool(event.implicit[0]))
        elif isinstance(event, MappingStartEvent):
            node = _Node(line, column, pairs=self._pairs(depth + 1))
        else:
            node = _Node(line, column, items=self._items(depth + 1))
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _named(self, anchor: str, line: int, column: int) -> _Node:
        if anchor not in self._anchors:
            raise NotYamlError("there is no such anchor before it", line, column)
        node = self._anchors[anchor]
        if node is None:
            raise NotYamlError("the value of an anchor contains itself", line, column)
        return node

    def _items(self, depth: int) -> list[_Node]:
        items = []
        while not isinstance(self._parser.peek_event(), SequenceEndEvent):
            items.append(self.node(depth))
        self._parser.get_event()
        return items

    def _pairs(self, depth: int) -> list[tuple[_Node, _Node]]:
        pairs = []
        while not isinstance(self._parser.peek_event(), MappingEndEvent):
            pairs.append((self.node(depth), self.node(depth)))
        self._parser.get_event()
        return pairs


class _Values:
    """What nodes say. A node that several aliases name is made once: a small file stays small."""

    def __init__(self) -> None:
        self._made: dict[int, Any] = {}

    def of(self, node: _Node) -> Any:
        if id(node) not in self._made:
            self._made[id(node)] = self._make(node)
        return self._made[id(node)]

    def _make(self, node: _Node) -> Any:
        if node.pairs is not None:
            return self._mapping(node.pairs)
        if node.items is not None:
            return [self.of(item) for item in node.items]
        return _json_number(_scalar(node), node)

    def _mapping(self, pairs: list[tuple[_Node, _Node]]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, value in pairs:
            if _is_merge(key):
                for merged in _merged(value, key):
                    made |= self.of(merged)
            else:
                made[_key(key)] = self.of(value)
        return made


def _merged(value: _Node, key: _Node) -> list[_Node]:
    """Return the mappings that ``<<`` merges, in go-yaml's order: of a sequence the first one counts most."""
    nodes = [value] if value.items is None else value.items[::-1]
    # go-yaml takes no alias of a sequence: one stands before its key.
    is_alias = value.items is not None and (value.line, value.column) < (key.line, key.column)
    if is_alias or any(node.pairs is None for node in nodes):
        raise NotYamlError("<< takes a mapping, or a sequence of mappings", key.line, key.column)
    return nodes


def _is_merge(key: _Node) -> bool:
    return key.text == "<<" and (key.plain or key.tag == "tag:yaml.org,2002:merge")


def _scalar(node: _Node) -> Any:
    text = node.text or ""
    if _HALF_CHARACTER.search(text):
        raise NotYamlError("an escape is no character", node.line, node.column)
    if node.tag is None:
        return plain_scalar(text) if node.plain else text
    try:
        return tagged_scalar(node.tag, text)
    except ValueError as error:
        raise NotYamlError(str(error), node.line, node.column) from None


def _key(node: _Node) -> str:
    """Return a mapping's key as the text that JSON has for it."""
    value = None if node.text is None else _scalar(node)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return float_key(value)
    if value is None or (isinstance(value, int) and value >= 2**63):
        raise NotYamlError("a key must be text, a number or a boolean", node.line, node.column)
    return str(value)


def _json_number(value: Any, node: _Node) -> Any:
    """Return a number as JSON brings it to the server: whole ones of 64 bits are integers, others are floats."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise NotYamlError("JSON has no such number", node.line, node.column)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        value = int(value)
    return float(value) if isinstance(value, int) and not -(2**63) <= value < 2**63 else value


def _as_json(value: Any, root: _Node) -> Any:
    """Return what JSON says, its numbers as the server has them, and half a character as U+FFFD."""
    if isinstance(value, dict):
        return {_whole(key): _as_json(inner, root) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_json(inner, root) for inner in value]
    return _whole(value) if isinstance(value, str) else _json_number(value, root)


def _whole(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _child(node: _Node, part: str | int) -> _Node | None:
    """Return the node of a mapping's field, or of a sequence's item."""
    if isinstance(part, int):
        return node.items[part] if node.items and part < len(node.items) else None
    values = [value for key, value in node.pairs or [] if _key_or_none(key) == part]
    return values[-1] if values else None


def _key_or_none(key: _Node) -> str | None:
    try:
        return _key(key)
    except NotYamlError:
        return None

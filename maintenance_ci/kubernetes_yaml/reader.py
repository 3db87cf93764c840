"""YAML and JSON as kubectl and oc read them: pure.

They read YAML 1.1 by a fork of go-yaml 2 (sigs.k8s.io/yaml), and make JSON of it: ``yes`` is true, ``0777`` is 511,
``2024-01-01`` and ``12:30`` are text, of two equal keys the last one counts, and keys are text. PyYAML reads another
dialect; its nodes are used here, what a scalar means is our own. Each rule is held against the real kubectl in
tests/kubernetes_yaml/test_reader.py.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from yaml import MappingNode, Mark, Node, ScalarNode, SequenceNode

from maintenance_ci.kubernetes_yaml.scalars import MAX_INTEGER, float_key, plain_scalar, tagged_scalar
from maintenance_ci.kubernetes_yaml.syntax import (
    PLAIN,
    TEXT,
    NotYamlError,
    Room,
    TooManyValuesError,
    fault,
    first_root,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Document", "NotYamlError", "decode", "read_documents"]
_MERGE_TAG = "tag:yaml.org,2002:merge"
_NO_BLANK = re.compile(r"\S")
# kubectl splits a file at these lines before it reads YAML, and knows no other ends of lines here.
_SEPARATOR = re.compile(r"^---[^\S\n]*(?P<rest>.*)$", re.MULTILINE)
_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]..")


@dataclass(frozen=True, eq=False)
class Document:
    """One document of a text.

    Attributes:
        value: its content, made of dicts with text as keys, lists, texts, numbers, booleans and None. Aliases are one
            and the same object.
    """

    value: Any
    _root: Node

    def place(self, path: Sequence[str | int]) -> tuple[int, int]:
        """Return line and column, counted from 1, of a field's value; of the nearest around it where it has none."""
        node = self._root
        with contextlib.suppress(LookupError):
            for part in path:
                node = _child(node, part)
        return node.start_mark.line + 1, node.start_mark.column + 1


def decode(content: bytes) -> str:
    """Return a file's text as kubectl decodes it: UTF-16 by its byte order mark, otherwise UTF-8.

    Bytes that are no UTF-8 become U+FFFD: in a comment they do no harm.
    """
    encoding = "utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
    return content.decode(encoding, errors="replace")


def read_documents(text: str) -> list[Document]:
    """Return the documents of a text, YAML or JSON, without those that are empty.

    Raises:
        NotYamlError: kubectl would refuse it.
    """
    documents, room = [], Room()
    for line, chunk in _chunks(text.removeprefix("\ufeff")):
        read = _json_documents if chunk.lstrip().startswith("{") else _yaml_documents
        documents += read(chunk, line, room)
    return [document for document in documents if document.value is not None]


def _chunks(text: str) -> Iterator[tuple[int, str]]:
    """Yield what stands between the lines ``---``, each with the number of the lines above it."""
    line = begin = 0
    text = text.replace("\r\n", "\n")
    for separator in _SEPARATOR.finditer(text):
        chunk = text[begin : separator.start()]
        yield line, chunk
        line, begin = line + chunk.count("\n") + 1, separator.end() + 1
        if separator["rest"] and not separator["rest"].startswith("#"):
            raise NotYamlError("only a comment may follow --- on its line", line, 4)
    yield line, text[begin:]


def _json_documents(chunk: str, line: int, room: Room) -> list[Document]:
    """Return JSON objects, one after the other; what begins like JSON, and is none, is YAML in flow style."""
    decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_json_integer)
    values, begin = [], 0
    try:
        while first := _NO_BLANK.search(chunk, begin):
            value, end = decoder.raw_decode(chunk, first.start())
            values.append((value, chunk[begin:end]))
            begin = end
    except (ValueError, RecursionError):
        return _yaml_documents(chunk, line, room)
    documents = []
    for value, text in values:
        root = _places_of_json(text, line, room)
        documents.append(Document(_as_json(value, root), root))
        line += text.count("\n")
    return documents


def _places_of_json(text: str, line: int, room: Room) -> Node:
    """Return JSON's nodes, which say where its fields are; one for all where JSON is not YAML."""
    try:
        # Half a character is none of YAML's escapes.
        root = first_root(_HALF_CHARACTER.sub(r"\\u0000", text), line, room, is_json=True)
    except TooManyValuesError:
        raise
    except NotYamlError:
        root = None
    first_line = line + len(text) - len(text.lstrip("\n"))
    return root or ScalarNode(TEXT, "", Mark("", 0, first_line, 0, "", 0), None)


def _json_integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= MAX_INTEGER else float(digits)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


def _yaml_documents(chunk: str, line: int, room: Room) -> list[Document]:
    root = first_root(chunk, line, room)
    return [Document(_Values(room)[root], root)] if root else []


class _Values(dict[Node, Any]):
    """The values of nodes. One that several aliases name is made once: a small file stays small."""

    def __init__(self, room: Room) -> None:
        super().__init__()
        self._room = room

    def __missing__(self, node: Node) -> Any:
        return self.setdefault(node, self._value(node))

    def _value(self, node: Node) -> Any:
        if isinstance(node, MappingNode):
            return self._mapping(node)
        if isinstance(node, SequenceNode):
            return [self[item] for item in node.value]
        return _json_number(_scalar(node), node)

    def _mapping(self, node: MappingNode) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key, value in node.value:
            if key.value == "<<" and key.tag in (PLAIN, "!", _MERGE_TAG):
                for merged in _merged(value, key):
                    self._room.take(len(self[merged]), key.start_mark.line, key.start_mark.column)
                    mapping |= self[merged]
            else:
                mapping[_key(key)] = self[value]
        return mapping


def _merged(value: Node, key: Node) -> list[Node]:
    """Return the mappings that ``<<`` merges, in go-yaml's order: of a sequence the first one counts most."""
    is_sequence = isinstance(value, SequenceNode)
    nodes = value.value[::-1] if is_sequence else [value]
    # go-yaml takes no alias of a sequence: one stands before its key.
    is_alias = is_sequence and value.start_mark.index < key.start_mark.index
    if is_alias or not all(isinstance(node, MappingNode) for node in nodes):
        raise fault("<< takes a mapping, or a sequence of mappings", key.start_mark)
    return nodes


def _scalar(node: Node) -> Any:
    try:
        return plain_scalar(node.value) if node.tag == PLAIN else tagged_scalar(node.tag, node.value)
    except ValueError as error:
        raise fault(str(error), node.start_mark) from None


def _key(node: Node) -> str:
    """Return a mapping's key as the text that JSON has for it."""
    value = _scalar(node) if isinstance(node, ScalarNode) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return float_key(value)
    if value is None or (isinstance(value, int) and value >= 2**63):
        raise fault("a key must be text, a number or a boolean", node.start_mark)
    return str(value)


def _json_number(value: Any, node: Node) -> Any:
    """Return a number as JSON brings it to the server: whole ones of 64 bits are integers, others are floats."""
    if type(value) not in (int, float):
        return value
    if not math.isfinite(value):
        raise fault("JSON has no such number", node.start_mark)
    whole = isinstance(value, int) or value.is_integer()
    return int(value) if whole and -(2**63) <= value < 2**63 else float(value)


def _as_json(value: Any, root: Node) -> Any:
    """Return a value of JSON with its numbers as the server has them, and U+FFFD for half a character."""
    if isinstance(value, dict):
        return {_whole_characters(key): _as_json(inner, root) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_json(inner, root) for inner in value]
    return _whole_characters(value) if isinstance(value, str) else _json_number(value, root)


def _whole_characters(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _child(node: Node, part: str | int) -> Node:
    """Return the node of a mapping's field, or of a sequence's item; raises LookupError where there is none."""
    nodes: list[Node] = []
    if isinstance(node, SequenceNode) and isinstance(part, int):
        nodes = node.value[part : part + 1]
    elif isinstance(node, MappingNode):
        nodes = [value for key, value in node.value if _key(key) == part]
    return nodes[-1]

"""YAML and JSON are read as the real kubectl reads them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from maintenance_ci.kubernetes_yaml import syntax
from maintenance_ci.kubernetes_yaml.reader import NotYamlError, decode, read_documents
from tests.tools.kubernetes_yaml_cases import FILES, HEAD, OTHERS, PLAIN

KUBECTL = Path(sys.executable).with_name("kubectl")
TEXTS: list[str | tuple[str, str]] = [HEAD + f"spec:\n  v: {value}\n" for value in [*PLAIN, *OTHERS]] + FILES


@dataclass
class Reading:
    """What somebody read out of each text, by its number; a text that was refused is not there."""

    of: dict[int, list[Any]] = field(default_factory=dict)


def content(number: int) -> bytes:
    text = TEXTS[number]
    text, encoding = (text, "utf-8") if isinstance(text, str) else text
    return text.replace("NAME", f"n{number}").encode(encoding)


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    """All texts as kubectl reads them, in one call: what it refuses it says by the file's name."""
    folder = tmp_path_factory.mktemp("texts")
    for number in range(len(TEXTS)):
        (folder / f"n{number}.yaml").write_bytes(content(number))
    # --local asks no server; a change is wanted, and it is taken away again below.
    done = subprocess.run(
        [KUBECTL, "annotate", "--local", "-f", folder, "-o", "json", "seen=yes"], capture_output=True, check=False
    )
    refused = {int(number) for number in re.findall(r"/n(\d+)\.yaml", done.stderr.decode())}
    reading = Reading({number: [] for number in range(len(TEXTS)) if number not in refused})
    for document in objects(done.stdout.decode()):
        del document["metadata"]["annotations"]
        number = int(document["metadata"]["name"][1:])
        if number not in refused:  # what stands before the fault
            reading.of[number].append(document)
    return reading


def objects(text: str) -> Iterator[dict[str, Any]]:
    decoder, at = json.JSONDecoder(), 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        value, at = decoder.raw_decode(text, at)
        yield value


def read_by_us(number: int) -> list[Any] | None:
    try:
        return [document.value for document in read_documents(decode(content(number)))]
    except NotYamlError:
        return None


def canonical(value: Any) -> Any:
    """A value whose numbers are compared as JSON's are: 64-bit floats where they are no 64-bit integers."""
    if isinstance(value, dict):
        return {key: canonical(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [canonical(inner) for inner in value]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    exact = isinstance(value, int) and abs(value) < 2**62
    return ("integer", value) if exact else ("number", float(value))


def test_every_text_is_read_as_kubectl_reads_it(kubectl: Reading) -> None:
    wrong = {
        TEXTS[number]: (read_by_us(number), kubectl.of.get(number))
        for number in range(len(TEXTS))
        if canonical(read_by_us(number)) != canonical(kubectl.of.get(number))
    }
    assert wrong == {}
    assert len(TEXTS) > 300
    assert 60 < len(TEXTS) - len(kubectl.of) < 150  # both answers are there


def test_pyyaml_s_own_reader_would_be_found_out(kubectl: Reading) -> None:
    """The proof can fail: of the same texts PyYAML reads many otherwise."""

    def read_by_pyyaml(number: int) -> list[Any] | None:
        try:
            return canonical([one for one in yaml.safe_load_all(content(number)) if one is not None])
        except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, RuntimeError, ValueError, TypeError):
            return None

    wrong = [n for n in range(len(TEXTS)) if read_by_pyyaml(n) != canonical(kubectl.of.get(n))]
    assert len(wrong) > 60


@pytest.mark.parametrize(
    ("text", "line", "column", "problem"),
    [
        ("kind: Template\n- name: HOST\n", 2, 1, "did not find expected key"),
        ("a: 1\n---\nb: [\n", 4, 1, "did not find expected node content"),
        ("a: 1\nb:\n\tc: 1\n", 3, 1, "found character that cannot start any token"),
        ("a: 1\nb: [", 2, 5, "did not find expected node content"),
        ("a: hunter2: x\n", 1, 11, "mapping values are not allowed in this context"),
        ("a: *hunter2\n", 1, 4, "there is no such anchor before it"),
        ("a: &hunter2 [*hunter2]\n", 1, 14, "the value of an anchor contains itself"),
        ('a: "\\h"\n', 1, 5, "found unknown escape character"),
        ("a: !hunter2!x y\n", 1, 4, "found undefined tag handle"),
        ("a: !!int hunter2\n", 1, 4, "it is tagged !!int, and is none"),
        ("a: x\n#\x07\n", 2, 2, "control characters are not allowed"),
        ("a: é:[b\n#\x07\n", 2, 2, "control characters are not allowed"),
        ("a: x\nb: \ud83d\n", 2, 4, "half a character is not allowed"),
        ("a: x\n--- b\n", 2, 4, "only a comment may follow --- on its line"),
        ("a: {hunter2}: x\n", 1, 13, "mapping values are not allowed in this context"),
        ("{{ hunter2 }}\n", 1, 2, "a key must be text, a number or a boolean"),
        ("a: .inf\n", 1, 4, "JSON has no such number"),
        ("a: {<<: hunter2}\n", 1, 5, "<< takes a mapping, or a sequence of mappings"),
        ("a: " + "[" * 150, 1, 104, "it is nested deeper than 100 levels"),
        ("a: " + "[" * 3000, 1, 104, "it is nested deeper than 100 levels"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_by_its_place_and_without_values(text: str, line: int, column: int, problem: str) -> None:
    with pytest.raises(NotYamlError) as caught:
        read_documents(text)
    assert (caught.value.problem, caught.value.line, caught.value.column) == (problem, line, column)


@pytest.mark.parametrize(
    ("text", "path", "place"),
    [
        ("a: 1\nspec:\n  to: {name: x}\n", ["spec", "to", "name"], (3, 14)),
        ("a: 1\nspec:\n  to: {name: x}\n", ["spec", "tls", "termination"], (3, 3)),
        ("---\n---\na: [x, {b: y}]\n", ["a", 1, "b"], (3, 12)),
        ("a: [x]\n", ["a", 5], (1, 4)),
        ("8080: x\n", ["8080"], (1, 7)),
        ("b: 1\nb: 2\n", ["b"], (2, 4)),
        ('{\n\t"a": {\n\t\t"b": "\\/"}}\n', ["a", "b"], (3, 8)),
        ('{"a": 1}\n{"a":\n2}\n', ["a"], (1, 7)),
        ("a: 1\n", [], (1, 1)),
    ],
)  # fmt: skip
def test_the_place_of_a_field(text: str, path: list[str | int], place: tuple[int, int]) -> None:
    assert read_documents(text)[0].place(path) == place


def test_the_place_in_a_later_document() -> None:
    assert read_documents('{"a": 1}\n{"a":\n2}\n')[1].place(["a"]) == (3, 1)
    assert read_documents("a: 1\n---\n# x\na: 2\n")[1].place(["a"]) == (4, 4)


def test_aliases_are_one_object() -> None:
    """A few lines are no more in memory, however often their aliases name each other."""
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40))
    (document,) = read_documents(bomb)
    assert document.value["a39"][0] is document.value["a39"][8]


FEW = 2000
MANY = {
    "items": "x: [" + "a," * FEW + "]",
    "merged keys": "a: &a {" + ", ".join(f"k{n}: 1" for n in range(100)) + "}\nb: [" + "{<<: *a}, " * 50 + "]",
    "documents": "---\n" * (FEW + 1),
    "JSON": '{"a": [' + "1," * FEW + "1]}",
    "JSON documents": "{}\n" * FEW,
}


@pytest.mark.parametrize("kind", MANY)
def test_more_values_than_any_manifest_has(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_documents(MANY[kind]) or kind == "documents"
    monkeypatch.setattr(syntax, "MAX_VALUES", FEW)
    with pytest.raises(syntax.TooManyValuesError) as caught:
        read_documents(MANY[kind])
    assert caught.value.problem == f"it holds over {FEW} values, more than any manifest"


def test_what_a_document_takes_does_not_grow_with_its_line() -> None:
    """Of files with ten times the documents each one took ten times as long."""

    def took(documents: int) -> float:
        began = time.process_time()
        assert len(read_documents("a: 1\n---\n" * documents)) == documents
        return (time.process_time() - began) / documents

    def least(documents: int) -> float:  # what else the process, or the machine, does in between only adds to it
        return min(took(documents) for _ in range(3))

    few, many = least(200), least(4000)
    assert many < 4 * few  # it was 18 times as much

"""Each error's message in the code is a sentence: the log puts "Nothing was changed." and what to do behind it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import maintenance_ci
from maintenance_ci import errors

CORE = Path(maintenance_ci.__file__).parent
ERRORS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.MaintenanceError)
    # Their arguments are lists of faults, and of errors.
    if kind not in (errors.VariableError, errors.RefusedError)
}
MODULES = sorted(path for path in CORE.rglob("*.py") if "rehearsal" not in path.parts)
# What stands in a message for a value that the job fills in.
VALUE = "\0"


def text_of(node: ast.expr) -> str | None:
    """A text as it is written in the code; None where it is made elsewhere."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else VALUE for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def fault_of(what: str, advice: str) -> str:
    """Why a message is no sentence, or its advice none; empty: it is."""
    # A command may begin a sentence, and end an advice.
    if not (what[0].isupper() or what.startswith((VALUE, "oc "))):
        return "it does not begin like a sentence"
    if not what.endswith((".", VALUE)):
        return "it does not end like a sentence"
    return (
        "" if advice == "" or advice[0].isupper() or advice.startswith((VALUE, "--")) else "its advice does not begin"
    )


def errors_in(source: str) -> list[tuple[str, str]]:
    """The errors that a module raises with a text of its own: message and advice, as far as they are written."""
    calls = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS
    ]
    texts = [[text_of(argument) for argument in call.args[:2]] for call in calls]
    return [(text[0], (text[1] if len(text) > 1 else None) or "") for text in texts if text and text[0]]


def faults_in(source: str) -> list[str]:
    """The errors of a module that are no sentences."""
    return [f"{what!r}: {fault}" for what, advice in errors_in(source) if (fault := fault_of(what, advice))]


def test_each_error_is_a_sentence() -> None:
    sources = {path.relative_to(CORE).as_posix(): path.read_text() for path in MODULES}
    assert {name: faults for name, source in sources.items() if (faults := faults_in(source))} == {}
    assert sum(len(errors_in(source)) for source in sources.values()) > 80


@pytest.mark.parametrize(
    "call",
    [
        'raise MaintenanceError("there is no folder.")',
        'raise MaintenanceError(f"There is no folder {name}: make it")',
        'raise ForbiddenError("The token lacks a right.", "give it the Role.")',
    ],
)
def test_what_is_no_sentence_is_noticed(call: str) -> None:
    assert len(faults_in(call)) == 1


def test_a_sentence_is_one() -> None:
    assert faults_in('raise MaintenanceError(f"There is no folder {name}.", f"{command} makes it.")') == []

from __future__ import annotations

import re
from typing import Any

import pytest

from maintenance_ci.rehearsal.apiserver.kinds import templates


def process(objects: list[Any], parameters: list[Any], labels: Any = None) -> list[Any]:
    template = {"objects": objects, "parameters": parameters} | ({"labels": labels} if labels else {})
    processed, causes = templates.process(template)
    assert causes == []
    result: list[Any] = processed["objects"]
    return result


def test_parameters_are_filled_in_as_recorded() -> None:
    annotations = {"kept": "$APP_NAME $${APP_NAME} ${UNKNOWN}"}
    route = {"metadata": {"name": "${APP_NAME}", "annotations": annotations}, "port": "${{PORT}}"}
    parameters = [{"name": "APP_NAME", "value": "app"}, {"name": "PORT", "value": "8080"}]
    assert process([route], parameters, {"from": "template"}) == [
        {
            "metadata": {
                "annotations": {"kept": "$APP_NAME $app ${UNKNOWN}"},
                "labels": {"from": "template"},
                "name": "app",
            },
            "port": 8080,
        }
    ]


@pytest.mark.parametrize(
    ("text", "value", "filled"),
    [
        ("${{X}}", "true", True),
        ("${{X}}", '{"a": 1}', {"a": 1}),
        ("${{X}}", "text", "text"),
        ("a${{X}}", "1", "a${{X}}"),
        ("${X}", "1", "1"),
        ("${X}-${X}", "1", "1-1"),
    ],
)
def test_references(text: str, value: str, filled: Any) -> None:
    assert templates.substitute({"k": [text]}, {"X": value}) == {"k": [filled]}


@pytest.mark.parametrize(
    ("expression", "pattern"),
    [
        ("[a-z0-9]{8}", r"[a-z0-9]{8}"),
        ("user-[A-F]{3}-[\\d]{2}", r"user-[A-F]{3}-[0-9]{2}"),
        ("[\\w]{20}", r"[A-Za-z0-9_]{20}"),
        ("[xy]{30}", r"[xy]{30}"),
        ("plain", "plain"),
    ],
)
def test_generated_values(expression: str, pattern: str) -> None:
    assert re.fullmatch(pattern, templates.generate(expression))


def test_a_given_value_is_not_generated_anew() -> None:
    parameter = {"name": "T", "value": "kept", "generate": "expression", "from": "[a-z]{8}"}
    assert process([{"t": "${T}"}], [parameter]) == [{"t": "kept"}]


def test_a_required_parameter_without_value_is_a_cause() -> None:
    _, causes = templates.process(
        {"objects": [], "parameters": [{"name": "A"}, {"name": "HOSTNAME", "required": True}]}
    )
    assert [vars(cause) for cause in causes] == [
        {
            "reason": "FieldValueRequired",
            "message": "Required value: template.parameters[1]: parameter HOSTNAME is required and must be specified",
            "field": "template.parameters[1]",
        }
    ]


def test_an_unknown_generator_is_a_cause() -> None:
    _, causes = templates.process({"parameters": [{"name": "A", "generate": "magic"}]})
    assert [cause.field for cause in causes] == ["template.parameters[0]"]


def test_a_fixed_namespace_is_taken_out_and_one_from_a_parameter_stays() -> None:
    objects = [{"metadata": {"namespace": "fixed"}}, {"metadata": {"namespace": "${N}"}}]
    assert process(objects, [{"name": "N", "value": "given"}]) == [
        {"metadata": {}},
        {"metadata": {"namespace": "given"}},
    ]

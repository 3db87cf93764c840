"""Templates: parameters filled into objects, as the server does it for ``processedtemplates``. Pure, but for chance."""

from __future__ import annotations

import copy
import json
import re
import secrets
import string
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.apiserver.errors import Cause, invalid_value, required_value

if TYPE_CHECKING:
    from collections.abc import Mapping

Object = dict[str, Any]

_REFERENCE = re.compile(r"\$\{([A-Za-z0-9_]+)\}")
_WHOLE_VALUE = re.compile(r"\$\{\{([A-Za-z0-9_]+)\}\}")
_GENERATOR = re.compile(r"\[([^\]]+)\]\{(\d+)\}")
_CLASSES = {
    r"\w": string.ascii_letters + string.digits + "_",
    r"\d": string.digits,
    r"\a": string.ascii_letters,
    r"\A": "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~\\",
}
_RANGE = re.compile(r"\\[wdaA]|(.)-(.)|(.)")


def process(template: Object) -> tuple[Object, list[Cause]]:
    """The template with its parameters' values, and its objects with them filled in; or what is wrong with it."""
    processed = copy.deepcopy(template)
    causes = []
    for index, parameter in enumerate(processed.get("parameters") or []):
        causes += _give_value(parameter, f"template.parameters[{index}]")
    if causes:
        return processed, causes
    values = {one["name"]: one.get("value", "") for one in processed.get("parameters") or []}
    labels = {_fill(name, values): _label(text, values) for name, text in (processed.get("labels") or {}).items()}
    objects = [_without_fixed_namespace(obj) for obj in processed.get("objects") or []]
    processed["objects"] = [_sorted(_with_labels(substitute(obj, values), labels)) for obj in objects]
    if processed.get("parameters"):
        processed["parameters"] = [_ordered(parameter) for parameter in processed["parameters"]]
    return processed, []


def _sorted(value: Any) -> Any:
    """The objects come back with their fields in the order of the alphabet, as from the real server."""
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(inside) for inside in value] if isinstance(value, list) else value


def _ordered(parameter: Object) -> Object:
    names = ("name", "displayName", "description", "value", "generate", "from", "required")
    return {name: parameter[name] for name in names if parameter.get(name)}


def _give_value(parameter: Object, field: str) -> list[Cause]:
    if not parameter.get("value") and parameter.get("generate"):
        if parameter["generate"] != "expression":
            detail = f"template.parameters: Unable to find the generator: {parameter['generate']}"
            return [invalid_value(field, parameter["generate"], detail)]
        parameter["value"] = generate(parameter.get("from", ""))
    if parameter.get("required") and not parameter.get("value"):
        detail = f"{field}: parameter {parameter['name']} is required and must be specified"
        return [required_value(field, detail)]
    return []


def generate(expression: str) -> str:
    """A random string that fits the expression: ``[a-z0-9]{8}``, ``user-[\\w]{4}``."""
    return _GENERATOR.sub(lambda match: _random(_alphabet(match[1]), int(match[2])), expression)


def _alphabet(expression: str) -> str:
    letters = ""
    for match in _RANGE.finditer(expression):
        first, last, single = match.groups()
        if first:
            letters += "".join(map(chr, range(ord(first), ord(last) + 1)))
        else:
            letters += single or _CLASSES[match[0]]
    return letters


def _random(letters: str, length: int) -> str:
    return "".join(secrets.choice(letters) for _ in range(length))


def substitute(value: Any, values: Mapping[str, str]) -> Any:
    """``value`` with ``${NAME}`` filled in, and ``${{NAME}}``, where it is a whole string, replaced by its JSON value.

    References to parameters that do not exist stay as they are.
    """
    if isinstance(value, dict):
        return {_fill(name, values): substitute(inside, values) for name, inside in value.items()}
    if isinstance(value, list):
        return [substitute(inside, values) for inside in value]
    if not isinstance(value, str):
        return value
    whole = _WHOLE_VALUE.fullmatch(value)
    return _as_json(values[whole[1]]) if whole and whole[1] in values else _fill(value, values)


def _label(text: Any, values: Mapping[str, str]) -> Any:
    """The value of a label, which stays text with ``${{NAME}}``, too (library-go, EvaluateParameterSubstitution)."""
    whole = _WHOLE_VALUE.fullmatch(text) if isinstance(text, str) else None
    return values[whole[1]] if whole and whole[1] in values else substitute(text, values)


def _fill(text: str, values: Mapping[str, str]) -> str:
    return _REFERENCE.sub(lambda match: values.get(match[1], match[0]), text)


def _as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _without_fixed_namespace(obj: Object) -> Object:
    """A namespace that stands in the template in so many words is taken out, one from a parameter stays."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or "namespace" not in metadata or "${" in str(metadata["namespace"]):
        return obj
    return {**obj, "metadata": {name: value for name, value in metadata.items() if name != "namespace"}}


def _with_labels(obj: Object, labels: Object) -> Object:
    metadata = obj.get("metadata") or {}
    if not labels or not isinstance(metadata, dict):
        return obj
    return {**obj, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **labels}}}

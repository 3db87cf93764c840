"""Jinja2, sandboxed and strict: pure. Templates come from people, and from another project."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import yaml
from jinja2 import StrictUndefined, TemplateError, Undefined
from jinja2.exceptions import SecurityError
from jinja2.sandbox import SandboxedEnvironment

from maintenance_ci.errors import MaintenanceError

if TYPE_CHECKING:
    from collections.abc import Mapping


def _to_yaml(value: object) -> str:
    """Write a value so that no text in it can change the document around it: in flow style, every string quoted.

    Jinja2's own ``tojson`` writes characters beyond U+FFFF as two surrogates, which YAML does not join again.
    """
    if isinstance(value, Undefined):
        return str(value)  # raises: the template names a variable that it was not given
    return yaml.safe_dump(value, default_flow_style=True, default_style='"', width=math.inf).strip()


# A manifest is not HTML: quoting is the template's, by `toyaml`.
_ENVIRONMENT = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
_ENVIRONMENT.filters["toyaml"] = _to_yaml
for endless in ("range", "lipsum"):  # what could keep a job busy for ever
    del _ENVIRONMENT.globals[endless]
# What Python may say of a template that is wrong, besides Jinja2's own errors.
_FAULTS = (
    TemplateError,
    yaml.YAMLError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


def render(template: str, values: Mapping[str, Any], *, name: str) -> str:
    """Render ``template``; a variable that it lacks is an error.

    Raises:
        MaintenanceError: it is no valid template, names an unknown variable, or does what the sandbox forbids.
    """
    try:
        return _ENVIRONMENT.from_string(template).render(values)
    except SecurityError as error:
        raise MaintenanceError(f"{name} does what a template may not do: {error}.") from error
    except _FAULTS as error:
        raise MaintenanceError(f"{name} does not render: {error}.") from error

"""Jinja2, sandboxed and strict: pure. Templates come from people, and from another project."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import yaml
from jinja2 import StrictUndefined, TemplateError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import SandboxedEnvironment

from maintenance_ci.errors import MaintenanceError

if TYPE_CHECKING:
    from collections.abc import Mapping


def _to_yaml(value: object) -> str:
    """Write a value so that no text in it can change the document around it: in flow style, every string quoted.

    Jinja2's own ``tojson`` writes characters beyond U+FFFF as two surrogates, which YAML does not join again.
    """
    return yaml.safe_dump(value, default_flow_style=True, default_style='"', width=math.inf).strip()


# A manifest is not HTML: quoting is the template's, by `toyaml`.
_ENVIRONMENT = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
_ENVIRONMENT.filters["toyaml"] = _to_yaml


def render(template: str, values: Mapping[str, Any], *, name: str) -> str:
    """Render ``template``; a variable that it lacks is an error.

    Raises:
        MaintenanceError: it is no valid template, names an unknown variable, or does what the sandbox forbids.
    """
    try:
        return _ENVIRONMENT.from_string(template).render(values)
    except SecurityError as error:
        raise MaintenanceError(f"{name} does what a template may not do: {error}.") from error
    except (TemplateError, ArithmeticError, TypeError, ValueError, LookupError, RecursionError) as error:
        raise MaintenanceError(f"{name} does not render: {error}.") from error

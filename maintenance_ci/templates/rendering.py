"""Jinja2, sandboxed and strict: pure. Templates come from people, and from another project."""

from __future__ import annotations

import contextlib
import math
import re
import resource
import signal
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import yaml
from jinja2 import BaseLoader, StrictUndefined, TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import SandboxedEnvironment

from maintenance_ci.errors import MaintenanceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jinja2.runtime import Context


# Seconds: a manifest renders in milliseconds.
RENDER_TIMEOUT = 5.0
# Bytes: a manifest takes a few hundred thousand.
RENDER_MEMORY = 256 * 1024 * 1024
# Characters: no manifest of a Route is longer.
MAX_RENDERED = 256 * 1024
MAX_FACTOR = 10_000


def _to_yaml(value: object) -> str:
    """Write a value so that no text in it can change the document around it: in flow style, every string quoted.

    Jinja2's own ``tojson`` writes characters beyond U+FFFF as two surrogates, which YAML does not join again.
    """
    if isinstance(value, Undefined):
        return str(value)  # raises: the template names a variable that it was not given
    return yaml.safe_dump(value, default_flow_style=True, default_style='"', width=math.inf).strip()


class _Sandbox(SandboxedEnvironment):
    """Without the operators by which a few characters become gigabytes."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if not all(isinstance(value, (int, float)) and abs(value) <= MAX_FACTOR for value in (left, right)):
            raise SecurityError(f"{operator} is for small numbers")
        return super().call_binop(context, operator, left, right)


class _NoFiles(BaseLoader):
    """Knows no other files: a template is one text."""

    def get_source(self, *_: Any) -> NoReturn:
        raise TemplateError("it takes in another file, by include, import or extends: it must stand alone")


# A manifest is not HTML: quoting is the template's, by `toyaml`.
_ENVIRONMENT = _Sandbox(loader=_NoFiles(), undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
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
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


# By this name Python's traceback knows the lines of a template.
_FILE = "<template>"
_QUOTED = re.compile(r"""(['"])(.*?)\1""", re.DOTALL)
# What Jinja2 and Python quote of their own.
_KNOWN = frozenset(
    {
        "end of template",
        "end of statement block",
        "end of print statement",
        "elif",
        "else",
        "endif",
        "endfor",
        "if",
        "for",
    }
    | {
        "dict object",
        "list object",
        "str object",
        "int object",
        "str",
        "int",
        "float",
        "list",
        "dict",
        "bool",
        "NoneType",
    }
)


@contextlib.contextmanager
def _deadline(name: str) -> Iterator[None]:
    """End a template that does not come to its end; only the main thread can be interrupted, and only there it is."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    over = False

    def give_up(_signal: int, _frame: object) -> None:
        if not over:
            raise MaintenanceError(f"{name} does not render: it takes longer than {RENDER_TIMEOUT:g} s.")

    before = signal.signal(signal.SIGALRM, give_up)
    # Again and again: where Python calls something that may not fail, what is raised in it is lost.
    signal.setitimer(signal.ITIMER_REAL, RENDER_TIMEOUT, 0.1)
    try:
        try:
            yield
        finally:
            over = True  # what ends the body, and whoever does, is not interrupted
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _little_memory() -> Iterator[None]:
    """End a template that grows without bounds: what it asks for beyond the limit is refused, as a MemoryError."""
    try:
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:  # not Linux
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limits = [limit for limit in (soft, hard, size + RENDER_MEMORY) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextlib.contextmanager
def limited(name: str) -> Iterator[None]:
    """Let the body, which works on a template, neither last long nor take the job's memory.

    Raises:
        MaintenanceError: it would.
    """
    try:
        with _little_memory(), _deadline(name):
            yield
    except MemoryError as error:
        raise MaintenanceError(f"{name} does not render: it takes more memory than any manifest.") from error


def _line(error: BaseException) -> str:
    """Return the template's line at which it failed, ``:7``, or nothing."""
    if isinstance(error, TemplateSyntaxError):
        return f":{error.lineno}"
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == _FILE]
    return f":{lines[-1]}" if lines else ""


def _cause(error: BaseException, template: str) -> str:
    """Return what is wrong, without any value of the template or of its variables: they may be secret.

    Names that the template gives to variables, attributes and filters are told: they are what a person must correct.
    """
    if not isinstance(error, (TemplateError, ArithmeticError, TypeError)):
        return type(error).__name__
    names = _names(template)
    message = _QUOTED.sub(lambda match: match[0] if match[2] in names or match[2] in _KNOWN else "…", str(error))
    return message.rstrip(".")


def _names(template: str) -> set[str]:
    """Return the names in a template: none where it cannot be parsed."""
    try:
        tree = _ENVIRONMENT.parse(template)
    except TemplateSyntaxError:
        return set()
    named = tree.find_all((nodes.Name, nodes.Filter, nodes.Test, nodes.Getattr))
    return {str(getattr(node, "name", None) or getattr(node, "attr", "")) for node in named}


def render(template: str, values: Mapping[str, Any], *, name: str) -> str:
    """Render ``template``; a variable that it lacks is an error.

    Raises:
        MaintenanceError: it is no valid template, names an unknown variable, or does what the sandbox forbids.
    """
    try:
        with limited(name):
            rendered = _ENVIRONMENT.from_string(template).render(values)
    except SecurityError as error:
        raise MaintenanceError(
            f"{name}{_line(error)} does what a template may not do: {_cause(error, template)}."
        ) from None
    except _FAULTS as error:
        raise MaintenanceError(f"{name}{_line(error)} does not render: {_cause(error, template)}.") from None
    if len(rendered) > MAX_RENDERED:
        raise MaintenanceError(f"{name} renders to {len(rendered)} characters, more than any manifest.")
    return rendered

"""Jinja2, sandboxed and strict, for templates that nobody here has written: a process of its own.

`maintenance_ci.templates.rendering` starts it and alone speaks with it, in lines of JSON: ``{"template", "values",
"name", "seconds"}`` is answered by ``{"rendered"}`` or ``{"error"}``. A template can end this process; not the job.
"""

from __future__ import annotations

import json
import math
import os
import queue
import re
import resource
import signal
import sys
import threading
import traceback
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import yaml
from jinja2 import BaseLoader, StrictUndefined, TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import Namespace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Template
    from jinja2.runtime import Context

# Characters: no manifest of a Route is longer.
MAX_RENDERED = 256 * 1024
MAX_FACTOR = 10_000
# By this name Python's traceback knows the lines of a template.
_FILE = "<template>"
_QUOTED = re.compile(r"""(['"])((?:\\.|(?!\1).)*)\1""", re.DOTALL)
# What Jinja2 and Python quote of their own.
_KNOWN = {"end of template", "end of statement block", "end of print statement", "elif", "else", "endif", "endfor"}
_KNOWN |= {"if", "for", "dict object", "list object", "str object", "int object"}
_KNOWN |= {"set", "endset", "with", "endwith", "macro", "endmacro", "filter", "endfilter", "block", "endblock", "raw"}
_KNOWN |= {"name", "string", "integer", "operator", "begin of print statement", "begin of statement block"}
_PUNCTUATION = re.compile(r"[^\w\s]{1,2}")
_KNOWN |= {"str", "int", "float", "list", "dict", "bool", "NoneType"}


class _NamespaceName(str):
    """The Route's namespace. Jinja2 has a function of that name, by which a loop can keep a value: it is that, too."""

    __slots__ = ()

    def __call__(self, **values: Any) -> Namespace:
        return Namespace(**values)


def _to_yaml(value: object) -> str:
    """Write a value so that no text in it can change the document around it: in flow style, every string quoted.

    Jinja2's own ``tojson`` writes characters beyond U+FFFF as two surrogates, which YAML does not join again.
    """
    if isinstance(value, Undefined):
        return str(value)  # raises: the template names a variable that it was not given
    if isinstance(value, _NamespaceName):
        value = str(value)
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
    names = _names(template) | _KNOWN

    def shown(quoted: re.Match[str]) -> str:
        return quoted[0] if quoted[2] in names or _PUNCTUATION.fullmatch(quoted[2]) else "…"

    return _QUOTED.sub(shown, str(error)).rstrip(".")


def _names(template: str) -> set[str]:
    """Return the names in a template: none where it cannot be parsed."""
    try:
        tree = _ENVIRONMENT.parse(template)
    except TemplateSyntaxError:
        return set()
    named = tree.find_all((nodes.Name, nodes.Filter, nodes.Test, nodes.Getattr))
    return {str(getattr(node, "name", None) or getattr(node, "attr", "")) for node in named}


@lru_cache(maxsize=32)
def _compiled(template: str) -> Template:
    """Return a template that can be rendered, again and again: the maintenance Route's is, for each Route."""
    return _ENVIRONMENT.from_string(template)


def render(template: str, values: Mapping[str, Any], name: str) -> dict[str, str]:
    """Return ``{"rendered": …}``; or ``{"error": …}``, a sentence that names the line and no value.

    Raises:
        MemoryError: it takes more than this process has.
    """
    try:
        named = {"namespace": _NamespaceName(values["namespace"])} if isinstance(values.get("namespace"), str) else {}
        rendered = _compiled(template).render({**values, **named})
    except MemoryError:
        raise
    except SecurityError as error:
        return {"error": f"{name}{_line(error)} does what a template may not do: {_cause(error, template)}."}
    except Exception as error:  # noqa: BLE001 - whatever Python says of a template, its author must correct it
        return {"error": f"{name}{_line(error)} does not render: {_cause(error, template)}."}
    if len(rendered) > MAX_RENDERED:
        return {"error": f"{name} renders to {len(rendered)} characters, more than any manifest."}
    return {"rendered": rendered}


def _limit_memory(memory: int) -> None:
    """Let the kernel refuse what goes beyond ``memory`` bytes more than now; only Linux says how much that is."""
    try:
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return
    limits = [limit for limit in resource.getrlimit(resource.RLIMIT_AS) if limit != resource.RLIM_INFINITY]
    least = min(size + memory, *limits) if limits else size + memory
    resource.setrlimit(resource.RLIMIT_AS, (least, least))


def _receive(requests: queue.SimpleQueue[bytes]) -> None:
    """Take in requests; end this process, whatever it does, when nobody can send any more: the job has ended."""
    for line in sys.stdin.buffer:
        requests.put(line)
    os._exit(0)


def _send(answer: Mapping[str, str]) -> None:
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    sys.stdout.buffer.flush()


def main(memory: int) -> None:
    """Answer requests until the job ends, or a template takes more than ``memory`` bytes."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(requests,), daemon=True).start()
    _limit_memory(memory)
    out_of_memory = False
    _send({"rendered": ""})  # it is ready
    while not out_of_memory:
        request = json.loads(requests.get())
        # If the job is killed during a long step, no thread here notices that: then the kernel ends this process.
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])
        try:
            answer = render(request["template"], request["values"], request["name"])
        except MemoryError:
            answer = {"error": f"{request['name']} does not render: it takes more memory than any manifest."}
            out_of_memory = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        _send(answer)
    os._exit(0)

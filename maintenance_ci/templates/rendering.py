"""Rendering Jinja2, in one child process for the whole job: a template may take neither its time nor its memory.

Here Jinja2 is not even imported: `maintenance_ci.templates.sandbox` is the child.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import yaml

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.plan.page_route import CORRECT_PAGE_ROUTE, require_page_route
from maintenance_ci.templates.file import is_jinja, read_template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maintenance_ci.templates.file import Object, TemplateFile

# Seconds: a manifest renders in milliseconds.
RENDER_TIMEOUT = 2.0
# Seconds for the child to be ready: some 0.1 on an idle machine.
START_TIMEOUT = 60.0
# Bytes: a manifest takes a few hundred thousand.
RENDER_MEMORY = 256 * 1024 * 1024
# Bytes of an answer: as JSON each character of a manifest takes up to twelve.
MAX_ANSWER = 4 * 1024 * 1024
# A safe one: that of libyaml, where PyYAML was built with it, takes an eighth of the time.
_LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# The child's program. Python's own searches for cycles would take a third of the time until it is ready.
_PROGRAM = """
import gc, sys
gc.set_threshold(100_000)
from maintenance_ci.templates.sandbox import main
main(int(sys.argv[1]))
"""
NO_CHILD, CHECK_INSTALLATION = (
    "The process that renders templates does not start",
    "Check how maintenance-ci is installed.",
)


class Renderer:
    """Renders templates in a child process, one after the other, whichever threads ask.

    The child is started for the first template, or by `begin`, and used for all; one that has ended is replaced. It has
    no variables of the job, none of its open files, and a session of its own, in which no signal for the job meets it.
    It ends when the job does, however that ends: then nobody writes to it any more.

    Args:
        memory: that a template may take, in bytes.
    """

    def __init__(self, memory: int = RENDER_MEMORY) -> None:
        self._memory = memory
        self._child: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Start the child now, and wait for nothing: it gets ready while the job does other work.

        One that cannot be started is no failure yet: the first template starts another one, and tells what is wrong.
        """
        with self._lock, contextlib.suppress(MaintenanceError):
            if self._child is None:
                self._start()

    def render(self, template: str, values: Mapping[str, Any], *, name: str) -> str:
        """Render ``template``; a variable that it lacks is an error.

        Raises:
            MaintenanceError: it is no valid template, names an unknown variable, does what the sandbox forbids, or
                takes more time or memory than any manifest.
        """
        request = {"template": template, "values": values, "name": name, "seconds": RENDER_TIMEOUT}
        line = json.dumps(request).encode() + b"\n"
        with self._lock:
            was_there = self._child is not None
            try:
                answer = self._ask(line)
                if not answer and was_there:  # somebody has ended it meanwhile
                    answer = self._ask(line)
            except TimeoutError:
                raise MaintenanceError(f"{name} does not render: it takes longer than {RENDER_TIMEOUT:g} s.") from None
        if not answer:
            raise MaintenanceError(f"{name} does not render: the process that renders it has ended before its time.")
        result = json.loads(answer)
        if "error" in result:
            raise MaintenanceError(result["error"])
        return str(result["rendered"])

    def close(self) -> None:
        """End the child, if there is one; the next template gets a new one."""
        child, self._child, self._ready = self._child, None, False
        if child:
            with contextlib.suppress(BrokenPipeError), child:
                child.kill()

    def _ask(self, line: bytes) -> bytes:
        """Return the child's answer to a request; nothing where it ends instead.

        Raises:
            MaintenanceError: there is no child, and none can be started.
            TimeoutError: it is late.
        """
        answer = b""
        try:
            child = self._child or self._start()
            if not self._ready:
                self._wait_until_ready(child)
            answer = _exchange(child, line, RENDER_TIMEOUT)
        finally:
            if not answer:  # what it might say later is no answer to the next request
                self.close()
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        """Start a child; raises MaintenanceError."""
        try:
            self._child = subprocess.Popen(  # noqa: S603 - a fixed argv
                [sys.executable, "-I", "-c", _PROGRAM, str(self._memory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={},
                start_new_session=True,
            )
        except OSError as error:
            raise MaintenanceError(f"{NO_CHILD}: {error.strerror}.", CHECK_INSTALLATION) from error
        return self._child

    def _wait_until_ready(self, child: subprocess.Popen[bytes]) -> None:
        """Wait until the child has said that it is ready; raises MaintenanceError where it ends instead, or is late."""
        try:
            self._ready = bool(_exchange(child, b"", START_TIMEOUT))
        except TimeoutError:
            raise MaintenanceError(f"{NO_CHILD} within {START_TIMEOUT:g} s.", "Run the job again.") from None
        if not self._ready:
            complaint = child.communicate()[1].decode(errors="replace").strip().rpartition("\n")[2]
            raise MaintenanceError(f"{NO_CHILD}: {complaint or 'it says nothing'}.", CHECK_INSTALLATION)


def _exchange(child: subprocess.Popen[bytes], line: bytes, seconds: float) -> bytes:
    """Send a request, and return the answer; nothing where the child ends instead.

    Raises:
        TimeoutError: it is late; it was killed.
    """
    assert child.stdin and child.stdout  # pipes
    deadline = time.monotonic() + seconds
    timer = threading.Timer(seconds, child.kill)
    timer.start()
    try:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(line)
            child.stdin.flush()
        answer = child.stdout.readline(MAX_ANSWER)
    finally:
        timer.cancel()
    if answer.endswith(b"\n"):
        return answer
    if time.monotonic() >= deadline:
        raise TimeoutError
    return b""


# The job's one child: a job that will render calls `begin` first.
_RENDERER = Renderer()
atexit.register(_RENDERER.close)
begin, render = _RENDERER.begin, _RENDERER.render


def read_rendered(text: str, *, path: str, values: Mapping[str, Any]) -> TemplateFile:
    """Return what a template's text holds (`read_template`), rendered first where its path ends in ``.j2``.

    Raises:
        MaintenanceError: it does not render, or kubectl and oc would not take it either.
    """
    if is_jinja(path):
        try:
            text = render(text, values, name=path)
        except MaintenanceError as error:
            error.add(advice="Correct it in the template project, or ROUTE_TEMPLATE_PARAMETERS.")
            raise
    return read_template(text, path=path)


def render_page_route(template: str, values: Mapping[str, Any]) -> Object:
    """Render the maintenance Route, and hold it against ``values`` (`maintenance_ci.plan.page_route`).

    Raises:
        MaintenanceError: the template does not render, or yields another object than the Route that is needed.
    """
    try:
        route = yaml.load(render(template, values, name="maintenance-route.yaml.j2"), Loader=_LOADER)  # noqa: S506
    except yaml.YAMLError as error:
        fault = "The template of the maintenance Route does not render to YAML."
        raise MaintenanceError(fault, CORRECT_PAGE_ROUTE) from error
    return require_page_route(route, values)

"""Debian's Chromium, for the tests of the page: where it is, and what a page does in it that it should not."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

AXE = "axe.min.js"
SHIFTS = """
new PerformanceObserver((list) => {
  for (const shift of list.getEntries()) window.shifted = (window.shifted || 0) + shift.value;
}).observe({ type: "layout-shift", buffered: true });
"""


def chromium() -> str:
    """Return where Chromium is; a test without it is left out, or fails where CI says that it has one."""
    if given := os.environ.get("CHROMIUM"):
        return given
    found = shutil.which("chromium")
    return found or pytest.skip("needs Chromium: eval $(.ci/setup-browser)")


def axe() -> Path:
    """Return axe-core, which looks for what WCAG does not allow."""
    if given := os.environ.get("AXE_CORE"):
        return Path(given) / AXE
    pytest.skip("needs axe-core: eval $(.ci/setup-browser)")


@contextlib.contextmanager
def browser(program: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, chromium_sandbox=os.geteuid() != 0)
        yield started
        started.close()


class Watched:
    """A page in a browser, and what is wrong with it.

    Attributes:
        page: in the browser.
        errors: on its console, and that it did not catch.
        hosts: of all requests, but for ``data:`` addresses.
    """

    def __init__(self, browser: Browser, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type != "log" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))

    def shifted(self) -> float:
        """Return how much of the page has moved since it was first drawn (Cumulative Layout Shift)."""
        self.page.evaluate(SHIFTS)
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")
        return float(self.page.evaluate("window.shifted || 0"))

    def violations(self, axe: Path) -> list[str]:
        """Return what axe-core finds against WCAG 2.2 AA and its best practices."""
        found = self.page.evaluate(f"async () => {{ {axe.read_text()}; return (await axe.run()).violations; }}")
        return [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in found]

"""The page in a real browser: what is seen, heard by a screen reader, asked of the site, and when it comes back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.tools.browser import Watched, axe, browser, chromium
from tests.tools.page_site import Site, site_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

    from tests.tools.served_page import Page

# A browser takes more of the machine than all the other tests of the page.
pytestmark = pytest.mark.slow

LANGUAGES = ("en", "fr", "de", "it", "es")
WIDTHS = {"phone": (320, 640), "tablet": (768, 1024), "desktop": (1440, 900)}
END = "2026-11-30T06:00:00+01:00 Mon, 30 Nov 2026 05:00:00 GMT"
GIVEN = {
    "X-Maintenance-Texts": "The shop is closed for a few hours|Orders are safe.&#10;Thank you for your patience."
    "|+41 00 000 00 00|https://status.example.test/",
    "X-Maintenance-End": END,
}


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browser(chromium()) as started:
        yield started


@pytest.fixture
def site(page: Page) -> Iterator[Site]:
    with site_of(page.address) as running:
        yield running


@pytest.fixture
def look(chrome: Browser) -> Iterator[Callable[..., Watched]]:
    opened: list[Watched] = []

    def open_page(**options: Any) -> Watched:
        opened.append(Watched(chrome, **options))
        return opened[-1]

    yield open_page
    for one in opened:
        one.context.close()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_quiet_stands_still_and_fits(site: Site, look: Callable[..., Watched], scheme: str, width: str) -> None:
    size = dict(zip(("width", "height"), WIDTHS[width], strict=True))
    for language in LANGUAGES:
        site.headers = GIVEN
        seen = look(locale=language, color_scheme=scheme, viewport=size)
        seen.page.goto(site.url + "cart?a=b")
        assert seen.page.locator("html").get_attribute("lang") == language
        assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it is wider than the screen"
        assert seen.shifted() == 0
        assert seen.errors == []
        assert seen.hosts <= {site.url.split("/")[2], ""}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(site: Site, look: Callable[..., Watched], scheme: str) -> None:
    rules = axe()
    for language in LANGUAGES:
        for headers in ({}, GIVEN):
            site.headers = headers
            seen = look(locale=language, color_scheme=scheme, bypass_csp=True)
            seen.page.goto(site.url)
            assert seen.violations(rules) == []


def test_axe_would_find_something(site: Site, look: Callable[..., Watched]) -> None:
    rules, seen = axe(), look(bypass_csp=True)
    seen.page.goto(site.url)
    seen.page.evaluate("document.documentElement.lang = ''; document.querySelector('h1').style.color = '#ccc'")
    assert [one.split(":")[0] for one in seen.violations(rules)] == ["color-contrast", "html-has-lang"]


def test_the_end_is_told_in_the_visitor_s_own_time(site: Site, look: Callable[..., Watched]) -> None:
    site.headers = GIVEN
    seen = look(locale="de-DE", timezone_id="America/New_York")
    seen.page.clock.install(time="2026-11-30T02:30:00Z")
    seen.page.goto(site.url)
    assert "Montag, 30. November 2026" in seen.page.locator("time").inner_text()
    assert "00:00" in seen.page.locator("time").inner_text()
    left = seen.page.locator("#left")
    assert left.inner_text() == "Das ist in 3 Stunden."
    seen.page.clock.run_for("02:00:00")
    assert left.inner_text() == "Das ist in 30 Minuten."
    seen.page.clock.run_for("01:00:00")
    assert left.inner_text() == "Es dauert länger als erwartet."


def test_without_javascript_all_is_there_to_read(site: Site, look: Callable[..., Watched]) -> None:
    site.headers = GIVEN
    seen = look(java_script_enabled=False)
    seen.page.goto(site.url)
    text = seen.page.locator("main").inner_text()
    for words in (
        "The shop is closed for a few hours",
        "30 November 2026 at 06:00 (UTC+01:00)",
        "+41 00",
        "Orders are safe",
    ):
        assert words in text
    seen.page.get_by_role("link", name="Deutsch").click()
    assert seen.page.locator("html").get_attribute("lang") == "de"


def test_a_text_of_another_direction_has_its_own(site: Site, look: Callable[..., Watched]) -> None:
    site.headers = {"X-Maintenance-Texts": "نعود قريبا|Hello||"}
    seen = look()
    seen.page.goto(site.url)
    directions = seen.page.evaluate(
        "['h1', '.lines'].map((one) => getComputedStyle(document.querySelector(one)).direction)"
    )
    assert directions == ["rtl", "ltr"]


def pass_time(seen: Watched, seconds: int, until: Callable[[], object] = lambda: False) -> int:
    """Let the browser's clock run, with time for the requests of each step; return the seconds that it took."""
    for passed in range(0, seconds, 5):
        if until():
            return passed
        seen.page.clock.run_for(5000)
        time.sleep(0.03)
    return seconds


@pytest.mark.parametrize("mode", ["200", "503"])
def test_it_comes_back_by_itself(site: Site, look: Callable[..., Watched], mode: str) -> None:
    site.headers = GIVEN | {"X-Maintenance-Status": mode}
    seen = look()
    seen.page.clock.install()
    seen.page.goto(site.url + "cart?a=b&maintenance-lang=fr#top")
    seen.errors.clear()  # a browser says of a page itself that it was a 503
    pass_time(seen, 600)
    assert 4 < site.polls() < 30, "it asks now and then, and less often with time"
    assert seen.errors == []
    site.is_back = True
    took = pass_time(seen, 400, lambda: ("GET", "/cart?a=b", False) in site.reached)
    assert took < 400
    seen.page.wait_for_url("**/cart?a=b")
    assert seen.page.locator("h1").inner_text() == "The shop is open"
    assert [one for one in site.reached if not one[2]] == [("GET", "/cart?a=b", False)]
    assert seen.errors == []


def test_it_waits_while_the_application_answers_with_errors(site: Site, look: Callable[..., Watched]) -> None:
    seen = look()
    seen.page.clock.install()
    seen.page.goto(site.url)
    site.is_back, site.status = True, 503
    pass_time(seen, 600)
    assert site.polls() > 3
    assert all(poll for _, _, poll in site.reached)


def test_pages_do_not_reload_at_the_same_time(site: Site, look: Callable[..., Watched]) -> None:
    took = set()
    for _ in range(8):  # by chance alone, fewer than one run in thousands has two times only
        site.is_back = False
        site.reached.clear()
        seen = look()
        seen.page.clock.install()
        seen.page.goto(site.url)
        site.is_back = True
        took.add(pass_time(seen, 200, lambda: ("GET", "/", False) in site.reached))
    assert len(took) > 2


def test_a_page_that_nobody_looks_at_asks_for_nothing(site: Site, look: Callable[..., Watched]) -> None:
    seen = look()
    seen.page.add_init_script("Object.defineProperty(document, 'hidden', { get: () => !window.looked });")
    seen.page.clock.install()
    seen.page.goto(site.url)
    pass_time(seen, 300)
    assert site.polls() == 0
    seen.page.evaluate("window.looked = true; document.dispatchEvent(new Event('visibilitychange'))")
    pass_time(seen, 30, site.polls)
    assert site.polls() == 1


def test_what_was_sent_is_not_sent_again(site: Site, look: Callable[..., Watched]) -> None:
    seen = look()
    seen.page.clock.install()
    seen.page.route("**/form", lambda route: route.fulfill(body=FORM, content_type="text/html"))
    seen.page.goto(site.url + "form")
    seen.page.get_by_role("button").click()
    assert "did not reach the service" in seen.page.locator("#sent").inner_text()
    link = seen.page.get_by_role("link", name="Deutsch")
    link.focus()
    site.is_back = True
    go_on = seen.page.get_by_role("link", name="Continue to the service")
    pass_time(seen, 400, go_on.count)
    assert seen.page.get_by_role("status").inner_text() == "The service is available again. Continue to the service"
    assert link.evaluate("(one) => one === document.activeElement"), "the focus was moved"
    pass_time(seen, 100)
    assert all(poll for _, _, poll in site.reached), "it went there by itself"
    go_on.click()
    assert seen.page.locator("h1").inner_text() == "The shop is open"
    assert [one for one in site.reached if not one[2]] == [("GET", "/pay?id=1", False)]


FORM = "<!doctype html><form method=post action='/pay?id=1'><input name=a value=b><button>Pay</button></form>"

"""The variables of the page's texts: any of them in any language."""

from __future__ import annotations

import pytest

from maintenance_ci.settings.texts import PageTexts, TextsSettings
from maintenance_ci.settings.variables import RouteSettings, RoutesSettings, read_settings, variables_read
from tests.settings.faults import faults as faults_of
from tests.tools.job_variables import GOOD
from tests.tools.page_texts import PASTED

TITLE = "MAINTENANCE_TITLE"


def texts(**given: str) -> dict[str, PageTexts]:
    return read_settings(TextsSettings, given).page_texts


def faults(given: dict[str, str]) -> list[str]:
    return faults_of(RoutesSettings, GOOD | given)


def test_each_text_may_be_given_in_any_language() -> None:
    given = texts(
        MAINTENANCE_TITLE="Back soon",
        MAINTENANCE_MESSAGE_FR="De retour à 10 h",
        MAINTENANCE_CONTACT_FR="01 23 45",
        MAINTENANCE_STATUS_URL_PT="https://status.example.test/pt?a=1&b=2",
    )
    assert given == {
        "": PageTexts(TITLE="Back soon"),
        "FR": PageTexts(MESSAGE="De retour à 10 h", CONTACT="01 23 45"),
        "PT": PageTexts(STATUS_URL="https://status.example.test/pt?a=1&b=2"),
    }
    assert texts() == texts(MAINTENANCE_TITLE=" ", MAINTENANCE_TITLE_FR="") == {}


def test_every_job_that_switches_has_them_for_each_of_its_routes() -> None:
    given = GOOD | {"MAINTENANCE_TITLE_DE": "Gleich zurück", "MAINTENANCE_STATUS": "503"}
    one = read_settings(RoutesSettings, given).of("shop", None)
    assert one == read_settings(RouteSettings, given)
    assert one.page_texts["DE"].title == "Gleich zurück"
    assert (one.maintenance_status, one.maintenance_crawlers) == (503, None)
    assert {"MAINTENANCE_TITLE", "MAINTENANCE_STATUS_URL", "MAINTENANCE_END"} <= variables_read(RoutesSettings)


@pytest.mark.parametrize("text", PASTED.values(), ids=PASTED.keys())
def test_pasted_texts_are_taken(text: str) -> None:
    assert texts(MAINTENANCE_TITLE=text)[""].title == "\n".join(text.splitlines())


def test_line_breaks_are_kept_and_tabs_become_blanks() -> None:
    assert texts(MAINTENANCE_MESSAGE="\n one\r\n\r\ttwo\n")[""].message == "one\n\n two"


@pytest.mark.parametrize(
    "code", [0x00, 0x07, 0x0B, 0x0C, 0x1B, 0x1C, 0x7F, 0x85, 0x9B, 0x202A, 0x202E, 0xD800, 0xDFFF, 0xFFFE, 0x1FFFF]
)
def test_what_no_person_means_is_refused_by_its_variable(code: int) -> None:
    """Controls, what turns the order of letters, halves of characters, and what no XML may hold."""
    bad = {"MAINTENANCE_CONTACT": f"a{chr(code)}b", "MAINTENANCE_TITLE_FR": f"{chr(code)}"}
    bad = {name: value for name, value in bad.items() if value.strip()}
    assert sorted(fault.partition(":")[0] for fault in faults(bad)) == sorted(bad)


def test_a_text_has_500_characters_at_the_most() -> None:
    assert texts(MAINTENANCE_MESSAGE_IT="x" * 500)
    (fault,) = faults({"MAINTENANCE_MESSAGE_IT": "x" * 501})
    assert fault.startswith("MAINTENANCE_MESSAGE_IT: must be text of 500 characters")


@pytest.mark.parametrize(
    "url",
    ["https://status.example.test", "http://10.0.0.5:8080/a?b=c&d#e", "HTTPS://ä.example.test/ü", "http://[::1]/"],
)
def test_an_address_for_the_status(url: str) -> None:
    assert texts(MAINTENANCE_STATUS_URL=f" {url}\n")[""].status_url == url.replace("HTTPS", "https")


@pytest.mark.parametrize(
    "url",
    [
        "status.example.test",
        "ftp://status.example.test",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "https://a b.example.test",
        'https://status.example.test/"onclick=',
        "https://status.example.test/'x",
        "https://status.example.test/<b>",
        "https://status.example.test/a|b",
        "https://user:password@status.example.test",
        "https://[::1",
        "https://a.example.test\nhttps://b.example.test",
        f"https://status.example.test/{'x' * 500}",
    ],
)
def test_what_is_no_address_for_the_status_is_refused(url: str) -> None:
    (fault,) = faults({"MAINTENANCE_STATUS_URL_DE": url})
    assert fault.startswith("MAINTENANCE_STATUS_URL_DE: must be an http:// or https:// address")
    assert url.removeprefix("https://") not in fault.partition("address")[2] or url == "https://"


@pytest.mark.parametrize("name", ["MAINTENANCE_STATUS", "MAINTENANCE_CRAWLERS"])
def test_a_status_is_one_of_two(name: str) -> None:
    for good in (200, 503):
        assert getattr(read_settings(TextsSettings, {name: f" {good} "}), name.lower()) == good
    for bad in ("404", "ok", "200.0", "٥٠٣"):
        assert faults({name: bad}) == [f"{name}: must be 200 or 503"]


@pytest.mark.parametrize(
    "name", ["MAINTENANCE_MESSAGE_fr", "MAINTENANCE_TITLE_DEU", "MAINTENANCE_STATUS_URL_", "MAINTENANCE_CONTACT_PT_BR"]
)
def test_a_text_that_nobody_would_see_is_told(name: str) -> None:
    (fault,) = faults({name: "secret"})
    assert fault.startswith(f"{name}: is no text of the page")
    assert "secret" not in fault


@pytest.mark.parametrize("end", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-10:00", "2026-11-29T10:00+01:60"])
def test_an_end_that_has_no_date_of_http_is_refused(end: str) -> None:
    (fault,) = faults({"MAINTENANCE_END": end})
    assert fault.startswith("MAINTENANCE_END: must be a time with its offset")

"""What is made of the page's folder."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from maintenance_ci.errors import MaintenanceError, VariableError
from maintenance_ci.page.look import contrast, read_languages
from maintenance_ci.page.nginx_text import MAX_VALUE, Pieces, escaped
from maintenance_ci.page.rendering import MAX_PAGE, render_page
from maintenance_ci.plan.page_texts import LANGUAGES
from tests.tools.served_page import DOCKER, HTML, Page, Shown, made_page

if TYPE_CHECKING:
    from collections.abc import Callable


def rendered(folder: Path = DOCKER, signature: str = "We") -> dict[str, str]:
    return render_page(folder, name="maintenance-page", tag="v1", signature=signature)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DOCKER, tmp_path / "docker"))


def change(file: Path, **values: object) -> None:
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **values}, allow_unicode=True))


def test_the_page_as_a_file_has_the_built_in_texts() -> None:
    """For a configuration of nginx of one's own that serves a file index.html."""
    made = rendered()
    shown = Shown(made["index.html"])
    assert (shown.title, shown.heading) == ("Sorry, this service is unavailable",) * 2
    assert shown.texts == ["You will be able to use the service later.", "— We"]
    assert not set(made["index.html"]) & set("\x01\x02\x03\x04")


def test_an_index_html_of_one_s_own_stays(folder: Path) -> None:
    (folder / "index.html").write_text("<h1>Ours</h1>")
    assert rendered(folder).keys() == {"page.conf", "page-html.conf"}


def test_a_folder_of_an_earlier_version_is_completed(tmp_path: Path) -> None:
    """A team's own folder may hold no more than a page and a configuration of nginx."""
    (tmp_path / "index.html").write_text("<h1>Ours</h1>")
    assert "maintenance_title_fr" in rendered(tmp_path)["page.conf"]


def test_the_page_is_small(page: Page) -> None:
    for language in read_languages(DOCKER):
        texts = "X-Maintenance-Texts: " + "|".join(("a" * 200, "b" * 2000, "c" * 200, "https://status.example.test"))
        answer = page.ask("POST", "/", HTML, texts, f"Accept-Language: {language.code}")
        assert answer.language == language.code
        assert len(answer.body) < MAX_PAGE


def test_a_language_is_one_file(folder: Path, serve: Callable[[bytes], Page]) -> None:
    shutil.copy(folder / "languages/en.yaml", folder / "languages/ar.yaml")
    change(folder / "languages/ar.yaml", name="العربية", direction="rtl", title="الخدمة غير متاحة")
    change(folder / "look.yaml", language="fr")
    page = serve(made_page(folder))
    arabic = page.ask("GET", "/", HTML, "Accept-Language: ar-EG,ar;q=0.9")
    assert (arabic.language, arabic.html.heading) == ("ar", "الخدمة غير متاحة")
    assert b'<html lang="ar" dir="rtl">' in arabic.body
    given = page.ask("GET", "/", HTML, "Accept-Language: ar", "X-Maintenance-Texts-Ar: قريبا|||")
    assert given.html.heading == "قريبا"
    assert page.ask("GET", "/", HTML, "Accept-Language: ja").language == "fr"
    assert "العربية" in page.ask("GET", "/", HTML, "Accept-Language: en").html.links


def test_what_no_visitor_may_say_is_known_for_each_language() -> None:
    """The job deletes what a visitor sends as a text of these languages."""
    assert {language.code.upper() for language in read_languages(DOCKER)} == set(LANGUAGES)


FAULTS = {
    "a colour that is hard to read": (
        "look.yaml",
        {"light": {"accent": "#ffaa00"}},
        r"light\.accent \(#ffaa00\) on light\.card .* 1\.9:1",
    ),
    "a colour that is none": ("look.yaml", {"dark": {"ink": "white"}}, r"look\.yaml cannot be used: dark\.ink: "),
    "an unknown key": ("look.yaml", {"colour": "x"}, "colour: Extra inputs"),
    "a language without a file": (
        "look.yaml",
        {"language": "pt"},
        r"language pt, which has no file in languages/ \(de",
    ),
    "a logo that is not there": ("look.yaml", {"logo": "logo.svg"}, "docker/logo.svg is missing"),
    "a logo that is no picture": ("look.yaml", {"logo": "nginx.conf"}, r"nginx\.conf is none of \.svg"),
    "a month that is missing": ("languages/fr.yaml", {"months": ["janvier"]}, r"fr\.yaml cannot be used: months: "),
    "a date of unknown parts": ("languages/fr.yaml", {"date": "{weekday} {day}"}, r"fr\.yaml cannot be used: date: "),
    "a sentence without its date": ("languages/fr.yaml", {"end": "plus tard"}, r"fr\.yaml cannot be used: end: "),
    "an empty text": ("languages/fr.yaml", {"title": ""}, r"fr\.yaml cannot be used: title: "),
}


@pytest.mark.parametrize(("file", "values", "message"), FAULTS.values(), ids=FAULTS)
def test_a_file_that_cannot_be_used_is_named(folder: Path, file: str, values: dict[str, object], message: str) -> None:
    old = yaml.safe_load((folder / file).read_text())
    change(folder / file, **{key: {**old[key], **new} if isinstance(new, dict) else new for key, new in values.items()})
    with pytest.raises(MaintenanceError, match=message):
        rendered(folder)


@pytest.mark.parametrize("text", ["{{ nothing }}", "{% if %}", "{{ 1 / 0 }}"])
def test_a_template_that_cannot_be_used_is_named(folder: Path, text: str) -> None:
    (folder / "page.html.j2").write_text(f"<!doctype html>\n{text}")
    with pytest.raises(MaintenanceError, match=r"page\.html\.j2.* cannot be used"):
        rendered(folder)


def test_a_logo_is_put_into_the_page(folder: Path, serve: Callable[[bytes], Page]) -> None:
    (folder / "logo.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"/>' + " " * 9000)
    change(folder / "look.yaml", logo="logo.svg", logo_text="The town's arms")
    answer = serve(made_page(folder)).ask("GET", "/", HTML)
    assert b'<img src="data:image/svg+xml;base64,PHN2Z' in answer.body
    assert b'alt="The town&#39;s arms"' in answer.body
    (folder / "logo.svg").write_bytes(b"x" * 20_000)
    with pytest.raises(MaintenanceError, match=r"The page has 3\d,\d+ bytes in the language de; 25,000 is the most"):
        rendered(folder)


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == contrast("#ffffff", "#000000") == 21
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("unit", ["x", "é", '"', "\\", "$", "東"])
def test_a_long_text_is_cut_where_nginx_can_read_it(unit: str) -> None:
    pieces = Pieces()
    reference = pieces.reference("a" + unit * 3 * MAX_VALUE)
    values = dict(pieces.all())
    assert all(len(value.encode()) <= MAX_VALUE for value in values.values())
    together = re.sub(r"\$\{(\w+)\}", lambda name: values[name[1]], reference)
    assert together == "a" + escaped(unit) * 3 * MAX_VALUE


def test_the_longest_signature_is_what_nginx_can_read(serve: Callable[[bytes], Page]) -> None:
    longest = "é" * (MAX_VALUE // 2)
    assert longest in serve(made_page(signature=longest)).ask("GET", "/", HTML).html.texts[-1]
    with pytest.raises(VariableError, match="MAINTENANCE_SIGNATURE: is too long"):
        rendered(signature=longest + "x")


def test_control_characters_are_dropped() -> None:
    assert "— ab cd<" in rendered(signature="a\x00b\u2028c\x7fd\ud800")["index.html"]


def test_the_documents_have_a_picture_of_each() -> None:
    """Whoever adds a language takes them anew: python -m tests.tools.page_pictures docs/page."""
    names = {file.name for file in (DOCKER.parent / "docs/page").iterdir()}
    wanted = {
        f"{language.code}-{scheme}-{width}.webp"
        for language in read_languages(DOCKER)
        for scheme in ("light", "dark")
        for width in ("phone", "tablet", "desktop")
    }
    assert names == wanted

"""What the page says: the texts that a Route sends with each request, or else its own words."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from maintenance_ci.page.look import read_languages
from tests.tools.page_texts import PASTED
from tests.tools.served_page import DOCKER, HTML, SIGNATURE, Page, made_page

if TYPE_CHECKING:
    from collections.abc import Callable

END = "X-Maintenance-End: 2026-12-01T06:05:00+01:00 Tue, 01 Dec 2026 05:05:00 GMT"
TITLE = "Sorry, this service is unavailable"
HOSTILE = (
    '"; return 500; #',
    "$host ${maintenance_page} \\",
    "</h1><script>alert('1')</script>",
    "a{b}c;d\\\"e'f &amp; <!--# echo -->",
    "%[req.hdr(cookie),lower]",
)
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "|": "&#124;", "\n": "&#10;"}


def texts(*four: str, language: str = "") -> str:
    """A header as the job writes it (docs/design.md)."""
    escaped = ("".join(ENTITIES.get(letter, letter) for letter in text) for text in four)
    return f"X-Maintenance-Texts{language and '-' + language}: {'|'.join(escaped)}"


GIVEN = texts(
    "Wir sind | gleich zurück", "Zeile 1\nZeile 2", "hilfe@example.test", "https://status.example.test/?a=1&b=2"
)


def test_the_route_s_texts(page: Page) -> None:
    shown = page.ask("GET", "/", HTML, GIVEN).html
    assert shown.title == shown.heading == "Wir sind | gleich zurück"
    assert shown.texts == [
        "Zeile 1\nZeile 2",
        "If you need help in the meantime: hilfe@example.test",
        "Latest information about this service",
        f"— {SIGNATURE}",
    ]
    assert shown.links["Latest information about this service"] == "https://status.example.test/?a=1&b=2"
    assert shown.languages == ["en", ""], "nobody said which language the text has"


def test_without_texts_the_page_has_its_own(page: Page) -> None:
    for given in ((), (texts("", "", "", ""),)):
        shown = page.ask("GET", "/", HTML, *given).html
        assert (shown.title, shown.heading) == (TITLE, TITLE)
        assert shown.texts == ["You will be able to use the service later.", f"— {SIGNATURE}"]
    assert page.ask("GET", "/", HTML).html.languages == ["en", None]


def test_each_language_has_its_texts(page: Page) -> None:
    given = (
        texts("Any", "", "", ""),
        texts("Français", "", "c", "", language="Fr"),
        texts("", "Deutsch", "", "", language="De"),
    )
    french = page.ask("GET", "/", HTML, "Accept-Language: fr", *given).html
    assert (french.heading, french.languages) == ("Français", ["fr", None])
    german = page.ask("GET", "/", HTML, "Accept-Language: de", *given).html
    assert (german.heading, german.texts[0]) == ("Dieser Dienst ist zurzeit nicht verfügbar", "Deutsch")
    italian = page.ask("GET", "/", HTML, "Accept-Language: it", *given).html
    assert (italian.heading, italian.languages) == ("Any", ["it", ""])


DATES = {
    "en": "1 December 2026 at 06:05 (UTC+01:00)",
    "fr": "1er décembre 2026 à 06:05 (UTC+01:00)",
    "de": "1. Dezember 2026 um 06:05 Uhr (UTC+01:00)",
    "it": "1º dicembre 2026, ore 06:05 (UTC+01:00)",
    "es": "1 de diciembre de 2026, 06:05 h (UTC+01:00)",
}


@pytest.mark.parametrize("language", DATES)
def test_the_announced_end(page: Page, language: str) -> None:
    of_language = next(one for one in read_languages(DOCKER) if one.code == language)
    sentence = of_language.end.replace("{date}", DATES[language])
    asked = f"Accept-Language: {language}"
    answer = page.ask("GET", "/", HTML, asked, END)
    assert answer.html.texts[0] == sentence, "in the place of a built-in message, which knows less"
    assert b'<time datetime="2026-12-01T06:05:00+01:00">' in answer.body
    assert page.ask("GET", "/", asked, END).lines == [of_language.title, sentence]
    assert page.ask("GET", "/", "Accept: application/json", END).json["end"] == "2026-12-01T06:05:00+01:00"
    busy = page.ask("GET", "/", HTML, END, "X-Maintenance-Status: 503")
    assert busy.headers["retry-after"] == "Tue, 01 Dec 2026 05:05:00 GMT"


@pytest.mark.parametrize("month", range(1, 13))
def test_each_month_has_its_name(page: Page, month: int) -> None:
    for language in read_languages(DOCKER):
        end = f"X-Maintenance-End: 2027-{month:02}-21T00:00:00-03:30 Sun, 21 Mar 2027 03:30:00 GMT"
        said = page.ask("GET", "/", f"Accept-Language: {language.code}", end).lines[1]
        assert f"21{' ' if '{day} ' in language.date else ''}" in said
        assert f"{language.months[month - 1]} " in said or f"{language.months[month - 1]}," in said
        assert "2027" in said and "(UTC-03:30)" in said


@pytest.mark.parametrize(
    "end", ["", "soon", "2026-12-01", "<b>", END.removesuffix(" GMT"), END + "x", f"{END[:30]}<b>{END[33:]}"]
)
def test_what_is_no_end_is_not_shown(page: Page, end: str) -> None:
    answer = page.ask("GET", "/", HTML, f"X-Maintenance-End: {end.removeprefix('X-Maintenance-End: ')}")
    assert "time" not in answer.html.elements
    assert answer.status == 200


def test_plain_text(page: Page) -> None:
    plain = "X-Maintenance-Plain: Zurück um 10 h|Wartung ¦ Teil 1|hilfe@example.test|https://status.example.test"
    answer = page.ask("GET", "/", plain, END)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.lines == [
        "Zurück um 10 h", "Wartung ¦ Teil 1",
        "The service is expected to be available again on 1 December 2026 at 06:05 (UTC+01:00).",
        "hilfe@example.test", "https://status.example.test",
    ]  # fmt: skip
    assert page.ask("GET", "/", "X-Maintenance-Plain: a|b|c").lines[0] == TITLE, "not four texts"


def test_json(page: Page) -> None:
    text = r"X-Maintenance-Json: \u201eBald\u201c \"zur\u00fcck\"|1\n2 \u007c \\|hilfe@example.test|https://s.example.test/"
    answer = page.ask("GET", "/", "Accept: application/json", text, END, "X-Maintenance-Status: 503")
    assert answer.json == {
        "type": "about:blank", "title": "„Bald“ \"zurück\"", "status": 503, "detail": "1\n2 | \\",
        "end": "2026-12-01T06:05:00+01:00", "contact": "hilfe@example.test", "status_url": "https://s.example.test/",
    }  # fmt: skip
    built_in = page.ask("GET", "/", "Accept: application/json", "Accept-Language: fr").json
    assert built_in["title"] == "Ce service est indisponible"
    assert built_in.keys() == {"type", "title", "status", "detail"}


FORGED = [
    "X-Maintenance-Texts: <script>alert(1)</script>|||",
    'X-Maintenance-Texts: a|b|c|https://x" onclick="alert(1)',
    "X-Maintenance-Texts: a|b|c|javascript:alert(1)",
    "X-Maintenance-Texts: a|b|c",
    "X-Maintenance-Texts: a|b|c|https://x|<script>",
    "X-Maintenance-Texts-En: a<script>|||",
    'X-Maintenance-Json: a","status":1,"x":"|||',
    "X-Maintenance-Json: a\\|||",
    "X-Maintenance-Json: a|b|c|d|e",
    'X-Maintenance-End: 2026-12-01T06:05:00+01:00"><script> Tue, 01 Dec 2026 05:05:00 GMT',
    'Accept-Language: fr<script>, "><script>',
]


@pytest.mark.parametrize("forged", FORGED)
def test_a_direct_request_injects_nothing(page: Page, forged: str) -> None:
    as_ever = page.ask("GET", "/", HTML).body
    html = page.ask("GET", "/", HTML, forged)
    french = "Accept-Language" in forged
    assert html.body == (page.ask("GET", "/", HTML, "Accept-Language: fr").body if french else as_ever)
    document = page.ask("GET", "/", "Accept: application/json", forged).json
    assert document["status"] == 200
    assert document["title"] in (TITLE, "Ce service est indisponible")


@pytest.mark.parametrize("query", ['a="><script>', "<script>", 'a=b&"', "'x'", "a\\b"])
def test_a_query_injects_nothing(page: Page, query: str) -> None:
    shown = page.ask("GET", f"/?{query}&maintenance-lang=fr", HTML).html
    assert shown.links["Deutsch"] == "?&maintenance-lang=de"
    assert shown.elements.count("script") == 1


def test_a_link_to_a_language_keeps_the_query(page: Page) -> None:
    for query in ("", "&maintenance-lang=fr"):
        shown = page.ask("GET", f"/shop?id=1&q=%22a%22+b{query}", HTML).html
        assert shown.links["Deutsch"] == "?id=1&q=%22a%22+b&maintenance-lang=de"
        assert len(shown.links) == 4, "to each language but this one"


def test_without_the_pattern_a_script_would_run(serve: Callable[[bytes], Page], tmp_path: Path) -> None:
    """The proofs above can fail: the same page that takes any header for texts."""
    folder = Path(shutil.copytree(DOCKER, tmp_path / "docker"))
    template = folder / "page.conf.j2"
    changed = template.read_text().replace("'~{{ html_texts }}'", "~.").replace("@/?%=&-]*?)", '@/?%=&"<>-]*?)')
    assert changed != template.read_text()
    template.write_text(changed)
    page = serve(made_page(folder))
    assert page.ask("GET", "/", HTML, FORGED[0]).html.elements.count("script") > 1
    assert b'"?"><script>' in page.ask("GET", '/?"><script>', HTML).body


@pytest.mark.parametrize("text", [*HOSTILE, *PASTED.values(), "é" * 500], ids=lambda text: text[:12])
def test_texts_are_shown_as_they_are(page: Page, text: str) -> None:
    text = re.sub(r"[\r\n]+", "\n", text).strip()
    shown = page.ask("GET", "/", HTML, texts(text, f"<{text}>", f"{text}.", "")).html
    assert (shown.title, shown.heading) == (text, text)
    assert shown.texts[:2] == [f"<{text}>", f"If you need help in the meantime: {text}."]
    assert shown.elements.count("script") == 1


@pytest.mark.parametrize("text", [" ".join(HOSTILE), " ".join(PASTED.values()), "é" * 1000])
def test_the_signature_is_shown_as_it_is(serve: Callable[[bytes], Page], text: str) -> None:
    shown = serve(made_page(signature=text)).ask("GET", "/", HTML).html
    spaced = re.sub("[\r\n\t\u2028]", " ", text)
    assert shown.texts[-1] == f"— {spaced}"
    assert shown.elements.count("script") == 1


def test_no_signature_no_line(serve: Callable[[bytes], Page]) -> None:
    assert serve(made_page(signature=" ")).ask("GET", "/", HTML).html.texts == [
        "You will be able to use the service later."
    ]


def test_a_post_is_told_that_it_did_not_arrive(page: Page) -> None:
    sent = "What you have just sent did not reach the service. You can send it again when the service is available."
    assert sent in page.ask("POST", "/", HTML).html.texts
    assert sent not in page.ask("GET", "/", HTML).html.texts


SSI = """\
<!doctype html><title><!--# echo var="maintenance_title" encoding="entity" --></title>
<h1><!--# echo var="maintenance_title" encoding="entity" --></h1>
<p><!--# echo var="maintenance_message" encoding="entity" --></p>
<p>— <!--# echo var="maintenance_signature" encoding="entity" --></p>
"""


def test_a_page_of_one_s_own_may_show_the_texts(serve: Callable[[bytes], Page], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(DOCKER, tmp_path / "docker"))
    (folder / "index.html").write_text(SSI)
    own = serve(made_page(folder))
    given = "X-Maintenance-Plain: Zurück <um> 10 h|Sie &amp; wir||"
    for method, mode in (("GET", 200), ("POST", 503)):
        answer = own.ask(method, "/a", HTML, given, f"X-Maintenance-Status: {mode}")
        assert answer.status == mode
        assert [answer.html.heading, *answer.html.texts] == ["Zurück <um> 10 h", "Sie &amp; wir", f"— {SIGNATURE}"]
    shown = own.ask("GET", "/", HTML, "Accept-Language: fr").html
    assert [shown.heading, *shown.texts] == [
        "Ce service est indisponible",
        "Vous pourrez utiliser le service plus tard.",
        f"— {SIGNATURE}",
    ]


OLD_SERVER = """\
server {
    listen 8080;
    root /usr/share/nginx/html;
    ssi on;
    add_header X-Maintenance-Page $maintenance_page always;
    error_page 405 =200 /index.html;
    location / { try_files /index.html =404; }
}
"""
OLD_DOCKERFILE = """\
FROM nginx
COPY page.conf /etc/nginx/conf.d/page.conf
COPY default.conf /etc/nginx/conf.d/default.conf
COPY index.html /usr/share/nginx/html/index.html
"""


@pytest.mark.parametrize("has_page", [True, False])
def test_a_folder_of_an_earlier_version_works_as_it_is(
    serve: Callable[[bytes], Page], tmp_path: Path, has_page: bool
) -> None:
    """A team's own docker/: its server, its page, or the page of this project as a file."""
    files = {"Dockerfile": OLD_DOCKERFILE, "default.conf": OLD_SERVER} | ({"index.html": SSI} if has_page else {})
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    answer = serve(made_page(tmp_path)).ask("POST", "/a", HTML, "X-Maintenance-Plain: Back soon|||")
    assert answer.status == 200
    assert answer.headers["x-maintenance-page"] == "maintenance-page:v7"
    assert answer.html.heading == ("Back soon" if has_page else TITLE)


def test_without_escaping_a_script_would_run(serve: Callable[[bytes], Page], tmp_path: Path) -> None:
    """The proof above can fail: the same page without encoding="entity"."""
    folder = Path(shutil.copytree(DOCKER, tmp_path / "docker"))
    (folder / "index.html").write_text(SSI.replace("entity", "none"))
    shown = serve(made_page(folder)).ask("GET", "/", HTML, "X-Maintenance-Plain: <script>x</script>|||").html
    assert "script" in shown.elements

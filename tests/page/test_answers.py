"""Who gets which answer, by what they ask for and how: default.conf's table."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.tools.served_page import DOCKER, Page, made_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HTML, JSON, PLAIN = "text/html", "application/problem+json", "text/plain"
# What browsers send.
CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"
CHROME_IMAGE = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
FIREFOX_STYLE = "text/css,*/*;q=0.1"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
BINGBOT = "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"
SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15"

# What is asked, with the headers by their short names; the status in the mode 200 and in the mode 503; the type of the
# answer; its language.
TABLE = """
GET     /                        A=CHROME D=document                     200 503 html  en
GET     /deep/link?a=b           A=CHROME D=document                     200 503 html  en
GET     /                        A=text/html                             200 503 html  en
GET     /                        A=application/xhtml+xml                 200 503 html  en
GET     /                        A=TEXT/HTML                             200 503 html  en
GET     /                        D=document                              200 503 html  en
GET     /                        D=iframe A=*/*                          200 503 html  en
GET     /report.png              A=CHROME D=document                     200 503 html  en
GET     /app.js                  A=text/html                             200 503 html  en
POST    /checkout                A=CHROME D=document                     200 503 html  en
PUT     /x                       A=text/html                             200 503 html  en
DELETE  /x                       A=text/html                             200 503 html  en
HEAD    /                        A=text/html                             200 503 html  en
OPTIONS /                        A=text/html                             200 503 html  en
PROPFIND /dav                    A=text/html                             200 503 html  en
GET     /                        A=CHROME L=fr                           200 503 html  fr
GET     /                        A=CHROME L=fr-CA,fr;q=0.9,en;q=0.8      200 503 html  fr
GET     /                        A=CHROME L=de-CH                        200 503 html  de
GET     /                        A=CHROME L=IT                           200 503 html  it
GET     /                        A=CHROME L=pt-BR,pt;q=0.9,es;q=0.8      200 503 html  es
GET     /                        A=CHROME L=pt,ja                        200 503 html  en
GET     /                        A=CHROME L=fro,deu                      200 503 html  en
GET     /                        A=CHROME L=*                            200 503 html  en
GET     /                        A=CHROME L=                             200 503 html  en
GET     /?maintenance-lang=de    A=CHROME L=fr                           200 503 html  de
GET     /?a=b&maintenance-lang=it A=CHROME L=fr                          200 503 html  it
GET     /?maintenance-lang=pt    A=CHROME L=fr                           200 503 html  fr
GET     /?maintenance-lang=den   A=CHROME L=fr                           200 503 html  fr
GET     /?xmaintenance-lang=de   A=CHROME L=fr                           200 503 html  fr
GET     /api                     A=application/json                      200 503 json  -
GET     /api                     A=application/json,text/plain,*/*       200 503 json  -
GET     /api                     A=application/json,*/*;q=0.5 D=empty    200 503 json  -
GET     /api.js                  A=application/json                      200 503 json  -
GET     /api                     A=application/vnd.api+json              200 503 json  -
GET     /api                     A=application/problem+json;q=0.3        200 503 json  -
GET     /api                     A=text/json                             200 503 json  -
GET     /api                     A=application/json;charset=utf-8        200 503 json  -
GET     /api                     A=application/json;q=1.0                200 503 json  -
GET     /api                     A=application/json,text/html;q=0.9      200 503 json  -
GET     /api                     A=text/html;q=0.8,application/json;q=0.9 200 503 json -
GET     /api                     A=text/html,application/json;q=0.9      200 503 html  en
GET     /api                     A=application/json,text/html            200 503 html  en
GET     /api                     A=application/json;q=0,text/html;q=0.1  200 503 html  en
GET     /api                     A=application/json;q=0                  200 503 plain -
GET     /api                     A=application/json-seq                  200 503 plain -
POST    /api                     A=application/json                      200 503 json  -
PATCH   /api                     A=application/json                      200 503 json  -
GET     /                        -                                       200 503 plain -
GET     /                        A=*/*                                   200 503 plain -
GET     /                        A=*/* D=empty                           200 503 plain -
GET     /                        A=text/plain                            200 503 plain -
GET     /                        A=text/html;q=0                         200 503 plain -
POST    /                        A=*/*                                   200 503 plain -
GET     /data.xml                A=*/*                                   200 503 plain -
GET     /api/js                  A=*/*                                   200 503 plain -
GET     /?file=x.js              A=*/*                                   200 503 plain -
GET     /app                     A=*/* D=script                          404 404 plain -
GET     /app                     A=FIREFOX_STYLE D=style                 404 404 plain -
GET     /logo                    A=CHROME_IMAGE D=image                  404 404 plain -
GET     /logo                    A=text/html D=image                     404 404 plain -
GET     /f                       A=*/* D=font                            404 404 plain -
GET     /m                       A=*/* D=manifest                        404 404 plain -
GET     /v                       A=*/* D=video                           404 404 plain -
GET     /sw                      A=*/* D=serviceworker                   404 404 plain -
GET     /w                       A=*/* D=worker                          404 404 plain -
GET     /w                       A=*/* D=sharedworker                    404 404 plain -
GET     /o                       A=CHROME D=object                       404 404 plain -
GET     /n                       A=*/* D=newly-invented                  404 404 plain -
GET     /sw                      A=*/* S=script                          404 404 plain -
GET     /logo                    A=CHROME_IMAGE                          404 404 plain -
GET     /style                   A=FIREFOX_STYLE                         404 404 plain -
GET     /script                  A=application/javascript,*/*;q=0.8      404 404 plain -
GET     /m                       A=application/manifest+json,*/*;q=0.8   404 404 plain -
GET     /font                    A=font/woff2                            404 404 plain -
GET     /app.js                  A=*/*                                   404 404 plain -
GET     /app.js?v=1              -                                       404 404 plain -
GET     /APP.CSS                 A=*/*                                   404 404 plain -
GET     /favicon.ico             A=*/*                                   404 404 plain -
GET     /a/b.woff2               A=*/* D=empty                           404 404 plain -
GET     http://h/x/logo.svg      A=*/*                                   404 404 plain -
GET     /                        A=CHROME U=GOOGLEBOT                    503 503 html  en
GET     /                        A=CHROME U=BINGBOT L=fr                 503 503 html  fr
GET     /api                     A=application/json U=GOOGLEBOT          503 503 json  -
GET     /                        A=*/* U=DuckDuckBot/1.1                 503 503 plain -
GET     /app.js                  A=*/* U=GOOGLEBOT                       503 503 plain -
GET     /                        A=CHROME U=SAFARI                       200 503 html  en
GET     /                        A=*/* U=curl/8.5.0                      200 503 plain -
GET     /robots.txt              A=*/*                                   503 503 plain -
GET     /robots.txt              A=CHROME U=GOOGLEBOT                    503 503 plain -
GET     /robots.txt?x            A=CHROME D=document                     503 503 plain -
GET     /robots.txt/x            A=CHROME D=document                     200 503 html  en
GET     /                        A=*/* U=GOOGLEBOT C=200                 200 503 plain -
GET     /app.js                  A=*/* U=GOOGLEBOT C=200                 404 404 plain -
GET     /robots.txt              A=*/* C=200                             404 404 plain -
GET     /                        A=*/* U=GOOGLEBOT C=other               503 503 plain -
GET     /healthz                 A=*/*                                   200 200 plain -
GET     /healthz                 A=CHROME U=GOOGLEBOT                    200 200 plain -
GET     /healthz/x               A=CHROME                                200 503 html  en
HEAD    /                        A=CHROME P=1                            204 204 -     -
HEAD    /app.js                  A=*/* P=1 U=GOOGLEBOT                   204 204 -     -
OPTIONS /api                     O=https://o.example.test M=PUT          204 204 -     -
OPTIONS /api                     O=null M=GET U=GOOGLEBOT                204 204 -     -
OPTIONS /api                     O=https://o.example.test A=*/*          200 503 plain -
OPTIONS /api                     M=PUT A=*/*                             200 503 plain -
"""
OWN = "<!doctype html>\n<title>Wartung</title>\n<h1>Bis bald!</h1>\n"
NAMES = {
    "A": "Accept", "L": "Accept-Language", "D": "Sec-Fetch-Dest", "U": "User-Agent", "S": "Service-Worker",
    "C": "X-Maintenance-Crawlers", "P": "X-Maintenance-Poll", "O": "Origin", "M": "Access-Control-Request-Method",
}  # fmt: skip
KINDS = {"html": HTML, "json": JSON, "plain": PLAIN, "-": ""}
ROWS = [line.split() for line in TABLE.strip().splitlines()]


def header(word: str) -> str:
    name, _, value = word.partition("=")
    return f"{NAMES[name]}: {globals().get(value, value)}"


@pytest.mark.parametrize("mode", [200, 503])
@pytest.mark.parametrize("row", ROWS, ids=" ".join)
def test_who_gets_what(page: Page, row: list[str], mode: int) -> None:
    method, path, *words, in_200, in_503, kind, language = row
    headers = [header(word) for word in words if word != "-"]
    answer = page.ask(method, path, *headers, *(["X-Maintenance-Status: 503"] if mode == 503 else []))
    wanted = int(in_200 if mode == 200 else in_503)
    assert (answer.status, answer.kind, answer.language) == (wanted, KINDS[kind], language.strip("-"))
    assert answer.headers["x-maintenance-page"] == "maintenance-page:v7"
    assert answer.headers.get("retry-after") == ("3600" if wanted == 503 else None)
    assert answer.headers.get("x-robots-tag") == ("noindex" if wanted == 200 else None)
    assert (b"<" in answer.body) == (kind == "html" and method != "HEAD")


def test_without_a_pattern_rows_are_answered_otherwise(serve: Callable[[bytes], Page], tmp_path: Path) -> None:
    """The table can fail: without one of the maps' patterns its rows are answered otherwise."""
    folder = Path(shutil.copytree(DOCKER, tmp_path / "docker"))
    conf = (folder / "default.conf").read_text()
    changed = re.sub(r"\n    '~\^\(\?:A\[0-9\].*? json;", "", conf)
    assert changed != conf
    (folder / "default.conf").write_text(changed)
    page = serve(made_page(folder))
    wrong = [row for row in ROWS if "json" in row and page.ask(row[0], row[1], *map(header, row[2:-4])).kind != JSON]
    assert len(wrong) > 10


def test_a_browser_s_client_on_another_origin_sees_the_answer(page: Page) -> None:
    origin = "Origin: https://app.example.test"
    asked = ("Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: authorization, x-csrf")
    preflight = page.ask("OPTIONS", "/api", origin, *asked)
    answer = page.ask("PUT", "/api", origin, "Accept: application/json", body=b"")
    for one in (preflight, answer):
        assert one.headers["access-control-allow-origin"] == "https://app.example.test"
        assert one.headers["access-control-allow-credentials"] == "true"
        assert "Origin" in one.headers["vary"]
    assert preflight.headers["access-control-allow-methods"] == "PUT"
    assert preflight.headers["access-control-allow-headers"] == "authorization, x-csrf"
    assert preflight.headers["access-control-max-age"] == "0"
    assert answer.headers["access-control-expose-headers"] == "X-Maintenance-Page, Retry-After"
    alone = page.ask("PUT", "/api").headers
    assert not [name for name in alone if name.startswith("access-control")]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_page_of_one_s_own_changes_html_answers_alone(own: Page, method: str) -> None:
    for path, status in (("/", 200), ("/x.y", 200), ("/a/b", 503)):
        mode = ["X-Maintenance-Status: 503"] if status == 503 else []
        answer = own.ask(method, path, "Accept: text/html", "Range: bytes=0-3", *mode)
        assert (answer.status, answer.kind, answer.body.decode()) == (status, HTML, OWN)
        assert answer.headers["x-maintenance-page"] == "maintenance-page:v7"
        assert "style-src 'unsafe-inline'" in answer.headers["content-security-policy"]
    assert own.ask(method, "/", "Accept: application/json").kind == JSON
    assert own.ask(method, "/app.js").status == 404
    assert own.ask(method, "/", "Accept: text/html", f"User-Agent: {GOOGLEBOT}").status == 503


@pytest.fixture(scope="module")
def own(serve: Callable[[bytes], Page], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = Path(shutil.copytree(DOCKER, tmp_path_factory.mktemp("own") / "docker"))
    (folder / "index.html").write_text(OWN)
    yield serve(made_page(folder))

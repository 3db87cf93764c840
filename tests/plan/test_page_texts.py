"""How the page's texts travel on a Route."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from maintenance_ci.errors import VariableError
from maintenance_ci.plan import page_texts
from maintenance_ci.plan.page_texts import headers_of, lines_of_texts, request_headers, with_headers
from maintenance_ci.settings.texts import TextsSettings
from maintenance_ci.settings.variables import read_settings

HTML = re.compile(r'[^<>"|]*\|[^<>"|]*\|[^<>"|]*\|(https?://[^<>"|]*)?')
IN_JSON = re.compile(r'(?:[^"\\|]|\\.)*(\|(?:[^"\\|]|\\.)*){3}')
COOKIES = "%[req.hdr(cookie),lower]"
ROUTE = {"metadata": {"name": "shop"}, "spec": {"host": "shop.example.test"}}
# What a pipeline's form takes.
NOT_IN_XML = [chr(plane << 16 | code) for plane in range(17) for code in (0xFFFE, 0xFFFF)]
LETTERS = st.text(
    st.characters(
        exclude_categories=["Cc", "Cs"],
        exclude_characters=["\u202a", "\u202b", "\u202c", "\u202d", "\u202e", *NOT_IN_XML],
    )
)


def headers(**variables: str) -> dict[str, str]:
    return request_headers(read_settings(TextsSettings, variables))


def request_actions(route: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = route["spec"]["httpHeaders"]["actions"]["request"]
    return found


def test_nothing_given_sets_nothing() -> None:
    assert headers() == headers(MAINTENANCE_STATUS="200", MAINTENANCE_CRAWLERS="503") == {}


def test_the_texts_of_each_kind_of_answer() -> None:
    given = headers(
        MAINTENANCE_TITLE='Tom & "Jerry" | <b>',
        MAINTENANCE_MESSAGE="De retour à 10 h\nMerci \\o/ 🙏",
        MAINTENANCE_STATUS_URL="https://status.example.test/?a=1&b=2",
        MAINTENANCE_END="2026-11-30T06:00+01:00",
        MAINTENANCE_STATUS="503",
        MAINTENANCE_CRAWLERS="200",
    )
    assert given == {
        "X-Maintenance-Texts": "Tom &amp; &quot;Jerry&quot; &#124; &lt;b&gt;|De retour à 10 h&#10;Merci \\o/ 🙏||"
        "https://status.example.test/?a=1&amp;b=2",
        "X-Maintenance-Plain": 'Tom & "Jerry" ¦ <b>|De retour à 10 h Merci \\o/ 🙏||https://status.example.test/?a=1&b=2',
        "X-Maintenance-Json": r"Tom & \"Jerry\" \u007c <b>|De retour \u00e0 10 h\nMerci \\o/ \ud83d\ude4f||"
        "https://status.example.test/?a=1&b=2",
        "X-Maintenance-End": "2026-11-30T06:00:00+01:00 Mon, 30 Nov 2026 05:00:00 GMT",
        "X-Maintenance-Status": "503",
        "X-Maintenance-Crawlers": "200",
    }


def test_a_language_has_what_it_lacks_from_the_texts_without_one() -> None:
    given = headers(
        MAINTENANCE_TITLE="Back soon",
        MAINTENANCE_CONTACT="help@example.test",
        MAINTENANCE_TITLE_PT="Voltamos já",
        MAINTENANCE_TITLE_FR="À bientôt",
    )
    assert list(given) == [
        "X-Maintenance-Texts", "X-Maintenance-Texts-Fr", "X-Maintenance-Texts-Pt", "X-Maintenance-Plain",
        "X-Maintenance-Json",
    ]  # fmt: skip
    assert given["X-Maintenance-Texts-Fr"] == "À bientôt||help@example.test|"
    assert given["X-Maintenance-Plain"] == "Back soon||help@example.test|"


def test_answers_without_a_language_have_what_is_missing_from_the_first_one() -> None:
    given = headers(
        MAINTENANCE_MESSAGE="10:00",
        MAINTENANCE_TITLE_AR="قريبا",
        MAINTENANCE_TITLE_DE="Gleich zurück",
        MAINTENANCE_CONTACT_AR="123",
    )
    assert given["X-Maintenance-Plain"] == "Gleich zurück|10:00|123|"
    assert given["X-Maintenance-Texts"] == "|10:00||"
    assert "X-Maintenance-Texts" not in headers(MAINTENANCE_TITLE_DE="Gleich zurück")


@given(title=LETTERS, message=LETTERS)
@example(title="", message="\xa0")
def test_whatever_people_write_arrives_and_nothing_of_it_is_markup(title: str, message: str) -> None:
    variables = {"MAINTENANCE_TITLE": title, "MAINTENANCE_MESSAGE": f"{message}\n{title}"}
    settings = read_settings(TextsSettings, variables)
    texts = settings.page_texts
    try:
        made = request_headers(settings)
    except VariableError:
        return
    if not any(texts[""].all if texts else ()):  # blanks alone, such as a no-break space, are no text
        assert "X-Maintenance-Texts" not in made
        return
    html, plain, in_json = (made[f"X-Maintenance-{kind}"] for kind in ("Texts", "Plain", "Json"))
    assert HTML.fullmatch(html)
    assert [unescape(text) for text in html.split("|")] == list(texts[""].all)
    assert IN_JSON.fullmatch(in_json)
    assert in_json.isascii()
    assert [json.loads(f'"{text}"') for text in in_json.split("|")] == list(texts[""].all)
    assert len(plain.split("|")) == 4
    assert not {"\n", "\r"} & set(html + plain + in_json)
    assert headers_of(with_headers(ROUTE, made)) == made


def test_a_route_deletes_what_it_does_not_set() -> None:
    (*first,) = request_actions(with_headers(ROUTE, {}))
    names = ["Texts", "Texts-En", "Texts-Fr", "Texts-De", "Texts-It", "Texts-Es", "Plain", "Json"]
    names += ["End", "Status", "Crawlers"]
    assert first == [{"name": f"X-Maintenance-{name}", "action": {"type": "Delete"}} for name in names]
    set_now = with_headers(ROUTE, headers(MAINTENANCE_TITLE="Back soon", MAINTENANCE_TITLE_PT="Voltamos já"))
    kinds = {one["name"]: one["action"]["type"] for one in request_actions(set_now)}
    assert list(kinds) == [f"X-Maintenance-{name}" for name in [*names[:6], "Texts-Pt", *names[6:]]]
    assert {name for name, kind in kinds.items() if kind == "Set"} == {
        "X-Maintenance-Texts", "X-Maintenance-Texts-Pt", "X-Maintenance-Plain", "X-Maintenance-Json",
    }  # fmt: skip


def test_a_percent_sign_is_no_format_of_the_router_s() -> None:
    made = headers(MAINTENANCE_TITLE=COOKIES, MAINTENANCE_MESSAGE="100 %, %%, %0A")
    route = with_headers(ROUTE, made)
    (title,) = [one for one in request_actions(route) if one["name"] == "X-Maintenance-Texts"]
    assert title["action"]["set"]["value"] == "%%[req.hdr(cookie),lower]|100 %%, %%%%, %%0A||"
    assert headers_of(route) == made


def test_new_texts_take_the_place_of_the_old_ones_and_leave_the_rest() -> None:
    theirs = {"name": "X-Team", "action": {"type": "Set", "set": {"value": "shop"}}}
    answer = [{"name": "X-Frame-Options", "action": {"type": "Delete"}}]
    route = {**ROUTE, "spec": {"httpHeaders": {"actions": {"request": [theirs], "response": answer}}}}
    once = with_headers(route, headers(MAINTENANCE_TITLE="one", MAINTENANCE_TITLE_PT="um"))
    twice = with_headers(once, headers(MAINTENANCE_MESSAGE="two"))
    assert twice == with_headers(route, headers(MAINTENANCE_MESSAGE="two"))
    assert request_actions(twice)[-1] == theirs
    assert twice["spec"]["httpHeaders"]["actions"]["response"] == answer
    assert headers_of(twice)["X-Maintenance-Texts"] == "|two||"
    assert headers_of(None) == headers_of(ROUTE) == {}


def test_a_person_is_told_what_users_read() -> None:
    made = headers(
        MAINTENANCE_TITLE="Tom & <b>",
        MAINTENANCE_MESSAGE="one | two\nthree",
        MAINTENANCE_STATUS_URL="https://status.example.test",
        MAINTENANCE_CONTACT_FR="01 23",
        MAINTENANCE_END="2026-11-30T06:00+01:00",
        MAINTENANCE_STATUS="503",
        MAINTENANCE_CRAWLERS="200",
    )
    common = ["   title: Tom & <b>", "   message: one | two", "      three"]
    status = "   status: https://status.example.test"
    assert lines_of_texts(made) == [
        "users read", *common, status,
        "users who read fr read", *common, "   contact: 01 23", status,
        "the end that is announced is 2026-11-30T06:00:00+01:00",
        "the page answers users with 503",
        "search engines are answered as users are",
    ]  # fmt: skip
    assert lines_of_texts({}) == []


def test_more_than_routers_bear_is_refused() -> None:
    # Three headers of it; ASCII, so that each letter is one byte.
    letters = (page_texts.MAX_BYTES - len("X-Maintenance-TextsX-Maintenance-PlainX-Maintenance-Json") - 9) // 3
    rest = {f"MAINTENANCE_{kind}": "x" * 500 for kind in ("TITLE", "CONTACT")}
    made = headers(**rest, MAINTENANCE_MESSAGE="x" * (letters - 1000))
    assert page_texts.MAX_BYTES - 3 < sum(len(name) + len(value) for name, value in made.items()) <= 3500
    with pytest.raises(VariableError, match=r"take 350\d bytes of each request together, 3500 at the most") as error:
        headers(**rest, MAINTENANCE_MESSAGE="x" * (letters - 999))
    assert "MAINTENANCE_TITLE, _MESSAGE, _CONTACT and _STATUS_URL: take" in str(error.value)


def test_more_languages_than_a_route_takes_are_refused() -> None:
    codes = ["AR", "BG", "CS", "DA", "EL", "FI", "GA", "HE", "HR", "HU"]
    few = headers(**{f"MAINTENANCE_TITLE_{code}": "x" for code in codes[:9]})
    assert len(request_actions(with_headers(ROUTE, few))) == page_texts.MAX_ACTIONS
    with pytest.raises(VariableError, match=r"take 21 actions of httpHeaders\. Give them in fewer languages"):
        with_headers(ROUTE, headers(**{f"MAINTENANCE_TITLE_{code}": "x" for code in codes}))
    theirs = {"name": "X-Team", "action": {"type": "Delete"}}
    with pytest.raises(VariableError, match=r"take 20 actions .*, and maintenance-route.yaml.j2 has 1 of its own"):
        with_headers({**ROUTE, "spec": {"httpHeaders": {"actions": {"request": [theirs]}}}}, few)

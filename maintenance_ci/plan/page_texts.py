"""How the page's texts travel: as headers that the Route adds to each request. Pure.

The page's nginx decodes nothing and writes no JSON, the API takes no control characters and 20 actions at the most, and
the router answers users with 500 where a request with all headers does not fit into its buffer: so the job makes each
kind of answer's texts, four in one header, in the characters that this kind needs (docs/design.md).
"""

from __future__ import annotations

import json
from datetime import UTC
from email.utils import format_datetime
from html import unescape
from typing import TYPE_CHECKING, Any

from maintenance_ci.errors import VariableError
from maintenance_ci.settings.texts import PageTexts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from maintenance_ci.plan.marks import Object
    from maintenance_ci.settings.texts import TextsSettings

PREFIX = "X-Maintenance-"
TEXTS, PLAIN, JSON = f"{PREFIX}Texts", f"{PREFIX}Plain", f"{PREFIX}Json"
END, STATUS, CRAWLERS = f"{PREFIX}End", f"{PREFIX}Status", f"{PREFIX}Crawlers"
# The page's own languages: what these say is deleted from each request where the Route says nothing itself.
LANGUAGES = ("EN", "FR", "DE", "IT", "ES")

# Bytes of names and values together. Measured on the real router (maxrewrite 8192): with 8,192 bytes of texts requests
# with 23,500 bytes of cookies pass, with 9,000 they get 500. An administrator may lower maxrewrite to 4096.
MAX_BYTES = 3500
# Actions of a list, deletions included (the API).
MAX_ACTIONS = 20
# How messages call the variables that hold them.
VARIABLES = "MAINTENANCE_TITLE, _MESSAGE, _CONTACT and _STATUS_URL"
TOO_LONG = "the router would answer users with an error. Write less, or in fewer languages"

# How a person is told which of the four is which.
LABELS = ("title", "message", "contact", "status")

# Between the four texts of a header; in a text it is written otherwise.
SEPARATOR = "|"
HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", SEPARATOR: "&#124;", "\n": "&#10;"})


def request_headers(settings: TextsSettings) -> dict[str, str]:
    """Return the headers that are set, by name, as the page receives them.

    Raises:
        VariableError: together they are larger than routers bear.
    """
    headers = dict(_texts(settings.page_texts))
    if settings.maintenance_end:
        headers[END] = end_header(settings.maintenance_end)
    if settings.maintenance_status == 503:
        headers[STATUS] = "503"
    if settings.maintenance_crawlers == 200:
        headers[CRAWLERS] = "200"
    require_room(headers)
    return headers


def end_header(end: datetime) -> str:
    """Return an end with its offset, and behind a blank the same as a date of HTTP (RFC 9110), for Retry-After."""
    return f"{end.isoformat(timespec='seconds')} {format_datetime(end.astimezone(UTC), usegmt=True)}"


def lines_of_texts(headers: Mapping[str, str]) -> list[str]:
    """Return what users read, for a person, line by line; empty where the page has its own words for everything."""
    lines: list[str] = []
    for name in (name for name in headers if name == TEXTS or name.startswith(f"{TEXTS}-")):
        language = name.removeprefix(TEXTS).removeprefix("-").lower()
        lines.append(f"users who read {language} read" if language else "users read")
        for label, text in zip(LABELS, headers[name].split(SEPARATOR), strict=False):
            first, *more = unescape(text).split("\n")
            lines += [f"   {label}: {first}", *(f"      {line}" for line in more)] if text else []
    if END in headers:
        lines.append(f"the end that is announced is {headers[END].partition(' ')[0]}")
    if STATUS in headers:
        lines.append(f"the page answers users with {headers[STATUS]}")
    if CRAWLERS in headers:
        lines.append("search engines are answered as users are")
    return lines


def require_room(headers: Mapping[str, str]) -> None:
    """Refuse what would let the router answer users with 500.

    Raises:
        VariableError: there is too much of it.
    """
    size = sum(len(name) + len(value.encode()) for name, value in headers.items())
    if size > MAX_BYTES:
        raise VariableError(
            [f"{VARIABLES}: take {size} bytes of each request together, {MAX_BYTES} at the most: {TOO_LONG}"]
        )


def actions(headers: Mapping[str, str]) -> list[Object]:
    """Return the actions of a Route that set these headers on each request, and delete what visitors send as others."""
    names = [TEXTS, *map(_texts_in, LANGUAGES)]
    names += [*(name for name in headers if name.startswith(f"{TEXTS}-") and name not in names)]
    names += [PLAIN, JSON, END, STATUS, CRAWLERS]
    return [_action(name, headers.get(name)) for name in names]


def headers_of(route: Mapping[str, Any] | None) -> dict[str, str]:
    """Return what a Route says to the page, by header, as the page receives it."""
    return {
        str(one["name"]): str(one["action"]["set"]["value"]).replace("%%", "%")
        for one in _request_actions(route)
        if _is_ours(one) and one["action"]["type"] == "Set"
    }


def with_headers(route: Mapping[str, Any], headers: Mapping[str, str]) -> Object:
    """Return a Route that says this to the page, and no longer what it said before; its other actions stay.

    Raises:
        VariableError: these are too many.
    """
    others = [one for one in _request_actions(route) if not _is_ours(one)]
    own = actions(headers)
    if len(own) + len(others) > MAX_ACTIONS:
        limit = f"in fewer languages: a Route takes {MAX_ACTIONS} actions on requests"
        rest = f", and maintenance-route.yaml.j2 has {len(others)} of its own" if others else ""
        raise VariableError([f"{VARIABLES}: take {len(own)} actions of httpHeaders{rest}. Give them {limit}"])
    spec = route["spec"]
    http_headers = spec.get("httpHeaders") or {}
    wanted = {**(http_headers.get("actions") or {}), "request": [*own, *others]}
    return {**route, "spec": {**spec, "httpHeaders": {**http_headers, "actions": wanted}}}


def without_headers(route: Mapping[str, Any]) -> Object:
    """Return a Route that says nothing to the page; a list that had nothing else in it goes, too."""
    spec, all_requests = route.get("spec") or {}, _request_actions(route)
    others = [one for one in all_requests if not _is_ours(one)]
    if len(others) == len(all_requests):
        return dict(route)
    lists = {**spec["httpHeaders"]["actions"], "request": others}
    lists = {name: one for name, one in lists.items() if one}
    rest = {name: value for name, value in spec.items() if name != "httpHeaders"}
    return {**route, "spec": rest | ({"httpHeaders": {**spec["httpHeaders"], "actions": lists}} if lists else {})}


def _request_actions(route: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    spec = (route or {}).get("spec") or {}
    return list(((spec.get("httpHeaders") or {}).get("actions") or {}).get("request") or [])


def _is_ours(action: Mapping[str, Any]) -> bool:
    return str(action.get("name", "")).lower().startswith(PREFIX.lower())


def _action(name: str, value: str | None) -> Object:
    if value is None:
        return {"name": name, "action": {"type": "Delete"}}
    # The value is a format of HAProxy's: an unescaped % would put a visitor's cookies into the page.
    return {"name": name, "action": {"type": "Set", "set": {"value": value.replace("%", "%%")}}}


def _texts_in(language: str) -> str:
    return f"{TEXTS}-{language.capitalize()}" if language else TEXTS


def _texts(given: Mapping[str, PageTexts]) -> dict[str, str]:
    """Return the headers of the texts that are ``given``, by language: in the page's order, then the others sorted.

    The empty language is what readers of all others read; what a language lacks it has of that one.
    """
    common, others = given.get("", PageTexts()), sorted(given.keys() - {"", *LANGUAGES})
    complete = {one: given[one].or_else(common) for one in ("", *LANGUAGES, *others) if one in given}
    by_language = {one: texts for one, texts in complete.items() if any(texts.all)}
    if not by_language:
        return {}
    headers = {
        _texts_in(one): SEPARATOR.join(text.translate(HTML) for text in texts.all) for one, texts in by_language.items()
    }
    # Who reads these answers says no language: what is common, or else the first language given.
    first, *further = by_language.values()
    for other in further:
        first = first.or_else(other)
    headers[PLAIN] = SEPARATOR.join(text.replace("\n", " ").replace(SEPARATOR, "¦") for text in first.all)
    headers[JSON] = SEPARATOR.join(json.dumps(text)[1:-1].replace(SEPARATOR, r"\u007c") for text in first.all)
    return headers

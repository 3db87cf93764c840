"""The files that a build generates from the page's folder: nginx's configuration, and the page as a file. Pure.

`page.html.j2` is rendered once for each language. In the place of what a Route says of itself it has marks, at which
the HTML is cut into pieces; nginx puts the pieces together again, with the texts between them, for each answer.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from maintenance_ci.errors import MaintenanceError, VariableError
from maintenance_ci.page.look import Language, Look, logo_address, page_file, read_languages, read_look
from maintenance_ci.page.nginx_text import DOLLAR, MAX_VALUE, Pieces, escaped, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

# In this order: the first one names pieces that the last one defines.
CONFIGURATION = ("page-html.conf", "page.conf")
OWN_PAGE = "index.html"
# Bytes of the page as it is served, in each language, but for what a Route says.
MAX_PAGE = 25_000

# Marks in the HTML: controls, which no text has.
VARIABLE, BLOCK, END, CLOSE = "\x01", "\x02", "\x03", "\x04"
# Where the HTML is cut: at the marks, and around what is the same in all languages.
CUT = re.compile(
    f"{VARIABLE}(?P<variable>[a-z_]+){CLOSE}|{BLOCK}(?P<condition>[a-z_]+){CLOSE}|(?P<end>{END})"
    "|(?=<style>)|(?<=</style>)|(?=<script>)|(?<=</script>)"
)
WHOLE_BLOCK = re.compile(f"{BLOCK}([a-z_]+){CLOSE}(.*?){END}", re.DOTALL)
INLINE = {
    "style": re.compile("<style>(.*?)</style>", re.DOTALL),
    "script": re.compile("<script>(.*?)</script>", re.DOTALL),
}
# A page of one's own brings styles of all kinds, and pictures and fonts as data: addresses; it runs no script.
OWN_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'"
)
# The variables of page.conf.j2 that page.html.j2 calls by a shorter name; {} is the language's code.
MARKS = {
    "title": "maintenance_title_{}",
    "message": "maintenance_message_{}",
    "date": "maintenance_date_{}",
    "end": "maintenance_end",
    "contact": "maintenance_html_contact",
    "status_url": "maintenance_html_status_url",
    "sent": "maintenance_sent",
    "query": "maintenance_query",
    "texts_language": "maintenance_texts_language",
}


@dataclass(frozen=True)
class Block:
    """A part of the page that is shown only where a text is there.

    Attributes:
        name: of the variable that holds it.
        condition: the variable that must not be empty.
        value: of the variable, for nginx.
    """

    name: str
    condition: str
    value: str


def render_page(folder: Path, *, name: str, tag: str, signature: str) -> dict[str, str]:
    """Return the files that are made of the page's folder, by name.

    Args:
        folder: what it lacks is taken from this package.
        name: of the page, and with ``tag`` what the header ``X-Maintenance-Page`` says.
        tag: of its image.
        signature: the last line of the page, plain text; it may be empty.

    Raises:
        VariableError: the signature is longer than nginx can read.
        MaintenanceError: a file of the folder cannot be used.
    """
    signature = one_line(signature)
    if len(escaped(signature).encode()) > MAX_VALUE:
        raise VariableError([f"MAINTENANCE_SIGNATURE: is too long: nginx takes {MAX_VALUE} bytes of UTF-8 at the most"])
    look, languages = read_look(folder), read_languages(folder)
    default = next((one for one in languages if one.code == look.language), None)
    if default is None:
        known = ", ".join(one.code for one in languages) or "there is none"
        raise MaintenanceError(
            f"The file look.yaml names the language {look.language}, which has no file in languages/ ({known}).",
            "Correct language in look.yaml, or add the file, then run the job again.",
        )
    html = {one.code: _render_html(folder, look, languages, one, signature) for one in languages}
    own_page = (folder / OWN_PAGE).is_file()
    files = _render_configuration(
        folder,
        languages,
        html,
        page=f"{name}:{tag}",
        signature=signature,
        own_page=own_page,
        policy=OWN_POLICY if own_page else _policy(html.values()),
        default_language=default.code,
    )
    return files if own_page else files | {OWN_PAGE: _with_built_in_texts(html[default.code], default)}


def _render_html(folder: Path, look: Look, languages: list[Language], language: Language, signature: str) -> str:
    """Return the page in one language, with marks."""
    marks = {name: Markup(f"{VARIABLE}{name}{CLOSE}") for name in MARKS}  # noqa: S704 - no markup in it

    def given(mark: str, caller: Callable[[], str]) -> Markup:
        condition = str(mark)[1:-1]
        return Markup(f"{BLOCK}{condition}{CLOSE}{caller().lstrip()}{END}")  # noqa: S704 - rendered, and escaped, before

    html = _render(
        folder,
        "page.html.j2",
        autoescape=True,
        look=look.model_dump() | {"logo_address": logo_address(folder, look)},
        languages=languages,
        language=language,
        signature=signature,
        given=given,
        **marks,
    )
    size = len(html.encode())
    if size > MAX_PAGE:
        raise MaintenanceError(
            f"The page has {size:,} bytes in the language {language.code}; {MAX_PAGE:,} is the most.",
            "Take a smaller logo, or shorten page.html.j2, then run the job again.",
        )
    return html


def _render_configuration(
    folder: Path, languages: list[Language], html: Mapping[str, str], **values: object
) -> dict[str, str]:
    pieces = Pieces()
    pages, blocks, dates = {}, {}, {}
    for language in languages:
        code = language.code
        pages[code], blocks[code] = _compile(html[code], code, pieces)
        dates[code] = _date(language, pieces)
    values |= {
        "languages": languages,
        "codes": "|".join(one.code for one in languages),
        # What no part of a page can be made of: markup, and quotes that would end an attribute.
        "html_texts": r'^[^<>"|]*\|[^<>"|]*\|[^<>"|]*\|(?:https?://[^<>"|]*)?$',
        "pages": pages,
        "blocks": blocks,
        "dates": dates,
        "dollar": DOLLAR,
        "piece": pieces.reference,
        "texts": pieces.all,
    }
    return {name: _render(folder, f"{name}.j2", autoescape=False, **values) for name in CONFIGURATION}


def _render(folder: Path, name: str, *, autoescape: bool, **values: object) -> str:
    file = page_file(folder, name)
    environment = Environment(
        autoescape=autoescape,  # noqa: S701 - nginx's configuration is no HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"escaped": escaped, "json": lambda text: json.dumps(text)[1:-1]}
    try:
        return environment.from_string(file.read_text(encoding="utf-8")).render(**values)
    except Exception as error:
        line = getattr(error, "lineno", None)
        where = f"{file}, line {line}," if line else file
        raise MaintenanceError(f"{where} cannot be used: {error}.", "Correct it, then run the job again.") from error


def _compile(html: str, code: str, pieces: Pieces) -> tuple[str, list[Block]]:
    """Return a page as nginx puts it together, and its blocks."""
    blocks: list[Block] = []
    # What is open: the condition and the value of a block, within that of the page.
    open_values: list[tuple[str, list[str]]] = [("", [])]
    position = 0
    for cut in CUT.finditer(html):
        open_values[-1][1].append(pieces.reference(html[position : cut.start()]))
        position = cut.end()
        if cut["variable"]:
            open_values[-1][1].append(f"${{{MARKS[cut['variable']].format(code)}}}")
        elif cut["condition"]:
            open_values.append((MARKS[cut["condition"]].format(code), []))
        elif cut["end"]:
            condition, value = open_values.pop()
            block = Block(f"maintenance_b{len(blocks)}_{code}", condition, "".join(value))
            blocks.append(block)
            open_values[-1][1].append(f"${{{block.name}}}")
    return "".join([*open_values[0][1], pieces.reference(html[position:])]), blocks


def _date(language: Language, pieces: Pieces) -> str:
    """Return a date of a language as nginx puts it together."""
    value = []
    for part in re.split(r"(\{[a-z]+\})", language.date):
        name = part.strip("{}")
        own = f"_{language.code}" if name in ("day", "month") else ""
        value.append(f"${{maintenance_{name}{own}}}" if part.startswith("{") else pieces.reference(part))
    return "".join(value)


def _policy(pages: Iterable[str]) -> str:
    """Return the page's Content-Security-Policy: its own style and script run, and no others."""
    together = "".join(pages)
    allowed = "; ".join(
        f"{kind}-src {' '.join(sorted({_sha256(text) for text in pattern.findall(together)}))}"
        for kind, pattern in INLINE.items()
    )
    return f"default-src 'none'; {allowed}; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'"


def _sha256(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _with_built_in_texts(html: str, language: Language) -> str:
    """Return the page as a file, with its built-in texts: for an nginx configuration of one's own that serves one."""
    texts = {"title": str(Markup.escape(language.title)), "message": str(Markup.escape(language.message))}
    shown = WHOLE_BLOCK.sub(lambda block: block[2] if texts.get(block[1]) else "", html)
    return re.sub(f"{VARIABLE}([a-z_]+){CLOSE}", lambda mark: texts.get(mark[1], ""), shown)

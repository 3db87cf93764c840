"""What a pipeline tells the users of a Route: the texts of the page, in any language, and how it is answered. Pure.

A text is `MAINTENANCE_TITLE`, or for one language `MAINTENANCE_TITLE_FR`: the code has two letters (ISO 639-1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from maintenance_ci.settings import types
from maintenance_ci.settings.model import Rules, Variables

# In the order of the page.
KINDS = ("TITLE", "MESSAGE", "CONTACT", "STATUS_URL")
# The variables without a language.
VARIABLES = tuple(f"MAINTENANCE_{kind}" for kind in KINDS)
VARIABLE = re.compile(rf"MAINTENANCE_(?P<kind>{'|'.join(KINDS)})(_(?P<language>[A-Z]{{2}}))?")
# What only looks like one: MAINTENANCE_MESSAGE_DEU, MAINTENANCE_MESSAGE_fr.
MISNAMED = re.compile(rf"MAINTENANCE_({'|'.join(KINDS)})_.*", re.DOTALL)
# Without blanks, and without what would end an attribute of HTML or mean something in a header's list.
STATUS_URL = re.compile(r"[Hh][Tt][Tt][Pp][Ss]?://[^\s\"'<>\\^`{|}]+")


def _lines(value: str) -> str:
    """Return a text with one kind of line break, and blanks in place of tabs: the API takes no control characters."""
    return "\n".join(value.strip().replace("\t", " ").splitlines())


def _status_url(value: str) -> str:
    value = value.strip()
    try:
        parts = urlsplit(value if STATUS_URL.fullmatch(value) else "")
        good = bool(parts.hostname) and "@" not in parts.netloc and len(value) <= types.MAX_TEXT
    except ValueError:  # a host in brackets that is none
        good = False
    if not good:
        raise ValueError(
            f"must be an http:// or https:// address, without user, blanks and quotes, {types.MAX_TEXT} characters at "
            "the most"
        )
    scheme, _, rest = value.partition("://")
    return f"{scheme.lower()}://{rest}"


def _status(value: str) -> int:
    """Take a status of HTTP that the page can answer with."""
    if value.strip() not in ("200", "503"):
        raise ValueError("must be 200 or 503")
    return int(value)


Text = Annotated[str, AfterValidator(types.require_text), AfterValidator(_lines)]
StatusUrl = Annotated[str, AfterValidator(_status_url)]
Status = Annotated[int, BeforeValidator(_status)]


class PageTexts(BaseModel):
    """The texts of one language, or of none; an empty one is not given."""

    model_config = ConfigDict(alias_generator=str.upper, frozen=True)

    title: Text = ""
    message: Text = ""
    contact: Text = ""
    status_url: StatusUrl = ""

    @property
    def all(self) -> tuple[str, str, str, str]:
        """The four of them, in the order of `KINDS`."""
        return self.title, self.message, self.contact, self.status_url

    def or_else(self, other: PageTexts) -> PageTexts:
        """Return these texts, and those of another language where they are empty."""
        mine, others = self.model_dump(), other.model_dump()
        return PageTexts.model_construct(**{name: mine[name] or others[name] for name in mine})


def variable_at(place: tuple[int | str, ...]) -> str:
    """Return the variable whose value pydantic found wrong; a text's place is (the field, its language, its kind)."""
    if len(place) == 1:
        return str(place[0])
    _, language, kind = place
    return f"MAINTENANCE_{kind}_{language}".removesuffix("_")


def good_names(given: Mapping[str, str]) -> Iterator[str]:
    """Tell that a variable looks like a text's, and is none: nobody would ever see it."""
    for name in sorted(given):
        if MISNAMED.fullmatch(name) and not VARIABLE.fullmatch(name):
            yield (
                f"{name}: is no text of the page: behind MAINTENANCE_TITLE, _MESSAGE, _CONTACT or _STATUS_URL stands "
                "nothing, or a language's code of two capital letters, such as _FR"
            )


class TextsSettings(Variables):
    """What the users of a Route in maintenance are told, and how.

    Attributes:
        page_texts: by language, in capitals; what has none is the empty one's.
        maintenance_end: when the maintenance is announced to end.
        maintenance_status: with which the page answers; None: with 200, or as it was said before.
        maintenance_crawlers: with which crawlers are answered; None: with 503, or as it was said before.
    """

    rules: ClassVar[Rules] = (good_names,)

    page_texts: dict[str, PageTexts] = Field(default_factory=dict, validation_alias=AliasChoices(*VARIABLES))
    maintenance_end: types.Moment | None = None
    maintenance_status: Status | None = None
    maintenance_crawlers: Status | None = None

    @model_validator(mode="before")
    @classmethod
    def _gather_texts(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the variables with all texts in the place of the first one, by language and kind."""
        texts: dict[str, dict[str, Any]] = {}
        for name, value in given.items():
            if parts := VARIABLE.fullmatch(name):
                texts.setdefault(parts["language"] or "", {})[parts["kind"]] = value
        return {**given, VARIABLES[0]: texts}

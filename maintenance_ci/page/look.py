"""The page's colours, logo and languages, as the files of its folder say them. Pure but for reading these files."""

from __future__ import annotations

import base64
import re
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.settings.folders import find

if TYPE_CHECKING:
    from pathlib import Path

# The least contrast of text to what is behind it (WCAG 2.2, 1.4.3).
CONTRAST = 4.5
PICTURES = {".svg": "image/svg+xml", ".png": "image/png", ".webp": "image/webp", ".jpg": "image/jpeg"}

OneLine = AfterValidator(lambda text: " ".join(text.split()))
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]
Text = Annotated[str, StringConstraints(min_length=1), OneLine]
DateFormat = Annotated[str, StringConstraints(pattern=r"^([^{}]|\{(day|month|year|hour|minute|offset)\})+$"), OneLine]
SentenceWithDate = Annotated[str, StringConstraints(pattern=r"^[^{}]*\{date\}[^{}]*$"), OneLine]
SentenceWithTimeLeft = Annotated[str, StringConstraints(pattern=r"^[^{}]*\{left\}[^{}]*$"), OneLine]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Colours(_File):
    """The colours of a light, or of a dark screen."""

    ground: Colour
    card: Colour
    ink: Colour
    quiet: Colour
    accent: Colour


class Look(_File):
    """``look.yaml``: what a team makes its own of the page.

    Attributes:
        light: the colours of a light screen.
        dark: those of a dark one.
        logo: a file of the folder; empty for none.
        logo_text: what the logo says, for whoever does not see it.
        language: the code of the language for browsers that ask for none of the page's.
    """

    light: Colours
    dark: Colours
    logo: str = ""
    logo_text: str = ""
    language: str = "en"


class Language(_File):
    """A file of ``languages/``: the page's own words in one language.

    Attributes:
        code: of the language, two letters (ISO 639-1); the file's name.
        name: of the language, in itself.
        direction: in which it is written.
        months: their names, from January on.
        days: how a day of the month is written, where it is not its number.
        date: of ``{day}``, ``{month}``, ``{year}``, ``{hour}``, ``{minute}``, ``{offset}``.
        end: a sentence with ``{date}``.
        left: a sentence with ``{left}``, which a browser makes of the time that is left, such as "in 2 hours".
    """

    code: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
    name: Text
    direction: Literal["ltr", "rtl"]
    months: Annotated[list[Text], Field(min_length=12, max_length=12)]
    days: dict[Annotated[int, Field(ge=1, le=31)], Text]
    date: DateFormat
    title: Text
    message: Text
    end: SentenceWithDate
    left: SentenceWithTimeLeft
    overdue: Text
    sent: Text
    contact: Text
    status: Text
    checks: Text
    back: Text
    go_on: Text
    languages: Text
    missing: Text

    @property
    def end_before(self) -> str:
        """The part of the sentence ``end`` before the date."""
        return self.end.partition("{date}")[0]

    @property
    def end_after(self) -> str:
        """The part of the sentence ``end`` behind the date."""
        return self.end.partition("{date}")[2]


Model = TypeVar("Model", bound=BaseModel)


def page_file(folder: Path, name: str) -> Path:
    """Return a file of the page's folder, or the one of this package where that folder has none of its own."""
    own = folder / name
    return own if own.exists() else find(f"docker/{name}", checkout=False)


def read_look(folder: Path) -> Look:
    """Read ``look.yaml``.

    Raises:
        MaintenanceError: it says something that the page cannot be, such as colours that are hard to read.
    """
    file = page_file(folder, "look.yaml")
    look = _read(file, Look)
    faults = [
        f"{side}.{text} ({getattr(colours, text)}) on {side}.{behind} has a contrast of {ratio:.1f}:1"
        for side, colours in (("light", look.light), ("dark", look.dark))
        for text, behind in product(("ink", "quiet", "accent"), ("card", "ground"))
        if (text, behind) != ("accent", "ground")  # links are in the card
        if (ratio := contrast(getattr(colours, text), getattr(colours, behind))) < CONTRAST
    ]
    if faults:
        raise MaintenanceError(
            f"{file} has colours that are hard to read: {'; '.join(faults)}.",
            f"Choose others: {CONTRAST}:1 is the least (WCAG 2.2).",
        )
    return look


def logo_address(folder: Path, look: Look) -> str:
    """Return the logo itself, as a ``data:`` address; empty where there is none.

    Raises:
        MaintenanceError: its file is not there, or no picture that browsers know.
    """
    if not look.logo:
        return ""
    logo = page_file(folder, look.logo)
    kind = PICTURES.get(logo.suffix.lower())
    if kind is None:
        raise MaintenanceError(
            f"The page's logo {look.logo} is none of {', '.join(PICTURES)}.", "Give another one in look.yaml."
        )
    return f"data:{kind};base64,{base64.b64encode(logo.read_bytes()).decode()}"


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21, as WCAG 2.2 defines it."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def read_languages(folder: Path) -> list[Language]:
    """Read the files of ``languages/``, by code.

    Raises:
        MaintenanceError: one of them is none, or lacks something.
    """
    return [_read(file, Language, code=file.stem) for file in sorted(page_file(folder, "languages").glob("*.yaml"))]


def _read(file: Path, model: type[Model], **further: Any) -> Model:
    try:
        return model.model_validate({**yaml.safe_load(file.read_text(encoding="utf-8")), **further})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    except (yaml.YAMLError, UnicodeDecodeError, TypeError) as error:
        faults = " ".join(str(error).split())
    raise MaintenanceError(f"{file} cannot be used: {faults}.", "Correct it, then run the job again.")


def _luminance(colour: str) -> float:
    shares = (int(part, 16) / 255 for part in re.findall("[0-9a-fA-F]{2}", colour))
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

"""What a scalar of YAML means to kubectl: pure. See `maintenance_ci.kubernetes_yaml.reader`."""

from __future__ import annotations

import base64
import math
import re
import struct
from decimal import Decimal

Scalar = str | int | float | bool | None

_CORE = "tag:yaml.org,2002:"
_NAMED_VALUES: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_TYPES: dict[str, tuple[type, ...]] = {
    f"{_CORE}int": (int,),
    f"{_CORE}float": (float, int),
    f"{_CORE}bool": (bool,),
    f"{_CORE}null": (type(None),),
}
# As Go's strconv.ParseInt reads them, after all "_" are gone.
_INTEGER = re.compile(r"[-+]?(0[bB][01]+|0[oO]?[0-7]+|0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)")
_OLD_OCTAL = re.compile(r"^([-+]?)0(?=[0-7])")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?![0-9])")
# Characters: no number of 64 bits is longer.
MAX_INTEGER = 70


def plain_scalar(text: str) -> Scalar:
    """Return what a scalar without quotes and without a tag means."""
    if text in _NAMED_VALUES:
        return _NAMED_VALUES[text]
    if text[0] not in "+-.0123456789":
        return text
    plain = text.replace("_", "")
    number: int | float | None = _integer(plain)
    if number is None and _FLOAT.fullmatch(plain):
        number = float(plain)
    # One too large for 64 bits is text.
    return text if number is None or number in (math.inf, -math.inf) else number


def _integer(plain: str) -> int | None:
    """Return an integer that fits into 64 bits, or None."""
    if len(plain) > MAX_INTEGER or not _INTEGER.fullmatch(plain):
        return None
    number = int(_OLD_OCTAL.sub(r"\g<1>0o", plain), base=0)
    return number if -(2**63) <= number < (2**63 if plain[0] in "+-" else 2**64) else None


def tagged_scalar(tag: str, text: str) -> Scalar:
    """Return what a scalar with a tag means; a tag that YAML does not define means nothing.

    Raises:
        ValueError: the text is nothing of that kind.
    """
    if tag == f"{_CORE}binary":
        try:
            content = base64.b64decode(re.sub(r"[\r\n]", "", text), validate=True)
        except ValueError:
            raise ValueError("what is tagged !!binary must be base64") from None
        return content.decode(errors="replace")
    if tag == f"{_CORE}timestamp" and not _TIMESTAMP.match(text):
        raise ValueError("it is tagged !!timestamp, and is none")
    if tag not in _TYPES:
        return text
    value = plain_scalar(text)
    if type(value) not in _TYPES[tag]:
        raise ValueError(f"it is tagged !!{tag.removeprefix(_CORE)}, and is none")
    return value


def float_key(number: float) -> str:
    """Return a float that is a mapping's key as text, as Go's ``strconv.FormatFloat(number, 'g', -1, 32)`` does."""
    if not math.isfinite(number):
        return ".nan" if math.isnan(number) else ".inf" if number > 0 else "-.inf"
    try:
        single = _single(number)
    except OverflowError:
        return ".inf" if number > 0 else "-.inf"
    shortest = next(text for digits in range(1, 18) if _single(float(text := f"{single:.{digits}g}")) == single)
    exact = Decimal(shortest).normalize()
    if exact and not -4 <= exact.adjusted() < 6:
        return f"{float(shortest):.{len(exact.as_tuple().digits) - 1}e}"
    return f"{exact:f}"


def _single(number: float) -> float:
    """Return the float of 32 bits that is nearest."""
    return float(struct.unpack("<f", struct.pack("<f", number))[0])

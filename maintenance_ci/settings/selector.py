"""Kubernetes' label selectors, such as ``depends-on=legacy,tier in (web, api)``. Pure.

The grammar and its meaning are those of apimachinery's pkg/labels, by which kubectl and the API server read them. For
live objects the server evaluates a selector; this module says beforehand whether it is one, and looks at the labels of
originals that are gone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# Blanks between the parts of a selector, and the runs of characters that are keys, values, `in` and `notin`.
BLANKS, WORD = r"[ \t\r\n]*", r"[^ \t\r\n,()=!<>]+"
# One requirement, up to the comma after it or the end. A missing value is the empty one.
REQUIREMENT = re.compile(
    rf"{BLANKS}(?:"
    rf"(?P<absent>!)?{BLANKS}(?P<known>{WORD})"
    rf"|(?P<compared>{WORD}){BLANKS}(?P<operator>==|!=|[=<>]){BLANKS}(?P<value>(?:{WORD})?)"
    rf"|(?P<listed>{WORD})[ \t\r\n]+(?P<set>in|notin){BLANKS}\((?P<values>[^()=!<>]*)\)"
    rf"){BLANKS}(?P<comma>,|\Z)"
)
# Kubernetes' qualified names: a DNS subdomain of 253 characters at the most and a slash may stand before the name.
NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
KEY = re.compile(rf"((?=[^/]{{1,253}}/){SUBDOMAIN}/)?{NAME}")
VALUE = re.compile(rf"({NAME})?")
MAX_VALUE = 63
# Go's strconv.ParseInt takes a number of 64 bits.
INTEGER, INTEGERS = re.compile(r"[-+]?[0-9]+"), range(-(2**63), 2**63)


@dataclass(frozen=True)
class Requirement:
    """One part of a selector.

    Attributes:
        key: the label's name.
        operator: ``in`` (also for ``=``), ``notin`` (also for ``!=``), ``exists``, ``!``, ``<`` or ``>``.
        values: what the label's value is compared with; one for ``<`` and ``>``, none for ``exists`` and ``!``.
    """

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an object with these labels meets the requirement; one without the label meets ``notin``."""
        value = labels.get(self.key)
        match self.operator:
            case "notin":
                return value not in self.values
            case "!":
                return value is None
            case "exists":
                return value is not None
            case "in":
                return value in self.values
        number, bound = _integer(value or ""), _integer(next(iter(self.values)))
        if number is None or bound is None:
            return False
        return number > bound if self.operator == ">" else number < bound


# A label selector: all of its requirements must be met.
Selector = tuple[Requirement, ...]


def parse(text: str) -> Selector:
    """Return what a selector asks for.

    An empty one is refused, although Kubernetes takes it: it would select everything.

    Raises:
        ValueError: it is no selector; the message does not show it.
    """
    requirements: list[Requirement] = []
    at, more = 0, True
    while more:
        part = REQUIREMENT.match(text, at)
        if part is None:
            raise ValueError("is no label selector")
        requirements.append(_requirement(part))
        at, more = part.end(), part["comma"] == ","
    return tuple(requirements)


def matches(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Tell whether an object with these labels is selected."""
    return all(requirement.fits(labels) for requirement in selector)


def _requirement(part: re.Match[str]) -> Requirement:
    key = part["known"] or part["compared"] or part["listed"]
    if part["known"]:
        requirement = Requirement(key, "!" if part["absent"] else "exists")
    elif part["compared"]:
        operator = {"=": "in", "==": "in", "!=": "notin"}.get(part["operator"], part["operator"])
        requirement = Requirement(key, operator, frozenset({part["value"]}))
    else:
        # Where nothing stands between two commas or brackets the empty value is meant.
        values = (value.strip(" \t\r\n") for value in part["values"].split(","))
        requirement = Requirement(key, part["set"], frozenset(values))
    if not KEY.fullmatch(key):
        raise ValueError("is a label selector with a key that no label can have")
    if not all(map(VALUE.fullmatch, requirement.values)):
        raise ValueError("is a label selector with a value that no label can have")
    if requirement.operator in ("<", ">") and _integer(*requirement.values) is None:
        raise ValueError("is a label selector that compares with '<' or '>' what is no whole number")
    return requirement


def _integer(text: str) -> int | None:
    """Return a whole number of 64 bits; None where it is none."""
    if len(text) > MAX_VALUE or not INTEGER.fullmatch(text) or int(text) not in INTEGERS:
        return None
    return int(text)

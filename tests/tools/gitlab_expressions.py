"""GitLab's `rules:if`, evaluated as GitLab does (its lib/gitlab/ci/pipeline/expression, read in November 2026).

What surprises: an undefined variable is nil, an empty one is a text. `&&` and `||` take any text for true, an empty
one, too; only the value of the whole expression is asked whether it is blank. `=~` and `!~` take nil for an empty
text. A pattern has two characters at least: `/./` is none.

gitlab-ci-local turns the expressions into JavaScript, where an empty text is false; so this is needed.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

Value = str | bool | re.Pattern[str] | None
Expression = Callable[[Mapping[str, str]], Value]

TOKEN = re.compile(
    r"""\s*(?:
    (?P<parenthesis>[()])
    | \$(?P<variable>\w+)
    | "(?P<double>.*?)" | '(?P<single>.*?)'
    | (?P<pattern> / (?:\\/|[^/])+ [^\\] / [ismU]*)
    | (?P<null>null)
    | (?P<operator> == | =~ | != | !~ | && | \|\| )
    )""",
    re.VERBOSE | re.ASCII,
)
MAX_TOKENS = 100
WHOLE_PATTERN = re.compile(r"/(?P<text>.*)/(?P<flags>[ismU]*)")
# What RE2 and Python's re read alike, or what is made alike below; no rule needs more.
RE2_PIECE = re.compile(
    r"""\\[^0-9A-Za-z\n] | \\[sS] | \[\^?\]?(?:\\[^0-9A-Za-z\n]|[^\]\\])*\] | \{[0-9]{1,3}(?:,[0-9]{0,3})?\}
    | \((?!\?) | \(\?: | [^\\[({]""",
    re.VERBOSE,
)
BLANKS, OTHERS = r"[\t\n\f\r ]", r"[^\t\n\f\r ]"  # RE2's \s and \S


class ExpressionError(ValueError):
    """GitLab refuses the expression; or it is one that is not modelled here."""


@dataclass(frozen=True)
class Token:
    """One word of an expression: its kind (a group of ``TOKEN``) and its text."""

    kind: str
    text: str


def tokens(text: str) -> list[Token]:
    """Split an expression into its words."""
    found, position = [], 0
    while text[position:].strip():
        match = TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise ExpressionError(f"unknown lexeme: {text[position:]}")
        found.append(Token(match.lastgroup, match[match.lastgroup]))
        position = match.end()
    if not 0 < len(found) < MAX_TOKENS:
        raise ExpressionError("no tokens, or too many")
    return found


def pattern(text: str) -> re.Pattern[str]:
    """Make of `/…/flags` what RE2 makes of it: `$` is the end of the text, and not what stands before a line break."""
    whole = WHOLE_PATTERN.fullmatch(text.replace(r"\/", "/"))
    if whole is None:
        raise ExpressionError(f"no pattern: {text}")
    position, pieces = 0, []
    multiline = "m" in whole["flags"]
    while position < len(whole["text"]):
        piece = RE2_PIECE.match(whole["text"], position)
        if piece is None:
            raise ExpressionError(f"not modelled: {whole['text'][position:]}")
        pieces.append({"$": "$" if multiline else r"\Z", r"\s": BLANKS, r"\S": OTHERS}.get(piece[0], piece[0]))
        position = piece.end()
    try:
        # U only turns greed round, which changes nothing of whether there is a match.
        flags = whole["flags"].replace("U", "")
        return re.compile(f"(?{flags}){''.join(pieces)}" if flags else "".join(pieces))
    except re.error as error:
        raise ExpressionError(f"no pattern: {text}") from error


def matches(left: Value, right: Value) -> bool:
    """What `=~` says: a variable on the right may hold a pattern; where it does not, the text is looked for in it."""
    if right is None:
        return False
    text = "" if left is None else str(left)
    if isinstance(right, str):
        try:
            right = pattern(right)
        except ExpressionError:
            return text in str(right)
    if not isinstance(right, re.Pattern):
        raise ExpressionError("no pattern behind =~")
    return right.search(text) is not None


COMPARISONS: dict[str, Callable[[Value, Value], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "=~": matches,
    "!~": lambda left, right: not matches(left, right),
}


def false(value: Value) -> bool:
    """Ruby's: nil and false alone. An empty text is true."""
    return value is None or value is False


@functools.cache
def parse(text: str) -> Expression:
    """Read an expression, each but once.

    Raises:
        ExpressionError: GitLab would refuse it.
    """
    rest = iter([*tokens(text), Token("end", "")])
    parser = _Parser(rest)
    expression = parser.either()
    if parser.now.kind != "end":
        raise ExpressionError(f"unexpected: {parser.now.text}")
    return expression


class _Parser:
    """`||` of `&&` of comparisons of values: each method reads one of these."""

    def __init__(self, rest: Iterator[Token]) -> None:
        self._rest = rest
        self.now = next(rest)

    def _take(self) -> Token:
        taken, self.now = self.now, next(self._rest, self.now)
        return taken

    def either(self) -> Expression:
        left = self.both()
        while self.now == Token("operator", "||"):
            self._take()
            left = _either(left, self.both())
        return left

    def both(self) -> Expression:
        left = self.comparison()
        while self.now == Token("operator", "&&"):
            self._take()
            left = _both(left, self.comparison())
        return left

    def comparison(self) -> Expression:
        left = self.value()
        while self.now.kind == "operator" and self.now.text in COMPARISONS:
            left = _compared(COMPARISONS[self._take().text], left, self.value())
        return left

    def value(self) -> Expression:
        token = self._take()
        if token == Token("parenthesis", "("):
            inside = self.either()
            if self._take() != Token("parenthesis", ")"):
                raise ExpressionError("unmatched parenthesis")
            return inside
        if token.kind == "variable":
            return lambda variables: variables.get(token.text)
        if token.kind in {"double", "single"}:
            return lambda _: token.text
        if token.kind == "pattern":
            compiled = pattern(token.text)
            return lambda _: compiled
        if token.kind == "null":
            return lambda _: None
        raise ExpressionError(f"unexpected: {token.text}")


def _either(left: Expression, right: Expression) -> Expression:
    return lambda variables: right(variables) if false(value := left(variables)) else value


def _both(left: Expression, right: Expression) -> Expression:
    return lambda variables: value if false(value := left(variables)) else right(variables)


def _compared(compare: Callable[[Value, Value], bool], left: Expression, right: Expression) -> Expression:
    return lambda variables: compare(left(variables), right(variables))


def holds(text: str, variables: Mapping[str, str]) -> bool:
    """Whether a `rules:if` holds: its value is neither nil, nor false, nor blank."""
    value = parse(text)(variables)
    return bool(value.strip()) if isinstance(value, str) else not false(value)

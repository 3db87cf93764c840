"""GitLab's expressions, as its own code evaluates them: a table of values that were read or executed there."""

from __future__ import annotations

import pytest

from tests.tools.gitlab_expressions import ExpressionError, holds, parse

VARIABLES = {
    "EMPTY": "",
    "BLANK": "  ",
    "WEB": "web",
    "LINES": "web\nrm",
    "LAST_LINE": "web\n",
    "PATTERN": "/^w.b$/",
    "ONE": "/w/",
    "TEXT": "in the web",
    "BAD": "/(/",
    "SOURCE": "schedule",
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # A variable alone is asked whether it is blank.
        ("$WEB", True),
        ("$EMPTY", False),
        ("$BLANK", False),
        ("$UNDEFINED", False),
        # Beside && and || it is not: only nil is false there. The last value is asked.
        ("$EMPTY && $WEB", True),
        ("$WEB && $EMPTY", False),
        ("$UNDEFINED && $WEB", False),
        ("$EMPTY || $WEB", False),
        ("$UNDEFINED || $WEB", True),
        ('$EMPTY && $WEB == "web"', True),
        # == and !=: nil is no empty text.
        ('$UNDEFINED == ""', False),
        ('$UNDEFINED != ""', True),
        ("$UNDEFINED == null", True),
        ("$EMPTY == null", False),
        ("$EMPTY != null", True),
        ("$EMPTY == ''", True),
        ('"web" == $WEB', True),
        ("$WEB == $WEB && $UNDEFINED == $MISSING", True),
        # Patterns: nil is an empty text for them.
        ("$WEB =~ /^w.b$/", True),
        ("$WEB =~ /^W.B$/", False),
        ("$WEB =~ /^W.B$/i", True),
        ("$UNDEFINED =~ /^(no)?$/", True),
        ("$UNDEFINED !~ /^(no)?$/", False),
        ("$UNDEFINED =~ /^./", False),
        ("$EMPTY =~ /^./", False),
        ("$UNDEFINED !~ /^./", True),
        ("$WEB =~ /.{3}/", True),
        ("$WEB =~ /.{4}/", False),
        (r"$WEB =~ /\/|b$/", True),
        (r"$BLANK =~ /^\s*$/", True),
        (r"$BLANK =~ /\S/", False),
        (r"$EMPTY =~ /\S/", False),
        (r"$UNDEFINED !~ /\S/", True),
        (r"$WEB =~ /\S/", True),
        # RE2: $ is the end of the text, not what stands before a line break; . is no line break.
        ("$LAST_LINE =~ /^web$/", False),
        ("$LINES =~ /^web$/", False),
        ("$LINES =~ /^web$/m", True),
        ("$LINES =~ /b.r/", False),
        ("$LINES =~ /b.r/s", True),
        # A pattern in a variable; a text that is none is searched for what stands on the left.
        ("$WEB =~ $PATTERN", True),
        ("$TEXT =~ $PATTERN", False),
        ("$WEB =~ $ONE", True),
        ("$WEB =~ $TEXT", True),
        ("$SOURCE =~ $TEXT", False),
        ("$EMPTY =~ $EMPTY", True),
        ("$WEB =~ $BAD", False),
        ("$WEB =~ $UNDEFINED", False),
        ("$WEB !~ $UNDEFINED", True),
        # && before ||, parentheses before both, comparisons before all.
        ('$WEB == "x" && $WEB == "x" || $WEB', True),
        ('$WEB || $WEB == "x" && $WEB == "x"', True),
        ('($WEB || $WEB) && $WEB == "x"', False),
        ('$WEB == "x" || $SOURCE == "schedule" && $WEB =~ /^web$/', True),
        ('"&& || (" == "&& || ("', True),
        ("null", False),
        ('"false"', True),
    ],
)
def test_what_holds(expression: str, expected: bool) -> None:
    assert holds(expression, VARIABLES) is expected


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "   ",
        "$WEB =~ /./",  # one character is no pattern
        "$WEB =~ //",
        "$WEB =~ /(/",
        "$WEB = 1",
        "$WEB &&",
        "&& $WEB",
        "($WEB",
        "$WEB)",
        "$WEB $WEB",
        "web",
        "!$WEB",
        "$WEB =~",
        '$WEB == "web',
        " || ".join(["$WEB"] * 60),  # more than 100 tokens
        r"$WEB =~ /\bweb/",  # RE2's and Python's are not alike: not modelled
        "$WEB =~ /(?=web)/",
        "$WEB =~ /w{1,1001}/",
    ],
)
def test_what_is_no_expression(expression: str) -> None:
    with pytest.raises(ExpressionError):
        holds(expression, VARIABLES)


def test_an_expression_is_read_once_for_many_variables() -> None:
    expression = parse("$A =~ /^a+$/ && $B")
    assert [expression({"A": a, "B": "b"}) for a in ("a", "b")] == ["b", False]

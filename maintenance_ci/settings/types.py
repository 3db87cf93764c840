"""What the value of a pipeline variable may be: types whose validators explain each fault in one sentence.

A message never holds the value: it may be a secret.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import unicodedata
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, SecretStr

from maintenance_ci import names
from maintenance_ci.settings.addresses import read_address, read_server_address
from maintenance_ci.settings.credentials import TOKEN, read_certificates, read_token
from maintenance_ci.settings.force import Force
from maintenance_ci.settings.selector import parse

if TYPE_CHECKING:
    from collections.abc import Callable

# Kubernetes' rules for names (RFC 1123), from its API conventions.
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
DNS_SUBDOMAIN = re.compile(rf"{DNS_LABEL.pattern}(\.{DNS_LABEL.pattern})*")
# The names of most objects: as above, but with parts of any length, 253 characters in all.
OBJECT_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
# What both an image tag (128 characters of [\w.-]) and a label value (63, ending in a letter or digit) allow.
IMAGE_TAG = re.compile(r"[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?")
REGISTRY = re.compile(r"[a-zA-Z0-9]([-.a-zA-Z0-9]*[a-zA-Z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
# RFC 3986 path characters. A percent sign is left out: the router compares paths as they are written.
URL_PATH = re.compile(r"(/(?!\.\.?(/|$))[A-Za-z0-9._~!$&'()*+,;=:@-]+)+")
# Where the Route's name stands in a path of the template project.
ROUTE_NAME_PLACE = re.compile(r"\{\{\s*route_name\s*\}\}")
ADDRESS_URL = re.compile(
    r"(?P<scheme>https?)://(\[(?P<ip6>[0-9a-fA-F]*:[0-9a-fA-F:.]+)\]|(?P<host>[a-z0-9.-]+)):(?P<port>[0-9]{1,5})"
)
# ISO 8601, with an offset, so that the runner's time zone does not matter.
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:[0-5]\d)", re.ASCII)
NUMBER = re.compile(r"[0-9]{1,4}(\.[0-9]{1,6})?")
# What means something to a shell: scripts read addresses from GitLab.
FOR_SHELLS = r";$()<>\\\"'`{}|^"

# A Route's name may have 253 characters; the maintenance Route's adds up to 26 (`names.page_route_name`).
MAX_ROUTE_NAME = 253 - 26
MAX_SUBPATH = 255
# A pipeline's name and an environment's may have 255 characters in GitLab. The longest of ours
# (templates/maintenance) is "Maintenance of PROJECT/ROUTE_NAMESUBPATH"; the namespace may take 63 of them.
MAX_ROUTE_AND_SUBPATH_IN_GITLAB = 255 - len("Maintenance of ") - 63 - len("/")
# With a SUBPATH, the Route's share of these; the rules of a pipeline can add nothing up.
MAX_ROUTE_BESIDE_SUBPATH_IN_GITLAB = 63
MAX_SUBPATH_IN_GITLAB = MAX_ROUTE_AND_SUBPATH_IN_GITLAB - MAX_ROUTE_BESIDE_SUBPATH_IN_GITLAB
# Characters of a text for people: the page needs no longer one.
MAX_TEXT = 500

# The least number above 0 that may be written, see NUMBER.
MIN_SECONDS, MAX_SECONDS = 0.000001, 3600
# An administrator may set 1 to 120 s (the IngressController's tuningOptions.reloadInterval); a rehearsal's router less.
MIN_RELOAD, MAX_RELOAD = 0.1, 120

# What a blank variable is made of: \s of the pipeline's rules (GitLab's expressions are RE2). To Python more is blank.
BLANKS = "\t\n\f\r "
TRUE, FALSE = {"true", "1", "yes"}, {"false", "0", "no"}
# The only PLAN_ONLY with which a job changes something. The rules of the pipeline hold the same pattern.
PLAN_ONLY_NO = re.compile(rf"[{BLANKS}]*(false|0|no)?[{BLANKS}]*", re.ASCII | re.IGNORECASE)


def _matching(pattern: str | re.Pattern[str], expected: str, *, longest: int = 255) -> AfterValidator:
    """Return what refuses a text that is no match, or has more than ``longest`` characters: it must be ``expected``."""

    def check(value: str) -> str:
        if len(value) > longest or not re.fullmatch(pattern, value):
            raise ValueError(f"must be {expected}")
        return value

    return AfterValidator(check)


def _several(read_one: Callable[[str], str]) -> BeforeValidator:
    """Return what takes several values with a space between two of them, sorted, each once.

    Otherwise the same Routes would have an environment of GitLab for each order. The right order may be shown: each
    part is a good name or path, which the environment's name and the messages about its Route show, too.
    """

    def check(value: str) -> tuple[str, ...]:
        parts = [read_one(part) for part in value.split() or [value]]  # a no-break space alone is no name
        right = " ".join(sorted(set(parts)))
        if value != right:
            raise ValueError(f"must be sorted, each once, with one space between two: give '{right}'")
        return tuple(parts)

    return BeforeValidator(check)


def _between(lowest: float, highest: float, expected: str) -> BeforeValidator:
    """Return what takes a number within these bounds, and refuses all else: it must be ``expected``."""

    def check(value: str) -> float:
        text = value.strip()
        if not NUMBER.fullmatch(text) or not lowest <= float(text) <= highest:
            raise ValueError(f"must be {expected}")
        return float(text)

    return BeforeValidator(check)


def is_true(text: str) -> bool:
    """Tell whether the text is a Boolean that is true."""
    return text.strip().lower() in TRUE


def _boolean(value: str) -> bool:
    text = value.strip().lower()
    if text in TRUE | FALSE:
        return text in TRUE
    raise ValueError("must be true or false (or 1/0, yes/no)")


def _route_name(value: str) -> str:
    if len(value) > MAX_ROUTE_NAME or not OBJECT_NAME.fullmatch(value):
        raise ValueError(
            "must be a Route's name, or several with spaces between them: lower-case letters, digits, '-' and '.', "
            f"{MAX_ROUTE_NAME} characters at the most"
        )
    return value


def _subpath(value: str) -> str:
    if value == "/":
        raise ValueError("'/' is the whole Route: leave SUBPATH empty for that")
    if len(value) > MAX_SUBPATH or not URL_PATH.fullmatch(value):
        raise ValueError(
            "must be an absolute path such as /shop, or several with spaces between them, without a slash at its end, "
            "'..', '//', '%', query or fragment"
        )
    return value


def _not_nested(subpaths: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a path below another one: it is in maintenance with that one, and until both have ended."""
    for subpath in subpaths:
        if upper := next((other for other in subpaths if subpath.startswith(f"{other}/")), None):
            raise ValueError(f"has {subpath}, which is below {upper} and in maintenance with it: leave {subpath} out")
    return subpaths


def _selector(value: str) -> str:
    try:
        parse(value)
    except ValueError as error:
        raise ValueError(f"{error}; give one such as depends-on=legacy, as kubectl's -l takes it") from None
    return value.strip()


def _https_url(value: str) -> str:
    value = value.strip()  # GitLab's form does not show a blank or a line break that was copied along
    plain = TOKEN.fullmatch(value) and len(value) <= 255 and not re.search(rf"[{FOR_SHELLS}]", value)
    if not plain or not (address := read_server_address(value, "https")):
        raise ValueError("must be an https:// address, without user, query or fragment")
    return address.rstrip("/")


def _public_address(value: str) -> dict[str, tuple[str, int]]:
    """Return host and port by scheme: a host alone is asked on the usual ports of both schemes."""
    entries = value.split()
    if len(entries) == 1 and "://" not in entries[0]:
        addresses = [("http", entries[0], 80), ("https", entries[0], 443)]
    else:
        urls = [ADDRESS_URL.fullmatch(entry) for entry in entries]
        addresses = [(url["scheme"], url["ip6"] or url["host"], int(url["port"])) for url in urls if url]
    schemes = {scheme for scheme, _, _ in addresses}
    plain = all(_is_host(host) and 1 <= port <= 65535 for _, host, port in addresses)
    if not plain or len(schemes) != len(addresses) or len(addresses) < len(entries):
        raise ValueError(
            "must be a host or IP such as 10.0.0.5, or URLs with ports such as http://10.0.0.5:8080 "
            "https://10.0.0.5:8443, one of each scheme at the most"
        )
    return {scheme: (host, port) for scheme, host, port in addresses}


def _is_host(text: str) -> bool:
    if read_address(text):
        return "%" not in text
    # A name whose last part is a number is an IPv4 address gone wrong (RFC 3696, 2).
    numeric = text.rpartition(".")[2].isdecimal()
    return len(text) <= 253 and not numeric and bool(DNS_SUBDOMAIN.fullmatch(text))


def _kubeconfig(value: str) -> str:
    """Take paths of which one, at the least, is a file: kubectl, too, skips those that are missing."""
    value = value.strip()  # as in `_https_url`
    # Not Path.is_file, which raises for a name that is too long; nor Path.is_dir below.
    if not any(os.path.isfile(path) for path in value.split(os.pathsep)):  # noqa: PTH113
        raise ValueError("must be the path of a kubeconfig file that exists")
    return value


def _existing_folder(value: str) -> str:
    if not os.path.isdir(value):  # noqa: PTH112
        raise ValueError("must be a folder that exists")
    return value


def _parameters(value: str) -> dict[str, Any]:
    """Take a JSON object. A Jinja2 template may use whatever JSON knows, a Template only texts."""
    try:
        parsed = json.loads(value, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise ValueError('must be a JSON object, such as {"PORT": "8080"}')  # noqa: TRY004 - pydantic's way
    if not all(re.fullmatch(r"[A-Za-z0-9_]{1,100}", name) for name in parsed):
        raise ValueError("has a parameter whose name is not letters, digits and '_'")
    return parsed


def _route_strategy(value: str) -> str:
    if value not in names.ROUTE_STRATEGIES:
        raise ValueError(f"must be {' or '.join(map(repr, names.ROUTE_STRATEGIES))}")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


def _moment(value: str) -> datetime:
    text = value.strip()
    with contextlib.suppress(ValueError, OverflowError):  # a 13th month, or a time that UTC has not
        if MOMENT.fullmatch(text):
            moment = datetime.fromisoformat(text)
            moment.astimezone(UTC)
            return moment
    raise ValueError("must be a time with its offset from UTC, such as 2026-11-29T10:00+01:00")


def _forces(value: str) -> frozenset[Force]:
    words = value.lower().replace(",", " ").split()
    if len(words) == 1 and words[0] in TRUE | FALSE:
        return frozenset(Force) if words[0] in TRUE else frozenset()
    known = {force.value: force for force in Force}
    if not words or not set(words) <= known.keys():
        raise ValueError(f"must be what to go on against ({', '.join(sorted(known))}), true for all, or false")
    return frozenset(known[word] for word in words)


def require_text(value: str) -> str:
    """Return a text as it is.

    Raises:
        ValueError: it is too long, or holds a control character other than a line break or a tab.
    """
    if len(value) > MAX_TEXT or not all(map(_is_text, value)):
        raise ValueError(f"must be text of {MAX_TEXT} characters at the most, without control characters")
    return value


def _is_text(character: str) -> bool:
    """Tell whether a character is text, even if it shows nothing and only joins or separates words.

    Not what steers a terminal, turns the order of what follows (U+202A to U+202E), or is forbidden in XML.
    """
    if character in "\t\n\r":
        return True
    code = ord(character)
    return (
        unicodedata.category(character) not in {"Cc", "Cs"} and not 0x202A <= code <= 0x202E and code & 0xFFFE != 0xFFFE
    )


Action = Annotated[str, _matching("|".join(names.ACTIONS), f"one of {', '.join(map(repr, names.ACTIONS))}")]
Boolean = Annotated[bool, BeforeValidator(_boolean)]
Certificates = Annotated[str, BeforeValidator(read_certificates)]
FilePattern = Annotated[
    str,
    _matching(
        rf"(?s)(?!/|(.*/)?\.\.(/|$))([\w./@+-]|\b \b|{ROUTE_NAME_PLACE.pattern})+",
        "a file's path in the template project; {{ route_name }} may stand in it",
    ),
]
Folder = Annotated[str, AfterValidator(_existing_folder)]
Forces = Annotated[frozenset[Force], BeforeValidator(_forces)]
GitLabProject = Annotated[
    str,
    _matching(
        r"[0-9]+|[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)+", "a GitLab project: its path (group/project) or its number"
    ),
]
GitRef = Annotated[str, _matching(r"(?!.*\.\.)[A-Za-z0-9_][\w./@+-]*", "a branch, a tag or a commit")]
HttpsUrl = Annotated[str, AfterValidator(_https_url)]
ImageTag = Annotated[
    str,
    _matching(
        rf"(?!latest$){IMAGE_TAG.pattern}",
        "a tag such as v1, not 'latest': letters, digits, '.', '_', '-', 63 characters at the most",
    ),
]
Kubeconfig = Annotated[str, AfterValidator(_kubeconfig)]
# Part of an environment's name in GitLab, where `-plan` is the one of the job `plan`.
MaintenanceName = Annotated[
    str,
    _matching(
        r"[A-Za-z0-9][A-Za-z0-9._-]*([ /][A-Za-z0-9._-]+)*",
        "a name for the maintenance: first a letter or digit, then also '.', '_', '-', single spaces and "
        f"slashes, {MAX_ROUTE_AND_SUBPATH_IN_GITLAB} characters at the most",
        longest=MAX_ROUTE_AND_SUBPATH_IN_GITLAB,
    ),
]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Namespace = Annotated[
    str, _matching(DNS_LABEL, "a namespace: lower-case letters, digits and '-', 63 characters at the most")
]
Parameters = Annotated[dict[str, Any], BeforeValidator(_parameters)]
PipelineId = Annotated[str, _matching("[0-9]{1,20}", "the pipeline's number, as GitLab sets it")]
PipelineUrl = Annotated[
    str, _matching(rf"https?://[^\s\x00-\x20{FOR_SHELLS}]+", "the pipeline's address, as GitLab sets it", longest=2000)
]
PublicAddress = Annotated[dict[str, tuple[str, int]], BeforeValidator(_public_address)]
Registry = Annotated[
    str, _matching(REGISTRY, "a registry such as registry.example.test/team: no scheme, no tag", longest=200)
]
ReloadInterval = Annotated[
    float,
    _between(
        MIN_RELOAD, MAX_RELOAD, f"the router's reload interval in seconds: a number, {MIN_RELOAD} to {MAX_RELOAD}"
    ),
]
RouteName = Annotated[str, AfterValidator(_route_name)]
RouteNames = Annotated[tuple[str, ...], _several(_route_name)]
RouteSelector = Annotated[str, AfterValidator(_selector)]
RouteStrategy = Annotated[str, AfterValidator(_route_strategy)]
Seconds = Annotated[float, _between(MIN_SECONDS, MAX_SECONDS, f"seconds: a number above 0, {MAX_SECONDS} at the most")]
SecretName = Annotated[
    str, _matching(OBJECT_NAME, "the name of a Secret: lower-case letters, digits, '-' and '.'", longest=253)
]
Subpath = Annotated[str, AfterValidator(_subpath)]
Subpaths = Annotated[tuple[str, ...], AfterValidator(_not_nested), _several(_subpath)]
Text = Annotated[str, AfterValidator(require_text)]
Token = Annotated[SecretStr, BeforeValidator(read_token)]

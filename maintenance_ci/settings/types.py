"""What the value of a pipeline variable may be: types whose validators say so in a person's words.

A message never holds the value: it may be a secret.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import unicodedata
from pathlib import Path, PurePosixPath
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr

from maintenance_ci.settings.credentials import TOKEN, read_certificates, read_token
from maintenance_ci.settings.force import Force
from maintenance_ci.settings.proxies import HOST

# Kubernetes' rules for names (RFC 1123), from its API conventions.
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
DNS_SUBDOMAIN = re.compile(rf"{DNS_LABEL.pattern}(\.{DNS_LABEL.pattern})*")
# The names of most objects: as above, but with parts of any length, 253 characters in all.
OBJECT_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
# What both an image tag (128 characters of [\w.-]) and a label value (63, ending in a letter or digit) allow.
IMAGE_TAG = re.compile(r"[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?")
REGISTRY = re.compile(r"[a-zA-Z0-9]([-.a-zA-Z0-9]*[a-zA-Z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
# RFC 3986 path characters. A percent sign is left out: the router compares paths as they are written.
URL_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+")
GITLAB_PROJECT = re.compile(r"[0-9]+|[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)+")
GIT_REF = re.compile(r"[A-Za-z0-9_][\w./@+-]*")
ADDRESS_URL = re.compile(
    r"(?P<scheme>https?)://(\[(?P<ip6>[0-9a-fA-F]*:[0-9a-fA-F:.]+)\]|(?P<host>[a-z0-9.-]+)):(?P<port>[0-9]{1,5})"
)
NUMBER = re.compile(r"[0-9]{1,4}(\.[0-9]{1,6})?")
PIPELINE_ID = re.compile(r"[0-9]{1,20}")
PIPELINE_URL = re.compile(r"https?://[^\s\x00-\x20;$()<>\\\"'`{}|^]{1,2000}")

# A Route's name may have 253 characters; the maintenance Route's adds up to 26 (maintenance_route.maintenance_name).
MAX_ROUTE_NAME = 253 - 26
MAX_SUBPATH = 255
# A pipeline's name and an environment's may have 255 characters in GitLab. The longest of ours
# (templates/maintenance) is "Maintenance of PROJECT/ROUTE_NAMESUBPATH"; the namespace may take 63 of them.
MAX_ROUTE_AND_SUBPATH_IN_GITLAB = 255 - len("Maintenance of ") - 63 - len("/")
# With a SUBPATH, the Route's share of these; the rules of a pipeline can add nothing up.
MAX_ROUTE_BESIDE_SUBPATH_IN_GITLAB = 63
MAX_SUBPATH_IN_GITLAB = MAX_ROUTE_AND_SUBPATH_IN_GITLAB - MAX_ROUTE_BESIDE_SUBPATH_IN_GITLAB
# A Secret variable in GitLab may hold 10,000 characters; nothing that we read as text is longer than a page needs.
MAX_TEXT = 500

MAX_SECONDS = 3600
# An administrator may set 1 to 120 s (the IngressController's tuningOptions.reloadInterval); a rehearsal's router less.
MIN_RELOAD, MAX_RELOAD = 0.1, 120

TRUE, FALSE = {"true", "1", "yes"}, {"false", "0", "no"}
# The only PLAN_ONLY with which a job changes something. The rules of the pipeline hold the same pattern.
PLAN_ONLY_NO = re.compile(r"[\t\n\f\r ]*(false|0|no)?[\t\n\f\r ]*", re.IGNORECASE)


def _boolean(value: object) -> bool:
    word = str(value).strip().lower()
    if word in TRUE | FALSE:
        return word in TRUE
    raise ValueError("must be true or false (or 1/0, yes/no)")


def _dns_label(value: str) -> str:
    if not DNS_LABEL.fullmatch(value):
        raise ValueError("must be a namespace: lower-case letters, digits and '-', 63 characters at the most")
    return value


def _route_name(value: str) -> str:
    if len(value) > MAX_ROUTE_NAME or not OBJECT_NAME.fullmatch(value):
        raise ValueError(
            f"must be a Route's name: lower-case letters, digits, '-' and '.', {MAX_ROUTE_NAME} characters at the most"
        )
    return value


def _subpath(value: str) -> str:
    if value == "/":
        raise ValueError("'/' is the whole Route: leave SUBPATH empty for that")
    if len(value) > MAX_SUBPATH or not URL_PATH.fullmatch(value) or {".", ".."} & set(value.split("/")):
        raise ValueError(
            "must be an absolute path such as /shop, without a slash at its end, '..', '//', '%', query, fragment or "
            "space"
        )
    return value


def _image_tag(value: str) -> str:
    if value == "latest" or not IMAGE_TAG.fullmatch(value):
        raise ValueError(
            "must be a tag such as v1, not 'latest': letters, digits, '.', '_', '-', 63 characters at the most"
        )
    return value


def _registry(value: str) -> str:
    if len(value) > 200 or not REGISTRY.fullmatch(value):
        raise ValueError("must be a registry such as registry.example.test/team: no scheme, no tag")
    return value


def _https_url(value: str) -> str:
    value = value.strip()  # a blank or a line break that came with copying is not seen in GitLab's form
    parts = urlsplit(value)
    try:
        plain = parts.scheme == "https" and HOST.fullmatch(parts.hostname or "") and parts.port != 0
    except ValueError:  # a port that is no number
        plain = False
    extra = parts.username or parts.password or parts.query or parts.fragment
    if not plain or extra or len(value) > 255 or not TOKEN.fullmatch(value) or re.search(r"[;$()<>\\\"'`{}|^]", value):
        raise ValueError("must be an https:// address, without user, query or fragment")
    return value.rstrip("/")


def _public_address(value: object) -> dict[str, tuple[str, int]]:
    """Return host and port by scheme: one host stands for the usual ports, a URL for those of its scheme."""
    words = str(value).split()
    if len(words) == 1 and "://" not in words[0]:
        found = [("http", words[0], 80), ("https", words[0], 443)]
    else:
        urls = [ADDRESS_URL.fullmatch(word) for word in words]
        found = [(url["scheme"], url["ip6"] or url["host"], int(url["port"])) for url in urls if url]
    schemes = {scheme for scheme, _, _ in found}
    plain = all(_is_host(host) and 1 <= port <= 65535 for _, host, port in found)
    if not plain or len(schemes) != len(found) or len(found) < len(words):
        raise ValueError(
            "must be a host or IP such as 10.0.0.5, or URLs with ports such as http://10.0.0.5:8080 "
            "https://10.0.0.5:8443, one of each scheme at the most"
        )
    return {scheme: (host, port) for scheme, host, port in found}


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        # A name whose last part is a number is an IPv4 address gone wrong (RFC 3696, 2).
        numeric = text.rpartition(".")[2].isdecimal()
        return len(text) <= 253 and not numeric and bool(DNS_SUBDOMAIN.fullmatch(text))
    return "%" not in text


def _kubeconfig(value: str) -> str:
    """Take paths of which one, at the least, is a file: those that are missing are skipped, as kubectl does."""
    value = value.strip()  # as of an address
    if not any(_is_file(path) for path in value.split(os.pathsep) if path):
        raise ValueError("must be the path of a kubeconfig file that exists")
    return value


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # a name that is too long, or that no file can have
        return False


def _existing_folder(value: str) -> str:
    try:
        there = Path(value).is_dir()
    except (OSError, ValueError):  # as for a file
        there = False
    if not there:
        raise ValueError("must be a folder that exists")
    return value


def _gitlab_project(value: str) -> str:
    if len(value) > 255 or not GITLAB_PROJECT.fullmatch(value):
        raise ValueError("must be a GitLab project: its path (group/project) or its number")
    return value


def _git_ref(value: str) -> str:
    if len(value) > 255 or not GIT_REF.fullmatch(value) or ".." in value:
        raise ValueError("must be a branch, a tag or a commit")
    return value


def _secret_name(value: str) -> str:
    if len(value) > 253 or not OBJECT_NAME.fullmatch(value):
        raise ValueError("must be the name of a Secret: lower-case letters, digits, '-' and '.'")
    return value


def _file_pattern(value: str) -> str:
    """Take a path of the template project, in which ``{{ route_name }}`` may stand for the Route's name."""
    plain = re.sub(r"\{\{\s*route_name\s*\}\}", "x", value)
    wrong = PurePosixPath(plain).is_absolute() or ".." in plain.split("/") or not re.fullmatch(r"[\w./@+-]+", plain)
    if wrong or len(value) > 255:
        raise ValueError("must be a file's path in the template project; {{ route_name }} may stand in it")
    return value


def _parameters(value: object) -> dict[str, Any]:
    """Take a JSON object. A Jinja2 template may use whatever JSON knows, a Template texts alone."""
    try:
        parsed = json.loads(str(value), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise ValueError('must be a JSON object, such as {"PORT": "8080"}')  # noqa: TRY004 - pydantic's way
    if not all(re.fullmatch(r"[A-Za-z_]\w{0,99}", name) for name in parsed):
        raise ValueError("has a parameter whose name is not letters, digits and '_'")
    return parsed


def _refuse_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


def _seconds(value: object) -> float:
    seconds = _number(value)
    if not 0 < seconds <= MAX_SECONDS:
        raise ValueError(f"must be seconds: a number above 0, {MAX_SECONDS} at the most")
    return seconds


def _reload_interval(value: object) -> float:
    seconds = _number(value)
    if not MIN_RELOAD <= seconds <= MAX_RELOAD:
        raise ValueError(f"must be the router's reload interval in seconds: a number, {MIN_RELOAD} to {MAX_RELOAD}")
    return seconds


def _number(value: object) -> float:
    text = str(value).strip()
    return float(text) if NUMBER.fullmatch(text) else -1.0


def _pipeline_id(value: str) -> str:
    if not PIPELINE_ID.fullmatch(value):
        raise ValueError("must be the pipeline's number, as GitLab sets it")
    return value


def _pipeline_url(value: str) -> str:
    if not PIPELINE_URL.fullmatch(value):
        raise ValueError("must be the pipeline's address, as GitLab sets it")
    return value


def _forces(value: object) -> frozenset[Force]:
    words = str(value).lower().replace(",", " ").split()
    if len(words) == 1 and words[0] in TRUE | FALSE:
        return frozenset(Force) if words[0] in TRUE else frozenset()
    known = {one.value: one for one in Force}
    if not words or not set(words) <= known.keys():
        raise ValueError(f"must be what to go on against ({', '.join(sorted(known))}), true for all of it, or false")
    return frozenset(known[word] for word in words)


def _text(value: str) -> str:
    if len(value) > MAX_TEXT or not all(map(_is_text, value)):
        raise ValueError(f"must be text of {MAX_TEXT} characters at the most, without control characters")
    return value


def _is_text(character: str) -> bool:
    """Tell whether a person means a character to be read: also one that shows nothing, but joins or parts words.

    Not what steers a terminal, or turns the order of what follows (U+202A to U+202E), or can be no character of XML.
    """
    if character in "\t\n\r":
        return True
    code = ord(character)
    return (
        unicodedata.category(character) not in {"Cc", "Cs"} and not 0x202A <= code <= 0x202E and code & 0xFFFE != 0xFFFE
    )


Boolean = Annotated[bool, BeforeValidator(_boolean)]
Certificates = Annotated[str, BeforeValidator(read_certificates)]
FilePattern = Annotated[str, AfterValidator(_file_pattern)]
Folder = Annotated[str, AfterValidator(_existing_folder)]
Forces = Annotated[frozenset[Force], BeforeValidator(_forces)]
GitLabProject = Annotated[str, AfterValidator(_gitlab_project)]
GitRef = Annotated[str, AfterValidator(_git_ref)]
HttpsUrl = Annotated[str, AfterValidator(_https_url)]
ImageTag = Annotated[str, AfterValidator(_image_tag)]
Kubeconfig = Annotated[str, AfterValidator(_kubeconfig)]
Namespace = Annotated[str, AfterValidator(_dns_label)]
Parameters = Annotated[dict[str, Any], BeforeValidator(_parameters)]
PipelineId = Annotated[str, AfterValidator(_pipeline_id)]
PipelineUrl = Annotated[str, AfterValidator(_pipeline_url)]
PublicAddress = Annotated[dict[str, tuple[str, int]], BeforeValidator(_public_address)]
Registry = Annotated[str, AfterValidator(_registry)]
ReloadInterval = Annotated[float, BeforeValidator(_reload_interval)]
RouteName = Annotated[str, AfterValidator(_route_name)]
Seconds = Annotated[float, BeforeValidator(_seconds)]
SecretName = Annotated[str, AfterValidator(_secret_name)]
Subpath = Annotated[str, AfterValidator(_subpath)]
Text = Annotated[str, AfterValidator(_text)]
Token = Annotated[SecretStr, BeforeValidator(read_token)]

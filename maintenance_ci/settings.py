"""The pipeline's variables, as models. The only reader of the environment.

Every fault of every variable is found before anything is touched, and told by the variable's name, never with its
value: a value may be a secret. An empty variable is an absent one, as GitLab users expect.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import ssl
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from maintenance_ci.errors import VariableError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Kubernetes' rules for names (RFC 1123), from its API conventions.
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
DNS_SUBDOMAIN = re.compile(rf"{DNS_LABEL.pattern}(\.{DNS_LABEL.pattern})*")
# The names of most objects: as above, but with parts of any length, 253 characters in all.
OBJECT_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
# What both an image tag (128 characters of [\w.-]) and a label value (63, ending in a letter or digit) allow.
IMAGE_TAG = re.compile(r"[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?")
REGISTRY = re.compile(r"[a-zA-Z0-9]([-.a-zA-Z0-9]*[a-zA-Z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
# RFC 3986 path characters. A percent sign is left out: the router compares paths as they are written.
URL_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+/?")
GITLAB_PROJECT = re.compile(r"[0-9]+|[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)+")
GIT_REF = re.compile(r"[A-Za-z0-9_][\w./@+-]*")
ADDRESS_URL = re.compile(
    r"(?P<scheme>https?)://(\[(?P<ip6>[0-9a-fA-F]*:[0-9a-fA-F:.]+)\]|(?P<host>[a-z0-9.-]+)):(?P<port>[0-9]{1,5})"
)
TOKEN = re.compile(r"[\x21-\x7e]+")

# A Route's name may have 253 characters; the maintenance Route's adds up to 26 (maintenance_route.maintenance_name).
MAX_ROUTE_NAME = 253 - 26
# A Secret variable in GitLab may hold 10,000 characters; nothing that we read as text is longer than a page needs.
MAX_TEXT = 500

TRUE, FALSE = {"true", "1", "yes"}, {"false", "0", "no"}


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
    if len(value) > 255 or not URL_PATH.fullmatch(value) or {".", ".."} & set(value.split("/")):
        raise ValueError("must be an absolute path such as /shop, without '..', '//', '%', query, fragment or space")
    return value.rstrip("/")


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
    parts = urlsplit(value)
    try:
        plain = parts.scheme == "https" and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number
        plain = False
    extra = parts.username or parts.password or parts.query or parts.fragment
    if not plain or extra or len(value) > 255 or not TOKEN.fullmatch(value) or re.search(r"[;$()<>\\\"'`{}|^]", value):
        raise ValueError("must be an https:// address, without user, query or fragment")
    return value.rstrip("/")


def _token(value: SecretStr) -> SecretStr:
    if not TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("must be a token: no spaces, no line breaks")
    return value


def _certificates(value: str) -> str:
    """Take PEM text, or the path of a file of it (a GitLab variable of type File), and return the text."""
    text = value
    if "-----BEGIN" not in value:
        try:
            text = Path(value).read_text()
        except (OSError, ValueError):
            raise ValueError("must be PEM certificates, or the path of a file that holds them") from None
    try:
        ssl.create_default_context(cadata=text)
    except (ssl.SSLError, ValueError):
        raise ValueError("holds no certificate that can be read: PEM is expected") from None
    return text


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


def _existing_file(value: str) -> str:
    for part in value.split(os.pathsep):
        try:
            there = Path(part).is_file()
        except (OSError, ValueError):  # a name that is too long, or that no file can have
            there = False
        if not there:
            raise ValueError("must be the path of a kubeconfig file that exists")
    return value


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


def _parameters(value: object) -> dict[str, str]:
    try:
        parsed = json.loads(str(value))
    except (json.JSONDecodeError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict) or not all(isinstance(text, str) for text in parsed.values()):
        raise ValueError('must be a JSON object of strings, such as {"PORT": "8080"}')
    if not all(re.fullmatch(r"[A-Za-z_]\w{0,99}", name) for name in parsed):
        raise ValueError("has a parameter whose name is not letters, digits and '_'")
    return parsed


def _text(value: str) -> str:
    if len(value) > MAX_TEXT or not value.replace("\n", " ").replace("\t", " ").isprintable():
        raise ValueError(f"must be text of {MAX_TEXT} characters at the most, without control characters")
    return value


Boolean = Annotated[bool, BeforeValidator(_boolean)]
Certificates = Annotated[str, AfterValidator(_certificates)]
HttpsUrl = Annotated[str, AfterValidator(_https_url)]
Token = Annotated[SecretStr, AfterValidator(_token)]
Text = Annotated[str, AfterValidator(_text)]
RouteName = Annotated[str, AfterValidator(_route_name)]
FilePattern = Annotated[str, AfterValidator(_file_pattern)]
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


class JobSettings(BaseModel):
    """What every job needs: the cluster and the namespace, and what GitLab says of the pipeline."""

    model_config = ConfigDict(alias_generator=str.upper, extra="ignore", frozen=True)

    project: Annotated[str, AfterValidator(_dns_label)]
    okd_url: HttpsUrl | None = None
    okd_token: Token | None = None
    okd_ca: Certificates | None = None
    okd_insecure_skip_tls_verify: Boolean = False
    kubeconfig: Annotated[str, AfterValidator(_existing_file)] | None = None
    # Seconds to wait for the next bytes of an answer of the cluster.
    api_timeout: Seconds = 30
    # Seconds to wait for another job that works in the namespace: longer than most builds take.
    lease_timeout: Seconds = 600
    ci_pipeline_id: Annotated[str, Field(pattern=r"^[0-9]{1,20}$")] = ""
    ci_job_name: Text = ""
    gitlab_ci: Boolean = False
    gitlab_user_login: Text = ""
    # Where the reports go: in GitLab the working folder, elsewhere nowhere.
    report_dir: Annotated[str, AfterValidator(_existing_folder)] | None = None
    ci_pipeline_url: Annotated[str, Field(pattern=r"^https?://[^\s\x00-\x20;$()<>\\\"'`{}|^]{1,250}$")] = ""

    @classmethod
    def missing(cls, given: Mapping[str, str]) -> list[str]:
        """Return the faults that no single variable shows: which of them are missing together."""
        if "OKD_URL" not in given and "KUBECONFIG" not in given:
            return ["OKD_URL: is missing; give OKD_URL and OKD_TOKEN, or a KUBECONFIG"]
        if "OKD_URL" in given and "OKD_TOKEN" not in given:
            return ["OKD_TOKEN: is missing; OKD_URL needs a token"]
        return []


class BuildAndDeploySettings(JobSettings):
    """Variables of the job ``build-and-deploy``."""

    image_tag: Annotated[str, AfterValidator(_image_tag)]
    build_maintenance_page: Boolean = False
    docker_registry: Annotated[str, AfterValidator(_registry)] | None = None
    maintenance_title: Text = "We’ll be back soon!"
    maintenance_message: Text = "Sorry, we are carrying out maintenance. Please come back later."
    maintenance_signature: Text = "The maintenance team"
    build_timeout: Seconds = 900
    rollout_timeout: Seconds = 300


class TemplatesSettings(JobSettings):
    """What leads to the Routes' templates, in a project of GitLab's."""

    route_templates_project: Annotated[str, AfterValidator(_gitlab_project)] | None = None
    route_templates_ref: Annotated[str, AfterValidator(_git_ref)] | None = None
    route_template_path: FilePattern = "{{ route_name }}.yaml"
    route_templates_token: Token | None = None
    route_template_parameters: Annotated[dict[str, str], BeforeValidator(_parameters)] = Field(default_factory=dict)
    ci_server_url: HttpsUrl | None = None
    ci_job_token: Token | None = None
    ci_server_tls_ca_file: Certificates | None = None

    @property
    def needs_templates(self) -> bool:
        """Whether a template is read."""
        return True

    @classmethod
    def missing(cls, given: Mapping[str, str]) -> list[str]:
        """Add where the templates are, and a token for them."""
        faults = super().missing(given)
        if "ROUTE_TEMPLATES_PROJECT" not in given:
            faults.append("ROUTE_TEMPLATES_PROJECT: is missing; it is the GitLab project of the Route's template")
        if "CI_SERVER_URL" not in given:
            faults.append("CI_SERVER_URL: is missing; outside of a GitLab job, give your GitLab's address")
        if "ROUTE_TEMPLATES_TOKEN" not in given and "CI_JOB_TOKEN" not in given:
            faults.append("ROUTE_TEMPLATES_TOKEN: is missing, and there is no CI_JOB_TOKEN to fall back on")
        return faults


class RouteSettings(TemplatesSettings):
    """Variables of the jobs that switch a Route: ``deploy-route`` and ``delete``."""

    route_name: RouteName
    subpath: Annotated[str, AfterValidator(_subpath)] | None = None
    route_strategy: Literal["swap", "repoint"] = "swap"
    accept_route_differences: Boolean = False
    # With which the host of a passthrough Route is served during its maintenance.
    passthrough_certificate_secret: Annotated[str, AfterValidator(_secret_name)] | None = None
    force: Boolean = False
    # The router's reloadInterval (tuningOptions of the IngressController): 1 to 120 s, 5 s unless set.
    router_reload_interval: Annotated[float, Field(ge=0.1, le=120, allow_inf_nan=False)] = 5.0
    admission_timeout: Seconds = 60
    # Whether to ask for the public URL, as a user does, before a switch counts as done.
    probes: Boolean = True
    public_ca: Certificates | None = None
    public_address: Annotated[dict[str, tuple[str, int]], BeforeValidator(_public_address)] = Field(
        default_factory=dict
    )

    @property
    def needs_templates(self) -> bool:
        """Whether a template is read: a part of the site restores nothing."""
        return self.subpath is None

    @classmethod
    def missing(cls, given: Mapping[str, str]) -> list[str]:
        """Add what a whole Route needs to be restored: its template. A part of the site restores nothing."""
        return JobSettings.missing(given) if "SUBPATH" in given else super().missing(given)


# GitLab masks no value that is shorter.
MIN_SECRET = 8
SECRET_VARIABLES = ("OKD_TOKEN", "ROUTE_TEMPLATES_TOKEN", "CI_JOB_TOKEN", "CI_JOB_JWT", "CI_REGISTRY_PASSWORD")

Settings = TypeVar("Settings", bound=JobSettings)


def read_settings(
    model: type[Settings],
    environment: Mapping[str, str] | None = None,
    *,
    arguments: Mapping[str, str] | None = None,
) -> Settings:
    """Read ``model`` from the pipeline's variables; ``arguments`` of the command line go before them.

    Raises:
        VariableError: names every variable that is wrong.
    """
    variables = {**(os.environ if environment is None else environment), **(arguments or {})}
    given = {name: value for name, value in variables.items() if value.strip()}
    faults = model.missing(given)
    try:
        settings = model.model_validate(given)
    except ValidationError as error:
        faults = [_fault(found) for found in error.errors()] + faults
    if faults:
        raise VariableError(faults)
    return settings


def in_gitlab(environment: Mapping[str, str] | None = None) -> bool:
    """Tell whether this is a job of GitLab's; also where variables are wrong."""
    variables = os.environ if environment is None else environment
    return variables.get("GITLAB_CI", "").strip().lower() in TRUE


def report_folder(environment: Mapping[str, str] | None = None) -> Path | None:
    """Return where the job's reports go, or None for nowhere; also where variables are wrong."""
    variables = os.environ if environment is None else environment
    if variables.get("REPORT_DIR", "").strip():
        return Path(variables["REPORT_DIR"])
    return Path.cwd() if in_gitlab(variables) else None


def secrets_given(environment: Mapping[str, str] | None = None) -> list[str]:
    """Return the values that no log may show; short ones are none, and would mask half of what is said."""
    variables = os.environ if environment is None else environment
    return [variables[name] for name in SECRET_VARIABLES if len(variables.get(name, "")) >= MIN_SECRET]


def child_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for commands that we run: ours, without the secrets."""
    variables = os.environ if environment is None else environment
    return {name: value for name, value in variables.items() if name not in SECRET_VARIABLES}


def _fault(found: Mapping[str, Any]) -> str:
    """One line, from pydantic's location and message alone: its inputs may be secrets."""
    message = "is missing" if found["type"] == "missing" else str(found["msg"]).removeprefix("Value error, ")
    return f"{found['loc'][0]}: {message[0].lower()}{message[1:]}"

"""The pipeline's variables, as models. The only reader of the environment.

Every fault of every variable is found before anything is touched, and told by the variable's name, never with its
value: a value may be a secret. An empty variable is an absent one, as GitLab users expect.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from maintenance_ci.errors import VariableError
from maintenance_ci.settings import proxies
from maintenance_ci.settings.credentials import read_token
from maintenance_ci.settings.page import BaseImageReference, BuildResources, PageResources
from maintenance_ci.settings.types import (
    MAX_ROUTE_AND_SUBPATH_IN_GITLAB,
    MAX_ROUTE_BESIDE_SUBPATH_IN_GITLAB,
    MAX_ROUTE_NAME,
    MAX_SUBPATH,
    MAX_SUBPATH_IN_GITLAB,
    PLAN_ONLY_NO,
    TRUE,
    Boolean,
    Certificates,
    FilePattern,
    Folder,
    Forces,
    GitLabProject,
    GitRef,
    HttpsUrl,
    ImageTag,
    Kubeconfig,
    Namespace,
    Parameters,
    PipelineId,
    PipelineUrl,
    PublicAddress,
    Registry,
    ReloadInterval,
    RouteName,
    Seconds,
    SecretName,
    Subpath,
    Text,
    Token,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class JobSettings(BaseModel):
    """What every job needs: the cluster and the namespace, and what GitLab says of the pipeline."""

    model_config = ConfigDict(alias_generator=str.upper, extra="ignore", frozen=True)

    project: Namespace
    okd_url: HttpsUrl | None = None
    okd_token: Token | None = None
    okd_ca: Certificates | None = None
    okd_insecure_skip_tls_verify: Boolean = False
    kubeconfig: Kubeconfig | None = None
    kube_context: Text = ""
    # Seconds to wait for the next bytes of an answer of the cluster.
    api_timeout: Seconds = 30
    # Seconds to wait for another job that works in the namespace: longer than most builds take.
    lease_timeout: Seconds = 600
    ci_pipeline_id: PipelineId = ""
    ci_job_name: Text = ""
    gitlab_ci: Boolean = False
    gitlab_user_login: Text = ""
    # Where the reports go: in GitLab the working folder, elsewhere nowhere.
    report_dir: Folder | None = None
    ci_pipeline_url: PipelineUrl = ""

    @classmethod
    def missing(cls, given: Mapping[str, str]) -> list[str]:
        """Return the faults that no single variable shows: which of them are missing together."""
        faults = []
        if "OKD_URL" not in given and "KUBECONFIG" not in given:
            faults.append("OKD_URL: is missing; give OKD_URL and OKD_TOKEN, or a KUBECONFIG")
        if "OKD_URL" in given and "OKD_TOKEN" not in given:
            faults.append("OKD_TOKEN: is missing; OKD_URL needs a token")
        if "KUBE_CONTEXT" in given and "KUBECONFIG" not in given:
            faults.append("KUBE_CONTEXT: is a context of KUBECONFIG, which is missing")
        return faults


class BuildAndDeploySettings(JobSettings):
    """Variables of the job ``build-and-deploy``."""

    image_tag: ImageTag
    build_maintenance_page: Boolean = False
    docker_registry: Registry | None = None
    # The image that the page is built upon, instead of the Dockerfile's, and the Secret that it is pulled with.
    page_base_image: BaseImageReference | None = None
    page_base_pull_secret: SecretName | None = None
    # What the page's Pod and its build's ask for and may use: as quotas and LimitRanges of the namespace want it.
    page_resources: PageResources = Field(default_factory=dict)
    build_resources: BuildResources = Field(default_factory=dict)
    maintenance_title: Text = "We’ll be back soon!"
    maintenance_message: Text = "Sorry, we are carrying out maintenance. Please come back later."
    maintenance_signature: Text = "The maintenance team"
    build_timeout: Seconds = 900
    rollout_timeout: Seconds = 300


class TemplatesSettings(JobSettings):
    """What leads to the Routes' templates, in a project of GitLab's."""

    route_templates_project: GitLabProject | None = None
    route_templates_ref: GitRef | None = None
    route_template_path: FilePattern = "{{ route_name }}.yaml"
    route_templates_token: Token | None = None
    route_template_parameters: Parameters = Field(default_factory=dict)
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
    subpath: Subpath | None = None
    route_strategy: Literal["swap", "repoint"] = "swap"
    accept_route_differences: Boolean = False
    # With which the host of a passthrough Route is served during its maintenance.
    passthrough_certificate_secret: SecretName | None = None
    force: Forces = frozenset()
    router_reload_interval: ReloadInterval = 5.0
    admission_timeout: Seconds = 60
    # Whether to ask for the public URL, as a user does, before a switch counts as done.
    probes: Boolean = True
    public_ca: Certificates | None = None
    public_address: PublicAddress = Field(default_factory=dict)

    @property
    def needs_templates(self) -> bool:
        """Whether a template is read: a part of the site restores nothing."""
        return self.subpath is None

    @classmethod
    def missing(cls, given: Mapping[str, str]) -> list[str]:
        """Add what a whole Route needs to be restored: its template. A part of the site restores nothing."""
        faults = JobSettings.missing(given) if "SUBPATH" in given else super().missing(given)
        return faults + (_too_long(given) if in_gitlab(given) else [])


def _too_long(given: Mapping[str, str]) -> list[str]:
    """Return that the names are too long for a pipeline or an environment of GitLab, where each alone is good."""
    route, subpath = len(given.get("ROUTE_NAME", "")), len(given.get("SUBPATH", ""))
    longest = MAX_ROUTE_BESIDE_SUBPATH_IN_GITLAB if subpath else MAX_ROUTE_AND_SUBPATH_IN_GITLAB
    fits = route <= longest and subpath <= MAX_SUBPATH_IN_GITLAB
    if fits or route > MAX_ROUTE_NAME or subpath > MAX_SUBPATH:
        return []
    message = (
        "ROUTE_NAME and SUBPATH: are too long for the name of an environment of GitLab; there SUBPATH may have "
        f"{MAX_SUBPATH_IN_GITLAB} characters, and ROUTE_NAME {MAX_ROUTE_BESIDE_SUBPATH_IN_GITLAB}, or "
        f"{MAX_ROUTE_AND_SUBPATH_IN_GITLAB} without a SUBPATH; run the jobs in a terminal, which has no such limit"
    )
    return [message]


# GitLab masks no value that is shorter.
MIN_SECRET = 8
SECRET_VARIABLES = ("OKD_TOKEN", "ROUTE_TEMPLATES_TOKEN", "CI_JOB_TOKEN", "CI_JOB_JWT", "CI_REGISTRY_PASSWORD")

# What Helm and oc may know of the job's environment. SSL_CERT_* name the system's CAs for all that is TLS, Python too:
# without them the commands would trust others than the job does.
CHILD_VARIABLES = re.compile(r"PATH|TMPDIR|TZ|LANG|LC_[A-Z]+|SSL_CERT_(FILE|DIR)")

Settings = TypeVar("Settings", bound=JobSettings)


def read_settings(
    model: type[Settings],
    environment: Mapping[str, str] | None = None,
    *,
    arguments: Mapping[str, str] | None = None,
    only_looks: bool = False,
) -> Settings:
    """Read ``model`` from the pipeline's variables; ``arguments`` of the command line go before them.

    With PLAN_ONLY only a command that changes nothing (``only_looks``) may go on.

    Raises:
        VariableError: names every variable that is wrong.
    """
    variables = {**(os.environ if environment is None else environment), **(arguments or {})}
    given = {name: value for name, value in variables.items() if value.strip()}
    faults = model.missing(given)
    if {"OKD_URL", "OKD_TOKEN"} <= given.keys():  # they go before KUBECONFIG, which GitLab's agent sets in every job
        given.pop("KUBECONFIG", None)
    try:
        settings = model.model_validate(given)
    except ValidationError as error:
        faults = [_fault(found) for found in error.errors()] + faults
    if not only_looks and plan_only(variables):
        faults.append(
            "PLAN_ONLY: asks for a plan alone, and this command would change something; run `maintenance-ci plan`, or "
            "give PLAN_ONLY=false (0, no and empty are a no, too; everything else is a yes)"
        )
    if faults:
        raise VariableError(faults)
    return settings


def plan_only(environment: Mapping[str, str] | None = None) -> bool:
    """Tell whether nothing may be changed: PLAN_ONLY is anything but a no. The pipeline's rules decide alike."""
    variables = os.environ if environment is None else environment
    return not PLAN_ONLY_NO.fullmatch(variables.get("PLAN_ONLY", ""))


def in_gitlab(environment: Mapping[str, str] | None = None) -> bool:
    """Tell whether this is a job of GitLab's; also where variables are wrong."""
    variables = os.environ if environment is None else environment
    return variables.get("GITLAB_CI", "").strip().lower() in TRUE


def has_checkout(environment: Mapping[str, str] | None = None) -> bool:
    """Tell whether the job's working folder holds a checkout; where nobody says, it may."""
    variables = os.environ if environment is None else environment
    return variables.get("GIT_STRATEGY", "").strip().lower() not in ("none", "empty")


def report_folder(environment: Mapping[str, str] | None = None) -> Path | None:
    """Return where the job's reports go, or None for nowhere; also where variables are wrong."""
    variables = os.environ if environment is None else environment
    if variables.get("REPORT_DIR", "").strip():
        return Path(variables["REPORT_DIR"])
    return Path.cwd() if in_gitlab(variables) else None


def secrets_given(environment: Mapping[str, str] | None = None) -> list[str]:
    """Return the values that no log may show; short ones are none, and would mask half of what is said."""
    variables = os.environ if environment is None else environment
    tokens = (_token_given(variables.get(name, "")) for name in SECRET_VARIABLES)
    return [*(token for token in tokens if len(token) >= MIN_SECRET), *proxies.secrets_of(variables)]


def _token_given(value: str) -> str:
    """Return the token of a variable, which may name a file; a value that is none is a secret all the same."""
    try:
        return read_token(value)
    except ValueError:
        return value.strip()


def proxy_to(url: str, environment: Mapping[str, str] | None = None) -> proxies.Proxy | None:
    """Return the proxy that the job's environment names for ``url``; None: it is asked directly.

    Raises:
        VariableError: the variable that counts names no proxy that all clients can use.
    """
    return proxies.proxy_for(url, os.environ if environment is None else environment)


def login_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a program that a kubeconfig names for logging in: the job's, without our tokens."""
    variables = os.environ if environment is None else environment
    return {name: value for name, value in variables.items() if name not in SECRET_VARIABLES}


def child_environment(home: Path, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the whole environment of Helm and oc: what `CHILD_VARIABLES` lists, and ``home`` as their HOME.

    All else stays out, since both read much from it: ``HELM_KUBEAPISERVER`` would send our token to another server,
    a ``~/.kube/config``, a ``kuberc`` or a plugin would change what they do. How they get to the cluster, proxies
    too, stands in the kubeconfig that we hand them.
    """
    variables = os.environ if environment is None else environment
    allowed = {name: value for name, value in variables.items() if CHILD_VARIABLES.fullmatch(name)}
    return {**allowed, "HOME": str(home)}


def _fault(found: Mapping[str, Any]) -> str:
    """One line, from pydantic's location and message alone: its inputs may be secrets."""
    message = str(found["msg"]).removeprefix("Value error, ")
    if found["type"] == "missing":
        message = "is missing"
    elif found["type"] == "literal_error":
        message = f"must be {found['ctx']['expected']}"
    return f"{found['loc'][0]}: {message}"

"""The pipeline's variables, as models. The only reader of the environment.

Every fault of every variable is reported before anything is touched, with the variable's name and never with its
value: a value may be a secret. An empty variable is an absent one, as GitLab users expect.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar, get_args

from pydantic import AfterValidator, AliasChoices, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from maintenance_ci.errors import VariableError
from maintenance_ci.settings import combinations, proxies, testers, texts, types
from maintenance_ci.settings.credentials import read_token
from maintenance_ci.settings.model import Rules, Variables
from maintenance_ci.settings.page import BaseImageReference, BuildResources, PageReplicas, PageResources


class GitLabSecrets(Variables):
    """What GitLab gives to each job, and no job of ours reads: it is a secret all the same."""

    ci_deploy_password: SecretStr = SecretStr("")
    ci_dependency_proxy_password: SecretStr = SecretStr("")
    ci_job_jwt: SecretStr = SecretStr("")
    ci_registry_password: SecretStr = SecretStr("")


class JobSettings(Variables):
    """What every job needs: the cluster and the namespace, and what GitLab says of the pipeline."""

    rules: ClassVar[Rules] = (combinations.cluster,)

    project: types.Namespace
    # What the pipeline is for.
    action: types.Action = "begin"
    okd_url: types.HttpsUrl | None = None
    okd_token: types.Token | None = None
    okd_ca: types.Certificates | None = None
    okd_insecure_skip_tls_verify: types.Boolean = False
    kubeconfig: types.Kubeconfig | None = None
    kube_context: types.Text = ""
    # Seconds to wait for the next bytes of an answer of the cluster.
    api_timeout: types.Seconds = 30
    # Seconds to wait for another job that works in the namespace: longer than most builds take.
    lease_timeout: types.Seconds = 600
    ci_pipeline_id: types.PipelineId = ""
    ci_job_name: types.Text = ""
    gitlab_ci: types.Boolean = False
    gitlab_user_login: types.Text = ""
    # Where the reports go: in GitLab the working folder, elsewhere nowhere.
    report_dir: types.Folder | None = None
    ci_pipeline_url: types.PipelineUrl = ""


class SelectionSettings(JobSettings):
    """Which Routes are meant, or which paths of each of them.

    Attributes:
        route_names: the Routes, sorted; empty where a selector names them.
        subpaths: the paths, sorted; empty for the whole Routes.
        route_selector: the label selector that names the Routes, as it was given.
        maintenance: the name of the maintenance, for its environment and pipeline in GitLab.
    """

    route_names: types.RouteNames = Field((), validation_alias="ROUTE_NAME")
    subpaths: types.Subpaths = Field((), validation_alias="SUBPATH")
    route_selector: types.RouteSelector | None = None
    maintenance: types.MaintenanceName | None = None


class BuildAndDeploySettings(SelectionSettings):
    """Variables of the job ``build-and-deploy``.

    It needs no Route. Where a pipeline names some, and ``deploy-route`` would refuse the names, this job is the first
    that can tell, before it has changed anything.
    """

    rules: ClassVar[Rules] = (combinations.cluster, combinations.names_in_gitlab, combinations.one_selection)

    image_tag: types.ImageTag
    build_maintenance_page: types.Boolean = False
    docker_registry: types.Registry | None = None
    # The image that the page is built upon, instead of the Dockerfile's, and the Secret that it is pulled with.
    page_base_image: BaseImageReference | None = None
    page_base_pull_secret: types.SecretName | None = None
    # How many Pods show the page; else as the chart has it.
    page_replicas: PageReplicas | None = None
    # What the page's Pod and its build's ask for and may use: as quotas and LimitRanges of the namespace want it.
    page_resources: PageResources = Field(default_factory=dict)
    build_resources: BuildResources = Field(default_factory=dict)
    maintenance_signature: types.Text = ""
    build_timeout: types.Seconds = 900
    rollout_timeout: types.Seconds = 300


class PreviewSettings(texts.TextsSettings):
    """Variables of ``page``: what users of the page are shown, without a cluster."""

    maintenance_signature: types.Text = ""


class TemplatesSettings(JobSettings):
    """Where the Routes' templates are, in a GitLab project, and with which token they are read."""

    rules: ClassVar[Rules] = (combinations.cluster, combinations.templates, combinations.token_to_read)

    route_templates_project: types.GitLabProject | None = None
    route_templates_ref: types.GitRef | None = None
    route_template_path: types.FilePattern = "{{ route_name }}.yaml"
    route_templates_token: types.Token | None = None
    route_template_parameters: types.Parameters = Field(default_factory=dict)
    ci_server_url: types.HttpsUrl | None = None
    ci_job_token: types.Token | None = None
    ci_server_tls_ca_file: types.Certificates | None = None

    @property
    def needs_templates(self) -> bool:
        """Whether a template is read."""
        return True


class SwitchSettings(TemplatesSettings, texts.TextsSettings):
    """Variables of the jobs that switch Routes, ``deploy-route`` and ``delete``, except those that name the Routes."""

    rules: ClassVar[Rules] = (
        combinations.cluster,
        combinations.template_of_whole_route,
        combinations.names_in_gitlab,
        testers.some_testers,
        texts.good_names,
    )

    route_strategy: types.RouteStrategy = "swap"
    accept_route_differences: types.Boolean = False
    # With which the host of a passthrough Route is served during its maintenance.
    passthrough_certificate_secret: types.SecretName | None = None
    force: types.Forces = frozenset()
    router_reload_interval: types.ReloadInterval = 5.0
    admission_timeout: types.Seconds = 60
    # Whether to ask for the public URL, as a user does, before a switch counts as done.
    probes: types.Boolean = True
    public_ca: types.Certificates | None = None
    public_address: types.PublicAddress = Field(default_factory=dict)
    # By which testers reach the application meanwhile, on another host.
    tester_access: types.Boolean = False
    tester_addresses: testers.TesterAddresses = ()
    tester_host: testers.Host | None = None


class RouteSettings(SwitchSettings):
    """What is wanted of one Route, or of one path of it."""

    route_name: types.RouteName
    subpath: types.Subpath | None = None

    @property
    def needs_templates(self) -> bool:
        """Whether a template is read: a part of the site restores nothing."""
        return self.subpath is None


class RoutesSettings(SelectionSettings, SwitchSettings):
    """Variables of the jobs that switch Routes: all of these Routes, or all of these paths of each of them."""

    rules: ClassVar[Rules] = (*SwitchSettings.rules, combinations.some_selection, combinations.one_selection)

    @property
    def needs_templates(self) -> bool:
        """Whether templates are read: parts of the site restore nothing."""
        return not self.subpaths

    def of(self, route_name: str, subpath: str | None) -> RouteSettings:
        """Return what is wanted of one of the Routes, or of one path of it.

        Raises:
            VariableError: a selector matches a Route whose name is too long for its maintenance Route.
        """
        if len(route_name) > types.MAX_ROUTE_NAME:
            fault = f"matches Route {route_name}, whose name has more than {types.MAX_ROUTE_NAME} characters"
            raise VariableError([f"ROUTE_SELECTOR: {fault}"])
        shared = {name: getattr(self, name) for name in SwitchSettings.model_fields}
        return RouteSettings.model_construct(**shared, route_name=route_name, subpath=subpath)


class EndSettings(RoutesSettings):
    """Variables of the job ``delete``."""

    own_action = "end"


def _names_route(value: str) -> str:
    if not types.ROUTE_NAME_PLACE.search(value):
        raise ValueError("must hold {{ route_name }}: otherwise no file's path says which Route it is for")
    return value


class DriftSettings(TemplatesSettings):
    """Variables of ``plan --all``: every template of the project, for the Route that its path names."""

    route_template_path: Annotated[types.FilePattern, AfterValidator(_names_route)] = "{{ route_name }}.yaml"


class ExportSettings(TemplatesSettings):
    """Variables of ``export-route``: the Route's name is an argument of the command. To print takes no GitLab."""

    rules: ClassVar[Rules] = (combinations.cluster,)

    route_name: types.RouteName


class CommitSettings(ExportSettings):
    """Variables of ``export-route --commit``."""

    rules: ClassVar[Rules] = (combinations.cluster, combinations.templates, combinations.token_to_write)


# GitLab masks no value that is shorter.
MIN_SECRET = 8

# By each ACTION that asks for one thing only: how a message calls it, and its command.
ALONE = {
    "plan": ("a plan", "plan"),
    "rehearse": ("a rehearsal", "rehearse --cluster"),
    "end": ("the end of a maintenance", "delete"),
}

# What Helm and oc may know of the job's environment. SSL_CERT_* name the system's CAs for all that is TLS, Python too:
# without them the commands would trust others than the job does.
CHILD_VARIABLES = re.compile(r"PATH|TMPDIR|TZ|LANG|LC_[A-Z]+|SSL_CERT_(FILE|DIR)")

# By these OpenSSL finds the system's CAs: with an empty one it would find none.
SYSTEMS_CAS = ("SSL_CERT_FILE", "SSL_CERT_DIR")
# Into this file Python would write the keys of each connection: whoever has them reads the tokens.
TLS_KEYS = "SSLKEYLOGFILE"

Settings = TypeVar("Settings", bound=Variables)


def read_settings(
    model: type[Settings],
    environment: Mapping[str, str] = os.environ,
    *,
    arguments: Mapping[str, str] | None = None,
    only_looks: bool = False,
) -> Settings:
    """Read ``model`` from the pipeline's variables; ``arguments`` of the command line go before them.

    With PLAN_ONLY, or ACTION=plan, only a command that changes nothing (``only_looks``) may go on; with ACTION=rehearse
    the rehearsal, too.

    Raises:
        VariableError: names every variable that is wrong.
    """
    variables = {**environment, **(arguments or {})}
    given = {name: value for name, value in variables.items() if value.strip(types.BLANKS)}
    faults = [fault for rule in model.rules for fault in rule(given)]
    if {"OKD_URL", "OKD_TOKEN"} <= given.keys():  # they go before KUBECONFIG, which GitLab's agent sets in every job
        given.pop("KUBECONFIG", None)
    try:
        settings = model.model_validate(given)
    except ValidationError as error:
        faults = [_fault(details) for details in error.errors()] + faults
    action = variables.get("ACTION", "")
    if not only_looks and action in ALONE and action != model.own_action:
        what, command = ALONE[action]
        faults.append(
            f"ACTION: asks for {what} alone, and this command would change something; run `maintenance-ci {command}`, "
            "or give ACTION=begin"
        )
    if not only_looks and plan_only(variables):
        faults.append(
            "PLAN_ONLY: asks for a plan alone, and this command would change something; run `maintenance-ci plan`, or "
            "give PLAN_ONLY=false (0, no and empty are a no, too; everything else is a yes)"
        )
    if faults:
        raise VariableError(faults)
    return settings


def prepare_environment(environment: MutableMapping[str, str] = os.environ) -> None:
    """Take out of the environment what OpenSSL and Python would read of it in another way than is promised here."""
    for name in SYSTEMS_CAS:
        if not environment.get(name, "").strip(types.BLANKS):
            environment.pop(name, None)
    environment.pop(TLS_KEYS, None)


def plan_only(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether nothing may be changed: PLAN_ONLY is anything but a no. The pipeline's rules decide alike."""
    return not types.PLAN_ONLY_NO.fullmatch(environment.get("PLAN_ONLY", ""))


def in_gitlab(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether this is a job of GitLab's; also where variables are wrong."""
    return types.is_true(environment.get("GITLAB_CI", ""))


def has_checkout(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether the job's working folder holds a checkout; where nobody says, it may."""
    return environment.get("GIT_STRATEGY", "").strip().lower() not in ("none", "empty")


def report_folder(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return where the job's reports go, or None for nowhere; also where variables are wrong."""
    if environment.get("REPORT_DIR", "").strip():
        return Path(environment["REPORT_DIR"])
    return Path() if in_gitlab(environment) else None


def variables_read(*models: type[Variables]) -> frozenset[str]:
    """Return the names of the variables that models read."""
    return _names(field for model in models for field in model.model_fields.values())


def secret_variables(model: type[Variables] = Variables) -> frozenset[str]:
    """Return the names of the variables that are secrets by their type, of a model and of all that extend it."""
    own = _names(field for field in model.model_fields.values() if _is_secret(field.annotation))
    return own.union(*map(secret_variables, model.__subclasses__()))


def _is_secret(annotation: Any) -> bool:
    """Tell whether a value of this type is, or may hold, a secret: ``Token | None`` is a union of annotated types."""
    return annotation is SecretStr or any(map(_is_secret, get_args(annotation)))


def _names(fields: Iterable[FieldInfo]) -> frozenset[str]:
    """Return the names of the variables by which fields' values may be given."""
    aliases = [field.validation_alias for field in fields]
    choices = [alias.choices if isinstance(alias, AliasChoices) else [alias] for alias in aliases]
    return frozenset(str(name) for names in choices for name in names)


def secrets_given(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the values that no log may show, without short ones, which would mask half of a log."""
    tokens = (_token_given(environment.get(name, "")) for name in sorted(secret_variables()))
    return [*(token for token in tokens if len(token) >= MIN_SECRET), *proxies.secrets_of(environment)]


def _token_given(value: str) -> str:
    """Return the token of a variable, which may name a file; a value that is no token is a secret all the same."""
    try:
        return read_token(value)
    except ValueError:
        return value.strip()


def proxy_to(url: str, environment: Mapping[str, str] = os.environ) -> proxies.Proxy | None:
    """Return the proxy that the job's environment names for ``url``; None: it is asked directly.

    Raises:
        VariableError: the variable that counts names no proxy that all clients can use.
    """
    return proxies.proxy_for(url, environment)


def login_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of a program that a kubeconfig names for logging in: the job's, without our tokens."""
    secret = secret_variables()
    return {name: value for name, value in environment.items() if name not in secret}


def child_environment(home: Path, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the whole environment of Helm and oc: what `CHILD_VARIABLES` lists, and ``home`` as their HOME.

    Both read much from it: ``HELM_KUBEAPISERVER`` would send our token to another server, a ``~/.kube/config``, a
    ``kuberc`` or a plugin would change what they do. The kubeconfig that we hand them says how they get to the
    cluster, and through which proxy.
    """
    allowed = {name: value for name, value in environment.items() if CHILD_VARIABLES.fullmatch(name)}
    return {**allowed, "HOME": str(home)}


def _fault(details: Mapping[str, Any]) -> str:
    """One line, from pydantic's location and message alone: its inputs may be secrets."""
    message = "is missing" if details["type"] == "missing" else str(details["msg"]).removeprefix("Value error, ")
    return f"{texts.variable_at(details['loc'])}: {message}"

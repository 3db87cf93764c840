from __future__ import annotations

from pathlib import Path

import pytest
import trustme
from pydantic import AliasChoices, Field, SecretStr

from maintenance_ci.settings.rehearsal import RehearsalSettings
from maintenance_ci.settings.types import Text, Token
from maintenance_ci.settings.variables import (
    BuildAndDeploySettings,
    JobSettings,
    RouteSettings,
    in_gitlab,
    login_environment,
    prepare_environment,
    read_settings,
    report_folder,
    secrets_given,
    variables_read,
)
from tests.settings.faults import MODELS, faults, models_of
from tests.tools.job_variables import GOOD

EVERYTHING = {
    **GOOD,
    "OKD_CA": trustme.CA().cert_pem.bytes().decode(),
    "OKD_INSECURE_SKIP_TLS_VERIFY": "no",
    "ACTION": "begin",
    "SUBPATH": "/checkout",
    "MAINTENANCE": "legacy/shop 2026-12",
    "BUILD_MAINTENANCE_PAGE": "true",
    "DOCKER_REGISTRY": "registry.example.test:5000/team",
    "PAGE_BASE_IMAGE": "imagestreamtag:shared/nginx-unprivileged:1.30",
    "PAGE_BASE_PULL_SECRET": "mirror",
    "PAGE_REPLICAS": "3",
    "PAGE_RESOURCES": "limits.cpu=100m, limits.memory=32Mi",
    "BUILD_RESOURCES": "limits.memory=1Gi",
    "ROUTE_STRATEGY": "repoint",
    "ROUTE_TEMPLATES_REF": "main",
    "ROUTE_TEMPLATE_PATH": "routes/{{ route_name }}.yaml.j2",
    "ROUTE_TEMPLATES_TOKEN": "glpat-secret",
    "ROUTE_TEMPLATE_PARAMETERS": '{"PORT": "8080"}',
    "ROUTER_RELOAD_INTERVAL": "5",
    "ADMISSION_TIMEOUT": "60",
    "API_TIMEOUT": "30",
    "LEASE_TIMEOUT": "600",
    "BUILD_TIMEOUT": "900",
    "ROLLOUT_TIMEOUT": "300",
    "PROBES": "true",
    "PUBLIC_CA": trustme.CA().cert_pem.bytes().decode(),
    "PUBLIC_ADDRESS": "http://10.0.0.5:8080 https://10.0.0.5:8443",
    "TESTER_ACCESS": "true",
    "TESTER_ADDRESSES": "192.0.2.7, 2001:db8::/32",
    "TESTER_HOST": "shop-preview.apps.example.test",
    "REHEARSAL_HOST": "rehearsal.apps.example.test",
    "CI_SERVER_TLS_CA_FILE": trustme.CA().cert_pem.bytes().decode(),
    "ACCEPT_ROUTE_DIFFERENCES": "false",
    "PASSTHROUGH_CERTIFICATE_SECRET": "shop-tls.v2",
    "FORCE": "false",
    "MAINTENANCE_END": "2026-11-29T10:00+01:00",
    "MAINTENANCE_STATUS": "503",
    "MAINTENANCE_CRAWLERS": "200",
    "MAINTENANCE_STATUS_URL": "https://status.example.test",
    "KUBECONFIG": __file__,
    "KUBE_CONTEXT": "group/project:agent",
    "GITLAB_CI": "true",
    "GITLAB_USER_LOGIN": "operator",
    "REPORT_DIR": "/",
    "CI_JOB_NAME": "deploy-route 2/3",
    "CI_PIPELINE_ID": "42",
    "CI_PIPELINE_URL": "https://gitlab.example.test/ops/maintenance/-/pipelines/42",
}
TEXTS = {"MAINTENANCE_TITLE", "MAINTENANCE_MESSAGE", "MAINTENANCE_CONTACT", "MAINTENANCE_SIGNATURE"}
HOSTILE = ["; rm -rf /", "a\nb: c", "$(id)", "x" * 300, "../../nowhere", "\x1b[31mred"]
# Hostile to a shell, and yet good values: a token may hold any printable character, a name of GitLab's any text.
HARMLESS = {
    (token, value)
    for token in ("OKD_TOKEN", "CI_JOB_TOKEN", "ROUTE_TEMPLATES_TOKEN")
    for value in ("x" * 300, "../../nowhere")
} | {
    (name, value)
    for name in ("CI_JOB_NAME", "GITLAB_USER_LOGIN", "KUBE_CONTEXT")
    for value in HOSTILE
    if value.isprintable() or "\n" in value
}


# All of them, but for the other way to name the Routes, which goes with no ROUTE_NAME, and no host for one of them.
SELECTED = {name: value for name, value in EVERYTHING.items() if name not in ("ROUTE_NAME", "TESTER_HOST")}
SELECTED |= {"ROUTE_SELECTOR": "depends-on=legacy,tier in (web)"}


def test_no_variable_is_forgotten_here() -> None:
    assert set(EVERYTHING) | set(SELECTED) | TEXTS == variables_read(*MODELS)


def test_good_variables_are_taken() -> None:
    route = read_settings(RouteSettings, GOOD)
    assert (route.project, route.route_name, route.subpath) == ("web", "shop", None)
    assert read_settings(BuildAndDeploySettings, EVERYTHING).build_maintenance_page is True


def test_all_faults_are_reported_at_once_by_name() -> None:
    messages = faults(
        RouteSettings, {"ROUTE_NAME": "A", "SUBPATH": "x", "OKD_URL": "http://x", "ROUTER_RELOAD_INTERVAL": "0"}
    )
    assert [fault.split(":")[0] for fault in messages] == [
        "PROJECT", "OKD_URL", "ROUTER_RELOAD_INTERVAL", "ROUTE_NAME", "SUBPATH", "OKD_TOKEN",
    ]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("variable", sorted(EVERYTHING.keys() | SELECTED.keys()))
def test_hostile_values_are_refused_without_being_shown(variable: str, value: str) -> None:
    everything = EVERYTHING if variable in EVERYTHING else SELECTED
    # Beside OKD_URL and OKD_TOKEN nobody looks at it.
    given = {name: good for name, good in everything.items() if variable != "KUBECONFIG" or not name.startswith("OKD_")}
    for model in models_of(variable):
        if (variable, value) in HARMLESS:
            read_settings(model, given | {variable: value})
            continue
        messages = faults(model, given | {variable: value})
        assert [fault.split(":")[0] for fault in messages] == [variable]
        assert value not in messages[0]


@pytest.mark.parametrize(
    "variable", ["PROJECT", "ROUTE_NAME", "IMAGE_TAG", "OKD_URL", "OKD_TOKEN", "ROUTE_TEMPLATES_PROJECT"]
)
@pytest.mark.parametrize("empty", [None, "", "   "])
def test_a_needed_variable_that_is_missing_or_empty_is_named(variable: str, empty: str | None) -> None:
    variables = {name: value for name, value in GOOD.items() if name != variable}
    if empty is not None:
        variables[variable] = empty
    for model in models_of(variable):
        # No Route is needed to make the page, and no template project for the rehearsal's own Route.
        not_needed = {BuildAndDeploySettings: "ROUTE_NAME", RehearsalSettings: "ROUTE_TEMPLATES_PROJECT"}
        if not_needed.get(model) == variable:
            read_settings(model, variables)
            continue
        assert [fault.split(":")[0] for fault in faults(model, variables)] == [variable]


def test_the_page_s_text_may_hold_anything_a_person_writes_but_no_control_characters() -> None:
    text = "MAINTENANCE_SIGNATURE"
    settings = read_settings(BuildAndDeploySettings, GOOD | {text: 'Zurück um 9 h; "$(id)" <b>\n– merci 🙏'})
    assert settings.maintenance_signature.startswith("Zurück")
    assert faults(BuildAndDeploySettings, GOOD | {text: "\x1b[31m"})
    assert faults(BuildAndDeploySettings, GOOD | {text: "x" * 501})


def test_a_subpath_needs_no_template_project() -> None:
    variables = {name: value for name, value in GOOD.items() if not name.startswith(("CI_", "ROUTE_TEMPLATES"))}
    assert read_settings(RouteSettings, variables | {"SUBPATH": "/a"}).route_templates_project is None
    assert len(faults(RouteSettings, variables)) == 3


def test_a_kubeconfig_replaces_address_and_token(tmp_path: object) -> None:
    variables = {name: value for name, value in GOOD.items() if not name.startswith("OKD")}
    path = f"{tmp_path}/kubeconfig"
    assert faults(RouteSettings, variables | {"KUBECONFIG": path}) == [
        "KUBECONFIG: must be the path of a kubeconfig file that exists"
    ]
    with open(path, "w") as file:  # noqa: PTH123
        file.write("{}")
    assert read_settings(RouteSettings, variables | {"KUBECONFIG": path}).kubeconfig == path


def test_secrets_are_not_shown() -> None:
    settings = read_settings(RouteSettings, EVERYTHING)
    for secret in ("sha256~secret-token", "glpat-secret", "job-token"):
        assert secret not in repr(settings)


def test_the_certificate_of_a_passthrough_route_is_a_secret() -> None:
    assert read_settings(RouteSettings, GOOD).passthrough_certificate_secret is None
    given = read_settings(RouteSettings, GOOD | {"PASSTHROUGH_CERTIFICATE_SECRET": "shop-tls.v2"})
    assert given.passthrough_certificate_secret == "shop-tls.v2"


def test_where_the_reports_go(tmp_path: Path) -> None:
    assert report_folder({}) is report_folder({"GITLAB_CI": "false", "REPORT_DIR": " "}) is None
    assert report_folder({"GITLAB_CI": "true"}) == Path()
    assert report_folder({"REPORT_DIR": str(tmp_path)}) == tmp_path
    assert [in_gitlab({"GITLAB_CI": word}) for word in ("true", "1", "maybe", "")] == [True, True, False, False]
    missing = str(tmp_path / "nowhere")
    assert faults(RouteSettings, GOOD | {"REPORT_DIR": missing}) == ["REPORT_DIR: must be a folder that exists"]


def test_a_look_at_the_namespace_needs_the_cluster_alone() -> None:
    needed = {name: GOOD[name] for name in ("PROJECT", "OKD_URL", "OKD_TOKEN")}
    assert read_settings(JobSettings, needed).project == "web"
    assert [fault.split(":")[0] for fault in faults(JobSettings, {})] == ["PROJECT", "OKD_URL"]


def test_what_no_log_may_show() -> None:
    assert set(secrets_given(EVERYTHING)) == {"sha256~secret-token", "glpat-secret", "job-token"}
    assert secrets_given({"OKD_TOKEN": "web", "CI_JOB_TOKEN": "", "PROJECT": "a-long-namespace"}) == []


def test_what_is_secret_by_its_type_is_hidden_and_not_handed_on() -> None:
    class VaultSettings(RouteSettings):
        vault_token: Token | None = None
        vault_password: SecretStr = Field(SecretStr(""), validation_alias=AliasChoices("VAULT_PASS", "VAULT_PASSWORD"))
        vault_address: Text = ""

    ours = {"VAULT_TOKEN": "hvs.secret", "VAULT_PASS": "more secret", "VAULT_PASSWORD": "most secret"}
    environment = {**EVERYTHING, **ours, "VAULT_ADDRESS": "vault.example.test"}
    settings = read_settings(VaultSettings, environment)
    assert settings.vault_token and settings.vault_token.get_secret_value() == "hvs.secret"
    assert not any(value in repr(settings) for value in ours.values())
    assert set(ours.values()) < set(secrets_given(environment))
    assert "vault.example.test" not in secrets_given(environment)
    assert not {*ours, "OKD_TOKEN"} & login_environment(environment).keys()
    assert {"VAULT_ADDRESS", "OKD_URL"} < login_environment(environment).keys()


def test_each_secret_of_gitlab_s_is_hidden() -> None:
    names = ("CI_JOB_TOKEN", "CI_JOB_JWT", "CI_REGISTRY_PASSWORD", "CI_DEPLOY_PASSWORD", "CI_DEPENDENCY_PROXY_PASSWORD")
    for name in names:
        assert secrets_given({name: "a-secret-of-a-job"}) == ["a-secret-of-a-job"]
        assert login_environment({name: "a-secret-of-a-job"}) == {}


def test_a_server_s_scheme_is_in_lower_case() -> None:
    """At any other one the Python client would look at no CA."""
    assert read_settings(RouteSettings, GOOD | {"OKD_URL": "HTTPS://Api.example.test/"}).okd_url == (
        "https://Api.example.test"
    )


@pytest.mark.parametrize(
    "address", ["https://a.test/?", "https://a.test/#", "https://https://a.test", "https://a.test:"]
)
def test_what_is_no_server_s_address(address: str) -> None:
    (fault,) = faults(RouteSettings, GOOD | {"OKD_URL": address})
    assert fault == "OKD_URL: must be an https:// address, without user, query or fragment"


def test_a_token_without_its_cluster_is_no_reason_to_ask_another_one() -> None:
    """OKD_URL may be a protected variable, on a branch that is not, and the runner have a KUBECONFIG."""
    given = {name: value for name, value in GOOD.items() if name != "OKD_URL"} | {"KUBECONFIG": __file__}
    (fault,) = faults(RouteSettings, given)
    assert fault.startswith("OKD_URL: is missing; OKD_TOKEN is its token")
    assert read_settings(RouteSettings, {**given, "OKD_TOKEN": " "}).kubeconfig == __file__


def test_openssl_gets_no_empty_variable_and_python_writes_no_keys() -> None:
    environment = {"SSL_CERT_FILE": " ", "SSL_CERT_DIR": "", "SSLKEYLOGFILE": "keys", "PATH": ""}
    prepare_environment(environment)
    assert environment == {"PATH": ""}
    environment = {"SSL_CERT_FILE": "/a", "SSL_CERT_DIR": "/b"}
    prepare_environment(environment)
    assert environment == {"SSL_CERT_FILE": "/a", "SSL_CERT_DIR": "/b"}

"""What each kind of value may be: paths, tags, addresses, seconds, names, numbers."""

from __future__ import annotations

import pytest
import trustme

from maintenance_ci.settings.variables import BuildAndDeploySettings, RouteSettings, read_settings
from tests.settings.faults import faults, models_of
from tests.tools.job_variables import GOOD


@pytest.mark.parametrize("given", ["true", "TRUE", "1", "yes", "false", "0", "No", ""])
def test_booleans_as_gitlab_users_write_them(given: str) -> None:
    settings = read_settings(BuildAndDeploySettings, GOOD | {"BUILD_MAINTENANCE_PAGE": given})
    assert settings.build_maintenance_page is (given in ("true", "TRUE", "1", "yes"))


def test_a_word_that_is_no_boolean_is_refused() -> None:
    assert faults(BuildAndDeploySettings, GOOD | {"BUILD_MAINTENANCE_PAGE": "maybe"})


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("/checkout", "/checkout"),
        ("/a/b-c/d.e", "/a/b-c/d.e"),
        ("/a..b", "/a..b"),
        ("", None),
    ],
)
def test_subpaths(given: str, meant: str | None) -> None:
    assert read_settings(RouteSettings, GOOD | {"SUBPATH": given}).subpath == meant


@pytest.mark.parametrize(
    "bad",
    [
        "/",
        "checkout",
        "/checkout/",
        "/.",
        "/a/../b",
        "/..",
        "/./a",
        "/a?b",
        "/a#b",
        "/a b",
        "//a",
        "/a//b",
        "/a%2fb",
        "https://x/a",
        "/a\n",
    ],
)
def test_bad_subpaths(bad: str) -> None:
    assert faults(RouteSettings, GOOD | {"SUBPATH": bad})[0].startswith("SUBPATH: ")


@pytest.mark.parametrize("bad", ["latest", "-v1", "v1-", "v 1", "v1/2", "é", "x" * 64])
def test_bad_image_tags(bad: str) -> None:
    assert faults(BuildAndDeploySettings, GOOD | {"IMAGE_TAG": bad})[0].startswith("IMAGE_TAG: ")


@pytest.mark.parametrize("good", ["v1", "20261123", "1.2.3", "a_b", "x" * 63])
def test_good_image_tags(good: str) -> None:
    assert read_settings(BuildAndDeploySettings, GOOD | {"IMAGE_TAG": good}).image_tag == good


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("10.0.0.5", {"http": ("10.0.0.5", 80), "https": ("10.0.0.5", 443)}),
        ("fd00::5", {"http": ("fd00::5", 80), "https": ("fd00::5", 443)}),
        ("router.example.test", {"http": ("router.example.test", 80), "https": ("router.example.test", 443)}),
        ("https://10.0.0.5:8443", {"https": ("10.0.0.5", 8443)}),
        ("https://[fd00::5]:8443  http://router:1", {"https": ("fd00::5", 8443), "http": ("router", 1)}),
        ("http://10.0.0.5:65535", {"http": ("10.0.0.5", 65535)}),
        ("", {}),
    ],
)
def test_public_addresses(given: str, meant: dict[str, tuple[str, int]]) -> None:
    assert read_settings(RouteSettings, GOOD | {"PUBLIC_ADDRESS": given}).public_address == meant


@pytest.mark.parametrize(
    "bad",
    [
        "10.0.0.256", "10.0.0", "8443", "10.0.0.5:8443", "[fd00::5]", "fe80::1%eth0", "UPPER.example.test", "a..b",
        "10.0.0.5 10.0.0.6", "10.0.0.5 https://10.0.0.5:8443", "ftp://10.0.0.5:21", "//10.0.0.5:80",
        "https://10.0.0.5", "https://10.0.0.5:0", "https://10.0.0.5:65536", "https://10.0.0.5:-1", "https://:8443",
        "https://10.0.0.5:8443/", "https://user@10.0.0.5:8443", "https://10.0.0.5:8443?x", "https://[10.0.0.5:8443", "https://[10.0.0.5]:8443",
        "https://10.0.0.5:8443 https://10.0.0.6:8443", "http://a:1 https://a:2 http://a:3", "https://10.0.0.5:٨٤٤٣",
    ],
)  # fmt: skip
def test_bad_public_addresses(bad: str) -> None:
    messages = faults(RouteSettings, GOOD | {"PUBLIC_ADDRESS": bad})
    assert messages[0].startswith("PUBLIC_ADDRESS: must be a host or IP")
    assert len(messages) == 1


def test_a_ca_may_be_a_file(tmp_path: object) -> None:
    path = f"{tmp_path}/ca.pem"
    pem = trustme.CA().cert_pem
    pem.write_to_path(path)
    assert read_settings(RouteSettings, GOOD | {"OKD_CA": path}).okd_ca == pem.bytes().decode()
    assert faults(RouteSettings, GOOD | {"OKD_CA": "-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----"})


@pytest.mark.parametrize("bad", ["Shop", "-shop", "shop-", "a/b", "a_b", "x" * 254, "ns:shop"])
def test_bad_names_of_a_secret(bad: str) -> None:
    messages = faults(RouteSettings, GOOD | {"PASSTHROUGH_CERTIFICATE_SECRET": bad})
    assert messages == [
        "PASSTHROUGH_CERTIFICATE_SECRET: must be the name of a Secret: lower-case letters, digits, '-' and '.'"
    ]


def test_a_route_s_name_may_have_a_part_of_more_than_63_characters() -> None:
    assert read_settings(RouteSettings, GOOD | {"ROUTE_NAME": "r" * 227}).route_name == "r" * 227
    for bad in ("r" * 228, "r..r", "-r", "r-", "r.-r", "r_r"):
        assert faults(RouteSettings, GOOD | {"ROUTE_NAME": bad})[0].startswith("ROUTE_NAME: must be a Route's name")


SECONDS = ("API_TIMEOUT", "LEASE_TIMEOUT", "ADMISSION_TIMEOUT", "BUILD_TIMEOUT", "ROLLOUT_TIMEOUT")


@pytest.mark.parametrize("variable", SECONDS)
@pytest.mark.parametrize("bad", ["0", "-1", "nan", "inf", "-inf", "1e400", "3601", "ten", "1,5", "5 s", "0x10", "[5]"])
def test_bad_seconds(variable: str, bad: str) -> None:
    for model in models_of(variable):
        assert faults(model, GOOD | {variable: bad}) == [
            f"{variable}: must be seconds: a number above 0, 3600 at the most"
        ]


@pytest.mark.parametrize("variable", SECONDS)
@pytest.mark.parametrize("good", ["0.1", "30", "3600"])
def test_good_seconds(variable: str, good: str) -> None:
    for model in models_of(variable):
        assert getattr(read_settings(model, GOOD | {variable: good}), variable.lower()) == float(good)


@pytest.mark.parametrize(
    ("given", "meant"), [({}, True), ({"PROBES": ""}, True), ({"PROBES": "no"}, False), ({"PROBES": "TRUE"}, True)]
)
def test_probes_are_made_unless_one_says_no(given: dict[str, str], meant: bool) -> None:
    assert read_settings(RouteSettings, GOOD | given).probes is meant


@pytest.mark.parametrize("variable", ["PROBES", "ACCEPT_ROUTE_DIFFERENCES", "OKD_INSECURE_SKIP_TLS_VERIFY"])
@pytest.mark.parametrize("bad", ["maybe", "on", "2", "tru\u0435", "yes please", "None"])
def test_bad_booleans_have_a_plain_message(variable: str, bad: str) -> None:
    """The fourth ends in a Cyrillic letter."""
    assert faults(RouteSettings, GOOD | {variable: bad}) == [f"{variable}: must be true or false (or 1/0, yes/no)"]


@pytest.mark.parametrize(("given", "meant"), [("", "swap"), ("swap", "swap"), ("repoint", "repoint")])
def test_strategies(given: str, meant: str) -> None:
    assert read_settings(RouteSettings, GOOD | {"ROUTE_STRATEGY": given}).route_strategy == meant


@pytest.mark.parametrize("bad", ["Swap", "SWAP", "subpath", "swap,repoint", "re-point", "swap\n", "true"])
def test_bad_strategies(bad: str) -> None:
    [fault] = faults(RouteSettings, GOOD | {"ROUTE_STRATEGY": bad})
    assert fault.startswith("ROUTE_STRATEGY: ")
    assert "'swap' or 'repoint'" in fault


@pytest.mark.parametrize("good", ["", "deploy-route", "deploy-route: [shop, /cart]", "x" * 255, "déployer 2/3"])
def test_names_that_gitlab_gives_a_job(good: str) -> None:
    assert read_settings(RouteSettings, GOOD | {"CI_JOB_NAME": good}).ci_job_name == good


@pytest.mark.parametrize("bad", ["\x1b[31mred", "a\x00b", "\u202ea", "x" * 501])
def test_names_that_no_job_has(bad: str) -> None:
    assert faults(RouteSettings, GOOD | {"CI_JOB_NAME": bad})[0].startswith("CI_JOB_NAME: must be text")


@pytest.mark.parametrize("bad", ["-1", "1.5", "1e3", "\u0664\u0662", "42a", "4 2", "9" * 21])
def test_numbers_that_no_pipeline_has(bad: str) -> None:
    """It is compared as a number."""
    assert faults(RouteSettings, GOOD | {"CI_PIPELINE_ID": bad})[0].startswith("CI_PIPELINE_ID: ")
    assert int(read_settings(RouteSettings, GOOD | {"CI_PIPELINE_ID": "9" * 20}).ci_pipeline_id) > 0

"""Which Routes and paths the variables mean: one, several, or those that a selector matches."""

from __future__ import annotations

import pytest

from maintenance_ci.errors import VariableError
from maintenance_ci.settings.types import (
    MAX_ROUTE_AND_SUBPATH_IN_GITLAB,
    MAX_ROUTE_BESIDE_SUBPATH_IN_GITLAB,
    MAX_ROUTE_NAME,
    MAX_SUBPATH_IN_GITLAB,
)
from maintenance_ci.settings.variables import (
    BuildAndDeploySettings,
    RouteSettings,
    RoutesSettings,
    SwitchSettings,
    read_settings,
)
from tests.settings.faults import faults as faults_of
from tests.tools.job_variables import GOOD

PLAIN = {name: value for name, value in GOOD.items() if name != "ROUTE_NAME"}
SELECTED = {**PLAIN, "ROUTE_SELECTOR": "depends-on=legacy", "MAINTENANCE": "legacy"}


def read(**given: str) -> RoutesSettings:
    return read_settings(RoutesSettings, PLAIN | given)


def faults(variables: dict[str, str]) -> list[str]:
    return faults_of(RoutesSettings, variables)


@pytest.mark.parametrize(
    ("given", "names", "subpaths"),
    [
        ({"ROUTE_NAME": "shop"}, ("shop",), ()),
        ({"ROUTE_NAME": "office pay shop"}, ("office", "pay", "shop"), ()),
        ({"ROUTE_NAME": "shop", "SUBPATH": "/cart"}, ("shop",), ("/cart",)),
        ({"ROUTE_NAME": "pay shop", "SUBPATH": "/en/application /fr/demande"}, ("pay", "shop"),
         ("/en/application", "/fr/demande")),
        ({"ROUTE_NAME": "shop", "SUBPATH": " "}, ("shop",), ()),
        ({"ROUTE_NAME": "shop", "ROUTE_SELECTOR": "", "MAINTENANCE": " "}, ("shop",), ()),
        # A segment is whole: the one is not below the other.
        ({"ROUTE_NAME": "shop", "SUBPATH": "/cart /cart-help"}, ("shop",), ("/cart", "/cart-help")),
    ],
)  # fmt: skip
def test_routes_and_paths(given: dict[str, str], names: tuple[str, ...], subpaths: tuple[str, ...]) -> None:
    settings = read(**given)
    assert (settings.route_names, settings.subpaths) == (names, subpaths)
    assert settings.route_selector is settings.maintenance is None
    assert settings.needs_templates is not bool(subpaths)


def test_a_selector_means_the_routes_that_it_matches() -> None:
    settings = read_settings(RoutesSettings, {**SELECTED, "ROUTE_NAME": "", "ROUTE_SELECTOR": " depends-on=legacy "})
    assert (settings.route_names, settings.route_selector) == ((), "depends-on=legacy")
    assert settings.maintenance == "legacy"


@pytest.mark.parametrize("blank", [None, "", " ", "\t\n"])
def test_nothing_given_never_means_all(blank: str | None) -> None:
    given = {} if blank is None else {"ROUTE_NAME": blank, "ROUTE_SELECTOR": blank, "MAINTENANCE": blank}
    assert faults(PLAIN | given) == ["ROUTE_NAME: is missing; give one name or several, or a ROUTE_SELECTOR"]


def test_both_are_refused_in_one_line() -> None:
    assert faults({**SELECTED, "ROUTE_NAME": "shop"}) == [
        "ROUTE_SELECTOR: is given beside ROUTE_NAME; give one of the two, and leave the other one empty"
    ]


@pytest.mark.parametrize("gitlab", ["true", "false"])
def test_with_a_selector_the_maintenance_needs_a_name(gitlab: str) -> None:
    given = {name: value for name, value in SELECTED.items() if name != "MAINTENANCE"}
    [fault] = faults({**given, "GITLAB_CI": gitlab})
    assert fault.startswith("MAINTENANCE: is missing; with a ROUTE_SELECTOR")
    assert read_settings(RoutesSettings, {**SELECTED, "GITLAB_CI": gitlab}).maintenance == "legacy"
    assert read(ROUTE_NAME="shop", GITLAB_CI=gitlab).maintenance is None


@pytest.mark.parametrize(
    ("variable", "bad", "right"),
    [
        ("ROUTE_NAME", "shop pay", "pay shop"),
        ("ROUTE_NAME", "pay shop pay", "pay shop"),
        ("ROUTE_NAME", "shop shop", "shop"),
        ("ROUTE_NAME", " shop", "shop"),
        ("ROUTE_NAME", "pay shop\n", "pay shop"),
        ("ROUTE_NAME", "pay  shop", "pay shop"),
        ("ROUTE_NAME", "pay\tshop", "pay shop"),
        ("ROUTE_NAME", "pay\nshop", "pay shop"),
        ("ROUTE_NAME", "pay\u00a0shop", "pay shop"),
        # By their characters' numbers, as `LC_ALL=C sort` has them.
        ("ROUTE_NAME", "a.b a-b a", "a a-b a.b"),
        ("SUBPATH", "/fr /en", "/en /fr"),
        ("SUBPATH", "/en /en", "/en"),
        ("SUBPATH", "/en  /fr", "/en /fr"),
        ("SUBPATH", "/en ", "/en"),
        ("SUBPATH", "/a /B", "/B /a"),
    ],
)
def test_another_order_would_be_another_environment(variable: str, bad: str, right: str) -> None:
    given = {**PLAIN, "ROUTE_NAME": "shop"}
    assert faults({**given, variable: bad}) == [
        f"{variable}: must be sorted, each once, with one space between two: give '{right}'"
    ]
    read_settings(RoutesSettings, {**given, variable: right})


@pytest.mark.parametrize(
    "bad", ["\u00a0", "\u3000", "pay,shop", "pay, shop", "pay;shop", "Pay shop", "pay -shop", "pay/shop", "'pay shop'",
            "*", "shop *", "pay " + "r" * 228, "glpat-Secret pay"]
)  # fmt: skip
def test_what_is_no_route_s_name_is_not_shown(bad: str) -> None:
    [fault] = faults({**PLAIN, "ROUTE_NAME": bad})
    assert fault.startswith("ROUTE_NAME: must be a Route's name, or several with spaces between them")
    assert bad not in fault


@pytest.mark.parametrize(
    "bad", ["/en fr", "/en, /fr?", "/en /fr/", "/en //fr", "/en /../fr", "/en /%66r", "/" + "x" * 255]
)
def test_what_is_no_path_is_not_shown(bad: str) -> None:
    [fault] = faults({**PLAIN, "ROUTE_NAME": "shop", "SUBPATH": bad})
    assert fault.startswith("SUBPATH: must be an absolute path such as /shop, or several with spaces between them")
    assert bad not in fault


def test_the_whole_route_is_no_path_beside_others() -> None:
    assert faults({**PLAIN, "ROUTE_NAME": "shop", "SUBPATH": "/ /en"}) == [
        "SUBPATH: '/' is the whole Route: leave SUBPATH empty for that"
    ]


@pytest.mark.parametrize(
    ("bad", "lower", "upper"), [("/cart /cart/pay", "/cart/pay", "/cart"), ("/a /b /b/c/d", "/b/c/d", "/b")]
)
def test_a_path_below_another_one_is_left_out(bad: str, lower: str, upper: str) -> None:
    assert faults({**PLAIN, "ROUTE_NAME": "shop", "SUBPATH": bad}) == [
        f"SUBPATH: has {lower}, which is below {upper} and in maintenance with it: leave {lower} out"
    ]


@pytest.mark.parametrize(
    "bad", [",,", "aa bb", "aa=b,", "aa in b", "-aa=b", "aa=b c", "aa>b", "==", "$(id)", "depends on=legacy"]
)
def test_what_is_no_selector_is_not_shown(bad: str) -> None:
    [fault] = faults({**SELECTED, "ROUTE_SELECTOR": bad})
    assert fault.startswith("ROUTE_SELECTOR: ")
    assert fault.endswith("; give one such as depends-on=legacy, as kubectl's -l takes it")
    assert bad not in fault


@pytest.mark.parametrize("good", ["legacy", "2026-12", "Release 2026.12 web", "legacy/east", "x" * 176, "v_1"])
def test_names_of_a_maintenance(good: str) -> None:
    assert read_settings(RoutesSettings, {**SELECTED, "MAINTENANCE": good}).maintenance == good
    assert read(ROUTE_NAME="shop", MAINTENANCE=good).maintenance == good


@pytest.mark.parametrize(
    "bad", ["-plan", ".x", "_x", "a  b", " xy", "xy ", "xy/", "/xy", "a//b", "a\nb", "a,b", "$ROUTE_NAME", "für alle",
            "x" * 177]
)  # fmt: skip
def test_names_that_no_environment_can_have(bad: str) -> None:
    [fault] = faults({**SELECTED, "MAINTENANCE": bad})
    assert fault.startswith("MAINTENANCE: must be a name for the maintenance")
    assert bad not in fault


LONG = " ".join(f"route-{number:03}" for number in range(100))


@pytest.mark.parametrize(
    ("names", "subpaths", "fits"),
    [
        ("r" * 63 + " " + "s" * 112, "", True),
        ("r" * 63 + " " + "s" * 113, "", False),
        ("r" * 31 + " " + "s" * 31, "/en /" + "f" * (MAX_SUBPATH_IN_GITLAB - 5), True),
        ("r" * 31 + " " + "s" * 31, "/en /" + "f" * (MAX_SUBPATH_IN_GITLAB - 4), False),
        ("r" * 31 + " " + "s" * 32, "/en", False),
        (LONG, "", False),
        ("r" * MAX_ROUTE_NAME, "", False),
    ],
)
def test_longer_names_than_gitlab_s_need_one_for_the_maintenance(names: str, subpaths: str, fits: bool) -> None:
    given = {**PLAIN, "ROUTE_NAME": names, "SUBPATH": subpaths}
    limit = MAX_ROUTE_BESIDE_SUBPATH_IN_GITLAB if subpaths else MAX_ROUTE_AND_SUBPATH_IN_GITLAB
    assert (len(names) <= limit and len(subpaths) <= MAX_SUBPATH_IN_GITLAB) is fits
    read_settings(RoutesSettings, given)  # in a terminal
    in_gitlab = {**given, "GITLAB_CI": "true"}
    assert read_settings(RoutesSettings, {**in_gitlab, "MAINTENANCE": "legacy"}).maintenance == "legacy"
    if fits:
        read_settings(RoutesSettings, in_gitlab)
    else:
        [fault] = faults(in_gitlab)
        assert fault.startswith("ROUTE_NAME and SUBPATH: are too long for the name of an environment of GitLab")
        assert fault.endswith("give the maintenance a name: MAINTENANCE")


def test_one_of_several_routes_has_the_settings_of_a_single_one() -> None:
    given = {"SUBPATH": "/en /fr", "FORCE": "owner", "PUBLIC_ADDRESS": "10.0.0.5", "ROUTE_STRATEGY": "repoint"}
    settings = read(ROUTE_NAME="pay shop", **given)
    alone = read_settings(RouteSettings, PLAIN | given | {"ROUTE_NAME": "pay", "SUBPATH": "/fr"})
    assert settings.of("pay", "/fr") == alone
    assert settings.of("pay", None) == read_settings(RouteSettings, GOOD | given | {"ROUTE_NAME": "pay", "SUBPATH": ""})
    assert not settings.of("pay", "/fr").needs_templates
    assert settings.of("pay", None).needs_templates
    assert settings.of("pay", "/en") != alone
    assert SwitchSettings.model_fields.keys() < RouteSettings.model_fields.keys()


def test_a_selected_route_whose_name_is_too_long_is_named() -> None:
    settings = read_settings(RoutesSettings, SELECTED)
    name = "r" * (MAX_ROUTE_NAME + 1)
    assert settings.of(name[1:], None).route_name == name[1:]
    with pytest.raises(VariableError, match=f"^ROUTE_SELECTOR: matches Route {name}, whose name has more than 227"):
        settings.of(name, None)


def test_names_that_no_job_takes_are_refused_before_the_page_is_made() -> None:
    """In a pipeline `build-and-deploy` comes first. In a terminal it needs no Route."""
    for given in ({}, {"ROUTE_NAME": "pay shop", "SUBPATH": "/en /fr"}, SELECTED):
        assert read_settings(BuildAndDeploySettings, PLAIN | given).image_tag == "v1"
    for bad in (
        {"ROUTE_NAME": "shop pay"},
        {"ROUTE_NAME": "shop", "SUBPATH": "/a /a/b"},
        {"ROUTE_NAME": LONG, "GITLAB_CI": "true"},
        {"ROUTE_NAME": "shop", "ROUTE_SELECTOR": "a=b"},
        {"ROUTE_SELECTOR": "a=b"},
        {"ROUTE_SELECTOR": "a b", "MAINTENANCE": "legacy"},
        {"ROUTE_NAME": "shop", "MAINTENANCE": "-plan"},
    ):
        with pytest.raises(VariableError) as early:
            read_settings(BuildAndDeploySettings, PLAIN | bad)
        assert early.value.faults == faults(PLAIN | bad)

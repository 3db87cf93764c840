from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from maintenance_ci.errors import ForbiddenError
from maintenance_ci.names import page_route_name
from maintenance_ci.plan.rights import (
    TEMPLATE_RIGHT,
    Right,
    budget_rights,
    building_rights,
    deploying_rights,
    missing,
    require_rights,
)
from tests.tools.observations import CART, needed, original

ROUTES = "route.openshift.io"
PATCH = Right("patch", ROUTES, "routes", "switch the Route", "shop")
HOST = Right("create", ROUTES, "routes/custom-host", "give it a host")


def rule(verbs: str, groups: str, resources: str, names: str = "") -> dict[str, list[str]]:
    given = {"verbs": verbs.split(), "apiGroups": [groups], "resources": resources.split()}
    return given | ({"resourceNames": names.split()} if names else {})


@pytest.mark.parametrize(
    ("granted", "right"),
    [
        (rule("get patch", ROUTES, "routes"), PATCH),
        (rule("*", ROUTES, "routes"), PATCH),
        (rule("patch", "*", "routes"), PATCH),
        (rule("patch", ROUTES, "*"), PATCH),
        (rule("patch", ROUTES, "routes", "shop"), PATCH),
        (rule("create", ROUTES, "routes routes/custom-host"), HOST),
        (rule("create", ROUTES, "*/custom-host"), HOST),
        (rule("create", ROUTES, "*"), HOST),
        (rule("get", "", "secrets"), Right("get", "", "secrets", "")),
    ],
)
def test_a_rule_that_grants(granted: dict[str, list[str]], right: Right) -> None:
    assert missing([right], [granted]) == []


@pytest.mark.parametrize(
    ("other", "right"),
    [
        (rule("get", ROUTES, "routes"), PATCH),
        (rule("patch", "", "routes"), PATCH),
        (rule("patch", ROUTES, "routes/status"), PATCH),
        (rule("patch", ROUTES, "*/status"), PATCH),
        (rule("patch", ROUTES, "routes", "other"), PATCH),
        (rule("create", ROUTES, "routes"), HOST),
        (rule("create", ROUTES, "*/status"), HOST),
        (rule("create", ROUTES, "routes/custom-host", "shop"), HOST),
        ({"verbs": None, "apiGroups": None, "resources": None}, PATCH),
        ({}, PATCH),
    ],
)
def test_a_rule_that_does_not_grant(other: dict[str, Any], right: Right) -> None:
    assert missing([right], [other]) == [right]


def test_nothing_is_missing_where_rules_together_grant_it() -> None:
    assert missing([PATCH, HOST], [rule("create", ROUTES, "*"), rule("patch", ROUTES, "routes")]) == []
    assert missing([PATCH, HOST], []) == [PATCH, HOST]


def documented_rules() -> list[dict[str, Any]]:
    documents = yaml.safe_load_all((Path(__file__).parents[2] / "docs/service-account.yaml").read_text())
    [role] = [document for document in documents if document["kind"] == "Role"]
    return list(role["rules"])


def tls(**fields: Any) -> dict[str, Any]:
    return original(tls=fields)


def short(*rights: Right) -> set[str]:
    return {f"{right.verb} {right.resource}" for right in rights}


def every(resource: str, verbs: str) -> set[str]:
    return {f"{verb} {resource}" for verb in verbs.split()}


ALONE = every("leases", "get create update delete") | {"list endpointslices"}
SWITCH = every("routes", "get list create patch delete") | {"create routes/custom-host"}
UNINSTALL = every("secrets", "list get update delete") | {
    f"delete {kind}" for kind in ("deployments", "services", "buildconfigs", "imagestreams", "networkpolicies")
}


def test_what_deploy_route_needs() -> None:
    snapshot = every("secrets", "get create update delete")
    assert short(*needed("deploy-route", "swap")) == ALONE | SWITCH | snapshot | {"get services"}
    repoint = needed("deploy-route", "repoint")
    assert short(*repoint) == ALONE | snapshot | {"get services"} | every("routes", "get list patch")
    for strategy in ("swap", "repoint"):
        part = needed("deploy-route", strategy, subpath=True)
        assert short(*part) == ALONE | SWITCH | {"get services"}
        assert {right.name for right in part if right.verb == "delete" and right.resource == "routes"} == {
            page_route_name("shop", CART)
        }


def test_what_delete_needs() -> None:
    assert short(*needed("delete", "swap")) == ALONE | SWITCH | UNINSTALL
    assert short(*needed("delete", "repoint")) == ALONE | UNINSTALL | every("routes", "get list patch")
    part = needed("delete", "repoint", subpath=True)
    assert short(*part) == ALONE | SWITCH | UNINSTALL  # and the way back to the page
    assert not [right for right in part if "snapshot" in right.why]


def test_what_build_and_deploy_needs() -> None:
    kinds = ("deployments", "services", "buildconfigs", "imagestreams", "networkpolicies")
    chart = {right for kind in kinds for right in every(kind, "create get patch delete")}
    assert short(*deploying_rights()) == (
        every("leases", "get create update delete")
        | every("secrets", "get list create update delete")
        | every("imagestreamtags", "create update")
        | {"list routes", "list pods"}
        | chart
    )
    assert short(*budget_rights()) == every("poddisruptionbudgets", "create get patch delete")
    upload = {"create buildconfigs/instantiatebinary", "get builds/log", "get builds"}
    assert short(*building_rights(with_oc=False)) == upload
    assert short(*building_rights(with_oc=True)) == upload | {"get buildconfigs", "list builds", "watch builds"}


@pytest.mark.parametrize("with_oc", [True, False])
def test_the_documented_role_holds_what_a_build_needs(with_oc: bool) -> None:
    assert missing([*deploying_rights(), *building_rights(with_oc=with_oc)], documented_rules()) == []


@pytest.mark.parametrize("job", ["deploy-route", "delete"])
def test_rights_that_depend_on_the_route(job: str) -> None:
    def more(strategy: str, original: dict[str, Any]) -> set[str]:
        plain = needed(job, strategy, original=tls(termination="edge"))
        return short(*needed(job, strategy, original=original)) - short(*plain)

    external = tls(termination="edge", externalCertificate={"name": "secret"})
    assert more("swap", external) == {"update routes/custom-host"}
    assert more("repoint", external) == {"create routes/custom-host", "update routes/custom-host"}
    reencrypt = tls(termination="reencrypt", destinationCACertificate="ca")
    assert more("swap", reencrypt) == set()
    assert more("repoint", reencrypt) == {"create routes/custom-host"}
    assert more("repoint", tls(termination="reencrypt")) == set()
    assert more("repoint", tls(termination="Passthrough")) == {"create routes/custom-host"}


@pytest.mark.parametrize("job", ["deploy-route", "delete"])
@pytest.mark.parametrize("strategy", ["swap", "repoint"])
@pytest.mark.parametrize("subpath", [False, True])
def test_the_documented_role_holds_everything(job: str, strategy: str, subpath: bool) -> None:
    rules = documented_rules()
    external = tls(termination="reencrypt", externalCertificate={"name": "s"}, destinationCACertificate="ca")
    rights = needed(job, strategy, subpath=subpath, original=external)
    assert missing([*rights, TEMPLATE_RIGHT], rules) == []
    assert missing(rights, rules[1:]) != []


def test_services_are_asked_for_by_name() -> None:
    named = needed("deploy-route", "swap", original=tls(termination="edge"))
    assert [right.name for right in named if right.resource == "services"] == ["app"]


def test_all_missing_rights_are_told_at_once_by_what_they_are_for() -> None:
    require_rights([])
    lacking = needed("deploy-route", "swap")
    with pytest.raises(ForbiddenError) as caught:
        require_rights(lacking)
    assert caught.value.what == (
        "The token lacks rights. It needs, "
        "to read the Route, and who else is on its host: list routes; "
        "to keep a snapshot of the original: create, get, update, delete secrets; "
        "to switch the Route: create, get, patch, delete routes; "
        "to give a Route the original's host and certificate: create routes/custom-host; "
        "to see what is ready to serve: list endpointslices; "
        "to be the only job of the namespace: create, get, update, delete leases; "
        "to say how to reach the application meanwhile: get services."
    )
    assert "docs/service-account.yaml" in caught.value.advice

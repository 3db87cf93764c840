from __future__ import annotations

from typing import Any

import pytest

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.plan.ownership import recreated_by, require_unowned
from maintenance_ci.settings.force import Force

TRACKED = "shop-app:route.openshift.io/Route:web/shop"
HELM_LABEL = {"app.kubernetes.io/managed-by": "Helm"}
HELM = {"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "web"}
FLUX = {"helm.toolkit.fluxcd.io/name": "shop", "helm.toolkit.fluxcd.io/namespace": "flux-system"}


def route(**metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "shop", "namespace": "web", **metadata}, "spec": {}}


@pytest.mark.parametrize(
    ("metadata", "who", "pause"),
    [
        ({"labels": {"argocd.argoproj.io/instance": "a"}}, "Argo CD, application a", "argocd app set a --sync-policy"),
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": TRACKED}},
            "application shop-app",
            "argocd app set shop-app",
        ),
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "team-a_" + TRACKED}},
            "application team-a_shop-app",
            "argocd app set team-a/shop-app",
        ),
        ({"labels": HELM_LABEL, "annotations": HELM}, "next upgrade of release shop in web", "let nobody upgrade it"),
        (
            {"labels": {"kustomize.toolkit.fluxcd.io/name": "k", "kustomize.toolkit.fluxcd.io/namespace": "n"}},
            "Flux, kustomization k",
            "flux suspend kustomization k -n n",
        ),
        ({"labels": FLUX}, "Flux, helmrelease shop", "flux suspend helmrelease shop -n flux-system"),
        ({"labels": FLUX | HELM_LABEL, "annotations": HELM}, "Flux, helmrelease shop", "flux suspend helmrelease"),
        ({"ownerReferences": [{"kind": "Ingress", "name": "i"}]}, "from Ingress i", "change the Ingress"),
        ({"ownerReferences": [{"kind": "Keycloak", "name": "sso"}]}, "controller of Keycloak sso", "to 0"),
        ({"labels": {"olm.owner": "amq.v7"}}, "Operator Lifecycle Manager, for amq.v7", "scale that operator"),
    ],
)
def test_who_would_undo_it_and_how_to_pause_that(metadata: dict[str, Any], who: str, pause: str) -> None:
    [owner] = recreated_by(route(**metadata))
    assert who in owner
    assert pause in owner
    with pytest.raises(MaintenanceError) as caught:
        require_unowned(route(**metadata), force={*Force} - {Force.OWNER})
    assert owner in caught.value.what
    assert "FORCE=owner" in caught.value.advice
    [said] = require_unowned(route(**metadata), force={Force.OWNER})
    assert said.startswith("forced")
    assert owner in said


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"labels": None, "annotations": None, "ownerReferences": None},
        {"labels": {"app.kubernetes.io/instance": "shop", "app.kubernetes.io/managed-by": "team"}},
        {"labels": HELM_LABEL},  # a chart rendered by somebody else
        {"annotations": HELM},  # a copy: Helm itself asks for both
        {"annotations": {"argocd.argoproj.io/tracking-id": "a:route.openshift.io/Route:web/other"}},
        {"annotations": {"argocd.argoproj.io/tracking-id": "a:apps/Deployment:web/shop"}},
        {"annotations": {"argocd.argoproj.io/tracking-id": ""}, "labels": {"argocd.argoproj.io/instance": ""}},
    ],
)
def test_a_route_without_an_owner_s_mark_is_nobody_s(metadata: dict[str, Any]) -> None:
    assert recreated_by(route(**metadata)) == []
    assert require_unowned(route(**metadata), force=()) == []


def test_all_owners_are_named() -> None:
    both = route(labels={"argocd.argoproj.io/instance": "a"}, ownerReferences=[{"kind": "Ingress", "name": "i"}])
    with pytest.raises(MaintenanceError, match=r"Ingress i .*; by Argo CD, application a"):
        require_unowned(both, force=())

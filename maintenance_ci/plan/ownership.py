"""Who would re-create a Route, or change it back, during its maintenance: pure.

What each tool writes on its objects is in its documentation: Argo CD ("resource tracking"), Helm ("labels and
annotations"), Flux ("Kustomization" and "HelmRelease"), OLM, and OpenShift's ingress-to-route controller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.plan.marks import annotations_of, labels_of
from maintenance_ci.settings.force import Force

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

ARGO_LABEL = "argocd.argoproj.io/instance"
ARGO_TRACKING = "argocd.argoproj.io/tracking-id"
HELM_RELEASE = "meta.helm.sh/release-name"
HELM_NAMESPACE = "meta.helm.sh/release-namespace"
FLUX_KUSTOMIZE = "kustomize.toolkit.fluxcd.io"
FLUX_HELM = "helm.toolkit.fluxcd.io"
OLM_OWNER = "olm.owner"


def recreated_by(route: Mapping[str, Any]) -> list[str]:
    """Return who would undo a change of the Route, each with how to pause it."""
    return [*_owners(route), *_argo_cd(route), *_flux_or_helm(labels_of(route), annotations_of(route)), *_olm(route)]


def require_unowned(route: Mapping[str, Any], *, force: Container[Force]) -> list[str]:
    """Refuse a Route that somebody would re-create or change back; forced, return what to say of it instead."""
    owners = recreated_by(route)
    name = route["metadata"]["name"]
    if owners and Force.OWNER not in force:
        raise MaintenanceError(
            f"Route {name} would be re-created, or changed back, by {'; by '.join(owners)}.",
            f"Pause that first; {Force.OWNER} goes on anyway.",
        )
    return [f"forced, although Route {name} would be re-created, or changed back, by {owner}" for owner in owners]


def _owners(route: Mapping[str, Any]) -> Iterator[str]:
    for reference in route["metadata"].get("ownerReferences") or []:
        kind, name = reference.get("kind", "an owner"), reference.get("name", "")
        if kind == "Ingress":
            yield f"OpenShift's ingress-to-route controller, from Ingress {name} (it has no pause: change the Ingress)"
        else:
            yield f"the controller of {kind} {name}, which owns it (pause it: scale that controller to 0)"


def _argo_cd(route: Mapping[str, Any]) -> Iterator[str]:
    """Argo CD's mark. Its old default label, app.kubernetes.io/instance, is everybody's, and says nothing."""
    metadata = route["metadata"]
    application, _, tracked = annotations_of(route).get(ARGO_TRACKING, "").partition(":")
    # Argo CD itself takes no notice of an id that was copied along from another object.
    if tracked != f"route.openshift.io/Route:{metadata.get('namespace')}/{metadata['name']}":
        application = ""
    if application := application or labels_of(route).get(ARGO_LABEL, ""):
        # An application outside of Argo CD's own namespace is written NAMESPACE_NAME, and asked for as NAMESPACE/NAME.
        asked = application.replace("_", "/", 1)
        yield f"Argo CD, application {application} (pause it: argocd app set {asked} --sync-policy none)"
    elif any(str(fields.get("manager", "")).startswith("argocd") for fields in metadata.get("managedFields") or []):
        # Tracked by the old default label: who writes the fields tells.
        yield "Argo CD, whose controller writes its fields (pause the application that holds it)"


def _flux_or_helm(labels: Mapping[str, str], annotations: Mapping[str, str]) -> Iterator[str]:
    for prefix, kind in ((FLUX_KUSTOMIZE, "kustomization"), (FLUX_HELM, "helmrelease")):
        name, namespace = labels.get(f"{prefix}/name"), labels.get(f"{prefix}/namespace")
        if name:
            where = f" -n {namespace}" if namespace else ""
            yield f"Flux, {kind} {name} (pause it: flux suspend {kind} {name}{where})"
    release = annotations.get(HELM_RELEASE)
    if release and labels.get("app.kubernetes.io/managed-by") == "Helm" and f"{FLUX_HELM}/name" not in labels:
        namespace = annotations.get(HELM_NAMESPACE)
        where = f" in {namespace}" if namespace else ""
        yield f"Helm, with the next upgrade of release {release}{where} (pause it: let nobody upgrade it meanwhile)"


def _olm(route: Mapping[str, Any]) -> Iterator[str]:
    if owner := labels_of(route).get(OLM_OWNER):
        yield f"the Operator Lifecycle Manager, for {owner} (pause it: scale that operator to 0)"

"""What the token may do, and what a job needs: found out before the first change, by access reviews.

The Role of docs/service-account.yaml holds all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from maintenance_ci.errors import ForbiddenError, MaintenanceError, TryAgainError
from maintenance_ci.names import LEASE, PAGE, page_route_name, snapshot_name
from maintenance_ci.plan.page_route import backend_services
from maintenance_ci.plan.situation import SUBPATH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maintenance_ci.cluster.openshift import Object, OpenShift

Job = Literal["deploy-route", "delete"]
Strategy = Literal["swap", "repoint"]
How = Literal["swap", "repoint", "subpath"]

ROLE = "docs/service-account.yaml"
ROUTES = "route.openshift.io"
# What the chart installs (chart/templates), by API group.
CHART_KINDS = (
    ("build.openshift.io", "buildconfigs"),
    ("image.openshift.io", "imagestreams"),
    ("apps", "deployments"),
    ("", "services"),
    ("networking.k8s.io", "networkpolicies"),
)


@dataclass(frozen=True)
class Right:
    """One thing to be allowed in the namespace.

    Attributes:
        verb: of the API: ``get``, ``list``, ``create``, …
        group: the API group; empty for the core.
        resource: the plural, with its subresource: ``routes/custom-host``.
        why: what a job needs it for, as it goes on after "to ".
        name: of the one object that is meant; empty for any. A Role may be limited to names (``resourceNames``).
    """

    verb: str
    group: str
    resource: str
    why: str
    name: str = ""


BUILD = "build.openshift.io"
# Of the ImageStream: it tells whether anything is to be built.
IMAGE_RIGHT = Right("get", "image.openshift.io", "imagestreams", "see which images of the page there are", PAGE)
# Of a restore template that is an OpenShift Template, which is known when it was read.
TEMPLATE_RIGHT = Right("create", "template.openshift.io", "processedtemplates", "fill in the restore template")


def needed_rights(
    job: Job,
    *,
    strategy: Strategy,
    route_name: str,
    subpath: str | None = None,
    original: Mapping[str, Any] | None = None,
) -> tuple[Right, ...]:
    """Return exactly what a job needs, rolling back included.

    Args:
        job: which one.
        strategy: how the whole Route is switched; a SUBPATH is the same in both.
        route_name: of the original Route.
        subpath: the part of it that is meant; None for the whole Route.
        original: the Route, where it is known: its certificates decide on ``routes/custom-host``.
    """
    alone = "be the only job of the namespace"
    ours = page_route_name(route_name, subpath)
    how: How = strategy if subpath is None else SUBPATH
    rights = [
        *_one(ROUTES, "routes", "read the Route, and who else is on its host", "list"),
        *_switch_rights(how, route_name, ours),
        *_certificate_rights(how, ((original or {}).get("spec") or {}).get("tls") or {}),
        *_one("discovery.k8s.io", "endpointslices", "see what is ready to serve", "list"),
        *_one("coordination.k8s.io", "leases", alone, "create"),
        *_one("coordination.k8s.io", "leases", alone, "get", "update", "delete", on=[LEASE]),
    ]
    if job == "deploy-route":
        services = sorted(backend_services(original)) if original else [""]
        rights += _one("", "services", "say how to reach the application meanwhile", "get", on=services)
    if subpath is None:
        rights += _snapshot_rights(job, snapshot_name(route_name))
    if job == "delete":
        rights += _uninstall_rights()
    return tuple(dict.fromkeys(rights))


def deploying_rights() -> tuple[Right, ...]:
    """Return what ``build-and-deploy`` needs in any case, a Helm put right after it was killed included."""
    alone, chart, shown = "be the only job of the namespace", "deploy the page with Helm", "see the page run"
    rights = [
        IMAGE_RIGHT,
        *_one(ROUTES, "routes", "see which Routes show the page", "list"),
        *_one("coordination.k8s.io", "leases", alone, "create"),
        *_one("coordination.k8s.io", "leases", alone, "get", "update", "delete", on=[LEASE]),
        *_one("", "secrets", chart, "get", "list", "create", "update", "delete"),
    ]
    for group, plural in CHART_KINDS:
        rights += _one(group, plural, chart, "create") + _one(group, plural, chart, "get", "patch", "delete", on=[PAGE])
    # A PUT that creates is asked for both.
    rights += _one("image.openshift.io", "imagestreamtags", "make an image the latest", "create", "update")
    rights += _one("apps", "deployments", shown, "get", on=[PAGE]) + _one("", "pods", shown, "list")
    return tuple(dict.fromkeys(rights))


def building_rights(*, with_oc: bool) -> tuple[Right, ...]:
    """Return what a build of the page needs besides.

    Args:
        with_oc: ``oc start-build --follow --wait`` does it: it reads the BuildConfig first, and lists and watches the
            Build at the end (recorded on OpenShift 4.21). The job itself gets the Build, too.
    """
    why = "build the page with oc" if with_oc else "build the page"
    rights = _one(BUILD, "buildconfigs/instantiatebinary", why, "create", on=[PAGE])
    rights += _one(BUILD, "builds/log", why, "get")
    rights += _one(BUILD, "builds", why, "get")
    if with_oc:
        rights += _one(BUILD, "buildconfigs", why, "get", on=[PAGE]) + _one(BUILD, "builds", why, "list", "watch")
    return tuple(rights)


def _one(group: str, resource: str, why: str, *verbs: str, on: Iterable[str] = ("",)) -> list[Right]:
    return [Right(verb, group, resource, why, name) for name in on for verb in verbs]


def _switch_rights(how: How, route_name: str, ours: str) -> list[Right]:
    """What changes Routes: the same for both jobs, as each undoes its switch where that does not come to its end.

    A patch is also the server-side apply of one, and its rehearsal (dry run).
    """
    why = "switch the Route"
    if how == "repoint":
        return _one(ROUTES, "routes", why, "get", "patch", on=[route_name])
    switched = [ours] if how == SUBPATH else [route_name, ours]
    return _one(ROUTES, "routes", why, "create") + _one(ROUTES, "routes", why, "get", "patch", "delete", on=switched)


def _certificate_rights(how: How, tls: Mapping[str, Any]) -> list[Right]:
    """What ``routes/custom-host`` is needed for, as recorded: a patch of ``spec.to`` alone needs none of it."""
    if how == "repoint" and not tls.get("externalCertificate"):  # that one is asked for on every change
        # The page has no destination CA; a passthrough Route gets a certificate for it.
        changed = tls.get("destinationCACertificate") or str(tls.get("termination", "")).lower() == "passthrough"
        return _one(ROUTES, "routes/custom-host", "change the Route's certificates", "create") if changed else []
    verbs = ("create", "update") if tls.get("externalCertificate") else ("create",)
    return _one(ROUTES, "routes/custom-host", "give a Route the original's host and certificate", *verbs)


def _snapshot_rights(job: Job, name: str) -> list[Right]:
    if job == "delete":
        return _one("", "secrets", "read the snapshot of the original, and remove it", "get", "delete", on=[name])
    why = "keep a snapshot of the original"
    return _one("", "secrets", why, "create") + _one("", "secrets", why, "get", "update", "delete", on=[name])


def _uninstall_rights() -> list[Right]:
    """What ``helm uninstall`` asks for, as recorded with Helm 3 and 4."""
    why = "remove the page with Helm"
    rights = _one("", "secrets", why, "list", "get", "update", "delete")
    for group, plural in CHART_KINDS:
        rights += _one(group, plural, why, "delete", on=[PAGE])
    return rights


def missing(rights: Iterable[Right], rules: Iterable[Mapping[str, Any]]) -> list[Right]:
    """Return the rights that none of the ``resourceRules`` of a SelfSubjectRulesReview grants."""
    granted = list(rules)
    return [right for right in rights if not any(_grants(rule, right) for rule in granted)]


def _grants(rule: Mapping[str, Any], right: Right) -> bool:
    """Tell whether a rule covers a right, as RBAC reads rules: ``*`` stands for every subresource too."""
    _, slash, subresource = right.resource.partition("/")
    resources = {"*", right.resource} | ({f"*/{subresource}"} if slash else set())
    names = rule.get("resourceNames") or ()
    return (
        not {"*", right.verb}.isdisjoint(rule.get("verbs") or ())
        and not {"*", right.group}.isdisjoint(rule.get("apiGroups") or ())
        and not resources.isdisjoint(rule.get("resources") or ())
        and (not names or right.name in names)
    )


def find_missing_rights(cluster: OpenShift, rights: Iterable[Right]) -> list[Right]:
    """Ask the server which of ``rights`` the token lacks: all in one request, then what that leaves open one by one.

    The list of rules may be incomplete (an authorizer besides RBAC cannot list what it allows): it says only yes.
    """
    try:
        status = cluster.review("selfsubjectrulesreviews", {"namespace": cluster.namespace})
    except TryAgainError:
        raise
    except MaintenanceError:  # not served, or not to us: the single questions answer as well
        status = {}
    return [right for right in missing(rights, status.get("resourceRules") or ()) if not _allowed(cluster, right)]


def _allowed(cluster: OpenShift, right: Right) -> bool:
    resource, _, subresource = right.resource.partition("/")
    asked = {
        "namespace": cluster.namespace,
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "name": right.name,
    }
    spec = {"resourceAttributes": {key: value for key, value in asked.items() if value}}
    return bool(cluster.review("selfsubjectaccessreviews", spec).get("allowed"))


def require_rights(lacking: Iterable[Right]) -> None:
    """Refuse a job whose token lacks a right; all of them at once, by what they are for."""
    purposes: dict[str, dict[str, dict[str, None]]] = {}
    for right in lacking:
        purposes.setdefault(right.why, {}).setdefault(right.resource, {})[right.verb] = None
    if purposes:
        told = [
            f"to {why}: " + " and ".join(f"{', '.join(verbs)} {resource}" for resource, verbs in resources.items())
            for why, resources in purposes.items()
        ]
        raise ForbiddenError(
            f"The token lacks rights. It needs, {'; '.join(told)}.", f"Give the service account the Role of {ROLE}."
        )


def find_claims(cluster: OpenShift, host: str) -> list[Object] | None:
    """Return the Routes of all namespaces that claim ``host``; None where the token may not look beyond its own.

    A wildcard Route of another name in the same domain claims it too, where the router allows that: the server selects
    by equal hosts alone, so that one stays unseen.
    """
    try:
        return cluster.select_everywhere("routes", f"spec.host={host}")
    except ForbiddenError:
        return None

"""What a job needs, and whether a token may do it: pure.

The Role of docs/service-account.yaml holds all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maintenance_ci.errors import ForbiddenError
from maintenance_ci.names import LEASE, PAGE, name_for_testers, snapshot_name
from maintenance_ci.plan.page_route import backend_services, is_passthrough
from maintenance_ci.plan.steps import Direction, Verb, undo

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maintenance_ci.plan.observed import Observed
    from maintenance_ci.plan.steps import Change, Plan

ROLE = "docs/service-account.yaml"
ROUTES = "route.openshift.io"
SNAPSHOT = "keep a snapshot of the original"
# What no Role limits to names: an object that is to be created has none yet (Kubernetes, "Referring to resources"), and
# lists are of all.
UNNAMED = frozenset({"create", "list"})
# What the chart installs (chart/templates), by API group.
CHART_KINDS = (
    ("build.openshift.io", "buildconfigs"),
    ("image.openshift.io", "imagestreams"),
    ("apps", "deployments"),
    ("", "services"),
    ("networking.k8s.io", "networkpolicies"),
)
# It installs this one, too, where the token may: a Role of an earlier version does not name it.
BUDGETS = ("policy", "poddisruptionbudgets")


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


def rights_on(group: str, resource: str, why: str, *verbs: str, on: Iterable[str] = ("",)) -> list[Right]:
    """Return the right to each of the verbs; ``on`` the objects of these names, as far as a Role can be limited so."""
    is_subresource = "/" in resource
    return [
        Right(verb, group, resource, why, "" if verb in UNNAMED and not is_subresource else name)
        for name in on
        for verb in verbs
    ]


BUILD = "build.openshift.io"
# Of the ImageStream: it tells whether anything is to be built.
IMAGE_RIGHT = Right("get", "image.openshift.io", "imagestreams", "see which images of the page there are", PAGE)
ALONE = "be the only job of the namespace"
LEASE_RIGHTS = rights_on("coordination.k8s.io", "leases", ALONE, "create", "get", "update", "delete", on=[LEASE])
# Of a restore template that is an OpenShift Template, which is known when it was read.
TEMPLATE_RIGHT = Right("create", "template.openshift.io", "processedtemplates", "fill in the restore template")


def needed_rights(plan: Plan, observed: Observed) -> tuple[Right, ...]:
    """Return exactly what a plan needs: its steps, and those that undo them.

    Besides, a job reads the Routes and endpoints, must be the only one of the namespace, and needs what its closing
    words, or the removal of the page, take.
    """
    steps = [*plan.steps, *undo(plan.switching)]
    rights = [
        *rights_on(ROUTES, "routes", "read the Route, and who else is on its host", "list"),
        *(right for step in steps for right in _rights_of(step.change, observed)),
        *rights_on("discovery.k8s.io", "endpointslices", "see what is ready to serve", "list"),
        *LEASE_RIGHTS,
    ]
    if observed.subpath is None:
        rights += rights_on("", "secrets", SNAPSHOT, "get", on=[snapshot_name(observed.route_name)])
    if plan.direction is Direction.END:
        rights += _uninstall_rights()
    else:
        services = sorted(backend_services(observed.original)) if observed.original else [""]
        rights += rights_on("", "services", "say how to reach the application meanwhile", "get", on=services)
    return tuple(dict.fromkeys(rights))


def _rights_of(change: Change, observed: Observed) -> list[Right]:
    """Return what one change takes. A patch is also the server-side apply of a Route, and its rehearsal (dry run)."""
    switch, name, snapshot = "switch the Route", change.name, snapshot_name(observed.route_name)
    spec = (change.before if change.before and change.shows_page else change.route).get("spec") or {}
    match change.verb:
        case Verb.KEEP:
            return rights_on("", "secrets", SNAPSHOT, "create", "get", "update", on=[snapshot])
        case Verb.FORGET:
            return rights_on("", "secrets", SNAPSHOT, "get", "delete", on=[snapshot])
        case Verb.REMOVE:
            return rights_on(ROUTES, "routes", switch, "get", "delete", on=[name])
        case Verb.PLACE:
            place = rights_on(ROUTES, "routes", switch, "create", "get", "patch", on=[name])
            return place + _host_rights(spec.get("tls") or {})
        case Verb.REWRITE | Verb.CERTIFY:
            rewrite = rights_on(ROUTES, "routes", switch, "get", "patch", on=[name])
            return rewrite + _certificate_rights(spec.get("tls") or {}, certify=change.verb is Verb.CERTIFY)
    return []


def rights_for_testers(route_name: str, *, host: bool) -> tuple[Right, ...]:
    """Return what it takes to let testers in by a Route of their own: on a ``host`` that is given, or on a made one."""
    why, name = "let testers in", name_for_testers(route_name)
    rights = rights_on(ROUTES, "routes", why, "create", "get", "patch", "delete", on=[name])
    return (*rights, *(rights_on(ROUTES, "routes/custom-host", why, "create") if host else ()))


def deploying_rights() -> tuple[Right, ...]:
    """Return what ``build-and-deploy`` needs in any case, a Helm put right after it was killed included."""
    chart, shown = "deploy the page with Helm", "see the page run"
    rights = [
        IMAGE_RIGHT,
        *rights_on(ROUTES, "routes", "see which Routes show the page", "list"),
        *LEASE_RIGHTS,
        *rights_on("", "secrets", chart, "get", "list", "create", "update", "delete"),
    ]
    for group, plural in CHART_KINDS:
        rights += rights_on(group, plural, chart, "create", "get", "patch", "delete", on=[PAGE])
    # A PUT that creates is asked for both.
    rights += rights_on("image.openshift.io", "imagestreamtags", "make an image the latest", "create", "update")
    rights += rights_on("apps", "deployments", shown, "get", on=[PAGE]) + rights_on("", "pods", shown, "list")
    return tuple(dict.fromkeys(rights))


def budget_rights() -> tuple[Right, ...]:
    """Return what Helm needs for the page's PodDisruptionBudget; without it the page does without."""
    why = "keep one Pod of the page while nodes are drained"
    return tuple(rights_on(*BUDGETS, why, "create", "get", "patch", "delete", on=[PAGE]))


def building_rights(*, with_oc: bool) -> tuple[Right, ...]:
    """Return what a build of the page needs besides.

    Args:
        with_oc: ``oc start-build --follow --wait`` does it: it reads the BuildConfig first, and lists and watches the
            Build at the end (recorded on OpenShift 4.21). The job itself gets the Build, too.
    """
    why = "build the page with oc" if with_oc else "build the page"
    rights = rights_on(BUILD, "buildconfigs/instantiatebinary", why, "create", on=[PAGE])
    rights += rights_on(BUILD, "builds/log", why, "get") + rights_on(BUILD, "builds", why, "get")
    if with_oc:
        rights += rights_on(BUILD, "buildconfigs", why, "get", on=[PAGE])
        rights += rights_on(BUILD, "builds", why, "list", "watch")
    return tuple(rights)


def _host_rights(tls: Mapping[str, Any]) -> list[Right]:
    """Return what it takes to create a Route with a host, and with what its TLS names, as recorded."""
    verbs = ("create", "update") if tls.get("externalCertificate") else ("create",)
    return rights_on(ROUTES, "routes/custom-host", "give a Route the original's host and certificate", *verbs)


def _certificate_rights(tls: Mapping[str, Any], *, certify: bool) -> list[Right]:
    """Return what a patch takes, as recorded: of ``spec.to`` alone it needs nothing else."""
    if tls.get("externalCertificate"):  # that one is asked for on every change
        return _host_rights(tls)
    # The page has no destination CA; a passthrough Route gets a certificate for it.
    changed = certify or tls.get("destinationCACertificate") or is_passthrough(tls)
    return rights_on(ROUTES, "routes/custom-host", "change the Route's certificates", "create") if changed else []


def _uninstall_rights() -> list[Right]:
    """Return what ``helm uninstall`` asks for, as recorded with Helm 3 and 4."""
    why = "remove the page with Helm"
    kinds = [right for kind in CHART_KINDS for right in rights_on(*kind, why, "delete", on=[PAGE])]
    return rights_on("", "secrets", why, "list", "get", "update", "delete") + kinds


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


def describe_rights(rights: Iterable[Right]) -> str:
    """List rights by what they are for: ``to build the page: get, list builds and get builds/log; to …``."""
    purposes: dict[str, dict[str, dict[str, None]]] = {}
    for right in rights:
        purposes.setdefault(right.why, {}).setdefault(right.resource, {})[right.verb] = None
    return "; ".join(
        f"to {why}: " + " and ".join(f"{', '.join(verbs)} {resource}" for resource, verbs in resources.items())
        for why, resources in purposes.items()
    )


def require_rights(lacking: Iterable[Right]) -> None:
    """Refuse a job whose token lacks a right; all of them at once, by what they are for."""
    if needs := describe_rights(lacking):
        raise ForbiddenError(
            f"The token lacks rights. It needs, {needs}.", f"Give the service account the Role of {ROLE}."
        )

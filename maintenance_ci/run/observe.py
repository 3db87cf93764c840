"""Reads all that a plan is made of, once. It changes nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from maintenance_ci.errors import MaintenanceError, TryAgainError, VariableError
from maintenance_ci.names import PAGE, notes, snapshot_name
from maintenance_ci.plan.announcement import announcement
from maintenance_ci.plan.certificates import passthrough_certificate
from maintenance_ci.plan.marks import stands_for
from maintenance_ci.plan.observed import Observed, Reading, Remark
from maintenance_ci.plan.page_route import backend_services, is_passthrough, maintenance_values
from maintenance_ci.plan.plans import plan_begin, plan_end, strategy_of
from maintenance_ci.plan.rights import needed_rights, rights_for_testers
from maintenance_ci.plan.snapshot import route_in
from maintenance_ci.plan.steps import Direction
from maintenance_ci.plan.strategies import STRATEGIES
from maintenance_ci.templates.rendering import render_page_route
from maintenance_ci.templates.restore import original_from_template, original_to_restore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from maintenance_ci.cluster.openshift import Object, OpenShift
    from maintenance_ci.plan.rights import Right
    from maintenance_ci.plan.routes import Routes
    from maintenance_ci.plan.steps import Plan
    from maintenance_ci.run.shared_reads import SharedReads
    from maintenance_ci.settings.variables import RouteSettings
    from maintenance_ci.templates.project import TemplateProject

Value = TypeVar("Value")


def observe(settings: RouteSettings, routes: Routes) -> Observed:
    """Return what the namespace's Routes, by their names, say of one of them, or of one path of it."""
    return Observed(settings.project, settings.route_name, settings.subpath, routes)


def page_users(cluster: OpenShift, listed: Iterable[Object]) -> list[Object]:
    """Return the Routes that send users to the page now, in the order of their names.

    The server selects by ``spec.to`` alone: a Route with the page among its ``alternateBackends`` is seen as it was
    ``listed`` by the job.
    """
    now = cluster.select("routes", fields=f"spec.to.name={PAGE}")
    others = [route for route in listed if route["spec"].get("to", {}).get("name") != PAGE]
    shown = {route["metadata"]["name"]: route for route in [*others, *now] if PAGE in backend_services(route)}
    return [shown[name] for name in sorted(shown)]


def require_route(observed: Observed) -> Object:
    """Return the Route that is to be put into maintenance, or what stands for it already.

    Raises:
        MaintenanceError: neither is there.
    """
    if observed.route_to_mirror is None:
        raise MaintenanceError(
            f"Route {observed.route_name} is not in namespace {observed.namespace}.",
            f"Check ROUTE_NAME and PROJECT: oc get routes -n {observed.namespace}; "
            "if its maintenance was cut short, the job delete puts it back.",
        )
    return observed.route_to_mirror


def observe_begin(
    reads: SharedReads,
    templates: TemplateProject | None,
    route_template: str,
    settings: RouteSettings,
    observed: Observed,
    *,
    page_later: bool = False,
) -> tuple[Observed, Plan]:
    """Read what a maintenance needs to begin, and return it with the plan.

    Where the Route is in maintenance already, that is only confirmed: its snapshot is all that is read.

    Raises:
        TryAgainError: the cluster, or GitLab, is away. What a server refuses is for the checks.
        VariableError: a variable is wrong.
    """
    if settings.subpath is None or observed.active_strategy:
        observed = _with_snapshot(settings, reads.cluster, observed)
    plan = plan_begin(settings, observed)
    if plan.direction is Direction.CONFIRM:
        return observed, plan
    observed = replace(
        observed,
        wanted_page_route=_read(partial(_page_route, settings, reads.cluster, route_template, observed)),
        ready_services=_read(reads.ready_page),
    )
    if not page_later and PAGE not in (observed.ready_services.value or ()):
        observed = replace(observed, page_trouble=_read(reads.page_trouble).value or "")
    plan = plan_begin(settings, observed)
    host = (observed.route_to_mirror or {})["spec"].get("host")
    if host and plan.deletes_original:
        observed = replace(observed, claims=_read(partial(reads.claims, host)))
    if templates and settings.subpath is None:
        reading = _read_remarked(partial(original_from_template, settings, reads.cluster, templates, observed))
        observed = replace(observed, original_from_template=reading)
    own_host = settings.tester_host is not None
    testers = rights_for_testers(settings.route_name, host=own_host) if settings.tester_access else ()
    return _with_missing_rights(reads, observed, plan, testers), plan


def observe_snapshot(settings: RouteSettings, cluster: OpenShift, observed: Observed) -> Observed:
    """Read the snapshot of a whole Route: it decides on the commands for a person, and on the rest of what is read."""
    return observed if settings.subpath else _with_snapshot(settings, cluster, observed)


def observe_end(
    reads: SharedReads, templates: TemplateProject | None, settings: RouteSettings, observed: Observed
) -> tuple[Observed, Plan]:
    """Read what the end of a maintenance needs, besides its snapshot (`observe_snapshot`), and return it with the plan.

    Raises as `observe_begin`.
    """
    if templates and observed.is_away:
        reading = _read_remarked(partial(original_to_restore, settings, reads.cluster, templates, observed))
        observed = replace(observed, restored=reading)
    original = observed.restored.value if observed.is_away else observed.original
    if observed.annotated_route and original:
        observed = replace(observed, ready_services=_read(partial(reads.ready, backend_services(original))))
    host = observed.page_route["spec"].get("host") if observed.page_route else None
    if host and settings.subpath is None:
        observed = replace(observed, claims=_read(partial(reads.claims, host)))
    plan = plan_end(settings, observed)
    return _with_missing_rights(reads, observed, plan), plan


def _read(read: Callable[[], Value | None]) -> Reading[Value]:
    """Return what is read, or the refusal; a server that is away, or a wrong variable, ends the job at once."""
    try:
        return Reading(read())
    except (TryAgainError, VariableError):
        raise
    except MaintenanceError as error:
        return Reading(error=error)


def _read_remarked(read: Callable[[list[Remark]], Value]) -> Reading[Value]:
    """Return what is read, or the refusal, with what was noticed meanwhile."""
    remarks: list[Remark] = []
    reading = _read(partial(read, remarks))
    return replace(reading, remarks=tuple(remarks))


def _with_snapshot(settings: RouteSettings, cluster: OpenShift, observed: Observed) -> Observed:
    snapshot = _read(partial(cluster.get, "secrets", snapshot_name(settings.route_name)))
    if not snapshot.value:
        return replace(observed, snapshot=snapshot)
    try:
        saved = route_in(snapshot.value) if stands_for(snapshot.value) == settings.route_name else None
    except MaintenanceError as error:  # there may be a template
        unreadable = Remark(error.what, is_warning=True)
        return replace(observed, snapshot=replace(snapshot, remarks=(unreadable,)))
    return replace(observed, snapshot=snapshot, saved_original=saved)


def _with_missing_rights(reads: SharedReads, observed: Observed, plan: Plan, further: Iterable[Right] = ()) -> Observed:
    if not plan.changes:
        return observed
    rights = [*needed_rights(plan, observed), *further]
    missing = _read(partial(reads.missing_rights, rights))
    return replace(observed, missing_rights=missing)


def _page_route(settings: RouteSettings, cluster: OpenShift, route_template: str, observed: Observed) -> Object:
    """Return the Route that is to show the page."""
    original, strategy = observed.route_to_mirror or {}, strategy_of(settings, observed)
    announced = announcement(settings, observed)
    if not original["spec"].get("host"):
        return original  # which a check refuses
    certificate = _certificate(settings, cluster, original)
    if rewrite := STRATEGIES[strategy].rewrite:
        return announced.on(rewrite(original, notes(settings.route_name, strategy), certificate))
    values = maintenance_values(
        original,
        route_name=settings.route_name,
        subpath=settings.subpath,
        strategy=strategy,
        announced_notes=announced.notes,
        certificate=certificate,
    )
    return announced.on(render_page_route(route_template, values))


def _certificate(settings: RouteSettings, cluster: OpenShift, original: Object) -> Object | None:
    """Return the certificate for a passthrough Route; None where the Route needs none, or none is named."""
    name = settings.passthrough_certificate_secret
    if name is None or not is_passthrough(original["spec"].get("tls")):
        return None
    return passthrough_certificate(cluster.get("secrets", name), name=name, host=original["spec"]["host"])

"""Restoring the original Route: as its template has it, or as its snapshot has it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from maintenance_ci.errors import ForbiddenError, MaintenanceError, TryAgainError, VariableError
from maintenance_ci.names import PAGE
from maintenance_ci.plan.certificates import carry_over_certificates
from maintenance_ci.plan.checks import require_same_route
from maintenance_ci.plan.comparison import differences, keep_bookkeeping, moved
from maintenance_ci.plan.observed import Remark
from maintenance_ci.plan.page_route import backend_services
from maintenance_ci.plan.repoint import merge_patch, pointed_back
from maintenance_ci.plan.rights import TEMPLATE_RIGHT, require_rights
from maintenance_ci.templates.file import CORRECT_IT
from maintenance_ci.templates.rendering import read_rendered
from maintenance_ci.templates.route import (
    about_template,
    expected_route,
    template_path,
    template_to_process,
    with_host,
    without_values,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from maintenance_ci.cluster.openshift import Object, OpenShift
    from maintenance_ci.plan.observed import Observed
    from maintenance_ci.settings.variables import RouteSettings, TemplatesSettings
    from maintenance_ci.templates.project import TemplateProject
    from maintenance_ci.templates.route import TemplateRoute


def rendered_route(
    settings: TemplatesSettings, cluster: OpenShift, text: str, route_name: str, *, foreign_parameters: bool = False
) -> TemplateRoute:
    """Return the Route that the text of its template yields; its host may be missing.

    With ``foreign_parameters`` ROUTE_TEMPLATE_PARAMETERS are for several Templates, and may hold what this one lacks.

    Raises:
        MaintenanceError: the text is no template, cannot be rendered, or yields no such Route.
        VariableError: a parameter is no text.
    """
    path, parameters = template_path(settings.route_template_path, route_name), settings.route_template_parameters
    values = {"route_name": route_name, "namespace": settings.project, **parameters}
    file = read_rendered(text, path=path, values=values)
    objects = [route.manifest for route in file.routes]
    if file.template:
        template = template_to_process(file, parameters, foreign_parameters=foreign_parameters)
        objects = _processed(cluster, template, path) if objects else []
    template_route = expected_route(file, objects, name=route_name, namespace=settings.project)
    if PAGE in backend_services(template_route.route):  # it was exported while the Route was repointed
        raise template_route.source.refusal({("spec",): f"{PAGE} is the Service of the page, not of the application"})
    return template_route


def _processed(cluster: OpenShift, template: Object, path: str) -> list[Object]:
    """Return what the server makes of a Template's objects, in their order."""
    try:
        with _explained(lambda message: about_template(without_values(message), path)):
            return cluster.process_template(template)
    except ForbiddenError:
        require_rights([TEMPLATE_RIGHT])
        raise


@contextlib.contextmanager
def _explained(explain: Callable[[str], str]) -> Iterator[None]:
    """Raise the server's error about a template as ``explain`` words it: without values, which may be secret."""
    try:
        yield
    except MaintenanceError as error:
        error.what = explain(error.what)
        if not isinstance(error, TryAgainError):
            error.add(advice=CORRECT_IT)
        raise


def original_from_template(
    settings: RouteSettings, cluster: OpenShift, templates: TemplateProject, observed: Observed, remarks: list[Remark]
) -> Object:
    """Return the original as its template would bring it back, before anything is changed.

    To ``remarks`` is added what the log is to say, also where an error is raised.

    Raises:
        MaintenanceError: the template is not there, yields another Route, or one that the cluster does not take.
    """
    original = observed.route_to_mirror or {}
    others = {"the live Route": original}
    text = templates.read(template_path(settings.route_template_path, settings.route_name))
    template = with_host(rendered_route(settings, cluster, text, settings.route_name), others)
    remarks += map(Remark, template.remarks)
    unlike = differences(template.route, original)
    require_same_route(unlike, accepted=settings.accept_route_differences)
    try_out(cluster, template, others, live=observed.original)
    remarks += [_warning(f"accepted: {difference}; delete will restore the template's state") for difference in unlike]
    remarks.append(Remark("the template of the original exists, and the cluster accepts what it renders"))
    return template.route


def original_to_restore(
    settings: RouteSettings, cluster: OpenShift, templates: TemplateProject, observed: Observed, remarks: list[Remark]
) -> Object:
    """Return the original as its template has it; with a warning, as its snapshot has it, where that cannot be used.

    A template cannot be used either where it has another host or path than the Route that is in maintenance, or where
    one of the two has TLS and the other has not. To ``remarks`` is added what the log is to say, also where an error is
    raised.

    Raises:
        MaintenanceError: neither can be used.
        VariableError: a parameter of the template is no text.
    """
    text, holder, saved = None, observed.annotated_route, observed.saved_original
    others = {"the Route in maintenance": holder, "the snapshot": saved}
    try:
        text = templates.read(template_path(settings.route_template_path, settings.route_name))
        template = with_host(rendered_route(settings, cluster, text, settings.route_name), others)
        remarks += map(Remark, template.remarks)
        restored = template.route
        if place := holder or saved:
            require_same_route(moved(restored, place), accepted=settings.accept_route_differences)
        live = observed.original if observed.is_rewritten else None
        try_out(cluster, template, others, live=live, before=saved)
    except VariableError:
        raise
    except MaintenanceError as error:
        # The cluster's own trouble says nothing of the template; GitLab's leaves us without it.
        if isinstance(error, (TryAgainError, ForbiddenError)) and text is not None:
            raise
        if saved is None:
            error.add(what="There is no snapshot to fall back on, either.")
            raise
        from_snapshot = f"Route {settings.route_name} comes back from its snapshot, as it was before the maintenance."
        remarks += [_warning(f"The template cannot be used: {error.what}"), _warning(from_snapshot)]
        restored = saved
    else:
        remarks.append(Remark("its template exists, and the cluster accepts what it renders"))
        if saved:
            restored = keep_bookkeeping(restored, saved)
            unlike = differences(restored, saved)
            remarks += [_warning(f"it is not as it was before the maintenance: {difference}") for difference in unlike]
    restored, note = carry_over_certificates(restored, others)
    remarks += [Remark(note)] if note else []
    return restored


def _warning(text: str) -> Remark:
    return Remark(text, is_warning=True)


def try_out(
    cluster: OpenShift,
    template: TemplateRoute,
    others: Mapping[str, Object | None],
    *,
    live: Object | None,
    before: Object | None = None,
) -> None:
    """Let the cluster judge the original as it would come back; nothing is changed.

    Where the Route is there, the patch is the one that will restore it: an apply would leave fields that the restored
    Route lacks, such as the page's certificate on a Route that becomes passthrough, which the API refuses.

    Args:
        cluster: the Route's namespace.
        template: the original as its template has it.
        others: Routes that may have a newer certificate, by name.
        live: the Route of its name that is there now.
        before: the Route before its maintenance, where that is known.

    Raises:
        MaintenanceError: the cluster does not take it.
    """
    restored, _ = carry_over_certificates(template.route, others)
    with _explained(template.explain):
        if live is None:
            cluster.apply("routes", restored, dry_run=True)
        else:
            cluster.patch("routes", live, merge_patch(live, pointed_back(live, restored, before)), dry_run=True)

"""The way back: the original Route as its template has it, or its snapshot, and putting it there."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from maintenance_ci.errors import ForbiddenError, MaintenanceError, TryAgainError, VariableError
from maintenance_ci.plan.certificates import carry_over_certificates
from maintenance_ci.plan.checks import require_same_route
from maintenance_ci.plan.comparison import differences, keep_bookkeeping, moved
from maintenance_ci.plan.repoint import is_repointed, merge_patch, pointed_back
from maintenance_ci.plan.snapshot import route_in
from maintenance_ci.plan.verdicts import admitting_routers
from maintenance_ci.run.admission import wait_until_seen
from maintenance_ci.run.rights import TEMPLATE_RIGHT, require_rights
from maintenance_ci.run.there_again import waits_since_our_last_run
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
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.settings.variables import RouteSettings, TemplatesSettings
    from maintenance_ci.templates.project import TemplateProject
    from maintenance_ci.templates.route import TemplateRoute


def original_from_template(
    settings: RouteSettings,
    cluster: OpenShift,
    templates: TemplateProject,
    *,
    others: Mapping[str, Object | None],
    log: JobLog,
) -> TemplateRoute:
    """Fetch, render and check the original Route's template.

    Args:
        settings: the pipeline's variables.
        cluster: the Route's namespace.
        templates: where the template is.
        others: Routes that may know the host, by what they are called: the template may name none.
        log: is told what was made of the template.

    Raises:
        MaintenanceError: the template is not there, or yields no such Route.
    """
    return _original_in(templates.read(_path(settings)), settings, cluster, others, log)


def _path(settings: RouteSettings) -> str:
    return template_path(settings.route_template_path, settings.route_name)


def _original_in(
    text: str, settings: RouteSettings, cluster: OpenShift, others: Mapping[str, Object | None], log: JobLog
) -> TemplateRoute:
    """Return the original Route that the template's text yields, with its host."""
    path = _path(settings)
    template = rendered_route(settings, cluster, text, path=path, route_name=settings.route_name)
    complete, note = with_host(template.route, others, path=path)
    for remark in (template.remarks, note):
        if remark:
            log.say(remark)
    return replace(template, route=complete)


def rendered_route(
    settings: TemplatesSettings,
    cluster: OpenShift,
    text: str,
    *,
    path: str,
    route_name: str,
    foreign_parameters: bool = False,
) -> TemplateRoute:
    """Return the Route that a template's text yields; its host may be missing.

    Args:
        settings: the pipeline's variables.
        cluster: makes objects of an OpenShift Template.
        text: of the template.
        path: its path.
        route_name: of the Route that it is for.
        foreign_parameters: ROUTE_TEMPLATE_PARAMETERS are for several Templates, and may hold what this one has not.

    Raises:
        MaintenanceError: it is no template, cannot be rendered, or yields no such Route.
        VariableError: a parameter is no text.
    """
    parameters = settings.route_template_parameters
    values = {"route_name": route_name, "namespace": settings.project, **parameters}
    file = read_rendered(text, path=path, values=values)
    objects = [route.manifest for route in file.routes]
    if file.template:
        template = template_to_process(file, parameters, others_too=foreign_parameters)
        objects = _processed(cluster, template, path) if objects else []
    return expected_route(file, objects, name=route_name, namespace=settings.project)


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
    """Let what the server says of a template be said as ``explain`` has it: no value of it, which may be secret."""
    try:
        yield
    except MaintenanceError as error:
        error.what = explain(error.what)
        if not isinstance(error, TryAgainError):
            error.advice = error.advice or CORRECT_IT
        raise


def original_to_restore(
    settings: RouteSettings,
    cluster: OpenShift,
    templates: TemplateProject,
    *,
    holder: Object | None,
    kept: Object | None,
    log: JobLog,
) -> Object:
    """Return the original as its template has it; as the snapshot has it, and loudly, where the template is no good.

    Args:
        settings: the pipeline's variables.
        cluster: the Route's namespace.
        templates: where the template is.
        holder: what holds the original's place meanwhile: a template that brings it back elsewhere is no good.
        kept: the Route of the snapshot; None where there is none.
        log: is told which one it is.

    Raises:
        MaintenanceError: neither is there.
        VariableError: a parameter of the template is no text.
    """
    text, others = None, {"the Route in maintenance": holder, "the snapshot": kept}
    try:
        text = templates.read(_path(settings))
        template = _original_in(text, settings, cluster, others, log)
        restored = template.route
        if place := holder or kept:
            require_same_route(moved(restored, place), accepted=settings.accept_route_differences)
        try_out(cluster, template, others, live=holder if is_repointed(holder) else None, before=kept)
    except VariableError:
        raise
    except MaintenanceError as error:
        # The cluster's own trouble says nothing of the template; GitLab's leaves us without it.
        if isinstance(error, (TryAgainError, ForbiddenError)) and text is not None:
            raise
        if kept is None:
            error.what += " There is no snapshot to fall back on, either."
            raise
        log.warn(f"The template cannot be used: {error.what}")
        log.warn(f"Route {settings.route_name} comes back from its snapshot, as it was before the maintenance.")
        restored = kept
    else:
        log.say("its template is there, and the cluster takes what it renders to")
        if kept:
            restored = keep_bookkeeping(restored, kept)
            for difference in differences(restored, kept):
                log.warn(f"it is not as it was before the maintenance: {difference}")
    restored, note = carry_over_certificates(restored, others)
    if note:
        log.say(note)
    return restored


def try_out(
    cluster: OpenShift,
    template: TemplateRoute,
    others: Mapping[str, Object | None],
    *,
    live: Object | None,
    before: Object | None = None,
) -> None:
    """Let the cluster judge the original as it would come back; nothing is changed.

    Where the Route is there the change is a whole one, as it will be: an apply would leave fields that are not the
    restored one's, such as the page's certificate on a Route that becomes passthrough, which the API refuses.

    Args:
        cluster: the Route's namespace.
        template: the original as its template has it.
        others: Routes that may have a newer certificate, by what they are called.
        live: the Route of its name, that is there now.
        before: what it was before its maintenance, where that is known.

    Raises:
        MaintenanceError: the cluster does not take it.
    """
    restored, _ = carry_over_certificates(template.route, others)
    with _explained(template.explained):
        if live is None:
            cluster.apply("routes", restored, dry_run=True)
        else:
            cluster.patch("routes", live, merge_patch(live, pointed_back(live, restored, before)), dry_run=True)


def kept_original(snapshot: Object | None, log: JobLog) -> Object | None:
    """Return the Route that the snapshot keeps; one that cannot be read is worth a warning: there may be a template."""
    try:
        return route_in(snapshot) if snapshot else None
    except MaintenanceError as error:
        log.warn(error.what)
        return None


def bring_back(
    cluster: OpenShift,
    restored: Object,
    routers: frozenset[str],
    log: JobLog,
    *,
    before: Object | None = None,
    created: Callable[[Object], None] = lambda _: None,
) -> None:
    """Let the original Route be there, for the application, whichever strategy took it away.

    One that is there, and is not repointed, is left as it is: somebody put it there. Unless that was a restore of ours
    that nobody serves yet: since then the template may have been corrected.

    Args:
        cluster: the Route's namespace.
        restored: what it is to be.
        routers: those that must be ready to serve it.
        log: what the job says.
        before: what it was before its maintenance, where that is known.
        created: is told of the Route that was made, before anybody has judged it.

    Raises:
        MaintenanceError: a router that serves its host would not serve it; the maintenance Route still does.
    """
    name = restored["metadata"]["name"]
    live = cluster.get("routes", name)
    if live is None or waits_since_our_last_run(live):
        created(cluster.apply("routes", restored))
    elif is_repointed(live):
        # Renewed since it was looked at, maybe in this very moment: then the patch is refused, and comes again.
        newest, _ = carry_over_certificates(restored, {"the live Route": live})
        cluster.patch("routes", live, merge_patch(live, pointed_back(live, newest, before)))
        return  # its status says nothing new: only its users tell
    else:
        log.say("it is there: it is left as it is")
    wait_until_seen(cluster, name, routers | admitting_routers(live), log=log)

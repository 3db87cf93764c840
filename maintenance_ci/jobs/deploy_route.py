"""Job ``deploy-route``: users of the Routes, or of single paths of them, meet the maintenance page."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from maintenance_ci.names import PAGE, PIPELINE_URL_ANNOTATION, SERVICE_LABEL
from maintenance_ci.plan.describe import commands_to_end
from maintenance_ci.plan.marks import annotations_of, pipeline_of
from maintenance_ci.plan.page_route import backend_services, routes_beside
from maintenance_ci.plan.plans import plan_end
from maintenance_ci.plan.route_access import needs_endpoints, other_ways, public_url, service_port
from maintenance_ci.plan.steps import Direction
from maintenance_ci.plan.strategies import STRATEGIES
from maintenance_ci.run.check import check_all
from maintenance_ci.run.execute import Run, begin_runs, execute
from maintenance_ci.run.observe import observe_begin, require_route
from maintenance_ci.run.probe import Outcome
from maintenance_ci.run.shared_reads import SharedReads
from maintenance_ci.run.targets import (
    for_each,
    plan_each,
    raise_refusals,
    read_targets,
    require_routes,
    require_success,
    tell_texts,
    title_of_targets,
)
from maintenance_ci.run.testers import letting_testers_in
from maintenance_ci.run.undo import TO_END, Undo
from maintenance_ci.run.users import look_once

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from maintenance_ci.cluster.openshift import Object, OpenShift
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.plan.observed import Observed
    from maintenance_ci.settings.variables import RouteSettings, RoutesSettings
    from maintenance_ci.templates.project import TemplateProject

TEXTS_LOST = (
    "the cluster does not know spec.httpHeaders of Routes (OpenShift before 4.14), by which the page's texts travel: "
    "users read the page's own words"
)


def deploy_route(
    settings: RoutesSettings, cluster: OpenShift, templates: TemplateProject | None, route_template: str, log: JobLog
) -> None:
    """Send users to the page: by a Route in the original's place, by the original itself, or by one more for a path.

    ``templates`` are those of the originals, None with a SUBPATH, which restores nothing; ``route_template`` is the
    maintenance Route's Jinja2 template.
    """
    with log.phase(f"Read {title_of_targets(settings)}"):
        targets = read_targets(settings, cluster, log)
        require_routes(targets)

    with log.phase("Check what could go wrong"):
        reads = SharedReads(cluster)
        planned = plan_each(targets, partial(observe_begin, reads, templates, route_template))
        raise_refusals(check_all(planned))
        runs = begin_runs(planned, cluster)
        port_forwards = _port_forwards(cluster, runs[0].observed) if len(runs) == 1 else []
        for_each(runs, _look_before)
        tell_texts(runs, log)

    with letting_testers_in(cluster, runs, log) as for_testers:
        execute(cluster, runs, Undo(cluster), log)
    require_success(runs)
    for run in runs:
        if run.changes.texts_are_lost:
            run.log.warn(TEXTS_LOST)
    own_names = {name for run in runs for name in run.observed.own_names}
    met, to_end = zip(*(_closing_words(run, own_names) for run in runs), strict=True)
    log.end(*met, *dict.fromkeys(to_end), *for_testers, *_meanwhile(runs, own_names, port_forwards))


def _look_before(run: Run) -> None:
    """Look who answers users before the first change, and say what will be done."""
    if run.plan.direction is Direction.CONFIRM:
        _tell_confirmed(run)
    else:
        run.log.say(STRATEGIES[run.plan.strategy].description)
        run.met_before = look_once(run.settings, require_route(run.observed), run.log)


def _tell_confirmed(run: Run) -> None:
    """Say that the whole Route is in maintenance already, and how that ends should the job fail now."""
    observed, strategy, log = run.observed, run.plan.strategy, run.log
    does = "changes what users read" if run.plan.informs else "only confirms it"
    log.say(f"Route {observed.route_name} is in maintenance already ({strategy}): this job {does}")
    if observed.snapshot.value is None:
        log.warn("there is no snapshot of the original any more: only its template can bring it back")
    if run.settings.route_strategy != strategy:
        log.say(
            f"ROUTE_STRATEGY={run.settings.route_strategy} has no effect now: the maintenance was begun by {strategy}"
        )
    log.outcome.set(
        f"It was put into maintenance before, by {strategy}.",
        next_step=TO_END,
        needs_person=True,
        manual_steps=commands_to_end(
            plan_end(run.settings, observed), observed, snapshot=observed.saved_original is not None
        ),
    )


def _closing_words(run: Run, own_names: Container[str]) -> tuple[str, str]:
    """Return what users meet now, and what ends it."""
    settings, observed, seen = run.settings, run.observed, run.seen is Outcome.SEEN
    shown = run.step.change.route
    url = public_url(shown, settings.subpath)
    if run.plan.direction is Direction.CONFIRM:
        met = f"users of {url} meet the page" if seen else "the runner could not see whether users meet the page"
        return (
            f"Route {settings.route_name} is in maintenance already, as a whole: {met}.",
            f"To end it: run the job delete{_of_newest_pipeline(settings, shown)}.",
        )
    beside = routes_beside(shown, observed.routes.on_host(shown["spec"].get("host")), own_names)
    but = f", except for what other Routes of the host serve: {', '.join(beside)}" if beside else ""
    unseen = f"Users of {url} were sent to the maintenance page{but}; the runner could not see whether they meet it."
    pipeline = f" ({settings.ci_pipeline_url})" if settings.ci_pipeline_url else ""
    return (
        f"Users of {url} now meet the maintenance page{but}." if seen else unseen,
        f"To end it: click the job delete of this pipeline{pipeline}.",
    )


def _meanwhile(runs: Sequence[Run], own_names: Container[str], port_forwards: list[str]) -> list[str]:
    """Return what leads to the applications during their maintenance: other Routes, and a person's own way."""
    applications = filter(None, (run.observed.application_route for run in runs))
    others = other_ways(applications, runs[0].observed.routes.values(), own_names)
    look = ["To look at the application meanwhile:", *port_forwards] if port_forwards else []
    return [*(f"{way}: users of these Routes do not meet the page." for way in others), *look]


def _of_newest_pipeline(settings: RouteSettings, annotated: Object) -> str:
    """Name the pipeline whose ``delete`` may end a maintenance that several have wanted."""
    url = settings.ci_pipeline_url
    if (pipeline_of(annotated) or 0) > int(settings.ci_pipeline_id or 0):
        url = annotations_of(annotated).get(PIPELINE_URL_ANNOTATION, "")
    return f" of pipeline {url}" if url else ""


def _port_forwards(cluster: OpenShift, observed: Observed) -> list[str]:
    """Return a line for each Service behind the Route: oc forwards its port, as the Route picks it, to this machine."""
    application = observed.application_route
    if application is None:
        return []
    target = (application["spec"].get("port") or {}).get("targetPort")
    lines = []
    for name in sorted(backend_services(application) - {PAGE}):
        if target and not str(target).isdigit():  # oc asks the Service itself for a port of that name
            lines.append(f"   oc port-forward --namespace {cluster.namespace} service/{name} 8080:{target}")
            continue
        ports = ((cluster.get("services", name) or {}).get("spec") or {}).get("ports") or []
        slices = cluster.select("endpointslices", {SERVICE_LABEL: name}) if needs_endpoints(ports, target) else []
        port = service_port(ports, target, [port for one in slices for port in one.get("ports") or []])
        if port:
            local = port if port >= 1024 else port + 8000
            lines.append(f"   oc port-forward --namespace {cluster.namespace} service/{name} {local}:{port}")
    return lines

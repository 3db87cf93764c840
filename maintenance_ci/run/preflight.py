"""What is looked at before the first change: everything that stands in the way, in one message."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.names import PAGE, PIPELINE_ANNOTATION, PIPELINE_URL_ANNOTATION, notes, snapshot_name
from maintenance_ci.page.rollout import why_page_does_not_run
from maintenance_ci.plan.certificates import passthrough_certificate
from maintenance_ci.plan.checks import (
    Refusals,
    ready_services,
    require_below,
    require_deletable,
    require_host,
    require_host_returns,
    require_host_unclaimed,
    require_newest,
    require_no_passthrough,
    require_no_rival,
    require_original,
    require_ours,
    require_ready_endpoints,
    require_ready_page,
    require_same_place,
    require_same_route,
    require_standing,
    require_trace,
)
from maintenance_ci.plan.comparison import differences, moved
from maintenance_ci.plan.manual_steps import commands_to_end
from maintenance_ci.plan.mirrored_metadata import unreadable_allow_lists
from maintenance_ci.plan.ownership import require_unowned
from maintenance_ci.plan.page_route import is_passthrough, left_out, maintenance_values
from maintenance_ci.plan.repoint import REPOINT, repointed
from maintenance_ci.plan.situation import SUBPATH, SWAP, Situation, pipeline_of, situation, stands_for
from maintenance_ci.plan.verdicts import admitting_routers, serving_routers
from maintenance_ci.run.restore import kept_original, original_from_template, original_to_restore, try_out
from maintenance_ci.run.rights import find_claims, find_missing_rights, needed_rights, require_rights
from maintenance_ci.run.there_again import (
    THERE_AGAIN,
    as_mirrored,
    certified_again,
    shows_page_as_a_whole,
    waits_since_our_last_run,
)
from maintenance_ci.templates.page_route import render_page_route

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maintenance_ci.cluster.openshift import Object, OpenShift
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.run.probe import Side
    from maintenance_ci.run.rights import Job, Strategy
    from maintenance_ci.settings.variables import RouteSettings
    from maintenance_ci.templates.project import TemplateProject


@dataclass
class Switch:
    """What ``deploy-route`` is about to do, and what stands in its way.

    Attributes:
        strategy: ``swap``, ``repoint``, or ``subpath``.
        original: the Route as it is now; for a path, the Route that the new one mirrors.
        manifest: the Route that will show the page.
        routers: those that serve the original.
        refusals: why it must not be done.
        keeps_snapshot: the one that is there is the original, and is not to be overwritten.
        begun: whether anything may be changed already.
        kept: whether the snapshot is written.
        made: whether it may be made already: from then on users may meet the page.
        met_before: who answered users before it; None where nobody looked.
    """

    strategy: str
    original: Object
    manifest: Object = field(default_factory=dict)
    routers: frozenset[str] = frozenset()
    refusals: Refusals = field(default_factory=Refusals)
    keeps_snapshot: bool = False
    begun: bool = False
    kept: bool = False
    made: bool = False
    met_before: Side | None = None


@dataclass
class Return:
    """What ``delete`` is about to do, and what stands in its way.

    Attributes:
        snapshot: the Secret that keeps the original; None where there is none.
        kept: the Route in it.
        restored: the original to put back; None where it is there, or was never away.
        certified: the original that somebody else made again, with the newest certificate; None where it has that.
        created: the original as this job created it.
        refusals: why it must not be done.
    """

    snapshot: Object | None = None
    kept: Object | None = None
    restored: Object | None = None
    certified: Object | None = None
    created: Object | None = None
    refusals: Refusals = field(default_factory=Refusals)

    def note_created(self, original: Object) -> None:
        """Remember the original that this job made: it alone may be taken away again."""
        self.created = original


def look(settings: RouteSettings, cluster: OpenShift) -> Situation:
    """Read the namespace's Routes."""
    return situation(cluster.select("routes"), settings.route_name, settings.subpath)


def original_of(settings: RouteSettings, found: Situation) -> Object:
    """Return the Route that is to be put into maintenance, or what stands for it already.

    Raises:
        MaintenanceError: neither is there.
    """
    original = found.mirrored
    if original is None:
        raise MaintenanceError(
            f"Route {settings.route_name} is not in namespace {settings.project}.",
            f"Check ROUTE_NAME and PROJECT: oc get routes -n {settings.project}; "
            "if its maintenance was cut short, the job delete puts it back.",
        )
    return original


def before_deploy(
    settings: RouteSettings,
    cluster: OpenShift,
    templates: TemplateProject | None,
    route_template: str,
    found: Situation,
    original: Object,
    log: JobLog,
    *,
    page_later: bool = False,
) -> Switch:
    """Look at everything that a switch needs; nothing is changed.

    A plan may be made before the page is there (``page_later``).
    """
    original, whole = as_mirrored(original, found), found.begun or settings.route_strategy
    switch = Switch(SUBPATH if settings.subpath else whole, original, refusals=Refusals(log.check))
    shown = switch.strategy == SWAP and shows_page_as_a_whole(found)
    switch.keeps_snapshot = shown and not waits_since_our_last_run(found.original)
    log.record.strategy = switch.strategy
    gather = switch.refusals.gather
    with gather("the Route is an original"):
        require_original(found.original)
    with gather("the token has the rights that the job needs"):
        _require_rights(settings, cluster, "deploy-route", whole, original)
    with gather("a maintenance Route can be made of it"):
        require_standing(original)
        require_host(original)
        require_ours(found.maintenance, settings.route_name, settings.subpath)
        switch.manifest = _manifest(settings, cluster, route_template, found, original, switch.strategy)
        _tell_of_mirror(original, switch.manifest, log)
        if switch.strategy != REPOINT:
            require_no_rival(switch.manifest, found.routes.values(), settings.route_name)
    with gather("a router serves the Route"):
        switch.routers = admitting_routers(found.whole) or serving_routers(original)
    with gather("the page is ready"):
        slices = cluster.select("endpointslices", {"kubernetes.io/service-name": PAGE})
        if page_later and PAGE not in ready_services(slices):
            log.warn("the page is not there yet: build-and-deploy, which runs before, makes it")
        else:
            require_ready_page(slices, partial(why_page_does_not_run, cluster))
    if settings.subpath:
        with gather("the Route serves SUBPATH"):
            require_below(original, settings.subpath)
            if found.begun:
                require_no_passthrough(kept_original(cluster.get("secrets", snapshot_name(settings.route_name)), log))
        return switch
    with gather("nobody undoes the switch"):
        _warn(require_unowned(original, force=settings.force), log)
    if found.original and found.whole and shows_page_as_a_whole(found):
        with gather("the Route that is there again is the one in maintenance"):
            require_same_place(moved(found.original, found.whole, THERE_AGAIN), found, accepted=False)
    if switch.strategy == SWAP:
        with gather("the Route can be deleted"):
            require_deletable(original)
        if host := original["spec"].get("host"):
            with gather("no other namespace claims the host"):
                _warn(require_host_unclaimed(original, find_claims(cluster, host)), log)
    with gather("the template brings the Route back"):
        _require_way_back(settings, cluster, templates, original, found.original, log)
    return switch


def before_delete(
    settings: RouteSettings, cluster: OpenShift, templates: TemplateProject | None, found: Situation, log: JobLog
) -> Return:
    """Look at everything that the way back needs; nothing is changed."""
    way = Return(refusals=Refusals(log.check))
    gather = way.refusals.gather
    if settings.subpath is None:
        with gather("the snapshot can be read"):
            way.snapshot = cluster.get("secrets", snapshot_name(settings.route_name))
    if log.by_hand:
        kept = way.snapshot is not None and stands_for(way.snapshot) == settings.route_name
        log.by_hand = commands_to_end(settings.project, found, repointed=found.repointed, kept=kept, instead=True)
    way.kept = kept_original(way.snapshot, log)
    traced = found.whole is not None or way.snapshot is not None
    away = found.original is None or found.repointed or (traced and waits_since_our_last_run(found.original))
    if found.noted or away:  # otherwise there is nothing to switch
        with gather("the token has the rights that the job needs"):
            _require_rights(settings, cluster, "delete", found.begun or SWAP, way.kept or found.mirrored)
    with gather("the maintenance is ours, and no newer pipeline's"):
        require_ours(found.maintenance, settings.route_name, settings.subpath)
        require_ours(way.snapshot, settings.route_name)
        require_newest(found.noted or way.snapshot, settings.ci_pipeline_id, force=settings.force)
    if settings.subpath is None:
        with gather("there was a maintenance"):
            require_trace(found, way.snapshot, force=settings.force)
    if templates and away:
        with gather("the original can be put back"):
            way.restored = original_to_restore(settings, cluster, templates, holder=found.noted, kept=way.kept, log=log)
    if found.original and not away and settings.subpath is None:
        shown = found.whole if shows_page_as_a_whole(found) else None
        if shown:
            with gather("the Route that is there again is the one in maintenance"):
                accepted = settings.accept_route_differences
                require_same_place(moved(found.original, shown, THERE_AGAIN), found, accepted=accepted)
        way.certified = certified_again(found.original, shown, found.whole, way.kept, log)
    back = way.restored or (None if away else found.original)
    if back and found.noted:
        with gather("the application is ready"):
            _warn(require_ready_endpoints(back, cluster.select("endpointslices"), force=settings.force), log)
    host = found.maintenance["spec"].get("host") if found.maintenance else None
    if found.maintenance and host and settings.subpath is None:
        with gather("no other Route takes the host"):
            require_no_rival(found.maintenance, found.routes.values(), settings.route_name)
        with gather("no other namespace claims the host"):
            claims = find_claims(cluster, host)
            _warn(require_host_returns(found.maintenance, claims, force=settings.force), log)
    return way


def _require_rights(
    settings: RouteSettings, cluster: OpenShift, job: Job, strategy: Strategy, original: Object | None
) -> None:
    rights = needed_rights(
        job, strategy=strategy, route_name=settings.route_name, subpath=settings.subpath, original=original
    )
    require_rights(find_missing_rights(cluster, rights))


def _warn(lines: Iterable[str], log: JobLog) -> None:
    for line in lines:
        log.warn(line)


def _manifest(
    settings: RouteSettings,
    cluster: OpenShift,
    route_template: str,
    found: Situation,
    original: Object,
    strategy: str,
) -> Object:
    """Return the Route that shows the page."""
    pipeline = _newest_pipeline(settings, found)
    certificate = _certificate(settings, cluster, original)
    if strategy == REPOINT:
        return repointed(original, notes(settings.route_name, REPOINT, **pipeline), certificate=certificate)
    values = maintenance_values(
        original,
        route_name=settings.route_name,
        subpath=settings.subpath,
        strategy=strategy,
        certificate=certificate,
        **pipeline,
    )
    return render_page_route(route_template, values)


def _tell_of_mirror(original: Object, manifest: Object, log: JobLog) -> None:
    """Say what the Route that shows the page has not of the original, and what of it does not do what it says."""
    for line in left_out(original, manifest):
        log.say(line)
    for name in unreadable_allow_lists(manifest["metadata"].get("annotations")):
        log.warn(
            f"the annotation {name} holds what is no IP address: the router takes no notice of it, and lets everybody "
            "in, to the application and to the page. Addresses and networks stand there with spaces between them."
        )


def _require_way_back(
    settings: RouteSettings,
    cluster: OpenShift,
    templates: TemplateProject | None,
    original: Object,
    live: Object | None,
    log: JobLog,
) -> None:
    """Refuse what the template would not bring back, before anything is changed."""
    if templates is None:
        return
    others = {"the live Route": original}
    template = original_from_template(settings, cluster, templates, others=others, log=log)
    found = differences(template.route, original)
    require_same_route(found, accepted=settings.accept_route_differences)
    try_out(cluster, template, others, live=live)
    for difference in found:
        log.warn(f"accepted: {difference}; the template's state will come back")
    log.say("the template of the original is there, and the cluster takes what it renders to")


def _newest_pipeline(settings: RouteSettings, found: Situation) -> dict[str, str]:
    """Return whose maintenance it is: a newer pipeline's that wants it too, or ours."""
    noted = found.noted or {}
    if (pipeline_of(noted) or 0) <= int(settings.ci_pipeline_id or 0):
        return {"pipeline": settings.ci_pipeline_id, "pipeline_url": settings.ci_pipeline_url}
    said = noted["metadata"]["annotations"]
    return {"pipeline": said[PIPELINE_ANNOTATION], "pipeline_url": said.get(PIPELINE_URL_ANNOTATION, "")}


def _certificate(settings: RouteSettings, cluster: OpenShift, original: Object) -> Object | None:
    """Return the certificate for a passthrough Route; None where the Route needs none, or none is named."""
    name = settings.passthrough_certificate_secret
    if name is None or not is_passthrough(original["spec"].get("tls")):
        return None
    return passthrough_certificate(cluster.get("secrets", name), name=name, host=original["spec"]["host"])

"""What both Route jobs do around a switch: see it as users do, and say what a person can do by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.admission import drain_time, wait_until_reloaded
from maintenance_ci.errors import MaintenanceError
from maintenance_ci.maintenance_route import PIPELINE_ANNOTATION, PIPELINE_URL_ANNOTATION
from maintenance_ci.probe import Outcome, Probe, Side, public_url, summarize, wait_until_users_see
from maintenance_ci.situation import pipeline_of
from maintenance_ci.snapshot import KEY, snapshot_name

if TYPE_CHECKING:
    from maintenance_ci.openshift import Object, OpenShift
    from maintenance_ci.report import JobLog
    from maintenance_ci.settings import RouteSettings
    from maintenance_ci.situation import Situation


def wait_until_seen_by_users(settings: RouteSettings, route: Object, wanted: Side, log: JobLog) -> None:
    """Wait until every answer on the public URL comes from the wanted side, or as long as a router needs.

    Raises:
        MaintenanceError: answers of another side keep coming.
    """
    if not settings.probes:
        wait_until_reloaded(settings.router_reload_interval, log=log)
        return
    probe = Probe(public_url(route, settings.subpath), ca=settings.public_ca, address=settings.public_address)
    window = drain_time(settings.router_reload_interval)
    timeout = window + settings.admission_timeout
    if wait_until_users_see(probe, wanted, window=window, timeout=timeout, say=log.say) is Outcome.NOT_YET:
        raise MaintenanceError(f"Users do not meet {wanted.value}: {summarize(probe.answers[-10:])}.")


def note_pipeline(settings: RouteSettings, cluster: OpenShift, noted: Object) -> None:
    """Note on a maintenance that is on already that this pipeline wants it, too, unless a newer one does."""
    if int(settings.ci_pipeline_id or 0) > (pipeline_of(noted) or 0):
        said = {PIPELINE_ANNOTATION: settings.ci_pipeline_id, PIPELINE_URL_ANNOTATION: settings.ci_pipeline_url}
        cluster.patch(
            "routes", noted, {"metadata": {"annotations": {key: value or None for key, value in said.items()}}}
        )


def by_hand(settings: RouteSettings, found: Situation, *, repointed: bool) -> list[str]:
    """Return the commands by which a person ends the maintenance: the original back first, then ours away."""
    where = f"-n {settings.project}"
    delete_ours = f"oc delete route {found.ours} {where} --ignore-not-found"
    if settings.subpath:
        return [delete_ours]
    snapshot = snapshot_name(settings.route_name)
    put_back = f"oc extract secret/{snapshot} {where} --to=- --keys={KEY} | oc {{verb}} {where} -f -"
    forget = f"oc delete secret {snapshot} {where}"
    if repointed:
        return [put_back.format(verb="replace"), forget]
    return [put_back.format(verb="apply"), delete_ours, forget]

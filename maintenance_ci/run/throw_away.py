"""Makes the throw-away application of a rehearsal, and removes what this and earlier rehearsals have made."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.names import MANAGED_BY, MANAGED_BY_LABEL, PAGE, REHEARSAL_LABEL
from maintenance_ci.page.pod_troubles import Trouble
from maintenance_ci.page.rollout import messages_of, troubles_of
from maintenance_ci.plan.page_route import routes_to
from maintenance_ci.plan.throw_away import KINDS, is_named_by, labels_of, name_of, objects, run_of, run_of_page
from maintenance_ci.waiting import Standing, retried, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from maintenance_ci.cluster.openshift import Object, OpenShift
    from maintenance_ci.page.rehearsed import RehearsalHelm

# What is removed, in this order.
REMOVED = (KINDS[0], "secrets", *KINDS[1:])
# By these it is known whose the page is.
OF_PAGE = ("deployments", "services", "networkpolicies", "imagestreams", "buildconfigs")
# Seconds between the tries to remove something while the cluster is away.
PAUSES = (1.0, 2.0, 4.0, 8.0)
# Seconds after which a lasting reason for which the Pod does not run is believed: a Pod of the page that ends has its
# share of a quota until it is gone.
SETTLED = 15.0


def make_application(
    cluster: OpenShift, run: str, page: Object, host: str | None, *, timeout: float, say: Callable[[str], None]
) -> None:
    """Create the application, and wait until its Pod serves.

    Args:
        cluster: the namespace.
        run: the id of the rehearsal's run.
        page: the Deployment of the page.
        host: of its Route; None: the cluster makes one.
        timeout: seconds for the Pod to be ready.
        say: what the log is told.

    Raises:
        MaintenanceError: the cluster refuses an object, or the Pod does not come up.
    """
    for plural, manifest in objects(run, cluster.namespace, page, host):
        cluster.apply(plural, manifest)
        say(f"made {manifest['kind']} {manifest['metadata']['name']}")
    name, stuck, troubles = name_of(run), Standing(SETTLED), list[Trouble]()

    def runs() -> bool | None:
        nonlocal troubles
        deployment = cluster.get("deployments", name) or {}
        if (deployment.get("status") or {}).get("availableReplicas"):
            return True
        before, troubles = troubles, troubles_of(deployment, cluster.select("pods", labels_of(run)))
        if troubles and troubles != before:
            say(messages_of(troubles))
        lasting = [trouble for trouble in troubles if trouble.lasting]
        if stuck.holds(bool(lasting)):
            what = f"The rehearsal's application cannot run: {messages_of(lasting).rstrip('.')}."
            raise MaintenanceError(what, lasting[0].advice)
        return None

    if not wait_for(runs, timeout=timeout, say=say, subject="the rehearsal's application", every=1.0):
        reason = messages_of(troubles).rstrip(".") or "its Pod says nothing"
        raise MaintenanceError(
            f"The rehearsal's application does not run within {timeout:.0f} s: {reason}.",
            f"What keeps it from running may keep the page from it, too: oc describe pods -n {cluster.namespace} "
            f"-l {REHEARSAL_LABEL}={run}",
        )


def made_by_rehearsals(cluster: OpenShift) -> dict[str, list[tuple[str, Object]]]:
    """Return what rehearsals have made and is there still, by the ids of their runs: plurals and objects."""
    by_run: dict[str, list[tuple[str, Object]]] = {}
    for plural in REMOVED:
        labels = {"routes": None, "secrets": {MANAGED_BY_LABEL: MANAGED_BY}}.get(plural, REHEARSAL_LABEL)
        for one in cluster.select(plural, labels):
            if run := run_of(one):
                by_run.setdefault(run, []).append((plural, one))
    if page_run := run_of_page(_page(cluster)):
        by_run.setdefault(page_run, [])
    return by_run


def remove_made(cluster: OpenShift, helm: RehearsalHelm, run: str, say: Callable[[str], None]) -> list[str]:
    """Remove what a run has made, the page too where that is its; return what is left, and why.

    A second call removes what the first one could not.
    """
    left: list[str] = []

    def attempt(what: str, remove: Callable[[], object]) -> None:
        try:
            retried(remove, PAUSES)
            say(f"removed {what}")
        except MaintenanceError as error:
            left.append(f"{what} ({error.what.rstrip('.')})")

    try:
        for plural, one in retried(partial(made_by_rehearsals, cluster), PAUSES).get(run, []):
            attempt(f"{plural}/{one['metadata']['name']}", partial(cluster.delete, plural, one))
        routes = retried(partial(cluster.select, "routes"), PAUSES)
        known = [line.partition(" ")[0] for line in left]
        unlabelled = [f"routes/{one['metadata']['name']}" for one in routes if is_named_by(run, one)]
        left += [f"{name} (it has lost its label)" for name in unlabelled if name not in known]
        if run_of_page(_page(cluster)) == run:
            if users := routes_to(PAGE, routes):
                say(f"the page stays: {', '.join(users)} shows it")
            else:
                attempt(f"the release {PAGE}", partial(_uninstall, cluster, helm))
    except MaintenanceError as error:
        left.append(f"whatever else carries the label {REHEARSAL_LABEL}={run} ({error.what.rstrip('.')})")
    return left


def _uninstall(cluster: OpenShift, helm: RehearsalHelm) -> None:
    cluster.guard()
    helm.keeps = False
    helm.uninstall(PAGE)


def _page(cluster: OpenShift) -> list[Object]:
    """Return the page's objects: of a removal that was cut short some are left, which tell whose it was."""
    return [one for plural in OF_PAGE if (one := cluster.get(plural, PAGE))]

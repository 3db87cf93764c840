"""Makes one change of a plan in the cluster.

A step forward is strict: it changes the objects as they were read. What undoes a step, or brings an application back,
insists: it looks at what is there, and is tried again while the cluster is away.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from maintenance_ci.errors import ConflictError, MaintenanceError, TryAgainError
from maintenance_ci.names import notes, page_route_name, snapshot_name
from maintenance_ci.plan.announcement import announced_notes
from maintenance_ci.plan.certificates import carry_over_certificates
from maintenance_ci.plan.checks import require_ours
from maintenance_ci.plan.describe import DESCRIPTIONS
from maintenance_ci.plan.marks import as_we_applied_it, by_name, stands_for
from maintenance_ci.plan.page_texts import headers_of
from maintenance_ci.plan.repoint import merge_patch, pointed_back
from maintenance_ci.plan.snapshot import manifest_of, route_in, snapshot_of
from maintenance_ci.plan.steps import Verb
from maintenance_ci.plan.strategies import rewriting_strategy
from maintenance_ci.plan.verdicts import admitting_routers

if TYPE_CHECKING:
    from maintenance_ci.cluster.openshift import Object, OpenShift
    from maintenance_ci.plan.steps import Change
    from maintenance_ci.run.patience import SharedPatience
    from maintenance_ci.run.targets import Planned


class Changes:
    """Makes the changes of one plan, with the patience of all Routes of the job, and remembers which Routes it created.

    Attributes:
        texts_are_lost: whether the API has dropped what the Route is to say to the page: it is older than that field.
    """

    def __init__(self, planned: Planned, cluster: OpenShift, patience: SharedPatience) -> None:
        self._settings, self._observed, self._say = planned.settings, planned.observed, planned.log.say
        self._strategy, self._cluster, self._patience = planned.plan.strategy, cluster, patience
        self._created: dict[str, str] = {}  # uids by name: these alone are ours to take away again
        self.texts_are_lost = False

    def make(self, change: Change) -> None:
        """Make a change to the objects as they were read.

        Raises:
            MaintenanceError: the cluster refuses it; a `TryAgainError`: or may have made it.
        """
        as_read = change.as_read or change.route
        match change.verb:
            case Verb.REMOVE:
                self._cluster.delete("routes", as_read)
            case Verb.REWRITE:
                answer = self._cluster.patch("routes", as_read, merge_patch(as_read, change.route))
                self._note_lost_texts(change, answer)
            case Verb.PLACE:
                self._note_lost_texts(change, self._cluster.apply("routes", change.route))
            case _:
                self.insist_once(change)

    def insist(self, change: Change, *, even_if_forbidden: bool = False) -> None:
        """Make a change to what is there, again while the cluster is away or somebody else writes the same object.

        With ``even_if_forbidden`` also while the token is refused: an API server that is rolled out refuses everybody
        for a moment, and a rollback must not end there.

        Raises:
            TryAgainError: not within the admission timeout.
            NotNowError: nor was it sent.
            ForbiddenError: the token is still refused.
        """
        self._patience.retry(
            lambda: self.insist_once(change),
            DESCRIPTIONS[change.verb, change.shows_page].awaited.format(name=change.name),
            kind=(change.verb, change.shows_page, even_if_forbidden),
            timeout=self._settings.admission_timeout,
            say=self._say,
            even_if_forbidden=even_if_forbidden,
        )

    def insist_once(self, change: Change) -> None:
        """Make a change to what is there now; what is there already is left."""
        match change.verb:
            case Verb.KEEP:
                self._keep(change)
            case Verb.FORGET:
                self._forget()
            case Verb.PLACE:
                self._place(change)
            case Verb.REMOVE:
                self._remove(change)
            case Verb.REWRITE:
                self._rewrite(change)
            case Verb.CERTIFY:
                live = self._cluster.get("routes", change.name)
                if live:
                    self._cluster.patch("routes", live, {"spec": {"tls": change.route["spec"]["tls"]}})
            case Verb.ANNOTATE | Verb.INFORM:
                self._announce(change)
            case Verb.LEAVE:
                pass

    def leaves(self, change: Change) -> bool:
        """Tell whether a change would delete an original that somebody else has put there: it is left."""
        if change.verb is not Verb.REMOVE or change.shows_page:
            return False
        live = self._cluster.get("routes", change.name)
        return live is not None and not self._has_created(live)

    def created_waits(self) -> bool:
        """Tell whether the original that this job created is there, and waits for its host behind the page's Route."""
        live = self._cluster.get("routes", self._settings.route_name)
        return live is not None and self._has_created(live) and not admitting_routers(live)

    def _has_created(self, live: Object) -> bool:
        return bool(live["metadata"]["uid"] == self._created.get(live["metadata"]["name"]))

    def _keep(self, change: Change) -> None:
        """Write the original into its Secret.

        What an earlier run left, that was cut short before its switch, may be older than the Route, and is written
        anew; not while users meet the page: then what is there is the original.
        """
        settings = self._settings
        end = settings.maintenance_end.isoformat() if settings.maintenance_end else ""
        annotations = notes(settings.route_name, self._strategy, settings.ci_pipeline_id, settings.ci_pipeline_url, end)
        snapshot, name = snapshot_of(change.route, annotations), snapshot_name(settings.route_name)
        try:
            self._cluster.create("secrets", snapshot)
        except (ConflictError, TryAgainError):
            there = self._cluster.get("secrets", name)
            if there is None:
                raise
            require_ours(there, settings.route_name)
            saved = None
            with contextlib.suppress(MaintenanceError):  # one that cannot be read
                saved = route_in(there)
            if saved != manifest_of(change.route) and not (saved and change.keeps_existing):
                version = {"resourceVersion": there["metadata"]["resourceVersion"]}
                self._cluster.replace("secrets", {**snapshot, "metadata": {**snapshot["metadata"], **version}})
        self._say(f"Secret {name}")

    def _forget(self) -> None:
        """Remove a snapshot; one that is gone already is no error, and what is not ours is left."""
        there = self._cluster.get("secrets", snapshot_name(self._settings.route_name))
        if there and stands_for(there) == self._settings.route_name:
            self._cluster.delete("secrets", there)

    def _place(self, change: Change) -> None:
        """Let the Route be there. An original that is there was put there by somebody, and is left.

        Unless that was a restore of ours that nobody serves yet: since then the template may have been corrected.
        """
        if change.shows_page:
            self._cluster.apply("routes", manifest_of(change.route, with_notes=True))
            return
        live = self._cluster.get("routes", change.name)
        if live is None or (as_we_applied_it(live) and not admitting_routers(live)):
            created = self._cluster.apply("routes", manifest_of(change.route))
            self._created[change.name] = created["metadata"]["uid"]
        else:
            self._say("it exists: it is left as it is")

    def _remove(self, change: Change) -> None:
        """Delete the Route as it is now; of originals what this job created alone, while the page's Route is there."""
        live = self._cluster.get("routes", change.name)
        if live is None:
            return
        if not change.shows_page:
            page_route = page_route_name(self._settings.route_name, self._settings.subpath)
            # Of the list: where the one Route cannot be asked for, this is no reason to leave the original.
            if not self._has_created(live) or page_route not in by_name(self._cluster.select("routes")):
                return
        self._cluster.delete("routes", live)

    def _rewrite(self, change: Change) -> None:
        """Rewrite the Route as it is now; towards the application, with the certificate that it has now.

        Renewed since it was looked at, maybe in this very moment: then the patch is refused, and comes again.
        """
        live = self._cluster.get("routes", change.name)
        if live is None:
            if not change.shows_page:
                self._cluster.apply("routes", manifest_of(change.route))
            return
        if change.shows_page:
            metadata = {**live["metadata"], "annotations": change.route["metadata"]["annotations"]}
            rewritten = {**live, "metadata": metadata, "spec": change.route["spec"]}
            self._cluster.patch("routes", live, merge_patch(live, rewritten))
        elif rewriting_strategy(live):
            newest, _ = carry_over_certificates(change.route, {"the live Route": live})
            before = self._observed.saved_original
            self._cluster.patch("routes", live, merge_patch(live, pointed_back(live, newest, before)))
        else:
            self._say("it exists: it is left as it is")

    def _announce(self, change: Change) -> None:
        """Let the Route say what this pipeline announces, unless another one has noted something meanwhile."""
        live = self._cluster.get("routes", change.name)
        if live and change.before and announced_notes(live) == announced_notes(change.before):
            answer = self._cluster.patch("routes", live, merge_patch(change.before, change.route))
            self._note_lost_texts(change, answer)

    def _note_lost_texts(self, change: Change, answer: Object | None) -> None:
        """Note whether the server has kept what a Route is to say; an older one drops the field, with a warning."""
        self.texts_are_lost = answer is not None and headers_of(answer) != headers_of(change.route)

"""Makes one change of a plan in the cluster.

A step forward is strict: it changes the objects as they were read. What undoes a step, or brings an application back,
insists: it looks at what is there, and is tried again while the cluster is away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.errors import ConflictError, ForbiddenError, MaintenanceError, NotNowError, TryAgainError
from maintenance_ci.names import notes, page_route_name, snapshot_name
from maintenance_ci.plan.announcement import announced_notes
from maintenance_ci.plan.certificates import carry_over_certificates
from maintenance_ci.plan.checks import require_ours
from maintenance_ci.plan.marks import as_we_applied_it, by_name, stands_for
from maintenance_ci.plan.page_texts import headers_of
from maintenance_ci.plan.repoint import merge_patch, pointed_back
from maintenance_ci.plan.snapshot import manifest_of, route_in, snapshot_of
from maintenance_ci.plan.steps import Verb
from maintenance_ci.plan.strategies import rewriting_strategy
from maintenance_ci.plan.verdicts import admitting_routers
from maintenance_ci.run.patience import SharedPatience
from maintenance_ci.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from maintenance_ci.cluster.openshift import Object, OpenShift
    from maintenance_ci.plan.observed import Observed
    from maintenance_ci.plan.steps import Change
    from maintenance_ci.settings.variables import RouteSettings


class Changes:
    """Makes the changes of one plan, and remembers which Routes it created.

    Attributes:
        texts_are_lost: whether the API has dropped what the Route is to say to the page: it is older than that field.

    Args:
        settings: the pipeline's variables.
        cluster: the Route's namespace.
        observed: what the plan was made of.
        strategy: by which the Route is switched.
        say: what the job's log is told.
        patience: of all Routes that the job is about.
    """

    def __init__(
        self,
        settings: RouteSettings,
        cluster: OpenShift,
        observed: Observed,
        strategy: str,
        say: Callable[[str], None],
        patience: SharedPatience | None = None,
    ) -> None:
        self._settings, self._cluster, self._observed = settings, cluster, observed
        self._strategy, self._say = strategy, say
        self._patience = patience or SharedPatience()
        self._created: dict[str, str] = {}  # uids by name: these alone are ours to take away again
        self.texts_are_lost = False

    def make(self, change: Change) -> None:
        """Make a change to the objects as they were read.

        Raises:
            MaintenanceError: the cluster refuses it; a `TryAgainError`: or may have made it.
        """
        made = change.as_read or change.route
        match change.verb:
            case Verb.KEEP:
                self._keep(change)
            case Verb.REMOVE:
                self._cluster.delete("routes", made)
            case Verb.REWRITE:
                self._hear(change, self._cluster.patch("routes", made, merge_patch(made, change.route)))
            case Verb.PLACE:
                self._hear(change, self._cluster.apply("routes", change.route))
            case _:
                self.insist_once(change)

    def insist(self, change: Change, *, even_if_forbidden: bool = False) -> None:
        """Make a change to what is there, again while the cluster is away or somebody else writes the same object.

        Args:
            change: to be made.
            even_if_forbidden: also while the token is refused: an API server that is rolled out refuses everybody for a
                moment, and a rollback must not end there.

        Raises:
            TryAgainError: not within the admission timeout.
            NotNowError: nor was it sent.
            ForbiddenError: the token is still refused.
        """
        retry_until(
            lambda: self.insist_once(change),
            _subject(change),
            timeout=self._settings.admission_timeout,
            say=self._say,
            patience=self._patience,
            kind=(change.verb, change.shows_page, even_if_forbidden),
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
        return live is not None and live["metadata"]["uid"] != self._created.get(change.name)

    def created_waits(self) -> bool:
        """Tell whether the original that this job created is there, and waits for its host behind the page's Route."""
        live = self._cluster.get("routes", self._settings.route_name)
        created = live is not None and live["metadata"]["uid"] == self._created.get(self._settings.route_name)
        return created and not admitting_routers(live)

    def _keep(self, change: Change) -> None:
        """Write the original into its Secret.

        What an earlier run left, that was cut short before its switch, may be older than the Route, and is written
        anew; not while users meet the page: then what is there is the original.
        """
        route_name, settings = self._settings.route_name, self._settings
        end = settings.maintenance_end.isoformat() if settings.maintenance_end else ""
        annotations = notes(route_name, self._strategy, settings.ci_pipeline_id, settings.ci_pipeline_url, end)
        snapshot = snapshot_of(change.route, annotations)
        try:
            self._cluster.create("secrets", snapshot)
        except (ConflictError, TryAgainError):
            there = self._cluster.get("secrets", snapshot_name(route_name))
            if there is None:
                raise
            require_ours(there, route_name)
            saved = _saved_in(there)
            if saved != manifest_of(change.route) and not (saved and change.keeps_existing):
                version = {"resourceVersion": there["metadata"]["resourceVersion"]}
                self._cluster.replace("secrets", {**snapshot, "metadata": {**snapshot["metadata"], **version}})
        self._say(f"Secret {snapshot_name(route_name)}")

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
            made = self._cluster.apply("routes", manifest_of(change.route))
            self._created[change.name] = made["metadata"]["uid"]
        else:
            self._say("it exists: it is left as it is")

    def _remove(self, change: Change) -> None:
        """Delete the Route as it is now; of originals what this job created alone, while the page's Route is there."""
        there = self._cluster.get("routes", change.name)
        if there is None:
            return
        if not change.shows_page:
            if there["metadata"]["uid"] != self._created.get(change.name):
                return
            page_route = page_route_name(self._settings.route_name, self._settings.subpath)
            # Of the list: where the one Route cannot be asked for, this is no reason to leave the original.
            if page_route not in by_name(self._cluster.select("routes")):
                return
        self._cluster.delete("routes", there)

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
            annotations = change.route["metadata"]["annotations"]
            metadata = {**live["metadata"], "annotations": annotations}
            self._cluster.patch(
                "routes", live, merge_patch(live, {**live, "metadata": metadata, "spec": change.route["spec"]})
            )
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
            self._hear(change, self._cluster.patch("routes", live, merge_patch(change.before, change.route)))

    def _hear(self, change: Change, made: Object | None) -> None:
        """Note whether the server has kept what a Route is to say; an older one drops the field, with a warning."""
        self.texts_are_lost = made is not None and headers_of(made) != headers_of(change.route)


def retry_until(
    change: Callable[[], object],
    subject: str,
    *,
    timeout: float,
    say: Callable[[str], None],
    patience: SharedPatience,
    kind: object,
    even_if_forbidden: bool = False,
) -> None:
    """Call ``change`` until it succeeds; arguments and errors as of `Changes.insist`, ``timeout`` in seconds.

    Where others have waited in vain for a change of the same ``kind``, it is called once, or not at all.
    """
    failures: list[MaintenanceError] = []

    def attempt() -> bool | None:
        if patience.is_exhausted(kind, timeout):
            return False
        try:
            change()
        except ConflictError as error:
            patience.succeeded(kind)
            say(f"{error.what} Looking again.")
            return None
        except (ForbiddenError, TryAgainError) as error:
            if isinstance(error, ForbiddenError) and not even_if_forbidden:
                raise
            failures.append(error)
            if patience.failed(kind, timeout):
                return False
            if isinstance(error, TryAgainError):
                raise
            say(f"{error.what} Trying again.")
            return None
        patience.succeeded(kind)
        return True

    if not wait_for(attempt, timeout=timeout, say=say, subject=subject, every=1.0):
        refused = [error for error in failures if isinstance(error, ForbiddenError)]
        if refused:
            raise refused[-1]
        was_sent = any(not isinstance(error, NotNowError) for error in failures)
        error = TryAgainError if was_sent else NotNowError
        raise error(f"Waited {timeout:.0f} s in vain for {subject}.", run_again=True)


def _subject(change: Change) -> str:
    """Return what is waited for, as it goes on after "Waited 60 s in vain for"."""
    match change.verb:
        case Verb.PLACE | Verb.REWRITE if not change.shows_page:
            return "the original Route to be there"
        case Verb.PLACE | Verb.REWRITE:
            return f"Route {change.name} to show the page"
        case Verb.REMOVE if change.shows_page:
            return "the maintenance Route to be deleted"
        case Verb.REMOVE:
            return f"Route {change.name} to be deleted again"
        case Verb.FORGET:
            return "the snapshot to be deleted"
        case Verb.CERTIFY:
            return "the certificate to be restored"
        case Verb.ANNOTATE | Verb.INFORM:
            return "the pipeline, or the texts, to be noted"
    return f"Route {change.name} to be looked at"


def _saved_in(snapshot: Object) -> Object | None:
    """Return the Route of a snapshot; None where it cannot be read."""
    try:
        return route_in(snapshot)
    except MaintenanceError:
        return None

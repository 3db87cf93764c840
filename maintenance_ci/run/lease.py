"""The Lease: one job at a time in a namespace, whichever pipeline it belongs to.

A Lease of `coordination.k8s.io`, made when a job begins and deleted when it ends, so that nothing is left; renewed in
between, so that others know when a killed job has left one behind. Every change of it is atomic: a POST fails where it
is there already, a PUT and a DELETE name the version that they are about.
"""

from __future__ import annotations

import contextlib
import math
import secrets
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from maintenance_ci.errors import (
    ConflictError,
    ForbiddenError,
    MaintenanceError,
    NotNowError,
    NotReachedError,
    TryAgainError,
)
from maintenance_ci.names import (
    JOB_ANNOTATION,
    LEASE,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    PIPELINE_ANNOTATION,
    PIPELINE_URL_ANNOTATION,
)
from maintenance_ci.run.interruption import undisturbed
from maintenance_ci.waiting import Standing, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from maintenance_ci.cluster.openshift import Object, OpenShift


# Seconds without a renewal after which a holder is dead: it outlives a restart of the API server, and is still a wait
# that a person accepts after a killed job.
DURATION = 30.0
# Seconds between two renewals: four may fail in a row before the holder itself gives up.
RENEW_EVERY = 5.0
# Seconds for which the cluster may be away while we wait: nothing is changed yet, and GitLab retries exit code 75.
AWAY = 5.0
# Seconds between two looks at a Lease that somebody else holds, at the most.
LOOK_EVERY = 1.0
# Seconds that the end of a job waits for a renewal under way. The release is right without: it names a version.
RENEWAL_END = 2.0


@dataclass(frozen=True)
class Holder:
    """Who holds the Lease, or wants it.

    Attributes:
        pipeline: CI_PIPELINE_ID; empty outside of a pipeline.
        job: the job's name, for a reader.
        url: CI_PIPELINE_URL; empty outside of a pipeline.
    """

    pipeline: str
    job: str
    url: str


# By which annotation of its Lease a holder's fields are noted.
ANNOTATIONS = {"pipeline": PIPELINE_ANNOTATION, "job": JOB_ANNOTATION, "url": PIPELINE_URL_ANNOTATION}


@dataclass(frozen=True)
class Observation:
    """A version of somebody's Lease, and when we first saw it, by our own clock: others' clocks may be wrong."""

    lease: Object
    since: float


def observe(before: Observation | None, lease: Object, now: float) -> Observation:
    """Return what is known when ``lease`` is seen at ``now``: a Lease that did not change was first seen before."""
    if before and _version(before.lease) == _version(lease):
        return before
    return Observation(lease, now)


def patience(theirs: Object) -> float:
    """Return the seconds for which their Lease must stay unchanged before we may take it: as long as it says itself.

    A retried job waits as long for its own: its first run may still be at work, where a runner was lost but not its
    Pod, or where a cancelled job is on its way back; and it believes to hold the Lease until shortly before that time.
    """
    return float((theirs.get("spec") or {}).get("leaseDurationSeconds") or DURATION)


def holder_of(lease: Object) -> Holder:
    """Return the holder as its Lease names it; empty where somebody else's tool wrote the Lease."""
    annotations = lease["metadata"].get("annotations") or {}
    return Holder(**{field: annotations.get(name, "") for field, name in ANNOTATIONS.items()})


def describe(lease: Object) -> str:
    """Say who holds a Lease, and since when, for a person."""
    holder, spec = holder_of(lease), lease.get("spec") or {}
    if holder.pipeline:
        url = f" ({holder.url})" if holder.url else ""
        who = f"job {holder.job} of pipeline {holder.pipeline}{url}"
    else:
        who = str(spec.get("holderIdentity") or "somebody")
    return f"{who}, since {spec.get('acquireTime') or 'an unknown time'}"


def new_lease(holder: Holder, identity: str, *, duration: float, now: datetime) -> Object:
    """Return the Lease to create: ``identity`` names this very process, ``now`` is in UTC."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": LEASE,
            "labels": {MANAGED_BY_LABEL: MANAGED_BY},
            "annotations": {name: getattr(holder, field) for field, name in ANNOTATIONS.items()},
        },
        "spec": {
            "holderIdentity": identity,
            "leaseDurationSeconds": math.ceil(duration),
            "acquireTime": _micro_time(now),
            "renewTime": _micro_time(now),
            "leaseTransitions": 0,
        },
    }


def taken_over(theirs: Object, new: Object) -> Object:
    """Return our ``new`` Lease as the next version of the one that is there."""
    version = {key: theirs["metadata"][key] for key in ("uid", "resourceVersion")}
    transitions = int((theirs.get("spec") or {}).get("leaseTransitions") or 0) + (_identity(theirs) != _identity(new))
    return new | {"metadata": new["metadata"] | version, "spec": new["spec"] | {"leaseTransitions": transitions}}


def renewed(lease: Object, now: datetime) -> Object:
    """Return the next version of our own Lease."""
    return lease | {"spec": lease["spec"] | {"renewTime": _micro_time(now)}}


def _version(lease: Object) -> tuple[Any, Any]:
    return lease["metadata"]["uid"], lease["metadata"]["resourceVersion"]


def _identity(lease: Object) -> str:
    return str((lease.get("spec") or {}).get("holderIdentity") or "")


def _micro_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Lease:
    """The namespace's Lease, which this process takes, renews and releases (`holding`).

    Args:
        cluster: the namespace; its Lease is renewed through the same connections, from another thread.
        holder: who we are.
        say: what the job says, also from that thread.
        duration: seconds without a renewal after which others take it; whole ones.
        renew_every: seconds between two renewals.
    """

    def __init__(
        self,
        cluster: OpenShift,
        holder: Holder,
        *,
        say: Callable[[str], None],
        duration: float = DURATION,
        renew_every: float = RENEW_EVERY,
    ) -> None:
        self._cluster, self._holder, self._say = cluster, holder, say
        self._name = f"Lease {LEASE} of namespace {cluster.namespace}"
        self._duration, self._renew_every = duration, renew_every
        origin = f"pipeline-{holder.pipeline}" if holder.pipeline else "terminal"
        # Of this process alone: by it a Lease is recognized as ours when the answer to its creation was lost.
        self._identity = f"{origin}/{holder.job}/{secrets.token_hex(8)}"
        self._observed: Observation | None = None
        self._away = Standing(AWAY)
        self._trouble: TryAgainError | None = None  # why the cluster did not answer at last
        self._may_be_ours = False
        self._written: Object = {}  # the last version that we know to be ours
        self._renewed_at = 0.0
        self._lost_to = ""
        self._ended = threading.Event()
        self._renewal = threading.Thread(target=self._keep_renewing, name="lease", daemon=True)

    @contextlib.contextmanager
    def holding(self, timeout: float) -> Iterator[Self]:
        """Wait ``timeout`` seconds for the Lease, hold it while the body runs, and release it however that ends.

        Raises:
            TryAgainError: it was not free in time, or the cluster is away.
            ForbiddenError: the token has no right on Leases.
        """
        try:
            self._acquire(timeout)
            yield self
        finally:
            with undisturbed():  # a job that is cancelled now has come to its end
                self._release()

    def require(self) -> None:
        """Go on only as the holder: to be called before each step that changes something. Makes no request.

        Raises:
            NotNowError: it could not be renewed in time, so that others may take it; a later renewal may find that
                nobody has.
            MaintenanceError: the Lease is lost; another job may be at work.
        """
        goes_on = "It goes on from what it finds."
        if self._lost_to:
            what = f"The {self._name} is lost: it is held by {self._lost_to}. This job changes nothing further."
            raise MaintenanceError(what, goes_on, run_again=True)
        if self._is_stale():
            late = f"was not renewed for {time.monotonic() - self._renewed_at:.0f} s, so that others may take it"
            raise NotNowError(f"The {self._name} {late}: nothing is changed now.", goes_on, run_again=True)

    def _acquire(self, timeout: float) -> None:
        subject, every = f"the {self._name}", min(LOOK_EVERY, self._renew_every)
        if not wait_for(self._attempt, timeout=timeout, say=self._say, subject=subject, every=every):
            raise self._trouble or self._not_free(timeout)
        self._renewal.start()

    def _release(self) -> None:
        """Stop renewing, and delete the Lease if it is ours. A failure is only said: how the job ended counts more."""
        self._ended.set()
        if self._renewal.is_alive():
            self._renewal.join(RENEWAL_END)
        if not self._may_be_ours:
            return
        try:
            self._delete()
        except MaintenanceError as error:
            self._say(
                f"{error.what} The Lease {LEASE} could not be released: others take it when it has not been renewed "
                f"for {self._duration:.0f} s."
            )

    def _attempt(self) -> bool | None:
        """Take the Lease if that may be; None to look again later, False when the cluster is away for too long."""
        try:
            taken = self._take()
        except TryAgainError as error:
            self._trouble = error
            if self._away.holds(True):
                return False
            raise
        self._trouble = None
        self._away.holds(False)
        return taken or None

    def _take(self) -> bool:
        if self._observed is None and self._create():
            return True
        live = self._cluster.get("leases", LEASE)
        if live is None:
            return self._create()
        before, now = self._observed, time.monotonic()
        self._observed = observe(before, live, now)
        self._may_be_ours = self._is_ours(live)
        needed = 0.0 if self._may_be_ours else patience(live)
        if now - self._observed.since >= needed:
            return self._take_over(live, needed)
        if before is None or _identity(before.lease) != _identity(live):
            self._say(f"the Lease {LEASE} is held by {describe(live)}; waiting until it is free")
        return False

    def _create(self) -> bool:
        return self._claim(partial(self._cluster.create, "leases", self._new()))

    def _take_over(self, theirs: Object, needed: float) -> bool:
        was_ours = self._may_be_ours
        taken = self._claim(partial(self._cluster.replace, "leases", taken_over(theirs, self._new())))
        if taken and not was_ours:
            self._say(f"took over the Lease {LEASE} of {describe(theirs)}: it was not renewed for {needed:.0f} s")
        return taken

    def _claim(self, send: Callable[[], Object]) -> bool:
        """Make the Lease ours by one request, and tell whether it is; another may take it in this very moment.

        It may be ours from then on, unless the request is refused, or does not get to the server. By an earlier one,
        whose answer was lost, it may be ours all the same.
        """
        began, before, self._may_be_ours = time.monotonic(), self._may_be_ours, True
        try:
            self._written = send()
        except MaintenanceError as error:
            if isinstance(error, NotReachedError) or not isinstance(error, TryAgainError):
                self._may_be_ours = before
            if isinstance(error, ConflictError):
                return False
            raise
        self._renewed_at = began
        return True

    def _keep_renewing(self) -> None:
        failing = False
        while not self._lost_to and not self._ended.wait(self._renew_every):
            try:
                self._renew()
                failing = False
            except (MaintenanceError, MemoryError) as error:  # a template may take the memory, for a moment
                if not failing:
                    what = getattr(error, "what", "There is no memory now.")
                    self._say(f"{what} The Lease {LEASE} could not be renewed; trying again.")
                failing = True

    def _renew(self) -> None:
        began = time.monotonic()
        try:
            version: Object | None = self._cluster.replace("leases", renewed(self._written, datetime.now(UTC)))
        except (TryAgainError, ForbiddenError):
            raise
        except MaintenanceError:  # it is not as we wrote it (409), or gone (404)
            version = self._renew_changed(self._cluster.get("leases", LEASE))
        if version:
            self._written, self._renewed_at = version, began

    def _renew_changed(self, live: Object | None) -> Object | None:
        """Renew a Lease that is not as we wrote it; None where that is not ours to do."""
        if self._ended.is_set():
            return None
        if live and self._is_ours(live):
            return self._cluster.replace("leases", renewed(live, datetime.now(UTC)))
        if live or self._is_stale():  # without a renewal others may have had it, and released it
            self._lost_to = describe(live) if live else "nobody any more"
            return None
        self._say(f"somebody deleted the Lease {LEASE}; it is created again")
        return self._cluster.create("leases", self._new())

    def _is_stale(self) -> bool:
        """Say whether others may take it soon: one renewal early, so that the step under way ends before they begin."""
        return time.monotonic() - self._renewed_at > self._duration - self._renew_every

    def _delete(self) -> None:
        with contextlib.suppress(ConflictError):  # renewed by a request whose answer was lost, or another's by now
            if written := self._written:
                self._cluster.delete("leases", written)
                return
        live = self._cluster.get("leases", LEASE)
        if live and self._is_ours(live):
            self._cluster.delete("leases", live)

    def _new(self) -> Object:
        return new_lease(self._holder, self._identity, duration=self._duration, now=datetime.now(UTC))

    def _is_ours(self, live: Object) -> bool:
        return _identity(live) == self._identity

    def _not_free(self, timeout: float) -> TryAgainError:
        who = f"is held by {describe(self._observed.lease)}" if self._observed else "was taken by others each time"
        return TryAgainError(
            f"The {self._name} {who}; it was not free within {timeout:.0f} s.",
            "When that job has ended, run this one again.",
        )

"""What several Routes of one job need alike: asked for once, or now and then, whichever of them needs it first."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from maintenance_ci.errors import ForbiddenError, MaintenanceError, TryAgainError
from maintenance_ci.names import PAGE, SERVICE_LABEL
from maintenance_ci.page.rollout import why_page_does_not_run
from maintenance_ci.plan.checks import ready_services
from maintenance_ci.plan.marks import by_name
from maintenance_ci.plan.rights import missing
from maintenance_ci.settings.types import DNS_LABEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from maintenance_ci.cluster.openshift import Object, OpenShift
    from maintenance_ci.plan.rights import Right

Value = TypeVar("Value")

# Routes up to which each is read by itself; more are read by one list.
FEW = 3
# Seconds for which a list is good while Routes are waited for; where reading it takes long, a multiple of that time.
GOOD_FOR = 0.4
REST = 3.0


class SharedReads:
    """Reads of one namespace, for a job about a ``number`` of Routes; threads may share it.

    Every method raises what the cluster raised, to each Route that asks.
    """

    def __init__(self, cluster: OpenShift, number: int = 1) -> None:
        self.cluster = cluster
        self._number = number
        self._lock = threading.Lock()
        self._reads: dict[object, Future[Any]] = {}
        self._may_look_everywhere = True

    def ready_page(self) -> set[str]:
        """Return the page's Service, where it has a ready endpoint."""
        return self._ready(f"{SERVICE_LABEL}={PAGE}")

    def ready(self, services: Iterable[str]) -> set[str]:
        """Return which of these Services, maybe among others, have a ready endpoint.

        Where many Routes ask, the EndpointSlices of the whole namespace, which may be thousands, are read, once.
        """
        # What is no name of a Service has no endpoints, and is refused as a label's value.
        named = sorted(name for name in services if DNS_LABEL.fullmatch(name))
        if not named:
            return set()
        return self._ready(f"{SERVICE_LABEL} in ({','.join(named)})" if self._number <= FEW else "")

    def _ready(self, selector: str) -> set[str]:
        return self._once(
            ("endpoints", selector), lambda: ready_services(self.cluster.select("endpointslices", selector))
        )

    def page_trouble(self) -> str:
        """Return why the page does not run, as far as the cluster tells."""
        return self._once("page trouble", lambda: why_page_does_not_run(self.cluster))

    def claims(self, host: str) -> list[Object] | None:
        """Return the Routes of all namespaces that claim ``host``; None where the token may not look beyond its own.

        A wildcard Route of another name in the same domain claims it too, where the router allows that: the server
        selects by equal hosts alone, so that one stays unseen.
        """
        if not self._may_look_everywhere:
            return None
        try:
            claims = partial(self.cluster.select, "routes", fields=f"spec.host={host}", everywhere=True)
            return self._once(("claims", host), claims)
        except ForbiddenError:
            self._may_look_everywhere = False
            return None

    def missing_rights(self, rights: Iterable[Right]) -> list[Right]:
        """Ask the server which of ``rights`` the token lacks: all in one request, then what that leaves open singly.

        The list of rules may be incomplete (an authorizer besides RBAC cannot list what it allows): it says only yes.
        """
        rules = self._once("rules", self._rules)
        return [one for one in missing(rights, rules) if not self._once(one, partial(self._is_allowed, one))]

    def _rules(self) -> Sequence[Mapping[str, Any]]:
        try:
            status = self.cluster.review("selfsubjectrulesreviews", {"namespace": self.cluster.namespace})
        except TryAgainError:
            raise
        except MaintenanceError:  # not served, or not to us: the single questions answer as well
            return ()
        return status.get("resourceRules") or ()

    def _is_allowed(self, right: Right) -> bool:
        resource, _, subresource = right.resource.partition("/")
        asked = {
            "namespace": self.cluster.namespace,
            "verb": right.verb,
            "group": right.group,
            "resource": resource,
            "subresource": subresource,
            "name": right.name,
        }
        spec = {"resourceAttributes": {key: value for key, value in asked.items() if value}}
        return bool(self.cluster.review("selfsubjectaccessreviews", spec).get("allowed"))

    def _once(self, key: object, read: Callable[[], Value]) -> Value:
        """Return what ``read`` returns, or raise what it raises; it is called for the first who asks by this key."""
        with self._lock:
            is_first = key not in self._reads
            future = self._reads.setdefault(key, Future())
        if is_first:
            try:
                future.set_result(read())
            except BaseException as error:  # noqa: BLE001 - raised below
                future.set_exception(error)
        return cast("Value", future.result())


class SharedLooks:
    """How the Routes of a namespace look now, for a ``number`` of waits at the same time."""

    def __init__(self, cluster: OpenShift, number: int = 1) -> None:
        self.cluster, self.number = cluster, number
        self._lock = threading.Lock()
        self._due = 0.0
        self._routes: dict[str, Object] = {}
        self._error: MaintenanceError | None = None

    def route(self, name: str) -> Object | None:
        """Return the Route as it is now, or was a moment ago; raises as `OpenShift.get`."""
        if self.number <= FEW:
            return self.cluster.get("routes", name)
        with self._lock:
            began = time.monotonic()
            if began >= self._due:
                self._read()
                now = time.monotonic()
                self._due = now + max(GOOD_FOR, REST * (now - began))
            if self._error:
                raise self._error
            return self._routes.get(name)

    def _read(self) -> None:
        try:
            self._routes, self._error = by_name(self.cluster.select("routes")), None
        except MaintenanceError as error:
            self._error = error

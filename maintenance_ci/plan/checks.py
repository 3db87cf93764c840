"""What must hold before users are switched: pure. Each function refuses with a `MaintenanceError`, or returns."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from maintenance_ci.errors import MaintenanceError, RefusedError, TryAgainError, UnsafeError, VariableError
from maintenance_ci.names import PAGE, PIPELINE_URL_ANNOTATION, SERVICE_LABEL
from maintenance_ci.plan.comparison import moved
from maintenance_ci.plan.marks import annotations_of, labels_of, pipeline_of, stands_for
from maintenance_ci.plan.observed import Phase
from maintenance_ci.plan.page_route import is_passthrough, weighted_services
from maintenance_ci.settings.force import Force

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from maintenance_ci.plan.observed import Observed

# Where the two Routes are that are compared.
RECREATED = ("in the re-created Route", "in its maintenance Route")


@contextlib.contextmanager
def gathering(refusals: list[MaintenanceError]) -> Iterator[None]:
    """Add the refusal that ends the body to ``refusals``, so that a person learns at once all that stands in the way.

    A server that is away, or a wrong variable, ends the job at once.
    """
    try:
        yield
    except (TryAgainError, VariableError):
        raise
    except RefusedError as error:
        refusals += error.errors
    except MaintenanceError as error:
        refusals.append(error)


def raise_any(errors: Sequence[MaintenanceError]) -> None:
    """Raise what was refused: the only refusal as it is, several as one `RefusedError`."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise RefusedError(list(errors))


def require_host(original: Mapping[str, Any]) -> None:
    """Refuse a Route whose host each router makes up (``spec.subdomain``): there is none to put into maintenance."""
    if not original["spec"].get("host"):
        name = original["metadata"]["name"]
        raise MaintenanceError(f"Route {name} has no host of its own.", "Write spec.host into it first.")


def require_standing(original: Mapping[str, Any]) -> None:
    """Refuse a Route that is being deleted: whoever deletes it would end up without it, and we with a dead copy."""
    metadata = original["metadata"]
    if metadata.get("deletionTimestamp"):
        raise MaintenanceError(
            f"Route {metadata['name']} is being deleted, since {metadata['deletionTimestamp']}.",
            "Wait until it is gone, or find out what holds it up: its metadata.finalizers.",
        )


def require_deletable(original: Mapping[str, Any]) -> None:
    """Refuse to swap a Route with finalizers: deleted, it would stay, and keep its host from the maintenance Route."""
    metadata = original["metadata"]
    if metadata.get("finalizers"):
        raise MaintenanceError(
            f"Route {metadata['name']} has finalizers ({', '.join(metadata['finalizers'])}): deleted, it would stay "
            "and keep its host until somebody takes them away.",
            "Use ROUTE_STRATEGY=repoint, which deletes nothing.",
        )


def require_ready_page(ready: Container[str], trouble: str = "") -> None:
    """Refuse to send users to a page that does not serve, with the ``trouble`` that the cluster tells of it."""
    if PAGE not in ready:
        reason = f" ({trouble})" if trouble else ""
        raise MaintenanceError(
            f"The maintenance page is not ready: Service {PAGE} has no ready endpoint{reason}.",
            "Run the job build-and-deploy first.",
        )


def require_ready_endpoints(route: Mapping[str, Any], ready: Container[str], *, force: Container[Force]) -> list[str]:
    """Refuse to bring back a Route none of whose Services has a ready endpoint; return what to say otherwise."""
    serving = [name for name, weight in weighted_services(route) if weight > 0]
    name, unready = route["metadata"]["name"], [service for service in serving if service not in ready]
    if serving and len(unready) < len(serving):
        return [f"Service {service} of Route {name} has no ready endpoint; the others serve" for service in unready]
    why = f"Service {', '.join(unready)} has no ready endpoint" if serving else "all its Services have the weight 0"
    if Force.ENDPOINTS not in force:
        raise UnsafeError(
            f"Users of Route {name} would be answered 503: {why}.",
            f"Start the application first; {Force.ENDPOINTS} brings the Route back anyway.",
        )
    return [f"forced, although users of Route {name} will be answered 503: {why}"]


def ready_services(endpoint_slices: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the names of the Services that have a ready endpoint."""
    return {
        labels_of(one).get(SERVICE_LABEL, "")
        for one in endpoint_slices
        for endpoint in one.get("endpoints") or []
        # The API's rule (EndpointConditions): a condition that is not there counts as true.
        if (endpoint.get("conditions") or {}).get("ready") is not False
    }


def require_host_unclaimed(route: Mapping[str, Any], claims: Iterable[Mapping[str, Any]] | None) -> list[str]:
    """Refuse to swap a Route whose host another namespace claims as well; return what to say otherwise.

    The moment the original is deleted, its host goes to the oldest Route that claims it (recorded), and with it to that
    one's namespace: whatever its path and however young, as long as it is older than the maintenance Route.

    ``claims`` are all Routes on its host; None where the token may not look for them.
    """
    return _require_unclaimed(
        route,
        claims,
        "Use ROUTE_STRATEGY=repoint, which never lets go of the host, or have it removed.",
        unseen="ROUTE_STRATEGY=repoint never lets go of it",
        forced=False,
    )


def require_host_returns(
    maintenance: Mapping[str, Any], claims: Iterable[Mapping[str, Any]] | None, *, force: Container[Force]
) -> list[str]:
    """Refuse to end a swap while another namespace claims the host; return what to say otherwise.

    As long as the maintenance Route is there the host is ours; when it goes, the oldest Route gets it, and the
    original, which was just created again, is the youngest.
    """
    return _require_unclaimed(
        maintenance,
        claims,
        f"Have it removed first; {Force.HOST} goes on anyway.",
        unseen="an administrator can look: oc get routes --all-namespaces",
        forced=Force.HOST in force,
    )


def _require_unclaimed(
    route: Mapping[str, Any], claims: Iterable[Mapping[str, Any]] | None, advice: str, *, unseen: str, forced: bool
) -> list[str]:
    host, namespace = str(route["spec"]["host"]), route["metadata"]["namespace"]
    if claims is None:
        # The same words for every Route: many of them are told in one line.
        unknown = "whether another namespace waits for the Route's host is unknown"
        return [f"{unknown}: the token may not list all namespaces' Routes. If one does, it takes the host; {unseen}."]
    foreign = [
        f"{claim['metadata']['namespace']}/{claim['metadata']['name']}"
        for claim in claims
        # DNS compares hosts without regard to case.
        if claim["metadata"]["namespace"] != namespace and (claim["spec"].get("host") or "").lower() == host.lower()
    ]
    if not foreign:
        return []
    claimed = f"{host} is also claimed by Route {', '.join(sorted(foreign))}"
    if not forced:
        raise UnsafeError(f"{claimed}, of another namespace, which would take it for good.", advice)
    return [f"forced, although {claimed}, of another namespace, which may take it for good"]


def require_original(route: Mapping[str, Any] | None) -> None:
    """Refuse a ROUTE_NAME that is itself the maintenance Route of another Route: it would be mirrored for ever."""
    if route and (owner := stands_for(route)) and owner != (name := route["metadata"]["name"]):
        raise MaintenanceError(f"Route {name} is the maintenance Route of {owner}.", f"Give ROUTE_NAME={owner}.")


def require_ours(there: Mapping[str, Any] | None, route_name: str, subpath: str | None = None) -> None:
    """Refuse to overwrite or delete an object with the name of one of ours that somebody else made.

    With ``subpath`` also our Route for another path, whose name has the same digits by chance.
    """
    if there is None:
        return
    name = there["metadata"]["name"]
    if stands_for(there) != route_name:
        raise MaintenanceError(
            f"{there.get('kind', 'Route')} {name} exists, but belongs to no maintenance of {route_name}.",
            "Whoever made it must rename or remove it.",
        )
    if subpath is not None and _place(there)[1] != subpath:
        raise MaintenanceError(
            f"Route {name} exists, and is the maintenance Route of another path, {_place(there)[1]}.",
            "End the maintenance of that path first: their names collide.",
        )


def require_trace(observed: Observed, *, force: Container[Force]) -> None:
    """Refuse to create a Route of which nothing says that it was ever there: a wrong PROJECT, or one long given up."""
    if observed.phase is Phase.UNKNOWN and Force.TRACE not in force:
        raise UnsafeError(
            f"Route {observed.route_name} does not exist, and nothing shows that it was in maintenance: "
            "there is no maintenance Route and no snapshot.",
            f"Check ROUTE_NAME and PROJECT; {Force.TRACE} creates it from its template.",
        )


def require_newest(annotated: Mapping[str, Any] | None, pipeline: str, *, force: Container[Force]) -> None:
    """Refuse to end, from an older pipeline, a maintenance that a newer one noted on its Route."""
    newer = pipeline_of(annotated)
    if annotated and pipeline and newer and newer > int(pipeline) and Force.PIPELINE not in force:
        name, where = annotated["metadata"]["name"], annotations_of(annotated).get(PIPELINE_URL_ANNOTATION, "")
        raise UnsafeError(
            f"{name} belongs to the newer pipeline {newer}: this pipeline, {pipeline}, must not end it.",
            f"Run the job delete there{f' ({where})' if where else ''}; {Force.PIPELINE} ends it from here.",
        )


def require_below(original: Mapping[str, Any], subpath: str) -> None:
    """Refuse a SUBPATH that the original does not serve."""
    _, path = _place(original)
    if not subpath.startswith(f"{path}/"):
        raise MaintenanceError(
            f"SUBPATH is not below {path}, the only path that Route {original['metadata']['name']} serves.",
            "Leave SUBPATH empty for the whole Route, or correct it.",
        )


def require_no_rival(manifest: Mapping[str, Any], routes: Iterable[Mapping[str, Any]], original_name: str) -> None:
    """Refuse where another Route of the namespace waits for the maintenance Route's place, and might take it."""
    known = (manifest["metadata"]["name"], original_name)
    host, path = _place(manifest)
    for route in routes:
        name = route["metadata"]["name"]
        if name not in known and _place(route) == (host, path):
            raise UnsafeError(
                f"Route {name} is on {host}{path} too, and would be served instead of the page.",
                f"Remove it, or give ROUTE_NAME={name}.",
            )


def require_secret(secret: Mapping[str, Any] | None, name: str, namespace: str, variable: str) -> None:
    """Refuse a build that would wait for a Secret, which a variable asks for, until it is given up."""
    if secret is None:
        raise MaintenanceError(
            f"{variable} needs the Secret {name}, which is not there.",
            f"Create it: oc create secret docker-registry {name} -n {namespace} …",
        )


def require_same_route(differences: Sequence[str], *, accepted: bool) -> None:
    """Refuse a template that brings back another Route than is there, unless that was ``accepted``."""
    if differences and not accepted:
        raise MaintenanceError(
            f"The original's template would bring back another Route: {'; '.join(differences)}.",
            "Correct the template, or accept its state with ACCEPT_ROUTE_DIFFERENCES=true.",
        )


def require_same_place(observed: Observed, *, accepted: bool) -> None:
    """Refuse to give up a maintenance Route for an original that somebody re-created elsewhere.

    Users of its old host would be answered 503; unless that was ``accepted``.
    """
    if not observed.original or not observed.whole_page_route:
        return
    faults = moved(observed.original, observed.whole_page_route, RECREATED)
    if faults and not accepted:
        raise UnsafeError(
            f"Route {observed.route_name} was re-created, but not where its maintenance is: {'; '.join(faults)}.",
            "Correct it; or, if it was moved on purpose, run the job delete with ACCEPT_ROUTE_DIFFERENCES=true: "
            f"it removes {observed.page_route_name}, and nobody serves the old place any more.",
        )


def require_no_passthrough(saved: Mapping[str, Any] | None) -> None:
    """Refuse a SUBPATH of a Route whose certificate its Pods have: when it is back, its router sees no path."""
    if saved and is_passthrough(saved["spec"].get("tls")):
        raise MaintenanceError(
            f"Route {saved['metadata']['name']} is passthrough outside of its maintenance: it has no paths.",
            "Leave SUBPATH empty.",
        )


def _place(route: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return host and path, as the router tells Routes apart."""
    return route["spec"].get("host"), (route["spec"].get("path") or "").rstrip("/")

"""All states of a maintenance that a plan is made for: each phase of each strategy, and what can come together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from maintenance_ci.names import notes, snapshot_name
from maintenance_ci.plan.observed import Observed, Phase, Reading
from maintenance_ci.plan.plans import plan_begin, plan_end
from maintenance_ci.plan.routes import Routes
from maintenance_ci.plan.snapshot import manifest_of, snapshot_of
from maintenance_ci.plan.steps import Plan
from maintenance_ci.plan.strategies import STRATEGIES, SUBPATH, SWAP
from maintenance_ci.rehearsal.apiserver.store import Object
from maintenance_ci.settings.variables import RouteSettings
from tests.tools.certificates import issued
from tests.tools.observations import (
    CART,
    exists,
    observed_in,
    original,
    page_route,
    restored_by_us,
    rewritten,
    settings,
    status,
)

DEPLOY, DELETE = "deploy-route", "delete"
JOBS = (DEPLOY, DELETE)


def _phases() -> Iterator[tuple[str, Observed]]:
    for strategy in STRATEGIES:
        for phase in Phase:
            if exists(phase, strategy):
                yield f"{strategy} {phase.name}", observed_in(phase, strategy)


def _with_routes(observed: Observed, *routes: Object) -> Observed:
    return replace(observed, routes=Routes(routes))


def _certified() -> Object:
    return original(tls={"termination": "edge", **issued(2025)})


def _path(*routes: Object, whole: bool = False) -> Observed:
    """A path of the Route; with ``whole``, the whole Route is in maintenance, too, and has its snapshot."""
    observed = _with_routes(observed_in(Phase.LIVE, SUBPATH), *routes)
    if not whole:
        return observed
    secret = snapshot_of(original(), notes("shop", SWAP, "41"))
    secret["metadata"] |= {"uid": f"uid-of-{snapshot_name('shop')}", "resourceVersion": "1"}
    return replace(observed, snapshot=Reading(secret), saved_original=manifest_of(original()))


STATES: dict[str, Observed] = {
    **dict(_phases()),
    "swap SHOWN without a snapshot": replace(observed_in(Phase.SHOWN, SWAP), snapshot=Reading(), saved_original=None),
    "swap RETURNING by our restore": _with_routes(
        observed_in(Phase.RETURNING, SWAP), restored_by_us(original()), page_route()
    ),
    "swap RETURNING without its certificate": _with_routes(
        observed_in(Phase.RETURNING, SWAP, live=_certified()),
        original() | {"status": status(admitted=False)},
        page_route(of=_certified()),
    ),
    "repoint SHOWN on half a swap": _with_routes(
        observed_in(Phase.SHOWN, "repoint"), rewritten("repoint"), page_route(admitted=False)
    ),
    "repoint SHOWN without a snapshot": replace(
        observed_in(Phase.SHOWN, "repoint"), snapshot=Reading(), saved_original=None
    ),
    "subpath LIVE under a swap": _path(page_route(), whole=True),
    "subpath SHOWN under a swap": _path(page_route(), page_route(CART), whole=True),
    "subpath LIVE under a repoint": _path(rewritten("repoint"), whole=True),
    "subpath SHOWN under a repoint": _path(rewritten("repoint"), page_route(CART), whole=True),
    "subpath SHOWN without the original": _path(page_route(CART)),
}


def settings_for(state: str) -> RouteSettings:
    """The variables of a pipeline that wants this strategy."""
    strategy = state.split()[0]
    return settings(**({"SUBPATH": CART} if strategy == SUBPATH else {"ROUTE_STRATEGY": strategy}))


def plan_of(job: str, state: str) -> Plan:
    """What the job does in that state."""
    make = plan_begin if job == DEPLOY else plan_end
    return make(settings_for(state), STATES[state])

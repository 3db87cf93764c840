"""What a job may observe: each phase of a maintenance, as the cluster has it, for plans that are made of it."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from maintenance_ci.names import PAGE, notes, snapshot_name
from maintenance_ci.plan.observed import Observed, Phase, Reading
from maintenance_ci.plan.page_route import maintenance_values
from maintenance_ci.plan.plans import plan_begin, plan_end
from maintenance_ci.plan.rights import Right, needed_rights
from maintenance_ci.plan.routes import Routes
from maintenance_ci.plan.snapshot import manifest_of, snapshot_of
from maintenance_ci.plan.strategies import STRATEGIES, SUBPATH
from maintenance_ci.rehearsal.apiserver.store import Object
from maintenance_ci.settings.variables import RouteSettings, read_settings

VARIABLES = {
    "OKD_URL": "https://api.example.test:6443",
    "OKD_TOKEN": "sha256~secret",
    "PROJECT": "web",
    "ROUTE_NAME": "shop",
    "CI_SERVER_URL": "https://gitlab.example.test",
    "CI_JOB_TOKEN": "job-token",
    "ROUTE_TEMPLATES_PROJECT": "ops/route-templates",
    "CI_PIPELINE_ID": "42",
}
CART = "/cart"


def settings(**variables: str) -> RouteSettings:
    """The pipeline's variables."""
    return read_settings(RouteSettings, VARIABLES | variables)


def status(*, admitted: bool) -> Object:
    condition = {"type": "Admitted", "status": str(admitted), "reason": "HostAlreadyClaimed", "message": "taken"}
    return {"ingress": [{"routerName": "default", "conditions": [condition]}]}


def original(*, admitted: bool = True, **spec: Any) -> Object:
    """The Route of the application, as the server has it."""
    to = {"kind": "Service", "name": "app", "weight": 100}
    return {
        "apiVersion": "route.openshift.io/v1",
        "kind": "Route",
        "metadata": {"name": "shop", "namespace": "web", "uid": "uid-of-shop", "resourceVersion": "1"},
        "spec": {"host": "shop.example.test", "to": to, "tls": {"termination": "edge"}} | spec,
        "status": status(admitted=admitted),
    }


def page_route(subpath: str | None = None, *, of: Object | None = None, admitted: bool = True) -> Object:
    """A maintenance Route, as the server has it."""
    values = maintenance_values(
        of or original(),
        route_name="shop",
        subpath=subpath,
        strategy="subpath" if subpath else "swap",
        announced_notes={"maintenance-ci/pipeline": "41"},
        certificate={"certificate": "c", "key": "k"},
    )
    return {
        "apiVersion": "route.openshift.io/v1",
        "kind": "Route",
        "metadata": {key: values[key] for key in ("name", "namespace", "labels", "annotations")}
        | {"uid": f"uid-of-{values['name']}", "resourceVersion": "1"},
        "spec": {
            "host": values["host"],
            "path": values["path"],
            "to": {"kind": "Service", "name": PAGE, "weight": 100},
            "tls": values["tls"],
        },
        "status": status(admitted=admitted),
    }


def rewritten(strategy: str, of: Object | None = None) -> Object:
    """The original as a strategy has rewritten it."""
    rewrite = STRATEGIES[strategy].rewrite
    assert rewrite
    return rewrite(of or original(), notes("shop", strategy, "41"), {"certificate": "c", "key": "k"})


def restored_by_us(route: Object) -> Object:
    """The original as a restore of ours has made it, that nobody serves yet."""
    applied = {"manager": "maintenance-ci", "operation": "Apply", "fieldsV1": {"f:spec": {"f:host": {}}}}
    metadata = {**route["metadata"], "managedFields": [applied]}
    return {**route, "metadata": metadata, "status": status(admitted=False)}


def routes_in(phase: Phase, strategy: str, live: Object) -> list[Object]:
    """The Routes of the namespace in that phase; a strategy that rewrites the original has no page's Route."""
    if strategy == SUBPATH:
        return [live, page_route(CART, of=live)] if phase is Phase.SHOWN else [live] if phase is Phase.LIVE else []
    rewrites = STRATEGIES[strategy].rewrite is not None
    match phase:
        case Phase.LIVE | Phase.LEFTOVER:
            return [live]
        case Phase.PREPARED:
            return [live, page_route(of=live, admitted=False)]
        case Phase.SHOWN:
            return [rewritten(strategy, live)] if rewrites else [page_route(of=live)]
        case Phase.DIVERTED:
            diverted = copy.deepcopy(rewritten(strategy, live))
            diverted["spec"]["to"]["name"] = "elsewhere"
            diverted["spec"].pop("alternateBackends", None)
            return [diverted]
        case Phase.RETURNING:
            return [{**live, "status": status(admitted=False)}, page_route(of=live)]
        case Phase.STRANDED:
            return [restored_by_us(live)]
    return []


def exists(phase: Phase, strategy: str) -> bool:
    """Whether a maintenance of that strategy can stand in that phase."""
    if strategy == SUBPATH:
        return phase in (Phase.LIVE, Phase.SHOWN, Phase.UNKNOWN)
    rewrites = STRATEGIES[strategy].rewrite is not None
    return phase not in ({Phase.PREPARED, Phase.RETURNING} if rewrites else {Phase.DIVERTED})


def observed_in(phase: Phase, strategy: str, *, live: Object | None = None, restored: Object | None = None) -> Observed:
    """What is observed of Route shop in that phase."""
    route = live or original()
    subpath = CART if strategy == SUBPATH else None
    observed = Observed("web", "shop", subpath, Routes(routes_in(phase, strategy, route)))
    shown = page_route(subpath, of=route)
    if STRATEGIES[strategy].rewrite:
        shown = rewritten(strategy, route)
    if subpath is None and phase not in (Phase.LIVE, Phase.UNKNOWN):
        secret = snapshot_of(route, notes("shop", strategy, "41"))
        secret["metadata"] |= {"uid": f"uid-of-{snapshot_name('shop')}", "resourceVersion": "1"}
        observed = replace(observed, snapshot=Reading(secret), saved_original=manifest_of(route))
    observed = replace(observed, wanted_page_route=Reading(shown), restored=Reading(restored or manifest_of(route)))
    assert observed.phase is phase, (observed.phase, phase, strategy)
    return observed


def needed(job: str, strategy: str, *, subpath: bool = False, original: Object | None = None) -> list[Right]:
    """What a job needs of a token when all stands as it usually does."""
    phase = Phase.LIVE if job == "deploy-route" else Phase.SHOWN
    observed = observed_in(phase, SUBPATH if subpath else strategy, live=original)
    given = settings(ROUTE_STRATEGY=strategy, **({"SUBPATH": CART} if subpath else {}))
    plan = plan_begin(given, observed) if job == "deploy-route" else plan_end(given, observed)
    return list(needed_rights(plan, observed))

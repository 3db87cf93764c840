"""Several Routes whose jobs run on a model of the cluster, and users who are looked for in it."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from maintenance_ci.log.log import JobLog
from maintenance_ci.log.route_log import RouteLog
from maintenance_ci.names import PAGE, notes, page_route_name, snapshot_name
from maintenance_ci.plan.observed import Observed, Reading
from maintenance_ci.plan.page_route import backend_services, maintenance_values
from maintenance_ci.plan.plans import plan_begin, plan_end
from maintenance_ci.plan.routes import Routes
from maintenance_ci.plan.snapshot import manifest_of
from maintenance_ci.plan.steps import Condition, Met, Side
from maintenance_ci.plan.strategies import STRATEGIES
from maintenance_ci.plan.verdicts import admitting_routers
from maintenance_ci.rehearsal.apiserver.store import Object
from maintenance_ci.run import wait
from maintenance_ci.run.execute import Run, begin_runs, execute
from maintenance_ci.run.targets import Planned
from maintenance_ci.run.undo import Undo
from tests.tools.cluster_model import ClusterModel
from tests.tools.observations import original, settings

FIRST = "shop-0"


def names(number: int) -> list[str]:
    return [f"shop-{one}" for one in range(number)]


def site(name: str) -> Object:
    route = original(host=f"{name}.example.test")
    return {**route, "metadata": {**route["metadata"], "name": name, "uid": f"uid-of-{name}"}}


def page_of(route: Object) -> Object:
    """The maintenance Route that a job would make."""
    name = route["metadata"]["name"]
    values = maintenance_values(
        route, route_name=name, subpath=None, strategy="swap", announced_notes={"maintenance-ci/pipeline": "42"}
    )
    metadata = {key: values[key] for key in ("name", "namespace", "labels", "annotations")}
    spec = {"host": values["host"], "to": {"kind": "Service", "name": PAGE}, "tls": values["tls"]}
    return {"apiVersion": "route.openshift.io/v1", "kind": "Route", "metadata": metadata, "spec": spec}


class Site:
    """Some Routes in one namespace, whose users are looked for in the model.

    Attributes:
        hindrances: by the name of a Route, what is done before its users are looked for, with the side that is wanted;
            it returns False where they do not meet it yet, or raises.
        patience: seconds after which a wait is given up, and the test fails.
    """

    def __init__(self, number: int, patch: pytest.MonkeyPatch) -> None:
        self.model = ClusterModel([site(name) for name in names(number)])
        self.log = JobLog(io.StringIO())
        self.hindrances: dict[str, Callable[[Side], bool]] = {}
        self.patience = 30.0
        self.before = self.model.content()
        watch = wait.watch

        def watch_model(given: Any, looks: Any, condition: Condition, log: RouteLog) -> Any:
            return Users(self, condition) if isinstance(condition, Met) else watch(given, looks, condition, log)

        patch.setattr(wait, "watch", watch_model)

    def runs(self, number: int, *, job: str = "deploy-route", **variables: str) -> list[Run]:
        """A plan for each Route, as a job makes it."""
        planned = []
        logs = self.log.of_routes(names(number))
        for name, log in zip(names(number), logs, strict=True):
            given = settings(ROUTE_NAME=name, **variables)
            observed = Observed("web", name, None, Routes(self.model.select("routes")))
            route = site(name)
            rewrite = STRATEGIES[given.route_strategy].rewrite
            shown = rewrite(route, notes(name, given.route_strategy, "42"), None) if rewrite else page_of(route)
            observed = replace(
                observed,
                wanted_page_route=Reading(shown),
                restored=Reading(manifest_of(route)),
                snapshot=Reading(self.model.get("secrets", snapshot_name(name))),
            )
            plan = plan_begin(given, observed) if job == "deploy-route" else plan_end(given, observed)
            planned.append(Planned(given, observed, log, plan))
        return begin_runs(planned, self.model.as_cluster())

    def execute(self, runs: Sequence[Run]) -> None:
        cluster = self.model.as_cluster()
        execute(cluster, runs, Undo(cluster), self.log)

    def shows_page(self, name: str) -> bool:
        """Whether users of that Route meet the page."""
        host = f"{name}.example.test"
        [served] = [
            one for one in self.model.select("routes") if one["spec"]["host"] == host and admitting_routers(one)
        ]
        return PAGE in backend_services(served)

    def shown(self, number: int) -> list[str]:
        return [name for name in names(number) if self.shows_page(name)]

    def is_rolled_back(self, name: str) -> bool:
        """Whether nothing of its switch is left."""
        left = [self.model.get("routes", page_route_name(name, None))]
        left.append(self.model.get("secrets", snapshot_name(name)))
        return left == [None, None] and self.model.content()["routes", name] == self.before["routes", name]


class Users:
    """Watches for users of one Route to meet a side."""

    every, outcome = 0.01, None

    def __init__(self, on: Site, condition: Met) -> None:
        self._on, self._side = on, condition.side
        self._name = condition.route["spec"]["host"].partition(".")[0]
        self._began = time.monotonic()

    def has_come(self) -> bool:
        if time.monotonic() - self._began > self._on.patience:
            raise AssertionError(f"users of {self._name} were waited for in vain")
        let_pass = self._on.hindrances.get(self._name, lambda _: True)(self._side)
        return let_pass and self._on.shows_page(self._name) == (self._side is Side.PAGE)

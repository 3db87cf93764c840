"""Whichever step a job was ended at: the commands that it tells, typed as they stand, restore the original."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from maintenance_ci.cluster.kubeconfig import write_kubeconfig
from maintenance_ci.cluster.openshift import OpenShift
from maintenance_ci.log.log import JobLog
from maintenance_ci.plan.describe import commands_to_end
from maintenance_ci.plan.observed import Observed, Reading
from maintenance_ci.plan.plans import plan_end
from maintenance_ci.plan.routes import Routes
from maintenance_ci.plan.steps import Admitted, Direction, Judged, Plan
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.run.changes import Changes
from maintenance_ci.run.observe import observe, observe_begin, observe_end, observe_snapshot
from maintenance_ci.run.patience import SharedPatience
from maintenance_ci.run.shared_reads import SharedLooks, SharedReads
from maintenance_ci.run.targets import Planned
from maintenance_ci.run.wait import Waiting, wait_for_all
from maintenance_ci.settings.variables import RouteSettings, read_settings
from tests.jobs.switches.by_hand import paste_all, texts_of
from tests.jobs.switches.scene import CART, WAYS, WHOLE, live
from tests.matrices.stage import Stage, changes
from tests.tools.outcomes import essence

PAGE_ROUTE = Path(__file__).parents[3] / "route-templates" / "maintenance-route.yaml.j2"
# The steps of each plan to the last one that moves users: what is told after that only forgets.
STEPS = {
    ("deploy-route", "swap"): 3,
    ("deploy-route", "repoint"): 2,
    ("deploy-route", "path"): 1,
    ("delete", "swap"): 2,
    ("delete", "repoint"): 1,
    ("delete", "path"): 1,
}
QUICK = ("deploy-route", "swap", 2)
CASES = [
    pytest.param(job, way, made, marks=() if (job, way, made) == QUICK else pytest.mark.slow)
    for (job, way), steps in STEPS.items()
    for made in range(0 if job == "delete" else 1, steps + 1)
]


@dataclass
class Begun:
    """A job that was ended after some of its steps."""

    cluster: OpenShift
    settings: RouteSettings
    observed: Observed
    plan: Plan

    def make(self, number: int) -> None:
        """Make so many steps, as the job does, each when the routers have followed the one before."""
        [log] = JobLog(io.StringIO()).of_routes(["shop"])
        planned = Planned(self.settings, self.observed, log, self.plan)
        changes = Changes(planned, self.cluster, SharedPatience())
        make = changes.make if self.plan.direction is Direction.BEGIN else changes.insist_once
        for step in self.plan.steps[:number]:
            make(step.change)
            by_routers = [one for one in step.until if isinstance(one, (Judged, Admitted))]
            for wait in wait_for_all([Waiting(planned, SharedLooks(self.cluster), by_routers)]):
                assert wait.error is None, wait.error


@contextlib.contextmanager
def begun(on: Stage, job: str, way: str, folder: Path) -> Iterator[Begun]:
    """Look as the job does, and plan."""
    inside = on.cluster.inside
    settings = read_settings(RouteSettings, dict(on.cluster.workplace(WAYS[way]).environment))
    private = folder / "job"
    private.mkdir()
    kubeconfig = write_kubeconfig(
        private, url=inside.server.url, token=inside.token, namespace=manifests.NAMESPACE, ca=inside.ca_file.read_text()
    )
    with contextlib.closing(OpenShift(str(kubeconfig), manifests.NAMESPACE)) as cluster:
        observed, reads = observe(settings, Routes(cluster.select("routes"))), SharedReads(cluster)
        if job == "deploy-route":
            observed, plan = observe_begin(reads, None, PAGE_ROUTE.read_text(), settings, observed)
        else:
            observed = observe_snapshot(settings, cluster, observed)
            observed, _ = observe_end(reads, None, settings, observed)
            observed = replace(observed, restored=Reading(observed.saved_original))
            plan = plan_end(settings, observed)
        yield Begun(cluster, settings, observed, plan)


def wait_for_application(on: Stage) -> None:
    """Wait until users reach the application, as the commands say."""
    deadline = time.monotonic() + 60
    while on.crowd.served_by("/", CART) != {"application"}:
        assert time.monotonic() < deadline, "users do not reach the application"


@pytest.mark.parametrize(("job", "way", "made"), CASES)
def test_the_commands_restore_the_original_at_each_step(
    on: Stage, job: str, way: str, made: int, tmp_path: Path
) -> None:
    before = live(on)
    if job == "delete":
        on.ok("deploy-route", WAYS[way])
    with begun(on, job, way, tmp_path) as it:
        assert len(it.plan.switching) == STEPS[job, way]
        kept = it.observed.saved_original is not None or job == "deploy-route"
        it.make(made)
        at_once, later = texts_of(commands_to_end(it.plan, it.observed, snapshot=kept))
    paste_all(on, [at_once], tmp_path)
    wait_for_application(on)
    paste_all(on, [later], tmp_path)
    assert essence(live(on)) == essence(before)
    assert on.differs() == []


@pytest.mark.slow
def test_a_command_that_is_left_out_is_noticed(on: Stage, tmp_path: Path) -> None:
    on.ok("deploy-route", WAYS["swap"])
    with begun(on, "delete", "swap", tmp_path) as it:
        commands = commands_to_end(it.plan, it.observed, snapshot=True)
    restore, remove, forget = commands
    paste_all(on, texts_of([restore.removesuffix("&&"), forget]), tmp_path)
    assert changes(on.before, on.picture()) == [f"routes/{WHOLE} is left"]
    paste_all(on, [remove], tmp_path)
    wait_for_application(on)
